// Delays before a repeat: they grow, and chance spreads them, so that many hosts that lost one server at
// the same moment do not all come back at the same moment.

import { setTimeout as delay } from 'node:timers/promises'

/** Before repeat 0, 1, 2, ...: fivefold each time up to `maxMs`, then a chance between half and all of it. */
export function backoffMs(
  repeat: number,
  firstMs: number,
  maxMs: number,
  chance: () => number = Math.random,
): number {
  const wholeMs = Math.min(maxMs, firstMs * 5 ** repeat)
  return wholeMs / 2 + (wholeMs / 2) * chance()
}

/** Rejects with the signal's AbortError as soon as it is aborted. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal })
}
