// NOTIFY_N_* -> Notification, in numeric order.

import type { Notification } from '../domain/notification.ts'
import { entryNumbers, entryPrefix } from './names.ts'
import { NOTIFY_SETTINGS, ON_DEFAULT, ON_DEFAULT_PING } from './notify-settings.ts'
import { parseNotifyUrl } from './notify-url.ts'
import type { Problem } from './problem.ts'
import { readSettings, textOf, tryParse } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { readSecret } from './secret-files.ts'
import type { ValueContext } from './values.ts'

/** One with a problem is left out, and the problem added. */
export function readNotifications(
  env: EnvRecord,
  context: ValueContext,
  problems: Problem[],
): Notification[] {
  return entryNumbers(env, 'NOTIFY').flatMap(
    (number) => readNotification(env, number, context, problems) ?? [],
  )
}

/** One entry; undefined if anything about it is wrong. */
export function readNotification(
  env: EnvRecord,
  number: number,
  context: ValueContext,
  problems: Problem[],
): Notification | undefined {
  const found: Problem[] = []
  const variablePrefix = entryPrefix('NOTIFY', number)
  const place = { env, variablePrefix, context, problems: found }
  const values = readSettings({ ...place, settings: NOTIFY_SETTINGS })
  const secret = (name: 'URL' | 'PASSWORD') =>
    readSecret({
      ...{ ...place, name, value: values[name] },
      parse: (text) => NOTIFY_SETTINGS[name].parse(text, context),
    })
  const text = secret('URL')
  const password = secret('PASSWORD')
  const variable = `${variablePrefix}URL`
  const isNamed = [variable, `${variable}_FILE`].some((name) => textOf(env, name) !== undefined)
  if (!isNamed)
    found.push({
      ...{ variable, value: undefined, reason: 'is missing' },
      remedy: 'set it to the URL of who is to be told',
    })
  const url =
    text === undefined
      ? undefined
      : tryParse(found, variable, text, true, () => parseNotifyUrl(text, password))
  problems.push(...found)
  if (url === undefined || found.length > 0) return undefined
  const { target, host, secrets } = url
  const fallback = target.kind === 'ping' ? ON_DEFAULT_PING : ON_DEFAULT
  return {
    number,
    label: `${number}: ${target.kind} ${host}`,
    target,
    on: values.ON ?? fallback,
    secrets: [...new Set(secrets)].filter((each) => each.length > 3),
  }
}
