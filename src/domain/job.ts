// What the daemon is asked to do, one after the other, and what became of it.

/** In the words of the commands that do it. */
export type JobKind = 'run' | 'restore' | 'verify' | 'prune' | 'reconcile'

/** `lost`: the daemon that ran it was killed, and nobody knows how far it came. */
export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'lost'

export type JobOrigin = 'api' | 'schedule'

export type Job = {
  /** UUIDv7: later ones sort later. */
  readonly id: string
  readonly kind: JobKind
  readonly origin: JobOrigin
  /** The token's or the schedule's name. */
  readonly requestedBy: string
  readonly state: JobState
  /** Of the command, without program, config and --json. */
  readonly args: readonly string[]
  readonly createdAt: Date
  readonly startedAt: Date | undefined
  readonly endedAt: Date | undefined
  readonly exit: number | undefined
  /** Why there is no result, that is, nothing of what the command prints with --json. */
  readonly reason: string | undefined
}

export function isJobOver({ state }: Pick<Job, 'state'>): boolean {
  return state !== 'queued' && state !== 'running'
}
