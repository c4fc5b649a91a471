// The daemon's queue and what became of it. Each change is on disk before anybody is told of it, so a
// daemon that was killed finds the truth here.

import type { Job, JobKind, JobOrigin, JobState } from '../domain/job.ts'
import type { StateHandle } from './state-file.ts'

// Of jobs that are over: a year of nights, and whatever was asked for by hand.
const KEPT_JOBS_MAX = 1_000

// One result is some KB as a rule, and some MB where there are many thousands of archives: a thousand of those would
// fill the disk that the runs need. This is room for all of the first kind, and for weeks of the second.
const RESULTS_BYTES_MAX = 64 * 1024 * 1024
const NO_ROOM = 'what came of it is not kept any more: there was no room for it'

// Not the result: it can be megabytes, and a list has many.
const COLUMNS = `id, kind, origin, requested_by, state, args, created_at, started_at, ended_at, exit, reason`

export type JobLine = { readonly number: number; readonly at: Date; readonly event: unknown }

type JobRow = {
  readonly id: string
  readonly kind: JobKind
  readonly origin: JobOrigin
  readonly requested_by: string
  readonly state: JobState
  readonly args: string
  readonly created_at: string
  readonly started_at: string | null
  readonly ended_at: string | null
  readonly exit: number | null
  readonly reason: string | null
}

export class Jobs {
  readonly #handle: StateHandle
  readonly #resultsBytesMax: number

  constructor(handle: StateHandle, resultsBytesMax = RESULTS_BYTES_MAX) {
    this.#handle = handle
    this.#resultsBytesMax = resultsBytesMax
  }

  /** `undefined` when so many wait already. */
  add(
    job: Pick<Job, 'id' | 'kind' | 'origin' | 'requestedBy' | 'args' | 'createdAt'>,
    waitingMax: number,
  ): Job | undefined {
    return this.#handle
      .transaction(() => {
        if (this.count('queued') >= waitingMax) return undefined
        this.#handle
          .prepare(
            `insert into jobs (id, kind, origin, requested_by, state, args, created_at)
             values (?, ?, ?, ?, 'queued', ?, ?)`,
          )
          .run(
            job.id,
            job.kind,
            job.origin,
            job.requestedBy,
            JSON.stringify(job.args),
            job.createdAt.toISOString(),
          )
        this.#trim()
        return this.find(job.id)
      })
      .immediate()
  }

  find(id: string): Job | undefined {
    const row = this.#handle.prepare(`select ${COLUMNS} from jobs where id = ?`).get(id)
    return row === undefined ? undefined : jobOf(row as JobRow)
  }

  /** What the command printed with --json; undefined: nothing, or it is not kept any more. */
  result(id: string): unknown {
    const text = this.#handle.prepare('select result from jobs where id = ?').pluck().get(id)
    return typeof text === 'string' ? (JSON.parse(text) as unknown) : undefined
  }

  /** Newest first; of those before `before`. */
  list(input: {
    readonly kind: JobKind | undefined
    readonly before: string | undefined
    readonly limit: number
  }): readonly Job[] {
    const rows = this.#handle
      .prepare(
        `select ${COLUMNS} from jobs where (@kind is null or kind = @kind) and (@before is null or id < @before)
         order by id desc limit @limit`,
      )
      .all({ kind: input.kind ?? null, before: input.before ?? null, limit: input.limit })
    return (rows as JobRow[]).map(jobOf)
  }

  count(state: JobState): number {
    const sql = 'select count(*) from jobs where state = ?'
    return this.#handle.prepare(sql).pluck().get(state) as number
  }

  next(): Job | undefined {
    // By ids alone those of one millisecond would come in any order, and all in a wrong one after the clock was put back.
    const sql = `select ${COLUMNS} from jobs where state = 'queued' order by rowid limit 1`
    const row = this.#handle.prepare(sql).get()
    return row === undefined ? undefined : jobOf(row as JobRow)
  }

  /** False when it is not queued any more. */
  start(id: string, now: Date): boolean {
    return this.#change(id, 'queued', { state: 'running', started_at: now.toISOString() })
  }

