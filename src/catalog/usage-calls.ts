// The calls of the catalog that tell how much lay on the servers, day by day.

import type { ServerIdentity } from '../domain/server.ts'

/** What came and went on one server on one day of UTC. */
export type UsageChange = {
  readonly identity: ServerIdentity
  /** `2026-01-31` */
  readonly day: string
  /** Negative: more went than came. */
  readonly bytes: number
}

export interface UsageCalls {
  /** Of the days from this one on; reads those days only. */
  usageChanges(fromDay: string): Promise<readonly UsageChange[]>
  /**
   * The day from which on the changes are all there: before it nobody noted when a copy was deleted.
   * undefined: they always were.
   */
  usageKnownSince(): Promise<string | undefined>
}
