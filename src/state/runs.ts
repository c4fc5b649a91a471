// The last runs of this host, whoever began them, each with its journal. A run is written down when it begins
// and again when it ends, so that one that was killed is seen for what it is.

import { isAlive, ownIdentity } from '../lib/process-identity.ts'
import type { ProcessIdentity } from '../lib/process-identity.ts'
import type { KeptRun, RunCounts, RunOrigin } from '../domain/kept-run.ts'
import type { StateHandle } from './state-file.ts'

// More than a year of nights.
const KEPT_RUNS_MAX = 400

export type RunEventLine = { readonly number: number; readonly at: Date; readonly event: unknown }

export type RunEnd = {
  readonly at: Date
  readonly exit: number
  readonly reason: string | undefined
  readonly counts: RunCounts
  /** undefined: it ended before there was one. */
  readonly report: unknown
}

type RunRow = {
  readonly id: string
  readonly origin: RunOrigin
  readonly job_id: string | null
  readonly process: string
  readonly sources: string
  readonly started_at: string
  readonly ended_at: string | null
  readonly exit: number | null
  readonly is_lost: 0 | 1
  readonly reason: string | null
  readonly counts: string | null
}

// Not the report: a list of many would read megabytes.
const COLUMNS = `id, origin, job_id, process, sources, started_at, ended_at, exit, is_lost, reason, counts`

// Somebody mistyped a source; another run was going on.
const TURNED_AWAY = '2, 75'

const NOTHING: RunCounts = { stored: 0, waiting: 0, failed: 0, storedBytes: 0 }

export class Runs {
  readonly #handle: StateHandle

  constructor(handle: StateHandle) {
    this.#handle = handle
  }

  /** Of this process. Runs whose process is gone are settled, and the oldest ones forgotten. */
  begin(run: Pick<KeptRun, 'id' | 'origin' | 'jobId' | 'sources' | 'startedAt'>): void {
    this.#handle
      .transaction(() => {
        this.#settleLost()
        this.#handle
          .prepare(
            `insert into runs (id, origin, job_id, process, sources, started_at)
             values (@id, @origin, @job_id, @process, @sources, @started_at)`,
          )
          .run({
            id: run.id,
            origin: run.origin,
            job_id: run.jobId ?? null,
            process: JSON.stringify(ownIdentity()),
            sources: JSON.stringify(run.sources),
            started_at: run.startedAt.toISOString(),
          })
        this.#handle
          .prepare(
            'delete from runs where id not in (select id from runs order by id desc limit ?)',
          )
          .run(KEPT_RUNS_MAX)
      })
      .immediate()
  }

  /** In one transaction: those that are there already are left as they are. */
  addEvents(id: string, lines: readonly RunEventLine[]): void {
    const insert = this.#handle.prepare(
      'insert or ignore into run_events (run_id, number, at, event) values (?, ?, ?, ?)',
    )
    this.#handle
      .transaction(() => {
        for (const { number, at, event } of lines)
          insert.run(id, number, at.toISOString(), JSON.stringify(event))
      })
      .immediate()
  }

  /** Also of one that was taken for lost. */
  end(id: string, { at, exit, reason, counts, report }: RunEnd): void {
    this.#handle
      .prepare(
        `update runs set ended_at = @at, exit = @exit, is_lost = 0, reason = @reason, counts = @counts,
         report = @report where id = @id`,
      )
      .run({
        ...{ id, exit, at: at.toISOString(), reason: reason ?? null },
        counts: JSON.stringify(counts),
        report: report === undefined ? null : JSON.stringify(report),
      })
  }

  /** Newest first; of those before `before`. */
  list(input: { readonly before: string | undefined; readonly limit: number }): readonly KeptRun[] {
    const rows = this.#handle
      .prepare(
        `select ${COLUMNS} from runs where @before is null or id < @before order by id desc limit @limit`,
      )
      .all({ before: input.before ?? null, limit: input.limit })
    return (rows as RunRow[]).map((row) => this.#told(row))
  }

  /** The newest one, of those that did anything. */
  last(): KeptRun | undefined {
    const row = this.#handle
      .prepare(
        `select ${COLUMNS} from runs where exit is null or exit not in (${TURNED_AWAY})
         order by id desc limit 1`,
      )
      .get()
    return row === undefined ? undefined : this.#told(row as RunRow)
  }

  find(id: string): KeptRun | undefined {
    const row = this.#handle.prepare(`select ${COLUMNS} from runs where id = ?`).get(id)
    return row === undefined ? undefined : this.#told(row as RunRow)
  }

  report(id: string): unknown {
    const text = this.#handle.prepare('select report from runs where id = ?').pluck().get(id)
    return typeof text === 'string' ? (JSON.parse(text) as unknown) : undefined
  }

  events(id: string): readonly RunEventLine[] {
    const rows = this.#handle
      .prepare('select number, at, event from run_events where run_id = ? order by number')
      .all(id) as { number: number; at: string; event: string }[]
    return rows.map(({ number, at, event }) => ({
      ...{ number, at: new Date(at) },
      event: JSON.parse(event) as unknown,
    }))
  }

  #settleLost(): void {
    const open = this.#handle
      .prepare(`select ${COLUMNS} from runs where ended_at is null`)
      .all() as RunRow[]
    for (const row of open)
      if (this.#isLost(row))
        this.#handle
          .prepare('update runs set ended_at = ?, is_lost = 1 where id = ?')
          .run(this.#lastHeardOf(row), row.id)
  }

  /** Its process is gone; or cannot be seen from here, and another run had its turn since. */
  #isLost({ id, process }: RunRow): boolean {
    const isThere = isAlive(JSON.parse(process) as ProcessIdentity)
    if (isThere !== undefined) return !isThere
    const sql = 'select 1 from runs where id > ? and report is not null limit 1'
    return this.#handle.prepare(sql).get(id) !== undefined
  }

  #lastHeardOf({ id, started_at }: RunRow): string {
    const sql = 'select at from run_events where run_id = ? order by number desc limit 1'
    return (this.#handle.prepare(sql).pluck().get(id) as string | undefined) ?? started_at
  }

  #told(row: RunRow): KeptRun {
    const isOpen = row.ended_at === null
    const isLost = isOpen ? this.#isLost(row) : row.is_lost === 1
    const endedAt = row.ended_at ?? (isLost ? this.#lastHeardOf(row) : undefined)
    const isGood = row.exit === 0 || row.exit === 3
    return {
      ...(row.counts === null ? NOTHING : (JSON.parse(row.counts) as RunCounts)),
      id: row.id,
      origin: row.origin,
      jobId: row.job_id ?? undefined,
      sources: JSON.parse(row.sources) as string[],
      state: isLost ? 'lost' : isOpen ? 'running' : isGood ? 'done' : 'failed',
      startedAt: new Date(row.started_at),
      endedAt: endedAt === undefined ? undefined : new Date(endedAt),
      exit: row.exit ?? undefined,
      reason: isLost ? 'its process was killed' : (row.reason ?? undefined),
    }
  }
}
