// When schedules are due, compared with looking at every single minute.

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { longestGapMs, nextTime } from '../../src/domain/schedule-times.ts'
import { parseSchedule } from '../../src/domain/schedule.ts'

const MINUTE_MS = 60_000
const zone = process.env['TZ']
const setZone = (name: string | undefined): void => {
  if (name === undefined) delete process.env['TZ']
  else process.env['TZ'] = name
}

beforeEach(() => setZone('UTC'))
afterEach(() => setZone(zone))

const next = (text: string, after: string): string =>
  nextTime(parseSchedule(text), new Date(after)).toISOString()

it.each([
  ['30 2 * * *', '2026-03-01T02:29:59Z', '2026-03-01T02:30:00.000Z'],
  ['30 2 * * *', '2026-03-01T02:30:00Z', '2026-03-02T02:30:00.000Z'],
  ['0 0 29 2 *', '2026-03-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ['0 12 1 * 1', '2026-11-21T00:00:00Z', '2026-11-23T12:00:00.000Z'],
  ['59 23 31 12 *', '2026-12-31T23:59:00Z', '2027-12-31T23:59:00.000Z'],
])('%s after %s is %s', (text, after, expected) => expect(next(text, after)).toBe(expected))

it('is the first minute that fits, for any schedule and any time', () => {
  const field = (min: number, max: number) =>
    fc.oneof(fc.constant('*'), fc.integer({ min, max }).map(String))
  const schedules = fc
    .tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
    .map((fields) => parseSchedule(fields.join(' ')))
  fc.assert(
    fc.property(
      schedules,
      fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }),
      (schedule, after) => {
        const found = nextTime(schedule, after)
        expect(found.getTime()).toBeGreaterThan(after.getTime())
        const fits = (time: Date): boolean => {
          const isMonthDay = schedule.monthDays.includes(time.getUTCDate())
          const isWeekday = schedule.weekdays.includes(time.getUTCDay())
          const isDay = schedule.isEitherDay ? isMonthDay || isWeekday : isMonthDay && isWeekday
          return (
            isDay &&
            schedule.months.includes(time.getUTCMonth() + 1) &&
            schedule.hours.includes(time.getUTCHours()) &&
            schedule.minutes.includes(time.getUTCMinutes())
          )
        }
        expect(fits(found)).toBe(true)
        // Every minute of the last two days before it is too early.
        const first = Math.max(found.getTime() - 2 * 1_440 * MINUTE_MS, after.getTime() + 1)
        const start = Math.ceil(first / MINUTE_MS) * MINUTE_MS
        for (let ms = start; ms < found.getTime(); ms += MINUTE_MS)
          expect(fits(new Date(ms)), new Date(ms).toISOString()).toBe(false)
      },
    ),
    { numRuns: 100 },
  )
})

describe('where the clock is put forward and back', () => {
  beforeEach(() => setZone('Europe/Berlin'))

  it('is due once a night, all the same', () => {
    const due: string[] = []
    let at = new Date('2026-03-27T12:00:00Z')
    for (let night = 0; night < 3; night += 1) {
      at = nextTime(parseSchedule('30 2 * * *'), at)
      due.push(at.toISOString())
    }
    // On the 29th there is no half past two.
    expect(due.map((time) => time.slice(0, 10))).toEqual(['2026-03-28', '2026-03-29', '2026-03-30'])
    const autumn = nextTime(parseSchedule('30 2 * * *'), new Date('2026-10-25T00:00:00Z'))
    const after = nextTime(parseSchedule('30 2 * * *'), autumn)
    expect([autumn.toISOString().slice(0, 10), after.toISOString().slice(0, 10)]).toEqual([
      '2026-10-25',
      '2026-10-26',
    ])
  })
})

it.each([
  ['30 2 * * *', 24],
  ['0 * * * *', 1],
  ['0 2,14 * * *', 12],
  ['30 2 * * 1-5', 72],
  ['0 8-18 * * *', 14],
  ['* 8-18 * * 1-5', 61 + 1 / 60],
  ['0 3 * * 0', 7 * 24],
  ['0 0 1 * *', 31 * 24],
  ['0 0 1 1 *', 366 * 24],
  ['0 0 29 2 *', 1_461 * 24],
  ['* * * * *', 1 / 60],
])('between two of %s lie at most %d hours', (text, hours) => {
  for (const name of ['UTC', 'Europe/Berlin']) {
    setZone(name)
    const gap = longestGapMs(parseSchedule(text), new Date('2027-03-05T12:34:00Z'))
    expect(gap / 3_600_000, name).toBeCloseTo(hours, 6)
  }
})
