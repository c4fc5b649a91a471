// When the nightly run starts: a five-field cron line, and what becomes of it.
//
// Times are local times of the machine, as cron and systemd understand them. One rule of cron
// surprises: when neither day field begins with "*", a day matches if EITHER of them matches.
// systemd joins its fields with "and", so such a line becomes two OnCalendar lines.

import { SpillwayError } from './errors.ts'

export type Schedule = {
  /** As given, spaces mended. */
  readonly text: string
  /** Each field as the ascending list of its values; weekdays from 0 = Sunday to 6. */
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly monthDays: readonly number[]
  readonly months: readonly number[]
  readonly weekdays: readonly number[]
  /** Both day fields restrict: a day needs only one of them. */
  readonly isEitherDay: boolean
}

type Field = {
  readonly name: string
  readonly min: number
  readonly max: number
  /** Names that may stand for numbers, from `min` on. */
  readonly names?: readonly string[]
}

const MONTH_NAMES = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
]
const DAY_NAMES = [
  ...['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'],
]
const short = (name: string) => name.slice(0, 3)

const MINUTE: Field = { name: 'minute', min: 0, max: 59 }
const HOUR: Field = { name: 'hour', min: 0, max: 23 }
const MONTH_DAY: Field = { name: 'day of month', min: 1, max: 31 }
const MONTH: Field = { name: 'month', min: 1, max: 12, names: MONTH_NAMES.map(short) }
// 7 is Sunday, too.
const WEEKDAY: Field = { name: 'weekday', min: 0, max: 7, names: DAY_NAMES.map(short) }

// A step beyond the field's end leaves its first value, as in cron.
const STEP: Field = { name: 'step', min: 1, max: 99 }

const MACROS: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}

const MONTH_LENGTHS_MAX = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Throws CONFIG_INVALID with a message that says what is wrong with which field. */
export function parseSchedule(text: string): Schedule {
  const fields = text.trim().split(/\s+/)
  const macro = MACROS[fields[0]?.toLowerCase() ?? '']
  if (macro !== undefined) throw wrong(`write "${macro}" instead of ${fields[0]}`)
  const [minute, hour, monthDay, month, weekday] = fields
  if (
    fields.length !== 5 ||
    minute === undefined ||
    hour === undefined ||
    monthDay === undefined ||
    month === undefined ||
    weekday === undefined
  ) {
    const given = text.trim() === '' ? 0 : fields.length
    throw wrong(`a schedule has 5 fields (minute hour day month weekday), this has ${given}`)
  }
  const weekdays = readField(weekday, WEEKDAY).map((day) => day % 7)
  const schedule: Schedule = {
    text: fields.join(' '),
    minutes: readField(minute, MINUTE),
    hours: readField(hour, HOUR),
    monthDays: readField(monthDay, MONTH_DAY),
    months: readField(month, MONTH),
    weekdays: [...new Set(weekdays)].sort((a, b) => a - b),
    isEitherDay: !monthDay.startsWith('*') && !weekday.startsWith('*'),
  }
  const happens = schedule.months.some(
    (value) => MONTH_LENGTHS_MAX[value - 1]! >= schedule.monthDays[0]!,
  )
  if (!happens && !schedule.isEitherDay)
    throw wrong(`no month of "${month}" has a day "${monthDay}", so it would never run`)
  return schedule
}

function readField(text: string, field: Field): number[] {
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const [range = '', stepText, ...more] = item.split('/')
    const [low, high] = readRange(range, stepText !== undefined, field)
    const step = stepText === undefined ? 1 : readNumber(stepText, STEP)
    if (more.length > 0) throw wrong(`the ${field.name} "${item}" has a wrong step`)
    for (let value = low; value <= high; value += step) values.add(value)
  }
  return [...values].sort((a, b) => a - b)
}

function readRange(text: string, hasStep: boolean, field: Field): [low: number, high: number] {
  // A plain "*" of weekdays must not name Sunday twice when it has a step.
  if (text === '*') return [field.min, field === WEEKDAY ? 6 : field.max]
  const [lowText = '', highText, ...more] = text.split('-')
  const low = readNumber(lowText, field)
  if (highText === undefined) {
    if (hasStep) throw wrong(`in the ${field.name} write "${low}-${field.max}/..." for a step`)
    return [low, low]
  }
  const high = readNumber(highText, field)
  if (more.length > 0) throw wrong(`the ${field.name} "${text}" is no range`)
  if (high < low) {
    // Sunday at the end of a range of names is 7.
    if (field === WEEKDAY && high === 0) return [low, 7]
    throw wrong(
      `the ${field.name} range "${text}" runs backwards; ` +
        `write "${low}-${field === WEEKDAY ? 6 : field.max},${field.min}-${high}"`,
    )
  }
  return [low, high]
}

function readNumber(text: string, field: Field): number {
  const named = field.names?.findIndex((name) => name.toLowerCase() === text.toLowerCase()) ?? -1
  if (named >= 0) return named + field.min
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= field.min && value <= field.max))
    throw wrong(`the ${field.name} "${text}" is not in ${field.min}-${field.max}`)
  return value
}

function wrong(message: string): SpillwayError {
  return new SpillwayError('CONFIG_INVALID', message)
}

/** `every day at 02:30`; `on day 1 of the month or on Monday, in May, at 02:30`. */
export function describeSchedule(schedule: Schedule): string {
  const days = describeDays(schedule)
  const months =
    schedule.months.length === 12
      ? ''
      : ` in ${listed(schedule.months.map((month) => MONTH_NAMES[month - 1]!))}`
  const times = describeTimes(schedule)
  // "every day every hour" says it twice.
  if (days === EVERY_DAY && times.startsWith('every ')) return `${times}${months}`
  return `${days}${months} ${times}`
}

