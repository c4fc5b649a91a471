// psql, asked or fed by a restore: what it may do by itself, how long its answer may take, and what counts after
// an interruption.

import { randomBytes } from 'node:crypto'
import type { Program } from '../domain/source.ts'
import { answerOf } from './child-answer.ts'
import { feedProgram } from './child-feed.ts'
import type { ReadDump } from './child-feed.ts'
import type { OutputContext } from './output.ts'
import { QUIET } from './postgres-server.ts'
import type { PostgresTools } from './postgres-server.ts'
import { restoreExplained } from './restore-failed.ts'

// Creating a database copies a template of 8 MB; more is a server that does not answer.
const ANSWER_MS = 120_000
// To drop one takes a checkpoint, and as many files as there are tables: what the server says counts, and no
// clock. The longest that a timer can wait, 24 days.
const DROP_MS = 2 ** 31 - 1
// After an interruption somebody waits for us to end.
const CLEAN_UP_MS = 10_000

// How psql and the server read what follows: as `sqlStatements` does, whatever the server is set to; and no name
// in it means what somebody has put into that database.
const SCRIPT_BEGIN = [
  "SET client_encoding = 'UTF8';",
  'SET standard_conforming_strings = on;',
  'SET search_path = pg_catalog;\n',
].join('\n')

/** Every failure is RESTORE_FAILED, or INTERRUPTED. */
export class Psql {
  readonly #tools: PostgresTools
  readonly #context: OutputContext
  readonly #label: string
  #restricts: boolean | undefined

  constructor(tools: PostgresTools, context: OutputContext, label: string) {
    this.#tools = tools
    this.#context = context
    this.#label = label
  }

  async script(
    database: string,
    script: string,
    subject: string,
    when?: 'afterwards',
  ): Promise<void> {
    const program = this.#tools.program('psql', database, [
      ...QUIET,
      // The server's words alone: a line of the script may hold the hash of a password.
      ...['--set=VERBOSITY=terse', '--single-transaction', '--file=-'],
    ])
    this.#restricts ??= await explaining(subject, knowsRestrict(program, this.#context))
    const text = this.#restricts ? restricted(SCRIPT_BEGIN + script) : SCRIPT_BEGIN + script
    const read: ReadDump = (write) => write(Buffer.from(text))
    const signal = when === undefined ? this.#context.signal : new AbortController().signal
    const feeding = feedProgram(program, read, { folder: this.#context.folder, signal })
    await explaining(subject, feeding)
  }

  async ask(database: string, sql: string, when?: 'afterwards' | 'drop'): Promise<string> {
    const program = this.#tools.question(database, sql)
    const timeoutMs = when === 'drop' ? DROP_MS : ANSWER_MS
    const late = when === undefined ? undefined : abortedLater(this.#context.signal, CLEAN_UP_MS)
    const signal = late?.signal ?? this.#context.signal
    try {
      const work = answerOf(program, { ...this.#context, signal, timeoutMs })
      return await explaining(this.#label, work)
    } finally {
      late?.forget()
    }
  }
}

/** What psql or pg_restore did, in words of the restore. */
export async function explaining<Result>(subject: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw restoreExplained('postgres', subject, error)
  }
}

/** A signal that comes some time after the other one. */
function abortedLater(
  signal: AbortSignal,
  afterMs: number,
): { readonly signal: AbortSignal; readonly forget: () => void } {
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => late.abort(), afterMs)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  const forget = (): void => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  return { signal: late.signal, forget }
}

/** Whether this psql can be told to run no commands of its own. Newer minor versions can (CVE-2025-8714). */
async function knowsRestrict(psql: Program, context: OutputContext): Promise<boolean> {
  const argv = [psql.argv[0], '--help=commands'] as const
  return (await answerOf({ ...psql, argv }, { ...context, timeoutMs: ANSWER_MS })).includes(
    '\\restrict',
  )
}

/** Only who knows the key ends that. */
function restricted(script: string): string {
  const key = randomBytes(16).toString('hex')
  return `\\restrict ${key}\n${script}\\unrestrict ${key}\n`
}
