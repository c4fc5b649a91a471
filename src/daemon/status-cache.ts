// How things stand, for many who ask: computed once for all of them, and again when the catalog or the settings
// changed, or some seconds later, since the forecast looks at the clock.

import { statSync } from 'node:fs'
import { statusRun } from '../operations/status.ts'
import type { Config } from '../domain/config.ts'
import type { DaemonServices } from './route.ts'
import type { Runs } from '../state/runs.ts'
import type { Status } from '../operations/status.ts'

// The forecast looks at the clock, and nothing else of it does.
const FRESH_FOR_MS = 5_000
// While a run goes on; a computation takes a second with many thousands of archives.
const IN_RUN_GOOD_FOR_MS = 10_000

type Known = {
  readonly config: Config
  readonly mark: string
  /** When it was begun. */
  readonly atMs: number
}

type Asked = Pick<DaemonServices, 'config' | 'questions' | 'currentRun'>

export class StatusCache {
  readonly #runs: Pick<Runs, 'last'>
  readonly #now: () => Date
  #last: (Known & { readonly status: Status }) | undefined
  #running: (Known & { readonly status: Promise<Status> }) | undefined
  #waiting: { readonly config: Config; readonly status: Promise<Status> } | undefined

  constructor(runs: Pick<Runs, 'last'>, now: () => Date) {
    this.#runs = runs
    this.#now = now
  }

  async get(services: Asked): Promise<Status> {
    const run = (await services.currentRun()) ?? null
    const status = await this.#status(services, run !== null)
    // Cheap, and never to be told too late.
    const last = this.#runs.last()
    return { ...status, run, lastRun: last === undefined ? null : statusRun(last) }
  }

  #status(services: Asked, isRunning: boolean): Status | Promise<Status> {
    const mark = markOf(services.config.catalogPath)
    const known = this.#last?.config === services.config ? this.#last : undefined
    const ageMs = known === undefined ? Infinity : performance.now() - known.atMs
    const isSame = known?.mark === mark
    if (known !== undefined && isSame && ageMs < FRESH_FOR_MS) return known.status
    const coming = this.#compute(services, mark)
    if (known !== undefined && (isSame || (isRunning && ageMs < IN_RUN_GOOD_FOR_MS))) {
      // Whoever asks next hears of a failure.
      coming.catch(() => undefined)
      return known.status
    }
    return coming
  }

  /** One at a time. Whoever asks meanwhile shares it, or the one behind it if the catalog changed since. */
  #compute(services: Asked, mark: string): Promise<Status> {
    const { config } = services
    const running = this.#running
    if (running === undefined) return this.#start(services)
    if (running.config === config && running.mark === mark) return running.status
    if (this.#waiting?.config === config) return this.#waiting.status
    const next = (): Promise<Status> => {
      this.#waiting = undefined
      return this.#start(services)
    }
    this.#waiting = { config, status: (this.#waiting ?? running).status.then(next, next) }
    return this.#waiting.status
  }

  #start({ config, questions }: Asked): Promise<Status> {
    const known = { config, mark: markOf(config.catalogPath), atMs: performance.now() }
    const status = questions.status(config, this.#now())
    const running = { ...known, status }
    this.#running = running
    const done = (): void => {
      if (this.#running === running) this.#running = undefined
    }
    status.then(
      (value) => {
        this.#last = { ...known, status: value }
        done()
      },
      // Told to those who asked; the next one tries again.
      done,
    )
    return status
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