const EVERY_DAY = 'every day'

function describeDays({ monthDays, weekdays, isEitherDay }: Schedule): string {
  const byDate = `on day ${listed(runs(monthDays, '-'))} of the month`
  const named = weekdays.map((day) => DAY_NAMES[day]!)
  const byName = isSame(weekdays, [1, 2, 3, 4, 5]) ? 'on Monday to Friday' : `on ${listed(named)}`
  if (isEitherDay) return `${byDate} or ${byName}`
  if (monthDays.length === 31) return weekdays.length === 7 ? EVERY_DAY : byName
  return weekdays.length === 7 ? byDate : `${byDate} if it is ${byName.slice(3)}`
}

function describeTimes({ minutes, hours }: Schedule): string {
  if (hours.length === 24) {
    if (minutes.length === 60) return 'every minute'
    const step = minutes.length > 1 ? minutes[1]! - minutes[0]! : 60
    const isEven = minutes[0] === 0 && minutes.every((minute, at) => minute === at * step)
    if (isEven && minutes.length * step === 60)
      return step === 60 ? 'every hour' : `every ${step} minutes`
    return `every hour at minute ${listed(runs(minutes, '-'))}`
  }
  // More times than that are no sentence any more.
  const timesMax = 4
  if (minutes.length * hours.length <= timesMax) {
    const times = hours.flatMap((hour) => minutes.map((minute) => `${two(hour)}:${two(minute)}`))
    return `at ${listed(times)}`
  }
  const minute = minutes.length === 60 ? 'every minute' : `minute ${listed(runs(minutes, '-'))}`
  return `at ${minute} of hour ${listed(runs(hours, '-'))}`
}

/** The next `count` starts strictly after `after`, in local time. */
export function nextTimes(schedule: Schedule, after: Date, count: number): Date[] {
  const found: Date[] = []
  const day = new Date(after.getFullYear(), after.getMonth(), after.getDate())
  // 29 February on a given weekday comes at the latest after 40 years (around the year 2100).
  const daysMax = 41 * 366
  for (let passed = 0; passed < daysMax && found.length < count; passed += 1) {
    if (isDay(schedule, day)) {
      const times = timesOfDay(schedule, day).filter((time) => time > after.getTime())
      found.push(...times.map((time) => new Date(time)))
    }
    day.setDate(day.getDate() + 1)
  }
  return found.slice(0, count)
}

function isDay(schedule: Schedule, day: Date): boolean {
  if (!schedule.months.includes(day.getMonth() + 1)) return false
  const byDate = schedule.monthDays.includes(day.getDate())
  const byName = schedule.weekdays.includes(day.getDay())
  return schedule.isEitherDay ? byDate || byName : byDate && byName
}

/**
 * A time that the change to summer time skips is moved on by that hour rather than left out: an
 * archive too late is better than none. When an hour comes twice, a fixed time runs once and an
 * hourly schedule runs in both.
 */
function timesOfDay(schedule: Schedule, day: Date): number[] {
  const times = new Set<number>()
  for (const hour of schedule.hours) {
    for (const minute of schedule.minutes) {
      const time = new Date(day.getFullYear(), day.getMonth(), day.getDate(), hour, minute)
      times.add(time.getTime())
      const again = new Date(time.getTime() + 3_600_000)
      if (schedule.hours.length === 24 && again.getHours() === time.getHours())
        times.add(again.getTime())
    }
  }
  return [...times].sort((a, b) => a - b)
}

/** For systemd's `OnCalendar=`; more than one line means: at any of them. */
export function onCalendarLines(schedule: Schedule): string[] {
  const { minutes, hours, months, monthDays, weekdays } = schedule
  const time = `${field(hours, 24)}:${field(minutes, 60)}:00`
  const date = (days: readonly number[]) => `*-${field(months, 12)}-${field(days, 31)} ${time}`
  // Monday first: systemd's own order, in which a run may not cross Sunday.
  const names = runs(
    weekdays.map((day) => (day + 6) % 7).sort((a, b) => a - b),
    '..',
    (day) => short(DAY_NAMES[(day + 1) % 7]!),
  )
  const named = weekdays.length === 7 ? '' : `${names.join(',')} `
  if (!schedule.isEitherDay) return [named + date(monthDays)]
  // A restriction that allows every day makes the other one idle.
  if (named === '' || monthDays.length === 31) return [date([])]
  const neverByDate = months.every((month) => MONTH_LENGTHS_MAX[month - 1]! < monthDays[0]!)
  return neverByDate ? [named + date([])] : [date(monthDays), named + date([])]
}

function field(values: readonly number[], all: number): string {
  return values.length === all || values.length === 0 ? '*' : runs(values, '..', two).join(',')
}

/** Neighbours joined: 1,2,3,7 becomes 1-3 and 7. */
function runs(
  values: readonly number[],
  joint: string,
  show: (value: number) => string = String,
): string[] {
  const found: [first: number, last: number][] = []
  for (const value of values) {
    const run = found.at(-1)
    if (run?.[1] === value - 1) run[1] = value
    else found.push([value, value])
  }
  return found.flatMap(([first, last]) => {
    if (first === last) return show(first)
    return last === first + 1 ? [show(first), show(last)] : show(first) + joint + show(last)
  })
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at])
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
