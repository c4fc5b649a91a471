// Repeats, waits, rate limits and the watch over silence: what decides how long a server is waited for.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FAILURES, SpillwayError } from '../../src/domain/errors.ts'
import type { FailureCode } from '../../src/domain/errors.ts'
import { backoffMs } from '../../src/lib/backoff.ts'
import { createRateLimit } from '../../src/storage/rate-limit.ts'
import { Patience, repeated } from '../../src/storage/retry.ts'
import { SilenceWatch } from '../../src/storage/silence-watch.ts'
import { FAST_LIMITS, failureFrom, never } from '../support/storages.ts'

describe('repeats', () => {
  const codes = Object.keys(FAILURES) as FailureCode[]

  it.each(codes)('of %s are as many as its row says', async (code) => {
    let attempts = 0
    const attempt = async (): Promise<never> => {
      attempts += 1
      throw new SpillwayError(code, 'made for this test')
    }
    const limits = { ...FAST_LIMITS, repeatDelayMs: 0.01 }
    const patience = new Patience(limits)
    const failure = await failureFrom(repeated({ attempt, patience, limits, signal: never }))
    expect(failure.code).toBe(code)
    expect(attempts).toBe(FAILURES[code].repeat + 1)
  })

  it('never repeat a bug', async () => {
    let attempts = 0
    const attempt = async (): Promise<never> => {
      attempts += 1
      throw new TypeError('x is not a function')
    }
    const patience = new Patience(FAST_LIMITS)
    const failure = failureFrom(repeated({ attempt, patience, limits: FAST_LIMITS, signal: never }))
    expect(await failure).toBeInstanceOf(TypeError)
    expect(attempts).toBe(1)
  })

  it('wait about 20 s in all for a busy server, and no delay passes 10 s', () => {
    const longest = [0, 1, 2, 3].map((repeat) => backoffMs(repeat, 500, 10_000, () => 1))
    const shortest = [0, 1, 2, 3].map((repeat) => backoffMs(repeat, 500, 10_000, () => 0))
    expect(longest).toEqual([500, 2_500, 10_000, 10_000])
    expect(shortest).toEqual([250, 1_250, 5_000, 5_000])
  })
})

describe('a rate limit', () => {
  it('gives what the line would have carried, whoever asks', async () => {
    const rate = createRateLimit(8 * 1_000_000)!
    const begun = performance.now()
    await Promise.all(Array.from({ length: 12 }, () => rate.take(50_000, never)))
    const tookMs = performance.now() - begun
    // 600 kB at 1 MB/s, less the tenth of a second that may go at once.
    expect(tookMs).toBeGreaterThan(480)
    expect(tookMs).toBeLessThan(900)
  })

  it('does not save up what was not used', async () => {
    const clock = { ms: 0 }
    const rate = createRateLimit(8_000_000, () => clock.ms)!
    clock.ms = 3_600_000
    await rate.take(100_000, never)
    const begun = performance.now()
    await rate.take(100_000, never)
    expect(performance.now() - begun).toBeGreaterThan(80)
  })

  it('is none when none is set', () => {
    expect(createRateLimit(undefined)).toBeUndefined()
  })

  it('lets go of who is interrupted', async () => {
    const rate = createRateLimit(8)!
    const stop = new AbortController()
    const waiting = failureFrom(rate.take(1_000, stop.signal))
    stop.abort()
    expect((await waiting).name).toBe('AbortError')
  })
})

describe('the watch over silence', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const watch = () => {
    const state = { bytes: 0, silent: 0 }
    const rule = { silenceMs: 60_000, bytesMin: 1_024 }
    const watch = new SilenceWatch(
      rule,
      () => state.bytes,
      () => void (state.silent += 1),
    )
    return { state, watch }
  }

  it('fires once when nothing moves, at most a quarter late', () => {
    const { state } = watch()
    vi.advanceTimersByTime(59_000)
    expect(state.silent).toBe(0)
    vi.advanceTimersByTime(16_000)
    expect(state.silent).toBe(1)
    vi.advanceTimersByTime(600_000)
    expect(state.silent).toBe(1)
  })

  it('is not deceived by a drip of ten bytes a second [F26]', () => {
    const { state } = watch()
    for (let second = 0; second < 80; second += 1) {
      state.bytes += 10
      vi.advanceTimersByTime(1_000)
    }
    expect(state.silent).toBe(1)
  })

  it('is content with a slow line that moves', () => {
    const { state } = watch()
    for (let second = 0; second < 3_600; second += 1) {
      state.bytes += 100
      vi.advanceTimersByTime(1_000)
    }
    expect(state.silent).toBe(0)
  })

  it('does not count the time in which we did not want anything', () => {
    const { state, watch: watching } = watch()
    vi.advanceTimersByTime(50_000)
    watching.pause()
    vi.advanceTimersByTime(600_000)
    watching.resume()
    vi.advanceTimersByTime(50_000)
    expect(state.silent).toBe(0)
    vi.advanceTimersByTime(30_000)
    expect(state.silent).toBe(1)
  })
})
