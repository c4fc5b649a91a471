// One heavy job at a time, in the order in which they were asked for. The queue is on disk (state/jobs.ts);
// this is who works it off, and who tells those that look on.

import type { Job, JobKind, JobOrigin, JobState } from '../domain/job.ts'
import { messageOf } from '../domain/errors.ts'
import { JournalRoom } from '../domain/journal-room.ts'
import { newArchiveId } from '../domain/archive.ts'
import type { Jobs } from '../state/jobs.ts'
import type { JobEnd } from './job-process.ts'

// Nobody waits for more than this, but a script that goes wrong may ask for more.
const WAITING_MAX = 20
// Of one job's warnings, and of its notes: those beyond that are told to who looks on.
const CHATTER_MAX = 5_000

/** Numbers go up within a job; what is not in the journal has none. */
export type JobNews = {
  readonly jobId: string
  readonly number: number | undefined
  readonly event: unknown
}

export type RunJob = (
  args: readonly string[],
  onLine: (event: unknown) => void,
  signal: AbortSignal,
  /** What the process says of itself in what it keeps. */
  job: Pick<Job, 'id' | 'origin'>,
) => Promise<JobEnd>

type Input = {
  readonly jobs: Jobs
  readonly runJob: RunJob
  readonly now: () => Date
  readonly log: (line: string) => void
  /** After the queue could not be read or written. */
  readonly retryMs?: number
  readonly chatterMax?: number | undefined
}

// A full disk, or another program that holds the file: until somebody has made room there is nothing to gain.
const RETRY_MS = 10_000

const LOST = 'the daemon was killed while it was going on'
/** Why a job that was going on then has failed. */
export const STOPPED = 'the daemon was stopped'

export class JobQueue {
  readonly #input: Input
  readonly #watchers = new Set<(news: JobNews) => void>()
  /** The last live event of each kind, for those who come later. */
  #live = new Map<string, JobNews>()
  /** Of the journal of the job that is told of. */
  #room: { readonly jobId: string; readonly room: JournalRoom } | undefined
  #current:
    { readonly id: string; readonly stop: AbortController; isCancelled: boolean } | undefined
  #working: Promise<void> = Promise.resolve()
  /** How a job ended that is not written yet: before that no other one begins. */
  #unwritten: (() => void) | undefined
  #retry: NodeJS.Timeout | undefined
  #isStopping = false

  constructor(input: Input) {
    this.#input = input
  }

  /** Settles what a daemon that was killed left, and goes on with what it had queued. */
  start(): void {
    const { jobs, now, log } = this.#input
    const lost = jobs.settleLost(now(), LOST)
    if (lost > 0) log(`${lost} job was under way when the daemon was killed`)
    this.#wake()
  }

  /** undefined: too many wait already. */
  add(input: {
    readonly kind: JobKind
    readonly origin: JobOrigin
    readonly requestedBy: string
    readonly args: readonly string[]
  }): Job | undefined {
    const createdAt = this.#input.now()
    const id = newArchiveId(createdAt.getTime())
    const job = this.#input.jobs.add({ ...input, id, createdAt }, WAITING_MAX)
    if (job !== undefined) this.#wake()
    return job
  }

  /** A running one is asked to end, and says itself how it ended. */
  cancel(id: string, who: string): boolean {
    if (this.#current?.id === id) {
      this.#current.isCancelled = true
      this.#current.stop.abort()
      return true
    }
    const isCancelled = this.#input.jobs.cancel(id, this.#input.now(), `cancelled by ${who}`)
    if (isCancelled) this.#tellEnd(id, 'cancelled')
    return isCancelled
  }

