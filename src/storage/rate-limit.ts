// UPLOAD_LIMIT_MBIT: one budget of bytes per second that all servers and all parts share.
//
// Bytes are granted in the order in which they were asked for: each request is given the moment at
// which the line would have carried what was asked before it.

import { sleep } from '../lib/backoff.ts'

export interface RateLimit {
  /** Resolves when that many bytes may go; rejects with an AbortError when the signal is aborted. */
  take(bytes: number, signal: AbortSignal): Promise<void>
}

// What may go at once after a pause: a tenth of a second's worth, so that the rate holds within any
// second, and timers that fire some milliseconds late cost nothing.
const BURST_MS = 100

/** Undefined stands for no limit on both sides. */
export function createRateLimit(
  bitsPerSecond: number | undefined,
  nowMs: () => number = () => performance.now(),
): RateLimit | undefined {
  if (bitsPerSecond === undefined) return undefined
  const bytesPerMs = bitsPerSecond / 8 / 1000
  let paidUntilMs = -Infinity
  return {
    async take(bytes, signal) {
      signal.throwIfAborted()
      const now = nowMs()
      const startMs = Math.max(paidUntilMs, now - BURST_MS)
      paidUntilMs = startMs + bytes / bytesPerMs
      const waitMs = paidUntilMs - now
      if (waitMs > 0) await sleep(waitMs, signal)
    },
  }
}
