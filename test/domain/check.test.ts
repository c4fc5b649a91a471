import { describe, expect, it } from 'vitest'
import { deadlineOf, graceOf, parseAge } from '../../src/domain/check.ts'
import { parseSchedule } from '../../src/domain/schedule.ts'

const HOUR_MS = 3_600_000

// Local time, as schedules have it.
const at = (day: number, hour: number, minute = 0) => new Date(2026, 2, day, hour, minute)

describe('an archive is late', () => {
  it.each([
    ['nightly', '30 2 * * *', at(2, 2, 30), at(3, 2, 30), at(3, 8, 30), at(4, 8, 30)],
    [
      'nightly, made by hand at noon',
      '30 2 * * *',
      at(2, 12),
      at(3, 2, 30),
      at(3, 8, 30),
      at(4, 8, 30),
    ],
    ['hourly', '0 * * * *', at(2, 5, 0), at(2, 6), at(2, 7), at(2, 8)],
    ['on Mondays', '0 3 * * 1', at(2, 3), at(9, 3), at(9, 9), at(16, 9)],
    ['on working days, of a Friday', '0 3 * * 1-5', at(6, 3), at(9, 3), at(9, 9), at(10, 9)],
  ])('%s', (_name, schedule, last, dueAt, lateAt, hopelessAt) => {
    expect(
      deadlineOf(last, { schedule: parseSchedule(schedule), maxAgeMs: undefined, delayMs: 0 }),
    ).toEqual({
      dueAt,
      lateAt,
      hopelessAt,
    })
  })

  it('after --max-age, whatever the schedule says', () => {
    const schedule = parseSchedule('0 3 * * 1')
    const limits = { schedule, maxAgeMs: 36 * HOUR_MS, delayMs: HOUR_MS }
    expect(deadlineOf(at(2, 3), limits).lateAt).toEqual(at(3, 15))
  })

  it('by the delay more, with which runs may start', () => {
    const schedule = parseSchedule('30 2 * * *')
    const limits = { schedule, maxAgeMs: undefined, delayMs: HOUR_MS }
    expect(deadlineOf(at(2, 3), limits).lateAt).toEqual(at(3, 9, 30))
  })
})

it('the grace is a quarter of the interval, within an hour and six', () => {
  expect([0.25, 1, 8, 24, 168].map((hours) => graceOf(hours * HOUR_MS) / HOUR_MS)).toEqual([
    1, 1, 2, 6, 6,
  ])
})

it.each([
  ['36h', 36 * HOUR_MS],
  ['90m', 1.5 * HOUR_MS],
  ['2d', 48 * HOUR_MS],
  ['36', undefined],
  ['0h', undefined],
  ['1.5h', undefined],
  ['-3h', undefined],
  ['2w', undefined],
])('reads %s', (text, ms) => expect(parseAge(text)).toBe(ms))