  end(
    id: string,
    now: Date,
    {
      state,
      exit,
      reason,
      result,
    }: Pick<Job, 'state' | 'exit' | 'reason'> & {
      readonly result: unknown
    },
  ): void {
    this.#handle
      .transaction(() => {
        this.#change(id, 'running', {
          ...{ state, ended_at: now.toISOString(), exit: exit ?? null, reason: reason ?? null },
          result: result === undefined ? null : JSON.stringify(result),
        })
        if (result !== undefined) this.#trimResults(id)
      })
      .immediate()
  }

  /** Takes it from the queue; false when it is not queued any more. */
  cancel(id: string, now: Date, reason: string): boolean {
    const ended_at = now.toISOString()
    return this.#change(id, 'queued', { state: 'cancelled', ended_at, reason })
  }

  /** After a daemon that was killed: what ran then runs no more. */
  settleLost(now: Date, reason: string): number {
    return this.#handle
      .prepare(`update jobs set state = 'lost', ended_at = ?, reason = ? where state = 'running'`)
      .run(now.toISOString(), reason).changes
  }

  addLine(id: string, at: Date, event: unknown): JobLine {
    const number = this.#handle
      .prepare(
        `insert into job_lines (job_id, number, at, event)
         select @id, coalesce(max(number), 0) + 1, @at, @event from job_lines where job_id = @id
         returning number`,
      )
      .pluck()
      .get({ id, at: at.toISOString(), event: JSON.stringify(event) })
    return { number: number as number, at, event }
  }

  /** All of them without a limit. */
  lines(id: string, after: number, limit = -1): readonly JobLine[] {
    const rows = this.#handle
      .prepare(
        `select number, at, event from job_lines where job_id = ? and number > ?
         order by number limit ?`,
      )
      .all(id, after, limit) as { number: number; at: string; event: string }[]
    return rows.map(({ number, at, event }) => ({
      number,
      at: new Date(at),
      event: JSON.parse(event) as unknown,
    }))
  }

  /** When the schedule of this name was last followed. */
  scheduleMark(name: string): Date | undefined {
    const sql = 'select at from schedule_marks where name = ?'
    const at = this.#handle.prepare(sql).pluck().get(name)
    return at === undefined ? undefined : new Date(at as string)
  }

  setScheduleMark(name: string, at: Date): void {
    this.#handle
      .prepare(
        `insert into schedule_marks (name, at) values (?, ?)
         on conflict (name) do update set at = excluded.at`,
      )
      .run(name, at.toISOString())
  }

  /** Forgets the schedules that nobody follows any more. */
  keepScheduleMarks(names: readonly string[]): void {
    this.#handle
      .prepare('delete from schedule_marks where name not in (select value from json_each(?))')
      .run(JSON.stringify(names))
  }

  /**
   * What was asked for by one of these, and was cut off: by the end of the daemon, or with this reason. Not what
   * was asked for once more since.
   */
  cutOff(requestedBy: readonly string[], reason: string): readonly (readonly string[])[] {
    const rows = this.#handle
      .prepare(
        `select args from jobs as cut where origin = 'schedule'
         and requested_by in (select value from json_each(@requestedBy))
         and (state = 'lost' or (state = 'failed' and reason = @reason))
         and not exists (select 1 from jobs as later where later.rowid > cut.rowid and later.args = cut.args)`,
      )
      .pluck()
      .all({ requestedBy: JSON.stringify(requestedBy), reason }) as string[]
    return rows.map((args) => JSON.parse(args) as string[])
  }

  /** What a schedule asked for since then, and ended with this exit code. Not what was asked for once more since. */
  endedWith(exit: number, since: Date): readonly (readonly string[])[] {
    const rows = this.#handle
      .prepare(
        `select args from jobs as ended where origin = 'schedule' and exit = ? and ended_at >= ?
         and not exists (select 1 from jobs as later where later.rowid > ended.rowid and later.args = ended.args)`,
      )
      .pluck()
      .all(exit, since.toISOString()) as string[]
    return rows.map((args) => JSON.parse(args) as string[])
  }

  /** Whether just this waits already. */
  isQueued(args: readonly string[]): boolean {
    const sql = `select exists (select 1 from jobs where state = 'queued' and args = ?)`
    return this.#handle.prepare(sql).pluck().get(JSON.stringify(args)) === 1
  }

  #change(id: string, from: JobState, values: Readonly<Record<string, unknown>>): boolean {
    const columns = Object.keys(values)
      .map((column) => `${column} = @${column}`)
      .join(', ')
    const sql = `update jobs set ${columns} where id = @id and state = @from`
    return this.#handle.prepare(sql).run({ ...values, id, from }).changes === 1
  }

  /** Those of the jobs that were asked for last are kept, and this one's at any rate: somebody waits for it. */
  #trimResults(id: string): void {
    this.#handle
      .prepare(
        `update jobs set result = null, reason = coalesce(reason, @reason) where id != @id and id in
         (select id from (select id, sum(octet_length(result)) over (order by rowid desc) as bytes
          from jobs where result is not null) where bytes > @max)`,
      )
      .run({ id, reason: NO_ROOM, max: this.#resultsBytesMax })
  }

  #trim(): void {
    this.#handle
      .prepare(
        `delete from jobs where state not in ('queued', 'running') and id not in
         (select id from jobs order by id desc limit ?)`,
      )
      .run(KEPT_JOBS_MAX)
  }
}

function jobOf(row: JobRow): Job {
  return {
    id: row.id,
    kind: row.kind,
    origin: row.origin,
    requestedBy: row.requested_by,
    state: row.state,
    args: JSON.parse(row.args) as string[],
    createdAt: new Date(row.created_at),
    startedAt: dateOf(row.started_at),
    endedAt: dateOf(row.ended_at),
    exit: row.exit ?? undefined,
    reason: row.reason ?? undefined,
  }
}

function dateOf(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text)
}
