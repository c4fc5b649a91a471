// The settings NOTIFY_N_*, and what they may be.

import { NOTIFY_ON } from '../domain/notification.ts'
import type { NotifyOn } from '../domain/notification.ts'
import { nearestName } from '../lib/nearest.ts'
import { password } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { line, no } from './values.ts'

// What people expect of a message: silence while all is well, and a word when it is well again.
export const ON_DEFAULT: readonly NotifyOn[] = ['failure', 'recovery']

/** A ping that comes only after a failure would look like a host that never ran. */
export const ON_DEFAULT_PING: readonly NotifyOn[] = ['always']

export const NOTIFY_SETTINGS = {
  URL: {
    help: 'who is told of a run, and how: the scheme says it',
    example: '',
    // What it means depends on its scheme: notify-url.ts reads it.
    parse: line(2_000),
    isSecret: true,
  },
  URL_FILE: {
    help: 'file or systemd credential that holds the URL',
    otherwise: 'none',
    example: 'notify-url',
    parse: line(1_000),
  },
  ON: {
    // What the words mean stands above the table in .env.example.
    help: 'when: failure, warning, recovery, always; between commas',
    otherwise: 'failure,recovery; always for a ping',
    example: 'warning,recovery',
    parse: occasions,
  },
  PASSWORD: {
    help: 'password of the user in an smtp or smtps URL',
    example: '',
    parse: password,
    isSecret: true,
  },
  PASSWORD_FILE: {
    help: 'file or systemd credential that holds this password',
    otherwise: 'none',
    example: 'smtp-password',
    parse: line(1_000),
  },
} as const satisfies Settings

function occasions(text: string): readonly NotifyOn[] {
  const words = text
    .split(',')
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== '')
  if (words.length === 0) no(`must be some of ${NOTIFY_ON.join(', ')}, between commas`)
  return words.map((word) => {
    const known = NOTIFY_ON.find((on) => on === word)
    if (known !== undefined) return known
    const near = nearestName(word, NOTIFY_ON)
    return no(
      `must be some of ${NOTIFY_ON.join(', ')}, between commas`,
      near === undefined ? undefined : `is ${near} meant?`,
    )
  })
}
