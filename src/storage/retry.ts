// How often a request is repeated on the same server: as often as the failure's row in domain/errors.ts
// says, with growing waits, and never for longer than a server may cost without progress.

import { failureOf, SpillwayError } from '../domain/errors.ts'
import { backoffMs, sleep } from '../lib/backoff.ts'
import { operationMs } from './limits.ts'
import type { NetworkLimits } from './limits.ts'

const DELAY_MS_MAX = 10_000
// A server may ask for more patience than our own delays, up to this.
const RETRY_AFTER_MS_MAX = 20_000

/**
 * Shared by the tries of one request, or by all requests of one operation: bytes that move reset the
 * patience.
 */
export class Patience {
  readonly #limitMs: number
  #since = performance.now()

  constructor(limits: NetworkLimits, limitMs = limits.withoutProgressMs) {
    this.#limitMs = limitMs
  }

  /** Of an operation of several requests. */
  static ofOperation(limits: NetworkLimits): Patience {
    return new Patience(limits, operationMs(limits))
  }

  noteProgress(): void {
    this.#since = performance.now()
  }

  /** Of time that was ours and not the server's: a part waited for its turn. */
  forgive(ms: number): void {
    this.#since += ms
  }

  /** Whether a wait of that length still fits. */
  allows(waitMs: number): boolean {
    return waitMs <= this.leftMs
  }

  get leftMs(): number {
    return this.#since + this.#limitMs - performance.now()
  }
}

export type RepeatInput<T> = {
  /** `repeat` counts from 0; throws only SpillwayErrors and bugs. */
  readonly attempt: (repeat: number, last: SpillwayError | undefined) => Promise<T>
  /** Fewer repeats than the failure's row allows; called after each failure. */
  readonly isFinal?: (error: SpillwayError, repeat: number) => boolean
  readonly patience: Patience
  readonly limits: NetworkLimits
  readonly signal: AbortSignal
}

export async function repeated<T>(input: RepeatInput<T>): Promise<T> {
  const { limits, signal, patience } = input
  let last: SpillwayError | undefined
  for (let repeat = 0; ; repeat += 1) {
    try {
      return await input.attempt(repeat, last)
    } catch (error) {
      if (signal.aborted) throw interrupted()
      if (!(error instanceof SpillwayError) || repeat >= failureOf(error).repeat) throw error
      const waitMs = delayMs(error, repeat, limits)
      if (input.isFinal?.(error, repeat) === true || !patience.allows(waitMs)) throw error
      last = error
      await sleep(waitMs, signal).catch(() => {
        throw interrupted()
      })
    }
  }
}

function delayMs(error: SpillwayError, repeat: number, { repeatDelayMs }: NetworkLimits): number {
  const ownMs = backoffMs(repeat, repeatDelayMs, DELAY_MS_MAX)
  const askedMs = Number(error.facts['retryAfterSeconds'] ?? 0) * 1000
  return Math.max(ownMs, Math.min(askedMs, RETRY_AFTER_MS_MAX))
}

export function interrupted(): SpillwayError {
  return new SpillwayError('INTERRUPTED', 'interrupted')
}
