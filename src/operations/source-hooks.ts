// The programs that a source names to be run around its reading, in their order:
//
//   BEFORE, the reading, AFTER as soon as all has been read (the upload goes on beside it), and ON_ERROR if
//   one of them failed. Whatever happens once BEFORE was begun, AFTER is run: at once, or, when this process
//   was killed, first of all by the next run (hook-records.ts).

import { failureOf, messageOf, SpillwayError } from '../domain/errors.ts'
import { formatSeconds } from '../domain/sizes.ts'
import type { ArchiveRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Hook, Source } from '../domain/source.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { RunProgram } from '../sources/run-program.ts'
import { requireHooks } from '../sources/child-program.ts'
import { HookRecords } from './hook-records.ts'
import type { HookFacts, HookRecord } from './hook-records.ts'

export type HookServices = {
  readonly config: Pick<Config, 'dataDir' | 'serverId' | 'sources'>
  readonly runId: string
  readonly runProgram: RunProgram
  /** How long AFTER may go on when the run is interrupted. */
  readonly afterInterruptMs: number
  readonly emit: (event: RunEvent) => void
}

// systemd gives a run that it stops two minutes (TimeoutStopSec), of which the servers get some seconds.
export const AFTER_INTERRUPT_MS = 60_000

type HookName = 'BEFORE' | 'AFTER' | 'ON_ERROR'
type Phase = 'before' | 'reading' | 'after'

export type ReadingFailure = {
  readonly error: unknown
  /** Not for a reason of the source, which is read again: the server failed to which it went, or room was short. */
  readonly isPassing?: boolean
}

export class SourceHooks {
  /** What went wrong besides the reading, in the order in which it did. */
  readonly problems: SpillwayError[] = []
  readonly #services: HookServices
  readonly #source: Source
  readonly #records: HookRecords
  #facts: HookFacts = {}
  #phase: Phase = 'reading'
  #archiveId = ''
  /** AFTER is to be run, and this says so. */
  #record: string | undefined

  constructor(services: HookServices, source: Source) {
    this.#services = services
    this.#source = source
    this.#records = new HookRecords(services.config.dataDir)
  }

  /** What the programs are told. To be called first, and before each time that the source is read. */
  begin(archive: Pick<ArchiveRow, 'id' | 'file' | 'startedAt'>): void {
    const { config, runId } = this.#services
    this.#facts = factsOf(this.#source, archive, { runId, host: config.serverId })
    this.#archiveId = archive.id
    this.#phase = 'reading'
  }

  /** Runs BEFORE. Rejects with SOURCE_HOOK_FAILED or INTERRUPTED: nothing may be read then. */
  async open(signal: AbortSignal): Promise<void> {
    const { hooks, name } = this.#source
    if (hooks === undefined) return
    this.#phase = 'before'
    // What cannot be undone is not begun.
    requireHooks(this.#source)
    if (signal.aborted)
      throw new SpillwayError('INTERRUPTED', `${name} was interrupted before it was begun`)
    if (hooks.after !== undefined) {
      const since = new Date().toISOString()
      const record = { source: name, since, facts: this.#facts }
      this.#record = await this.#records.add(record, this.#archiveId)
    }
    await this.#run('BEFORE', {}, { signal, afterInterruptMs: 0 })
    this.#phase = 'reading'
  }

  /**
   * Runs AFTER, and ON_ERROR where something failed; what goes wrong here is added to `problems`.
   * `failure`: why there is no archive; undefined: all has been read.
   */
  async close(failure: ReadingFailure | undefined, signal: AbortSignal): Promise<void> {
    const outcome = failure === undefined ? 'packed' : signal.aborted ? 'interrupted' : 'failed'
    let failed: ReadingFailure | undefined = failure
    if (this.#record !== undefined) {
      const problem = await this.#closeOnce(outcome, this.#record, signal)
      if (problem !== undefined && failed === undefined) {
        this.#phase = 'after'
        failed = { error: problem }
      }
    }
    // Whoever interrupts a run knows.
    const isSettled = failure?.isPassing === true && this.problems.length === 0
    if (failed === undefined || isSettled || signal.aborted) return
    if (this.#source.hooks?.onError === undefined) return
    const facts = {
      SPILLWAY_OUTCOME: 'failed',
      SPILLWAY_ERROR_KIND: this.#phase,
      SPILLWAY_ERROR_CODE: failed.error instanceof SpillwayError ? failed.error.code : 'BUG',
      SPILLWAY_ERROR: variableOf(messageOf(failed.error)),
    }
    await this.#run('ON_ERROR', facts, { signal, afterInterruptMs: 0 }).catch((error: unknown) =>
      this.#note(error),
    )
  }

  /** Of a run that was killed: runs AFTER with the facts of that time. Rejects with SOURCE_HOOK_FAILED. */
  async recover({ facts, path }: HookRecord, signal: AbortSignal): Promise<void> {
    this.#facts = facts
    const problem = await this.#closeOnce('recovered', path, signal)
    if (problem !== undefined) throw problem
  }

  async #closeOnce(
    outcome: string,
    record: string,
    signal: AbortSignal,
  ): Promise<SpillwayError | undefined> {
    this.#record = undefined
    const { afterInterruptMs } = this.#services
    try {
      await this.#run('AFTER', { SPILLWAY_OUTCOME: outcome }, { signal, afterInterruptMs })
      // Only now: an AFTER that failed has left something to undo, so the next run begins with it.
      await this.#records.remove(record)
      return undefined
    } catch (error) {
      return this.#note(error)
    }
  }

  #note(error: unknown): SpillwayError {
    if (!(error instanceof SpillwayError)) throw error
    this.problems.push(error)
    return error
  }

