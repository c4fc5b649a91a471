// Answers of the wizard's questions from a script: every answer is found by the words of its choice or given as
// text, so that a menu that changes makes the script stop with the menu shown.

import { GoBack } from '../../src/cli/prompts.ts'
import type { Prompts } from '../../src/cli/prompts.ts'
import { SpillwayError } from '../../src/domain/errors.ts'

export const BACK: unique symbol = Symbol('Escape')
export const CTRL_C: unique symbol = Symbol('Ctrl-C')
export type Answer = string | boolean | typeof BACK | typeof CTRL_C

export type Question = { message: string; initial?: string; suggestion?: string }
export type Seen = { lines: string[]; asked: Question[]; refused: string[] }

export function scripted(plan: Answer[], { lines, asked, refused }: Seen): Prompts {
  const next = (message: string): Answer => {
    const answer = plan.shift()
    if (answer === undefined) throw new Error(`no answer for: ${message}\n${lines.join('\n')}`)
    if (answer === BACK) throw new GoBack()
    if (answer === CTRL_C) throw new SpillwayError('INTERRUPTED', 'interrupted')
    return answer
  }
  // What the terminal does: an empty line takes what is offered; what is refused is asked again.
  const text = (question: Parameters<Prompts['ask']>[0]): string => {
    asked.push(question)
    lines.push(question.message)
    for (;;) {
      const answer = next(question.message)
      if (typeof answer !== 'string') throw new Error(`${question.message} wants a text`)
      const given = answer === '' ? (question.initial ?? question.suggestion ?? '') : answer
      const wrong = question.check?.(given)
      if (wrong === undefined) return given
      refused.push(wrong)
    }
  }
  return {
    choose: async ({ message, choices }) => {
      const names = choices.map((choice) => (choice === 'line' ? '--' : choice.name))
      lines.push(message, ...names)
      const answer = next(message)
      const found = choices.filter(
        (choice) => choice !== 'line' && new RegExp(String(answer)).test(choice.name),
      )
      const chosen = found[0]
      if (chosen === undefined || chosen === 'line')
        throw new Error(`no choice "${String(answer)}" in: ${message}\n${names.join('\n')}`)
      return chosen.value
    },
    ask: async (question) => text(question),
    askSecret: async (question) => text(question),
    confirm: async ({ message }) => {
      const answer = next(message)
      if (typeof answer !== 'boolean') throw new Error(`${message} wants yes or no`)
      return answer
    },
  }
}
