// What a monitor is told: whether every source has an archive that is no older than its schedule allows,
// and whether what is stored can be relied on. Pure: the facts come from the catalog.

import type { Schedule } from './schedule.ts'
import { nextTime } from './schedule-times.ts'

export type CheckLevel = 'ok' | 'warning' | 'critical'

export type Finding = {
  readonly level: Exclude<CheckLevel, 'ok'>
  /** What the shell sees without --nagios; see domain/exit-code.ts. */
  readonly exit: number
  readonly message: string
  /** Its name, where one source is meant. */
  readonly source?: string
}

const HOUR_MS = 3_600_000

// A run takes its time, and starts late after a night of sleep. A quarter of the interval, but hourly runs
// get an hour and weekly ones no day: a nightly one that failed is an alarm by the middle of the morning.
const GRACE_SHARE = 1 / 4
const GRACE_MIN_MS = HOUR_MS
const GRACE_MAX_MS = 6 * HOUR_MS

export type Deadline = {
  /** The run that must have made a newer archive. */
  readonly dueAt: Date
  /** From here on it is late. */
  readonly lateAt: Date
  /** A run that is still going on by then is no excuse any more. */
  readonly hopelessAt: Date
}

/** For a source whose last good archive was begun at `lastGoodAt`. */
export function deadlineOf(
  lastGoodAt: Date,
  {
    schedule,
    maxAgeMs,
    delayMs,
  }: {
    readonly schedule: Schedule
    readonly maxAgeMs: number | undefined
    /** By which runs may start later than the schedule says. */
    readonly delayMs: number
  },
): Deadline {
  if (maxAgeMs !== undefined) {
    const lateAt = new Date(lastGoodAt.getTime() + maxAgeMs)
    return { dueAt: lateAt, lateAt, hopelessAt: new Date(lateAt.getTime() + maxAgeMs) }
  }
  const dueAt = nextTime(schedule, lastGoodAt)
  const nextAt = nextTime(schedule, dueAt)
  const graceMs = graceOf(nextAt.getTime() - dueAt.getTime()) + delayMs
  const after = (date: Date) => new Date(date.getTime() + graceMs)
  return { dueAt, lateAt: after(dueAt), hopelessAt: after(nextAt) }
}

export function graceOf(intervalMs: number): number {
  return Math.min(GRACE_MAX_MS, Math.max(GRACE_MIN_MS, intervalMs * GRACE_SHARE))
}

/** `36h`, `90m`, `2d`; undefined where it is none. */
export function parseAge(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? []
  const minutes = { m: 1, h: 60, d: 1_440 }[unit]
  const value = Number(amount) * 60_000 * (minutes ?? Number.NaN)
  return value > 0 ? value : undefined
}

export function levelOf(findings: readonly Finding[]): CheckLevel {
  if (findings.some(({ level }) => level === 'critical')) return 'critical'
  return findings.length > 0 ? 'warning' : 'ok'
}
