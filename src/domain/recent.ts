// Times that were written down, against the clock of now.

import { CLOCK_TOLERANCE_MS } from './retention.ts'

/** Written while the clock was wrong: it tells nothing, and would go on to for years. */
export function isFromTheFuture(at: Date, nowMs: number): boolean {
  return at.getTime() > nowMs + CLOCK_TOLERANCE_MS
}

/** Whether it was no longer ago than that. */
export function isRecent(at: Date | undefined, forMs: number, nowMs: number): boolean {
  return at !== undefined && nowMs - at.getTime() <= forMs && !isFromTheFuture(at, nowMs)
}
