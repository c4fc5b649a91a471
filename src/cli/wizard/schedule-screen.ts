// "Schedule": when the nightly run starts, with the next starts shown before the answer is kept.

import { HOST_SETTINGS } from '../../config/settings.ts'
import {
  describeSchedule,
  nextTimes,
  onCalendarLines,
  parseSchedule,
} from '../../domain/schedule.ts'
import { askSetting } from './ask-setting.ts'
import type { Wizard } from './wizard.ts'

const USUAL = ['30 2 * * *', '0 4 * * *', '30 2 * * 1-5', '30 2 * * 0', '0 */6 * * *']

export async function scheduleScreen(wizard: Wizard): Promise<void> {
  const { draft, prompts, print } = wizard
  const present = draft.value('SCHEDULE')
  const answer = await prompts.choose<string>({
    message: 'When does the nightly run start? (local time)',
    choices: [
      ...USUAL.map((text) => ({
        name: `${text.padEnd(14)}${describeSchedule(parseSchedule(text))}`,
        value: text,
      })),
      { name: 'Another time, as in a crontab', value: 'other' },
    ],
    initial: USUAL.includes(present || HOST_SETTINGS.SCHEDULE.fallback)
      ? present || HOST_SETTINGS.SCHEDULE.fallback
      : 'other',
  })
  if (answer === 'other')
    await askSetting(wizard, 'SCHEDULE', {
      message: 'Minute hour day month weekday',
      suggestion: HOST_SETTINGS.SCHEDULE.fallback,
      isRequired: true,
    })
  else draft.change({ set: [['SCHEDULE', answer]] })

  const schedule = parseSchedule(draft.value('SCHEDULE'))
  print(`Starts ${describeSchedule(schedule)}.`)
  for (const time of nextTimes(schedule, wizard.now(), 3)) print(`  next: ${localTime(time)}`)
  print(
    `For systemd: ${onCalendarLines(schedule)
      .map((line) => `OnCalendar=${line}`)
      .join(' and ')}`,
  )
  print('It counts from the next "spillway systemd" on, which writes it into the timer.')
}

/** `Mon 2026-03-02 02:30`, in local time. */
function localTime(time: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][time.getDay()]
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${date} ${two(time.getHours())}:${two(time.getMinutes())}`
}
