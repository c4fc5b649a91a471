// "Notifications": who is told of runs, without any secret of them, and what may be done to each.

import { ENTRY_SETTINGS, entryNumbers, entryPrefix } from '../../config/names.ts'
import { readNotification } from '../../config/notifications.ts'
import { formatProblem } from '../../config/problem.ts'
import type { Problem } from '../../config/problem.ts'
import type { Notification } from '../../domain/notification.ts'
import type { ConfigDraft } from '../../operations/configure.ts'
import { nextNumber, removeEntry } from '../../operations/configure-entries.ts'
import { maskValue } from '../../operations/configure-masks.ts'
import { orBack } from '../prompts.ts'
import type { Choice } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { askNotification, askOccasions, sendTest } from './notification-form.ts'
import { askSetting } from './ask-setting.ts'
import type { Wizard } from './wizard.ts'

const KIND = 'NOTIFY'

function read(
  draft: ConfigDraft,
  number: number,
): { readonly notification: Notification | undefined; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const { joined, envFileDir } = draft
  return { notification: readNotification(joined, number, { envFileDir }, problems), problems }
}

/** `mail mail.example.net`. */
function placeOf(draft: ConfigDraft, number: number): string {
  const { notification, problems } = read(draft, number)
  if (notification !== undefined) return oneLine(notification.label.replace(/^\d+: /, ''))
  const names = problems.map(({ variable }) => variable.replace(/^NOTIFY_\d+_/, ''))
  return `[problem: ${[...new Set(names)].join(', ')}]`
}

function lineOf(draft: ConfigDraft, number: number): string {
  const on = read(draft, number).notification?.on
  return `${placeOf(draft, number)}${on === undefined ? '' : `   told of: ${on.join(', ')}`}`
}

/** `mail mail.example.net, ntfy ntfy.sh`. */
export function notificationsSummary(draft: ConfigDraft): string {
  const places = entryNumbers(draft.values, KIND).map((number) => placeOf(draft, number))
  if (places.length === 0) return 'nobody is told of runs'
  // The line of a menu has room for a few.
  return places.slice(0, 3).join(', ') + (places.length > 3 ? ', ...' : '')
}

type Answer = number | 'add' | 'back'

export async function notificationsScreen(wizard: Wizard): Promise<void> {
  const { draft, prompts } = wizard
  for (;;) {
    const numbers = entryNumbers(draft.values, KIND)
    const answer = await prompts.choose<Answer>({
      message: 'Notifications: who is told of runs',
      choices: [
        ...numbers.map((number): Choice<Answer> => ({
          name: `${String(number).padStart(2)}  ${lineOf(draft, number)}`,
          value: number,
        })),
        ...(numbers.length > 0 ? (['line'] as const) : []),
        { name: 'Add one', value: 'add' },
        { name: 'Back', value: 'back' },
      ],
      initial: numbers[0] ?? 'add',
    })
    if (answer === 'back') return
    if (answer === 'add') await askNotification(wizard, nextNumber(draft.values, KIND))
    else await orBack(() => notificationScreen(wizard, answer), undefined)
  }
}

async function notificationScreen(wizard: Wizard, number: number): Promise<void> {
  const { draft, prompts, print } = wizard
  for (;;) {
    for (const problem of read(draft, number).problems)
      print(`  ${oneLine(formatProblem(problem))}`)
    const answer = await prompts.choose<string>({
      message: `Notification ${number}: ${lineOf(draft, number)}`,
      choices: [
        { name: 'Send a test message', value: 'test' },
        { name: 'Set it up anew', value: 'form', description: 'another kind, another address' },
        'line',
        ...settingChoices(draft, number),
        'line',
        { name: 'Remove it', value: 'remove' },
        { name: 'Back', value: 'back' },
      ],
    })
    if (answer === 'back') return
    if (answer === 'remove') {
      const message = `Remove notification ${number} from the file?`
      if (!(await prompts.confirm({ message, initial: false }))) continue
      draft.change(removeEntry(draft.values, KIND, number))
      return
    }
    await orBack(() => act(wizard, number, answer), undefined)
  }
}

function settingChoices(draft: ConfigDraft, number: number): readonly Choice<string>[] {
  return Object.entries(ENTRY_SETTINGS.NOTIFY).map(([name, { help, fallback, otherwise }]) => {
    const variable = entryPrefix(KIND, number) + name
    const shown = maskValue(variable, draft.value(variable))
    const value = shown === '' ? `(${fallback ?? otherwise ?? 'not set'})` : oneLine(shown)
    return { name: `${name.padEnd(18)}${value}`, value: name, description: help }
  })
}

async function act(wizard: Wizard, number: number, answer: string): Promise<void> {
  if (answer === 'test') await sendTest(wizard, number)
  else if (answer === 'form') await askNotification(wizard, number)
  else if (answer === 'ON') await askOccasions(wizard, number)
  else await askSetting(wizard, entryPrefix(KIND, number) + answer)
}
