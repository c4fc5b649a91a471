// Times that were noted, against now.

import { expect, it } from 'vitest'
import { isRecent } from '../../src/domain/recent.ts'

const HOUR_MS = 3_600_000
const nowMs = Date.UTC(2026, 10, 22)
const ago = (ms: number) => new Date(nowMs - ms)

it('what is from a time to come was noted by a wrong clock, and is as if it had not been noted', () => {
  expect(isRecent(ago(HOUR_MS), HOUR_MS, nowMs)).toBe(true)
  expect(isRecent(ago(HOUR_MS + 1), HOUR_MS, nowMs)).toBe(false)
  expect(isRecent(undefined, HOUR_MS, nowMs)).toBe(false)
  // Clocks that are kept in step differ, too.
  expect(isRecent(ago(-60_000), HOUR_MS, nowMs)).toBe(true)
  expect(isRecent(ago(-HOUR_MS), HOUR_MS, nowMs)).toBe(false)
})
