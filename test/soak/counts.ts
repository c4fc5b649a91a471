// What a simulated year consisted of. A soak in which nothing happened proves nothing: the test asks for these.

import type { RunReport } from '../../src/domain/run-report.ts'

export class Counts {
  nights = 0
  runs = 0
  cleanRuns = 0
  warnedRuns = 0
  failedRuns = 0
  crashes = 0
  failedCommands = 0
  archives = 0
  copiesStored = 0
  failovers = 0
  waited = 0
  deletes = 0
  refusedDeletes = 0
  troubles = 0
  harms = 0
  overHttp = 0
  restores = 0
  verifies = 0
  damagesFound = 0
  /** Harmed copies that verifying could not read, and said so. */
  unasked = 0
  mends = 0
  evacuations = 0
  reconciles = 0
  catalogsLost = 0
  rebuilds = 0
  changes = 0
  clockJumps = 0

  noteRun({ exit, archives, retention }: RunReport): void {
    this.runs += 1
    if (exit === 0) this.cleanRuns += 1
    else if (exit === 3) this.warnedRuns += 1
    else this.failedRuns += 1
    for (const { attempts, state } of archives) {
      const stored = attempts.filter(({ outcome }) => outcome === 'stored')
      this.copiesStored += stored.length
      if (state === 'stored') this.archives += 1
      if (state === 'waiting') this.waited += 1
      if (stored.length > 0 && attempts[0]?.outcome !== 'stored') this.failovers += 1
    }
    this.deletes += retention.deleted.length
    this.refusedDeletes += retention.refused.reduce((sum, { copies }) => sum + copies, 0)
  }

  toString(): string {
    return Object.entries(this)
      .map(([name, count]) => `${name} ${String(count)}`)
      .join(', ')
  }
}