  /** Until the returned function is called. */
  watch(watcher: (news: JobNews) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  get watcherCount(): number {
    return this.#watchers.size
  }

  live(jobId: string): readonly JobNews[] {
    return [...this.#live.values()].filter((news) => news.jobId === jobId)
  }

  /** What runs is asked to end, as by Ctrl-C; what waits goes on waiting. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#current?.stop.abort()
    await this.#working
    clearTimeout(this.#retry)
  }

  #wake(): void {
    this.#working = this.#working
      .then(() => this.#workOff())
      .catch((error: unknown) => {
        const { log, retryMs = RETRY_MS } = this.#input
        log(`the queue cannot go on, and tries again: ${messageOf(error)}`)
        clearTimeout(this.#retry)
        this.#retry = setTimeout(() => this.#wake(), retryMs)
      })
  }

  async #workOff(): Promise<void> {
    for (;;) {
      this.#unwritten?.()
      const job = this.#isStopping ? undefined : this.#input.jobs.next()
      if (job === undefined) return
      if (this.#input.jobs.start(job.id, this.#input.now())) await this.#run(job)
    }
  }

  async #run({ id, kind, args, origin }: Job): Promise<void> {
    const { jobs, now, runJob, log } = this.#input
    const current = { id, stop: new AbortController(), isCancelled: false }
    this.#current = current
    this.#tell({ jobId: id, number: undefined, event: { kind: 'job-started', job: kind } })
    const onLine = (event: unknown): void => this.#hear(id, event)
    // A process that cannot be started is this job's failure, and no reason to leave the others undone.
    const job = { id, origin }
    const end = await runJob(args, onLine, current.stop.signal, job).catch(
      (error: unknown): JobEnd => ({
        exit: undefined,
        result: undefined,
        reason: `it cannot be run: ${messageOf(error)}`,
      }),
    )
    this.#current = undefined
    this.#live = new Map()
    const isDone = end.exit === 0 || end.exit === 3
    const isStopped = current.stop.signal.aborted && !isDone
    const state = isDone ? 'done' : current.isCancelled ? 'cancelled' : 'failed'
    const reason = isStopped && !current.isCancelled ? STOPPED : end.reason
    log(`job ${id} (${kind}) ended: ${state}, exit ${end.exit ?? 'none'}`)
    const endedAt = now()
    this.#unwritten = () => {
      jobs.end(id, endedAt, { ...end, state, reason: reason ?? this.#lastWords(id, end) })
      this.#unwritten = undefined
      this.#tellEnd(id, state)
    }
    this.#unwritten()
  }

  #tellEnd(jobId: string, state: JobState): void {
    this.#tell({ jobId, number: undefined, event: { kind: 'job-ended', state } })
  }

  /** Why there is no good end: as its document says, or as it told on standard error. */
  #lastWords(id: string, { exit, result }: JobEnd): string | undefined {
    if (exit === 0) return undefined
    const { error } = (result ?? {}) as { readonly error?: { readonly message?: unknown } }
    if (typeof error?.message === 'string') return error.message
    if (result !== undefined) return undefined
    const said = this.#input.jobs.lines(id, 0).flatMap(({ event }) => {
      const { kind, message } = event as { readonly kind?: unknown; readonly message?: unknown }
      return kind === 'line' && typeof message === 'string' ? [message] : []
    })
    return said.slice(-3).join('\n').slice(0, 2_000) || undefined
  }

  #hear(jobId: string, event: unknown): void {
    const { kind } = event as { readonly kind: unknown }
    if (kind === 'packing' || kind === 'uploading') {
      const news = { jobId, number: undefined, event }
      this.#live.set(String(kind), news)
      this.#tell(news)
      return
    }
    const { isKept, note } = this.#roomOf(jobId).take(kind)
    if (note !== undefined) this.#keep(jobId, { at: this.#input.now().toISOString(), ...note })
    if (isKept) this.#keep(jobId, event)
    else this.#tell({ jobId, number: undefined, event })
  }

  #roomOf(jobId: string): JournalRoom {
    const { chatterMax = CHATTER_MAX } = this.#input
    if (this.#room?.jobId !== jobId) this.#room = { jobId, room: new JournalRoom(chatterMax) }
    return this.#room.room
  }

  #keep(jobId: string, event: unknown): void {
    try {
      const { number } = this.#input.jobs.addLine(jobId, this.#input.now(), event)
      this.#tell({ jobId, number, event })
    } catch (error) {
      // A full disk must not end the daemon: the job goes on, and those who look on hear of it all the same.
      this.#input.log(`the journal of job ${jobId} cannot be written: ${messageOf(error)}`)
      this.#tell({ jobId, number: undefined, event })
    }
  }

  #tell(news: JobNews): void {
    for (const watcher of this.#watchers) watcher(news)
  }
}
