// How things stand, for many who ask: computed once for all of them, and again when the catalog or the settings
// changed, or some seconds later, since the forecast looks at the clock.

import { statSync } from 'node:fs'
import { statusOf, statusRun } from '../operations/status.ts'
import type { Config } from '../domain/config.ts'
import type { DaemonServices } from './route.ts'
import type { Runs } from '../state/runs.ts'
import type { Status } from '../operations/status.ts'

const GOOD_FOR_MS = 3_000
// A run writes to the catalog all the time: until it ends nobody needs to see each step of it at once.
const IN_RUN_GOOD_FOR_MS = 500

type Kept = {
  readonly config: Config
  readonly mark: string
  readonly atMs: number
  readonly status: Promise<Status>
}

export class StatusCache {
  readonly #runs: Pick<Runs, 'list'>
  readonly #now: () => Date
  #kept: Kept | undefined

  constructor(runs: Pick<Runs, 'list'>, now: () => Date) {
    this.#runs = runs
    this.#now = now
  }

  async get(
    services: Pick<DaemonServices, 'config' | 'catalogIfPresent' | 'currentRun'>,
  ): Promise<Status> {
    const run = (await services.currentRun()) ?? null
    const { config } = services
    const mark = markOf(config.catalogPath)
    if (!this.#isGood(config, mark, run !== null)) this.#compute(services, mark)
    const status = await this.#kept!.status
    // Cheap, and never to be told too late.
    const [last] = this.#runs.list({ before: undefined, limit: 1 })
    return { ...status, run, lastRun: last === undefined ? null : statusRun(last) }
  }

  #isGood(config: Config, mark: string, isRunning: boolean): boolean {
    if (this.#kept === undefined || this.#kept.config !== config) return false
    const ageMs = performance.now() - this.#kept.atMs
    if (ageMs > GOOD_FOR_MS) return false
    return this.#kept.mark === mark || (isRunning && ageMs < IN_RUN_GOOD_FOR_MS)
  }

  #compute(
    { config, catalogIfPresent }: Pick<DaemonServices, 'config' | 'catalogIfPresent'>,
    mark: string,
  ): void {
    const before = this.#kept?.status
    const compute = async (): Promise<Status> => {
      // One at a time, whoever asks.
      await before?.catch(() => undefined)
      return statusOf({ config, catalog: await catalogIfPresent(), now: this.#now() })
    }
    const kept: Kept = { config, mark, atMs: performance.now(), status: compute() }
    this.#kept = kept
    kept.status.catch(() => {
      // What failed may work when it is asked for again.
      if (this.#kept === kept) this.#kept = undefined
    })
  }
}

/** Another one after each commit, of whatever process: it grows or changes the write-ahead log. */
function markOf(catalogPath: string): string {
  return [catalogPath, `${catalogPath}-wal`]
    .map((path) => {
      const stats = statSync(path, { throwIfNoEntry: false, bigint: true })
      return stats === undefined ? '' : `${stats.ino} ${stats.size} ${stats.mtimeNs}`
    })
    .join(' ')
}
