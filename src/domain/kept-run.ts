// What is kept of a run when it is over: who began it, how it ended, what came of it.

import type { RunReport } from './run-report.ts'

/** By the daemon's clock or a timer; by somebody over HTTP; by hand. */
export type RunOrigin = 'schedule' | 'api' | 'command'

/** `lost`: its process was killed, and nobody knows how far it came. */
export type RunState = 'running' | 'done' | 'failed' | 'lost'

export type RunCounts = {
  readonly stored: number
  readonly waiting: number
  readonly failed: number
  readonly storedBytes: number
}

export type KeptRun = RunCounts & {
  /** UUIDv7: later ones sort later. */
  readonly id: string
  readonly origin: RunOrigin
  /** Of the daemon's queue. */
  readonly jobId: string | undefined
  /** Names of those that it was to archive. */
  readonly sources: readonly string[]
  readonly state: RunState
  readonly startedAt: Date
  /** Of a lost run: when it was last heard of. undefined: it is going on. */
  readonly endedAt: Date | undefined
  readonly exit: number | undefined
  /** Why there is no report. */
  readonly reason: string | undefined
}

/** As the event at the end of a run counts them. */
export function countsOf({
  archives,
  sources,
}: Pick<RunReport, 'archives' | 'sources'>): RunCounts {
  const stored = archives.filter(({ state }) => state === 'stored')
  return {
    stored: stored.length,
    waiting: archives.filter(({ state }) => state === 'waiting').length,
    failed: sources.filter(({ outcome }) => outcome === 'failed').length,
    storedBytes: stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  }
}
