// Questions on a terminal; sole importer of inquirer, which is loaded with the first question.
//
// Three ways out of every question: an answer; Escape, which rejects with GoBack; Ctrl-C, Ctrl-D, a
// closed terminal or the signal, which reject with INTERRUPTED. Nothing is ever left waiting.

import { SpillwayError } from '../domain/errors.ts'

export type Choice<T> = {
  readonly name: string
  readonly value: T
  /** Shown below the list while the choice is the current one. */
  readonly description?: string
}

export type Prompts = {
  /** 'line' is a line between choices. */
  choose<T>(question: {
    readonly message: string
    readonly choices: readonly (Choice<T> | 'line')[]
    readonly initial?: T
  }): Promise<T>
  /** `check` returns what is wrong with the answer. */
  ask(question: {
    readonly message: string
    readonly initial?: string
    readonly check?: (text: string) => string | undefined
  }): Promise<string>
  /** Not shown while it is typed or pasted. */
  askSecret(question: {
    readonly message: string
    readonly check?: (text: string) => string | undefined
  }): Promise<string>
  confirm(question: { readonly message: string; readonly initial: boolean }): Promise<boolean>
}

/** Escape: back to the screen before. */
export class GoBack extends Error {
  override readonly name = 'GoBack'
}

type Context = { readonly signal: AbortSignal; readonly clearPromptOnDone?: boolean }

/** What we use of inquirer's prompts; its own types say `any`. */
type PromptFunctions = {
  readonly select: (config: object, context: Context) => Promise<unknown>
  readonly input: (config: object, context: Context) => Promise<string>
  readonly password: (config: object, context: Context) => Promise<string>
  readonly confirm: (config: object, context: Context) => Promise<boolean>
}

type Inquirer = {
  readonly functions: PromptFunctions
  readonly separator: () => object
}

/** What we use of `process.stdin`. */
type KeySource = {
  on(event: 'keypress' | 'end', listener: (text: unknown, key?: Key) => void): unknown
  off(event: 'keypress' | 'end', listener: (text: unknown, key?: Key) => void): unknown
}

type Key = { readonly name?: string; readonly ctrl?: boolean }

export function createPrompts(signal: AbortSignal, keys: KeySource = process.stdin): Prompts {
  let loading: Promise<Inquirer> | undefined
  const ask = async <T>(show: (tools: Inquirer, context: Context) => Promise<T>): Promise<T> => {
    const tools = await (loading ??= loadInquirer())
    return answered(signal, keys, (context) => show(tools, context))
  }
  return {
    choose: (question) =>
      ask(async ({ functions, separator }, context) => {
        const choices = question.choices.map((choice) =>
          choice === 'line' ? separator() : choice,
        )
        const initial = question.initial === undefined ? {} : { default: question.initial }
        // As many lines as fit a terminal of 24 beside the question, its description and help.
        const config = { message: question.message, choices, pageSize: 18, loop: false }
        // The chosen value is one of those that were passed in.
        return (await functions.select({ ...config, ...initial }, context)) as never
      }),
    ask: ({ message, initial = '', check }) =>
      ask(({ functions }, context) =>
        functions.input(
          {
            message,
            default: initial,
            prefill: 'editable',
            validate: (text: string) => check?.(text.trim()) ?? true,
          },
          context,
        ),
      ).then((text) => text.trim()),
    askSecret: ({ message, check }) =>
      ask(({ functions }, context) =>
        functions.password(
          {
            message,
            mask: false,
            toggleMask: false,
            validate: (text: string) => check?.(text.trim()) ?? true,
          },
          context,
        ),
      ).then((text) => text.trim()),
    confirm: ({ message, initial }) =>
      ask(({ functions }, context) => functions.confirm({ message, default: initial }, context)),
  }
}

async function loadInquirer(): Promise<Inquirer> {
  const { default: inquirer } = await import('inquirer')
  return {
    functions: inquirer.prompt.prompts as unknown as PromptFunctions,
    separator: () => new inquirer.Separator(),
  }
}

async function answered<T>(
  signal: AbortSignal,
  keys: KeySource,
  show: (context: Context) => Promise<T>,
): Promise<T> {
  const leaving = new AbortController()
  let isBack = false
  const onKey = (_text: unknown, key?: Key) => {
    isBack = key?.name === 'escape'
    if (isBack || (key?.ctrl === true && key.name === 'd')) leaving.abort()
  }
  const onEnd = () => leaving.abort()
  keys.on('keypress', onKey)
  keys.on('end', onEnd)
  try {
    return await show({ signal: AbortSignal.any([signal, leaving.signal]) })
  } catch (error) {
    if (leaving.signal.aborted && isBack) throw new GoBack()
    const name = error instanceof Error ? error.name : ''
    if (name !== 'ExitPromptError' && name !== 'AbortPromptError') throw error
    throw new SpillwayError('INTERRUPTED', 'interrupted', { cause: error })
  } finally {
    keys.off('keypress', onKey)
    keys.off('end', onEnd)
  }
}

/** Lines of standard input, one at a time; undefined after the last. */
export function inputLines(
  input: AsyncIterable<Buffer | string> = process.stdin,
): () => Promise<string | undefined> {
  const source = input[Symbol.asyncIterator]()
  let pending = ''
  let isOver = false
  return async () => {
    for (;;) {
      const end = pending.indexOf('\n')
      if (end >= 0) {
        const line = pending.slice(0, end).replace(/\r$/, '')
        pending = pending.slice(end + 1)
        return line
      }
      if (isOver) {
        const last = pending
        pending = ''
        return last === '' ? undefined : last
      }
      const { value, done } = await source.next()
      if (done === true) isOver = true
      else pending += value.toString()
    }
  }
}

/** Whether somebody sits there to answer. */
export function canAsk(isOutputTerminal: boolean): boolean {
  return isOutputTerminal && process.stdin.isTTY
}
