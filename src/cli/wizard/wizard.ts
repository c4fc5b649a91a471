// The wizard's main menu. All changes are made to a draft in memory; only "Save and leave" writes,
// so that leaving by any other way, Ctrl-C included, changes nothing.

import { SpillwayError, isFailure } from '../../domain/errors.ts'
import { formatProblem } from '../../config/problem.ts'
import type { ConfigDraft } from '../../operations/configure.ts'
import type { TestNotification } from '../../operations/notify-test.ts'
import type { TestServer } from '../../operations/configure-test-server.ts'
import type { TestSource } from '../../operations/configure-test-source.ts'
import { orBack } from '../prompts.ts'
import type { Choice, Prompts } from '../prompts.ts'
import { oneLine } from '../text.ts'
import { notificationsScreen, notificationsSummary } from './notifications-screen.ts'
import { retentionScreen } from './retention-screen.ts'
import { describeRetention, scheduleSummary } from './summaries.ts'
import { scheduleScreen } from './schedule-screen.ts'
import { serversScreen, serversSummary } from './servers-screen.ts'
import { settingsScreen } from './settings-screen.ts'
import { sourcesScreen, sourcesSummary } from './sources-screen.ts'

export type Wizard = {
  readonly draft: ConfigDraft
  readonly prompts: Prompts
  readonly testServer: TestServer
  readonly testSource: TestSource
  readonly testNotification: TestNotification
  /** One line; what others chose (names, answers of servers) must be harmless already. */
  readonly print: (line: string) => void
  readonly signal: AbortSignal
  readonly now: () => Date
}

const SCREENS = {
  servers: serversScreen,
  sources: sourcesScreen,
  schedule: scheduleScreen,
  retention: retentionScreen,
  notifications: notificationsScreen,
  settings: settingsScreen,
} as const

type MenuAnswer = keyof typeof SCREENS | 'save' | 'leave'

/** Resolves to whether the file was written. Ctrl-C rejects with INTERRUPTED. */
export async function runWizard(wizard: Wizard): Promise<boolean> {
  const { draft } = wizard
  try {
    greet(wizard)
    let answer: MenuAnswer = 'servers'
    for (;;) {
      answer = await orBack(() => mainMenu(wizard, answer), 'leave')
      if (answer === 'leave') {
        if (!draft.isChanged || (await orBack(() => confirmLoss(wizard), false))) {
          wizard.print(`Nothing was changed in ${oneLine(draft.path)}.`)
          return false
        }
      } else if (answer === 'save') {
        if (await save(wizard)) return true
      } else {
        const screen: (wizard: Wizard) => Promise<void> = SCREENS[answer]
        await orBack(() => screen(wizard), undefined)
      }
    }
  } catch (error) {
    if (!isFailure(error, 'INTERRUPTED') && !wizard.signal.aborted) throw error
    throw new SpillwayError('INTERRUPTED', `left without saving; ${draft.path} is as it was`, {
      cause: error,
    })
  }
}

function greet({ draft, print }: Wizard): void {
  print('')
  print(`Spillway configuration: ${oneLine(draft.path)}${draft.isNew ? ' (new file)' : ''}`)
  print('Escape goes back, Ctrl-C leaves without saving.')
  if (draft.wasOpenToOthers)
    print('Other users of this machine could read the file; saving it ends that (mode 0600).')
  const { overridden } = draft
  if (overridden.length > 0)
    print(
      `The environment overrides ${overridden.join(', ')}: changes to them have no effect here.`,
    )
  const { old } = draft.check()
  if (old.length > 0) {
    print(`${old.length === 1 ? 'One problem' : `${old.length} problems`} in the file as it is:`)
    for (const problem of old) print(`  ${oneLine(formatProblem(problem))}`)
  }
  print('')
}

async function mainMenu({ draft, prompts }: Wizard, initial: MenuAnswer): Promise<MenuAnswer> {
  const line = (value: MenuAnswer, name: string, state: string): Choice<MenuAnswer> => ({
    value,
    name: `${name.padEnd(16)}${state}`,
  })
  return prompts.choose<MenuAnswer>({
    message: 'What do you want to set up?',
    choices: [
      line('servers', 'S3 storage', serversSummary(draft)),
      line('sources', 'Sources', sourcesSummary(draft)),
      line('schedule', 'Schedule', scheduleSummary(draft)),
      line('retention', 'Retention', describeRetention(draft.values, '')),
      line('notifications', 'Notifications', notificationsSummary(draft)),
      line('settings', 'Other settings', 'name of this host, places, bandwidth, proxy, copies'),
      'line',
      line('save', 'Save and leave', draft.isChanged ? 'there are changes' : 'no changes yet'),
      { value: 'leave', name: 'Leave without saving' },
    ],
    initial,
  })
}

function confirmLoss({ prompts }: Wizard): Promise<boolean> {
  return prompts.confirm({ message: 'Throw the changes away?', initial: false })
}

async function save({ draft, print }: Wizard): Promise<boolean> {
  const { made, old } = draft.check()
  if (made.length > 0) {
    print('')
    print('Not saved: these changes would not work.')
    for (const problem of made) print(`  ${oneLine(formatProblem(problem))}`)
    print('')
    return false
  }
  if (draft.isChanged || draft.isNew || draft.wasOpenToOthers) await draft.save()
  if (old.length > 0) {
    print('')
    print('Still wrong, as before; the commands refuse to work until it is mended:')
    for (const problem of old) print(`  ${oneLine(formatProblem(problem))}`)
  }
  return true
}