  async #run(
    hook: HookName,
    facts: HookFacts,
    { signal, afterInterruptMs }: { signal: AbortSignal; afterInterruptMs: number },
  ): Promise<void> {
    const program = this.#programOf(hook)
    if (program === undefined) return
    const { emit, runProgram } = this.#services
    const variable = this.#variableOf(hook)
    const tell = (message: string): void =>
      emit({ kind: 'note', about: this.#source.name, message: `${variable} ${message}` })
    const told = { ...this.#facts, ...facts, SPILLWAY_HOOK: hook.toLowerCase().replace('_', '-') }
    const environment = { ...program.environment, ...told }
    const timeoutMs = this.#source.hooks!.timeoutMs
    const begun = performance.now()
    tell(`begins: ${program.text}`)
    try {
      await runProgram({ ...program, environment }, { timeoutMs, afterInterruptMs }, signal)
    } catch (error) {
      throw this.#failed(hook, error)
    }
    tell(`ended well in ${formatSeconds((performance.now() - begun) / 1_000)}`)
  }

  #programOf(hook: HookName): Hook | undefined {
    const { hooks } = this.#source
    return { BEFORE: hooks?.before, AFTER: hooks?.after, ON_ERROR: hooks?.onError }[hook]
  }

  #variableOf(hook: HookName): string {
    return `SOURCE_${this.#source.number}_${hook}`
  }

  #failed(hook: HookName, error: unknown): unknown {
    if (failureOf(error).exit === 130 || !(error instanceof SpillwayError)) return error
    const meaning = {
      BEFORE: 'nothing was read',
      AFTER: 'what BEFORE did may not be undone, and the next run begins with that',
      ON_ERROR: 'nobody may have been told',
    }[hook]
    const what = `${this.#variableOf(hook)} failed (${meaning}): ${error.message}`
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    return new SpillwayError('SOURCE_HOOK_FAILED', what, { cause: error, ...hint })
  }
}

/** Runs every AFTER that a killed run did not come to. Resolves with what it did, and what is wrong. */
export async function recoverHooks(
  services: HookServices,
  signal: AbortSignal,
): Promise<{
  readonly done: readonly string[]
  readonly failed: readonly { readonly source: string; readonly error: SpillwayError }[]
  readonly problems: readonly SpillwayError[]
}> {
  const { records, problems } = await new HookRecords(services.config.dataDir).all()
  const done: string[] = []
  const failed: { source: string; error: SpillwayError }[] = []
  const wrong = [...problems]
  for (const record of records) {
    const source = services.config.sources.find(({ name }) => name === record.source)
    if (source?.hooks?.after === undefined) {
      wrong.push(nobodysRecord(record))
      continue
    }
    const { emit } = services
    const since = `BEFORE of ${record.source} was begun at ${record.since}`
    emit({ kind: 'note', about: undefined, message: `${since}, and its AFTER never ended well` })
    try {
      await new SourceHooks(services, source).recover(record, signal)
      done.push(`${since} by a run that did not end, or whose AFTER failed; its AFTER was run now`)
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error
      failed.push({ source: source.name, error })
    }
  }
  return { done, failed, problems: wrong }
}

function nobodysRecord({ path, since, source }: HookRecord): SpillwayError {
  const what =
    `BEFORE of ${source} was begun at ${since}, and the settings do not name its AFTER any more: ` +
    `undo by hand what it did, and remove ${path}`
  return new SpillwayError('SOURCE_HOOK_FAILED', what)
}

function factsOf(
  source: Source,
  archive: Pick<ArchiveRow, 'id' | 'file' | 'startedAt'>,
  run: { readonly runId: string; readonly host: string },
): HookFacts {
  return {
    SPILLWAY_SOURCE: source.name,
    SPILLWAY_SOURCE_NUMBER: String(source.number),
    SPILLWAY_SOURCE_KIND: source.kind,
    ...(source.kind === 'folder' ? { SPILLWAY_SOURCE_PATH: source.path } : {}),
    SPILLWAY_ARCHIVE_ID: archive.id,
    SPILLWAY_ARCHIVE_FILE: archive.file,
    SPILLWAY_STARTED_AT: archive.startedAt.toISOString(),
    SPILLWAY_RUN_ID: run.runId,
    SPILLWAY_SERVER_ID: run.host,
  }
}

// A variable and what it is printed with have room for more, but nobody reads it.
const VARIABLE_CHARACTERS_MAX = 2_000

/** A variable holds no NUL, and a script that mails it wants one line. */
function variableOf(text: string): string {
  // eslint-disable-next-line no-control-regex -- they are what is taken out
  return text.replace(/[\s\x00-\x1f\x7f]+/g, ' ').slice(0, VARIABLE_CHARACTERS_MAX)
}
