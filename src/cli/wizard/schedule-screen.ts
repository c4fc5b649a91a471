// "Schedule": when the nightly run starts, with the next starts shown before the answer is kept.

import { HOST_SETTINGS } from '../../config/settings.ts'
import {
  describeSchedule,
  nextTimes,
  onCalendarLines,
  parseSchedule,
} from '../../domain/schedule.ts'
import type { Schedule } from '../../domain/schedule.ts'
import { askSetting } from './ask-setting.ts'
import { scheduleSummary } from './summaries.ts'
import type { Wizard } from './wizard.ts'

const USUAL = ['30 2 * * *', '0 4 * * *', '30 2 * * 1-5', '30 2 * * 0', '0 */6 * * *', '0 * * * *']

export async function scheduleScreen(wizard: Wizard): Promise<void> {
  const schedule = await askSchedule(wizard, 'SCHEDULE', {
    message: 'When does the nightly run start? (local time)',
    present: wizard.draft.value('SCHEDULE') || HOST_SETTINGS.SCHEDULE.fallback,
    suggestion: HOST_SETTINGS.SCHEDULE.fallback,
  })
  wizard.print(
    `For systemd: ${onCalendarLines(schedule)
      .map((line) => `OnCalendar=${line}`)
      .join(' and ')}`,
  )
  wizard.print('It counts from the next "spillway systemd" on, which writes it into the timer.')
}

/** Of one source: with the others, or at times of its own. */
export async function sourceScheduleScreen(wizard: Wizard, variable: string): Promise<void> {
  const { draft, prompts, print } = wizard
  const present = draft.value(variable)
  const isOwn = await prompts.choose<boolean>({
    message: 'When is this source archived?',
    choices: [
      { name: `With the others: ${scheduleSummary(draft)}`, value: false },
      {
        name: 'At times of its own',
        value: true,
        description: 'only "spillway serve" follows them; a timer has one schedule',
      },
    ],
    initial: present !== '',
  })
  if (!isOwn) {
    if (present !== '') draft.change({ remove: [variable] })
    return
  }
  await askSchedule(wizard, variable, {
    ...{ message: 'When does it start? (local time)', present, suggestion: '0 * * * *' },
  })
  print('Only the daemon follows it: "spillway systemd --daemon", or "spillway serve".')
}

async function askSchedule(
  wizard: Wizard,
  variable: string,
  asked: { readonly message: string; readonly present: string; readonly suggestion: string },
): Promise<Schedule> {
  const { draft, prompts, print } = wizard
  const { message, present, suggestion } = asked
  const answer = await prompts.choose<string>({
    message,
    choices: [
      ...USUAL.map((text) => ({
        name: `${text.padEnd(14)}${describeSchedule(parseSchedule(text))}`,
        value: text,
      })),
      { name: 'Another time, as in a crontab', value: 'other' },
    ],
    initial: USUAL.includes(present) ? present : 'other',
  })
  if (answer === 'other')
    await askSetting(wizard, variable, {
      ...{ message: 'Minute hour day month weekday', suggestion, isRequired: true },
    })
  else draft.change({ set: [[variable, answer]] })

  const schedule = parseSchedule(draft.value(variable))
  print(`Starts ${describeSchedule(schedule)}.`)
  for (const time of nextTimes(schedule, wizard.now(), 3)) print(`  next: ${localTime(time)}`)
  return schedule
}

/** `Mon 2026-03-02 02:30`, in local time. */
function localTime(time: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][time.getDay()]
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${date} ${two(time.getHours())}:${two(time.getMinutes())}`
}
