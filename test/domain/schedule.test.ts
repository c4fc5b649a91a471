import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  describeSchedule,
  nextTimes,
  onCalendarLines,
  parseSchedule,
} from '../../src/domain/schedule.ts'

const zoneBefore = process.env['TZ']

beforeAll(() => {
  process.env['TZ'] = 'UTC'
})

afterAll(() => {
  if (zoneBefore === undefined) delete process.env['TZ']
  else process.env['TZ'] = zoneBefore
})

describe('parseSchedule', () => {
  it.each([
    ['', 'a schedule has 5 fields (minute hour day month weekday), this has 0'],
    ['30 2 * *', 'this has 4'],
    ['30 2 * * * root', 'this has 6'],
    ['@daily', 'write "0 0 * * *" instead of @daily'],
    ['60 2 * * *', 'the minute "60" is not in 0-59'],
    ['30 24 * * *', 'the hour "24" is not in 0-23'],
    ['30 2 0 * *', 'the day of month "0" is not in 1-31'],
    ['30 2 * 13 *', 'the month "13" is not in 1-12'],
    ['30 2 * * 8', 'the weekday "8" is not in 0-7'],
    ['30 2 * * MOON', 'the weekday "MOON" is not in 0-7'],
    ['-5 2 * * *', 'the minute "" is not in 0-59'],
    ['30 22-2 * * *', 'write "22-23,0-2"'],
    ['*/0 2 * * *', 'the step "0" is not in 1-99'],
    ['*/2/3 2 * * *', 'wrong step'],
    ['5/10 2 * * *', 'write "5-59/..." for a step'],
    ['1-2-3 2 * * *', 'is no range'],
    ['30 2 30 2 *', 'no month of "2" has a day "30", so it would never run'],
    ['30 2 31 4,6 *', 'never run'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parseSchedule(text)).toThrow(message)
  })

  it('takes names, lists, ranges, steps, and 7 for Sunday', () => {
    expect(parseSchedule(' 0,30   1-7/3 * jan,DEC FRI-sun ')).toEqual({
      text: '0,30 1-7/3 * jan,DEC FRI-sun',
      minutes: [0, 30],
      hours: [1, 4, 7],
      monthDays: Array.from({ length: 31 }, (_, at) => at + 1),
      months: [1, 12],
      weekdays: [0, 5, 6],
      isEitherDay: false,
    })
  })
})

it.each([
  ['30 2 * * *', 'every day at 02:30'],
  ['0 3 * * 0', 'on Sunday at 03:00'],
  ['0 3 * * 1-5', 'on Monday to Friday at 03:00'],
  ['*/15 * * * *', 'every 15 minutes'],
  ['0 * * * *', 'every hour'],
  ['* * * * *', 'every minute'],
  ['5 * * * *', 'every hour at minute 5'],
  ['0 * * 1,7 *', 'every hour in January and July'],
  ['0 * * * 1', 'on Monday every hour'],
  ['0 1,13 1,15 * *', 'on day 1 and 15 of the month at 01:00 and 13:00'],
  ['30 2 1 * 1', 'on day 1 of the month or on Monday at 02:30'],
  ['30 2 */2 * 1', /^on day 1, 3, .* of the month if it is Monday at 02:30$/],
  ['30 2 1 1,7 *', 'on day 1 of the month in January and July at 02:30'],
  ['0-10 2-5 * * *', 'every day at minute 0-10 of hour 2-5'],
])('says "%s" in words', (text, words) => {
  expect(describeSchedule(parseSchedule(text))).toMatch(words)
})

it.each([
  ['30 2 * * *', ['*-*-* 02:30:00']],
  ['*/20 * * * 1-5', ['Mon..Fri *-*-* *:00,20,40:00']],
  ['0 3 * * 0,6', ['Sat,Sun *-*-* 03:00:00']],
  ['0 3 1 * 1', ['*-*-01 03:00:00', 'Mon *-*-* 03:00:00']],
  ['0 3 1-31 * 1', ['*-*-* 03:00:00']],
  ['0 3 30 2 1', ['Mon *-02-* 03:00:00']],
  ['0 3 */2 3-5 1', [/^Mon \*-03\.\.05-01,03,05,.* 03:00:00$/]],
])('gives systemd "%s" in lines of its own', (text, lines) => {
  const found = onCalendarLines(parseSchedule(text))
  expect(found).toHaveLength(lines.length)
  for (const [at, line] of lines.entries()) expect(found[at]).toMatch(line)
})

