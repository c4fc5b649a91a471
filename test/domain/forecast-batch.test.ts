// The archives of a night are sent at once where they go the same way: one after the other they would go there as well.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { forecast } from '../../src/domain/forecast.ts'
import { trendOf } from '../../src/domain/forecast-trend.ts'
import type { ForecastInput } from '../../src/domain/forecast.ts'
import type { Trend } from '../../src/domain/forecast-trend.ts'
import { pastDays } from '../support/past-days.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const NOW = new Date('2026-03-10T12:00:00Z')
const HOUR_MS = 3_600_000
const KEEP = {
  ...{ last: undefined, daily: undefined, weekly: undefined, monthly: undefined },
  ...{ yearly: undefined, withinDays: undefined },
}

it(`fills servers as sending one by one does (seed ${SEED})`, () => {
  const spare = fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 4 })
  let filled = 0
  fc.assert(
    fc.property(
      ...[spare, fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 40 })],
      fc.integer({ min: 1, max: 24 }),
      (spares, copies, sizeBytes, perDay) => {
        const past = pastDays(
          Array.from({ length: 10 * perDay }, (_, at) => ({
            startedMs: NOW.getTime() - ((at + 0.5) * 24 * HOUR_MS) / perDay,
            sizeBytes,
          })),
        )
        const whole: Trend = trendOf({ name: 'docs', keep: KEEP }, past, NOW)
        // The same archives as sources of their own: each brings one a night, so nothing is sent at once.
        const single = Array.from({ length: perDay }, (_, at) => ({
          ...{ ...whole, name: `docs-${at}`, gapMs: 24 * HOUR_MS },
          nextMs: whole.nextMs! + at * whole.gapMs,
        }))
        const input: ForecastInput = {
          ...{ now: NOW, copies, archives: [], sources: [{ name: 'docs', keep: KEEP, past }] },
          servers: spares.map((spareBytes, at) => ({
            ...{ identity: `s${at}`, number: at, isEnabled: true, spareBytes },
          })),
        }
        const found = forecast(input, [whole])
        const expected = forecast(input, single)
        expect(found.fullInNights).toBe(expected.fullInNights)
        expect([...found.servers]).toEqual([...expected.servers])
        if (found.fullInNights !== null) filled += 1
      },
    ),
    { seed: SEED, numRuns: 300 },
  )
  expect(filled).toBeGreaterThan(20)
})
