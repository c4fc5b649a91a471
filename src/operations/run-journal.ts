// Keeps what a run tells, for those who ask for it later: DATA_DIR/state.sqlite. The run is written down as soon
// as it has the lock, and its end when that is known, so a run that was killed is seen for what it is. Nothing in
// here can fail an archive: what could not be kept is a warning of the run.

import { boundedReport } from './notify-document.ts'
import { chosenNames } from './chosen-sources.ts'
import { countsOf } from '../domain/kept-run.ts'
import { failureOf, messageOf } from '../domain/errors.ts'
import { JournalRoom } from '../domain/journal-room.ts'
import { newArchiveId } from '../domain/archive.ts'
import { withWarnings } from '../domain/run-report.ts'
import type { OnRunEvent, RunEvent } from '../domain/run-events.ts'
import type { RunEnd, RunEventLine } from '../state/runs.ts'
import type { RunOrigin } from '../domain/kept-run.ts'
import type { RunReport } from '../domain/run-report.ts'
import type { Services } from './services.ts'
import type { State } from '../state/open-state.ts'

export type RunJournalServices = Pick<Services, 'openState' | 'redact'> & {
  readonly config: Pick<Services['config'], 'sources'>
}

// Of warnings, and of notes: a good night has some; a disk full of unreadable files has millions.
const CHATTER_MAX = 2_000
// What a tool says in its despair can be megabytes.
const TEXT_CHARACTERS_MAX = 2_000
// Of a hundred sources it is some 100 KiB.
const REPORT_BYTES_MAX = 256 * 1024
// Each write waits for the disk, and transfers wait with it.
const WRITE_EVERY_MS = 500
// A shell that somebody left open on the file must not hold up a transfer; the end of a run can wait.
const PATIENCE_MS = 50
const PATIENCE_AT_END_MS = 3_000

export class RunJournal {
  readonly #services: RunJournalServices
  readonly #run: {
    readonly origin: RunOrigin
    readonly jobId: string | undefined
    readonly sources: readonly string[]
  }
  readonly #now: () => Date
  #id: string | undefined
  #state: State | undefined
  #waiting: RunEventLine[] = []
  #count = 0
  readonly #room = new JournalRoom(CHATTER_MAX)
  #timer: NodeJS.Timeout | undefined
  #problem: string | undefined

  constructor(
    services: RunJournalServices,
    run: {
      readonly origin: RunOrigin
      readonly jobId: string | undefined
      /** As they were named; none: all. */
      readonly sourceNames: readonly string[]
    },
    now: () => Date,
  ) {
    this.#services = services
    this.#run = { ...run, sources: chosenNames(services.config, run.sourceNames) }
    this.#now = now
  }

  /** Never rejects. */
  async begin(id: string): Promise<void> {
    this.#id = id
    try {
      this.#state = await this.#services.openState()
      const { origin, jobId, sources } = this.#run
      this.#state.runs.begin({ id, origin, jobId, sources, startedAt: this.#now() })
      this.#state.setPatience(PATIENCE_MS)
    } catch (error) {
      this.#give(error)
    }
  }

  readonly onEvent = (event: RunEvent): void => {
    // Of a transfer under way: worth something only while it is.
    if (event.kind === 'packing' || event.kind === 'uploading') return
    const { isKept, note } = this.#room.take(event.kind)
    if (note !== undefined) this.#keep(note)
    if (isKept) this.#keep(event)
  }

  #keep(event: RunEvent): void {
    this.#count += 1
    const at = this.#now()
    const told = { at: at.toISOString(), ...this.#bounded(event) }
    this.#waiting.push({ number: this.#count, at, event: told })
    this.#timer ??= setTimeout(() => this.#write(), WRITE_EVERY_MS)
  }

  /** The report, and in its warnings what could not be kept until now. */
  checked(report: RunReport, emit: OnRunEvent): RunReport {
    this.#write()
    if (this.#problem === undefined) return report
    const message = `this run could not be kept for later: ${this.#problem}`
    emit({ kind: 'warning', about: undefined, message })
    return withWarnings(report, [message])
  }

  /** Resolves with what could not be kept, if that was not told before. */
  async end(report: RunReport): Promise<readonly string[]> {
    const isLong = Buffer.byteLength(JSON.stringify(report)) > REPORT_BYTES_MAX
    return this.#end({
      ...{ at: this.#now(), exit: report.exit, reason: undefined, counts: countsOf(report) },
      report: this.#redacted(isLong ? boundedReport(report) : report),
    })
  }

  /** Of a run without a report. */
  async failed(error: unknown): Promise<readonly string[]> {
    if (this.#id === undefined) await this.begin(newArchiveId(this.#now().getTime()))
    const { exit } = failureOf(error)
    const reason = this.#services.redact(messageOf(error)).slice(0, TEXT_CHARACTERS_MAX)
    const counts = { stored: 0, waiting: 0, failed: 0, storedBytes: 0 }
    return this.#end({ at: this.#now(), exit, reason, counts, report: undefined })
  }

  #end(end: RunEnd): readonly string[] {
    const wasTold = this.#problem !== undefined
    clearTimeout(this.#timer)
    try {
      this.#state?.setPatience(PATIENCE_AT_END_MS)
      this.#write()
      if (this.#id !== undefined) this.#state?.runs.end(this.#id, end)
    } catch (error) {
      this.#give(error)
    }
    this.#state?.close()
    this.#state = undefined
    if (wasTold || this.#problem === undefined) return []
    return [`how this run ended could not be kept for later: ${this.#problem}`]
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#state === undefined || this.#id === undefined || this.#waiting.length === 0) return
    try {
      this.#state.runs.addEvents(this.#id, this.#waiting)
      this.#waiting = []
      this.#problem = undefined
    } catch (error) {
      // They stay, and go with the next ones.
      this.#give(error)
    }
  }

  #give(error: unknown): void {
    this.#problem = this.#services.redact(messageOf(error))
  }

  #bounded(event: RunEvent): Record<string, unknown> {
    return this.#redacted(event, TEXT_CHARACTERS_MAX) as Record<string, unknown>
  }

  #redacted(value: unknown, charactersMax = Infinity): unknown {
    const { redact } = this.#services
    const told = (_key: string, each: unknown): unknown =>
      typeof each === 'string' ? redact(each).slice(0, charactersMax) : each
    return JSON.parse(JSON.stringify(value, told)) as unknown
  }
}
