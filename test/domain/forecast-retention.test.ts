// The forecast's way of retention and retention itself come to the same, night after night, whatever comes when.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { planRetention } from '../../src/domain/retention.ts'
import { RetentionPlay } from '../../src/domain/forecast-retention.ts'
import type { ComingArchive } from '../../src/domain/forecast-retention.ts'
import type { KeepPolicy } from '../../src/domain/keep-policy.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const DAY_MS = 86_400_000
const BEGIN = Date.UTC(2025, 11, 20)

type Archive = ComingArchive & { readonly startedAt: Date }

const rule = fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined })
const policy: fc.Arbitrary<KeepPolicy> = fc.record({
  last: rule,
  daily: rule,
  weekly: rule,
  monthly: rule,
  yearly: rule,
  withinDays: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
})
/** Of each night: when its archives come, in hours from then on. Below 0: they waited for a server. */
const nights = fc.array(
  fc.array(fc.tuple(fc.integer({ min: -60, max: 23 }), fc.integer({ min: 0, max: 9 })), {
    maxLength: 4,
  }),
  { minLength: 1, maxLength: 60 },
)

it(`deletes what retention would, night after night (seed ${SEED})`, () => {
  let deleted = 0
  fc.assert(
    fc.property(policy, nights, fc.integer({ min: 1, max: 20 }), (keep, coming, stepDays) => {
      if (Object.values(keep).every((each) => each === undefined)) return
      const play = new RetentionPlay<Archive>(keep)
      let held: Archive[] = []
      for (const [night, hours] of coming.entries()) {
        const beginMs = BEGIN + night * stepDays * DAY_MS
        for (const [place, [hour, pinned]] of hours.entries()) {
          const startedAt = new Date(beginMs + hour * 3_600_000)
          const isPinned = pinned === 0
          const startedMs = startedAt.getTime()
          const archive = { id: `${night}-${place}`, startedAt, startedMs, isPinned, rules: 0 }
          held.push(archive)
          play.add(archive)
        }
        // Every third night nobody looks.
        if (night % 3 === 2) continue
        const untilMs = beginMs + 12 * 3_600_000
        const there = held.filter(({ startedAt }) => startedAt.getTime() <= untilMs)
        const going = planRetention({
          archives: there.map((each) => ({ ...each, isProven: true, warningCount: 0 })),
          policy: keep,
        }).flatMap(({ id, action }) => (action === 'delete' ? [id] : []))
        const due = play.dueAt(untilMs).map(({ id }) => id)
        expect(due.toSorted()).toEqual(going.toSorted())
        held = held.filter(({ id }) => !going.includes(id))
        deleted += going.length
      }
    }),
    { seed: SEED, numRuns: 500 },
  )
  expect(deleted).toBeGreaterThan(1_000)
})
