// When a schedule is due, in local time as cron has it. Where the clock is put forward, what falls into the
// hour that is left out is due at its end; where it is put back, what falls into the hour that comes twice
// is due once.

import type { Schedule } from './schedule.ts'

// Leap years of one weekday come every 28 years, and 2100 is none.
const YEARS_MAX = 41

/** The first minute after `after` at which it is due. */
export function nextTime(schedule: Schedule, after: Date): Date {
  const last = new Date(after)
  last.setFullYear(last.getFullYear() + YEARS_MAX)
  const day = new Date(after.getFullYear(), after.getMonth(), after.getDate())
  for (; day < last; day.setDate(day.getDate() + 1)) {
    if (!isDueOn(schedule, day)) continue
    for (const hour of schedule.hours) {
      for (const minute of schedule.minutes) {
        const due = new Date(day.getFullYear(), day.getMonth(), day.getDate(), hour, minute)
        if (due > after) return due
      }
    }
  }
  // parseSchedule refuses what is never due.
  return last
}

const DAY_MS = 86_400_000

/** The longest time between two of them in the year from `from`; of rarer ones, between the next two. */
export function longestGapMs(schedule: Schedule, from: Date): number {
  const minutes = schedule.hours.flatMap((hour) =>
    schedule.minutes.map((minute) => hour * 60 + minute),
  )
  const [first, last] = [minutes[0]! * 60_000, minutes.at(-1)! * 60_000]
  const inDay = minutes.map((minute, at) => (at === 0 ? 0 : minute - minutes[at - 1]!) * 60_000)
  let longest = Math.max(...inDay)
  const begun = midnightOf(nextTime(schedule, from))
  let day = begun
  do {
    const endOfDay = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1, 0, 0, 0, -1)
    const next = midnightOf(nextTime(schedule, endOfDay))
    // By the calendar: a night on which the clock is changed is a night.
    const days = Math.round((next.getTime() - day.getTime()) / DAY_MS)
    longest = Math.max(longest, days * DAY_MS + first - last)
    day = next
  } while (day.getTime() - begun.getTime() < 366 * DAY_MS)
  return longest
}

function midnightOf(time: Date): Date {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate())
}

function isDueOn({ monthDays, months, weekdays, isEitherDay }: Schedule, day: Date): boolean {
  if (!months.includes(day.getMonth() + 1)) return false
  const isMonthDay = monthDays.includes(day.getDate())
  const isWeekday = weekdays.includes(day.getDay())
  return isEitherDay ? isMonthDay || isWeekday : isMonthDay && isWeekday
}
