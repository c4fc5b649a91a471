// A clock that goes as it is told: `new Date()`, `Date.now()` and the sleeps of node:timers/promises. A year of nights
// passes in minutes, and no wait of the product is a wait of the test.
//
// Real are `performance.now()` and `setTimeout`: they bound what really takes time (a request on loopback).

import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'

export const DAY_MS = 86_400_000

const RealDate = Date
const realSleep = timers.setTimeout

// What is asked twice in a row is asked at two moments: ids and times keep their order.
const TICK_MS = 1

export class VirtualTime {
  #nowMs: number
  sleptMs = 0

  /** From now on, for the whole process. */
  constructor(nowMs: number) {
    this.#nowMs = nowMs
    const now = (): number => (this.#nowMs += TICK_MS)
    // A proxy, and no subclass: dates made by Node itself stay instances of it.
    globalThis.Date = new Proxy(RealDate, {
      construct: (target, given: unknown[], newTarget: NewableFunction) =>
        Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget) as object,
      get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
    })
    timers.setTimeout = (async (delayMs = 0, value?: unknown, options?: SleepOptions) => {
      options?.signal?.throwIfAborted()
      this.sleptMs += delayMs
      this.#nowMs += delayMs
      await realSleep(0)
      options?.signal?.throwIfAborted()
      return value
    }) as typeof realSleep
    syncBuiltinESMExports()
  }

  get nowMs(): number {
    return this.#nowMs
  }

  set(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /** The clock of the machine again. */
  end(): void {
    globalThis.Date = RealDate
    timers.setTimeout = realSleep
    syncBuiltinESMExports()
  }
}

type SleepOptions = { readonly signal?: AbortSignal }
