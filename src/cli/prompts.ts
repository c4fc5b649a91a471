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
    /** What is there already: edited in its place. */
    readonly initial?: string
    /** Taken by Enter, and replaced by whatever is typed; Tab makes it editable. */
    readonly suggestion?: string
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

/** Asks; Escape in any of the questions ends it with `otherwise`. */
export async function orBack<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof GoBack) return otherwise
    throw error
  }
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
  readonly prompt: { readonly prompts: PromptFunctions }
  readonly Separator: new () => object
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
      ask(async ({ prompt, Separator }, context) => {
        const choices = question.choices.map((choice) =>
          choice === 'line' ? new Separator() : choice,
        )
        const initial = question.initial === undefined ? {} : { default: question.initial }
        // As many lines as fit a terminal of 24 beside the question, its description and help.
        const config = { message: question.message, choices, pageSize: 18, loop: false }
        // The chosen value is one of those that were passed in.
        return (await prompt.prompts.select({ ...config, ...initial }, context)) as never
      }),
    ask: ({ message, initial = '', suggestion = '', check }) =>
      ask(({ prompt }, context) =>
        prompt.prompts.input(
          {
            message,
            default: initial || suggestion,
            prefill: initial === '' ? 'tab' : 'editable',
            validate: (text: string) => check?.(text.trim()) ?? true,
          },
          context,
        ),
      ).then((text) => text.trim()),
    askSecret: ({ message, check }) =>
      ask(({ prompt }, context) =>
        prompt.prompts.password(
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
      ask(({ prompt }, context) => prompt.prompts.confirm({ message, default: initial }, context)),
  }
}

async function loadInquirer(): Promise<Inquirer> {
  const loaded = (await import('inquirer')) as unknown as { readonly default: Inquirer }
  return loaded.default
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
  input: AsyncIterable<Uint8Array> = process.stdin,
): () => Promise<string | undefined> {
  const source = input[Symbol.asyncIterator]()
  // A character may be cut in two between reads.
  const decoder = new TextDecoder()
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
      const next: IteratorResult<Uint8Array, unknown> = await source.next()
      if (next.done === true) isOver = true
      else pending += decoder.decode(next.value, { stream: true })
    }
  }
}

/** Whether somebody sits there to answer. */
export function canAsk(isOutputTerminal: boolean): boolean {
  return isOutputTerminal && process.stdin.isTTY
}
