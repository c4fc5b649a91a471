// A message that says that it is a test, to those who are told of runs; nothing is run.

import { assert } from '../lib/assert.ts'
import { FAILURES, SpillwayError } from '../domain/errors.ts'
import type { Notification, NotifyMessage } from '../domain/notification.ts'
import type { Notifier } from '../notify/notifier.ts'
import type { Config } from '../domain/config.ts'
import type { Services } from './services.ts'

export type TestedNotification = {
  readonly number: number
  readonly label: string
  readonly on: Notification['on']
  /** null: it was delivered. */
  readonly problem: string | null
  readonly hint: string | null
}

/** Of the wizard: of one that is in no file yet. */
export type TestNotification = (
  notification: Notification,
  place: Pick<Config, 'proxy' | 'serverId'>,
) => Promise<TestedNotification>

/** One after the other, each told as it is known. Throws USAGE for a number that is none. */
export async function testNotifications(
  { config, notifier }: Pick<Services, 'config' | 'notifier'>,
  numbers: readonly number[],
  onTested: (tested: TestedNotification) => void,
): Promise<readonly TestedNotification[]> {
  const { notifications, serverId } = config
  if (notifications.length === 0)
    throw new SpillwayError('CONFIG_INVALID', 'nobody is told of runs: there is no NOTIFY_N_URL', {
      hint: 'set NOTIFY_1_URL in the env file; .env.example shows what it may be',
    })
  for (const number of numbers)
    if (!notifications.some((each) => each.number === number))
      throw new SpillwayError('USAGE', `there is no NOTIFY_${number}_URL`, {
        hint: `there are: ${notifications.map((each) => each.number).join(', ')}`,
      })
  const { deliver } = await notifier()
  const results: TestedNotification[] = []
  for (const notification of notifications) {
    if (numbers.length > 0 && !numbers.includes(notification.number)) continue
    const tested = await testNotification(deliver, notification, serverId)
    results.push(tested)
    onTested(tested)
  }
  return results
}

/** Whether one can be told, be it saved or not. */
export async function testNotification(
  deliver: Notifier['deliver'],
  notification: Notification,
  serverId: string,
): Promise<TestedNotification> {
  const { number, label, on } = notification
  const title = `${serverId}: test of notifications`
  const text = 'This is a test, and says nothing about any archive: spillway notify-test'
  const message: NotifyMessage = {
    ...{ phase: 'test', level: 'ok', title, text },
    document: { event: 'test', host: serverId, title, summary: text },
  }
  const error = await deliver(notification, message).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  // The notifier throws nothing else.
  assert(error === undefined || error instanceof SpillwayError, 'a failure without its code')
  return {
    ...{ number, label, on },
    ...{ problem: error?.message ?? null, hint: hintOf(error) },
  }
}

/** Not that of the table, which is to do what was just done. */
function hintOf(error: SpillwayError | undefined): string | null {
  const { hint } = error ?? {}
  return hint === undefined || hint === FAILURES.NOTIFY_FAILED.hint ? null : hint
}