describe('nextTimes', () => {
  const from = new Date('2026-03-01T12:00:00Z')
  const next = (text: string, count: number) =>
    nextTimes(parseSchedule(text), from, count).map((time) => time.toISOString().slice(0, 16))

  it('lies strictly after the given moment', () => {
    expect(next('0 12 * * *', 2)).toEqual(['2026-03-02T12:00', '2026-03-03T12:00'])
  })

  it('takes either day when both are given, as cron does', () => {
    expect(next('30 2 3 * 1', 3)).toEqual([
      '2026-03-02T02:30',
      '2026-03-03T02:30',
      '2026-03-09T02:30',
    ])
  })

  it('finds 29 February, years away', () => {
    expect(next('0 0 29 2 *', 1)).toEqual(['2028-02-29T00:00'])
  })

  it('runs late rather than never in the hour that summer time skips [F33c]', () => {
    process.env['TZ'] = 'Europe/Berlin'
    const times = nextTimes(parseSchedule('30 2 * * *'), new Date('2026-03-28T12:00:00Z'), 2)
    process.env['TZ'] = 'UTC'
    expect(times.map((time) => time.toISOString())).toEqual([
      '2026-03-29T01:30:00.000Z', // 03:30 local: 02:30 does not exist on that day
      '2026-03-30T00:30:00.000Z',
    ])
  })

  it('runs once in the hour that winter time repeats, hourly schedules twice [F33c]', () => {
    process.env['TZ'] = 'Europe/Berlin'
    const before = new Date('2026-10-24T23:59:00Z')
    const once = nextTimes(parseSchedule('30 2 * * *'), before, 2)
    const hourly = nextTimes(parseSchedule('30 * * * *'), before, 3)
    process.env['TZ'] = 'UTC'
    expect(once.map((time) => time.toISOString())).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ])
    expect(hourly.map((time) => time.toISOString())).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:30:00.000Z',
    ])
  })
})

const hasSystemd = ((): boolean => {
  try {
    execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

// The judge is systemd itself: its own reading of our lines against our reading of cron's.
describe.skipIf(!hasSystemd)('systemd agrees (skipped where systemd-analyze is missing)', () => {
  const number = (min: number, max: number) => fc.integer({ min, max })
  const fieldText = (min: number, max: number) =>
    fc.oneof(
      fc.constant('*'),
      number(2, 9).map((step) => `*/${step}`),
      fc.array(number(min, max), { minLength: 1, maxLength: 3 }).map((list) => list.join(',')),
      fc.tuple(number(min, max), number(min, max)).map(([a, b]) => {
        return `${Math.min(a, b)}-${Math.max(a, b)}`
      }),
    )
  const cron = fc
    .tuple(fieldText(0, 59), fieldText(0, 23), fieldText(1, 28), fieldText(1, 12), fieldText(0, 7))
    .map((fields) => fields.join(' '))

  it('on the next four times of any schedule', () => {
    const after = '2026-03-01 12:00:00 UTC'
    fc.assert(
      fc.property(cron, (text) => {
        const schedule = parseSchedule(text)
        const ours = nextTimes(schedule, new Date('2026-03-01T12:00:00Z'), 4)
        const theirs = onCalendarLines(schedule).flatMap((line) => elapses(line, after))
        const merged = [...new Set(theirs)].sort((a, b) => a - b).slice(0, 4)
        expect(ours.map((time) => time.getTime())).toEqual(merged)
      }),
      { numRuns: 60 },
    )
  })
})

function elapses(line: string, after: string): number[] {
  const output = execFileSync(
    'systemd-analyze',
    ['calendar', '--iterations=4', `--base-time=${after}`, line],
    { encoding: 'utf8', env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' } },
  )
  const times = output.matchAll(/(?:Next elapse|Iteration #\d+|Iter\. #\d+): \w+ (\S+ \S+) UTC/g)
  return [...times].map(([, time = '']) => Date.parse(`${time.replace(' ', 'T')}Z`))
}
