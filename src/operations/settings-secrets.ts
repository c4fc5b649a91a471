// A saved secret goes to whom it was typed for and to nobody else. Nobody can read it over HTTP; but whoever could
// change the address beside it would have it sent to a machine of their own.

import type { EntryKind } from '../config/names.ts'
import { parseEndpoint } from '../config/endpoint.ts'
import { ValueProblem } from '../config/problem.ts'
import { textOf } from '../config/read-settings.ts'
import type { EnvRecord } from '../config/read-settings.ts'
import type { ConfigDraft } from './configure.ts'
import { maskValue } from './configure-masks.ts'
import { NEEDS_PASSWORD } from './settings-guard.ts'
import { SettingsRefusal } from './settings-refusal.ts'

type Sending = { readonly to: readonly string[]; readonly secret: string }

const SENDING: Readonly<Record<EntryKind, Sending>> = {
  S3_SERVER: { to: ['ENDPOINT'], secret: 'SECRET_KEY' },
  SOURCE: { to: ['POSTGRES', 'MYSQL', 'MONGODB', 'REDIS'], secret: 'PASSWORD' },
  NOTIFY: { to: ['URL'], secret: 'PASSWORD' },
}

/** Throws SETTINGS_WRONG or SETTINGS_HOST_ONLY. `draft` has the change already, `before` has not. */
export function requireOwnSecret(input: {
  readonly draft: ConfigDraft
  readonly before: EnvRecord
  readonly kind: EntryKind | undefined
  readonly prefix: string
  readonly settings: Readonly<Record<string, string | null>>
}): void {
  const { draft, before, kind, prefix, settings } = input
  if (kind === undefined) return
  const { to, secret } = SENDING[kind]
  const after = draft.joined
  const changed = to.filter(
    (name) => addressOf(before, prefix + name) !== addressOf(after, prefix + name),
  )
  const isThere = [secret, `${secret}_FILE`].some(
    (name) => textOf(after, prefix + name) !== undefined,
  )
  const given = settings[secret]?.trim() ?? ''
  const isTyped = given !== '' && given !== maskValue(prefix + secret, given)
  if (changed.length > 0 && isThere && !isTyped)
    throw new SettingsRefusal('SETTINGS_WRONG', [
      {
        variable: prefix + secret,
        reason: `was saved for another ${changed.join(', ')}`,
        remedy: 'type it again',
      },
    ])
  const needing = NEEDS_PASSWORD.filter((name) => textOf(after, prefix + name) !== undefined)
  const isTouched = changed.length > 0 || Object.hasOwn(settings, secret)
  if (kind === 'SOURCE' && needing.length > 0 && isTouched && !isThere)
    throw new SettingsRefusal('SETTINGS_HOST_ONLY', [
      {
        variable: prefix + secret,
        reason: 'is missing, and what its tools find by themselves belongs to this machine',
        remedy: 'give the password, or change it on the host',
      },
    ])
}

/** So that two ways to write one endpoint are one. */
function addressOf(env: EnvRecord, variable: string): string {
  const text = textOf(env, variable) ?? ''
  if (!variable.endsWith('_ENDPOINT') || text === '') return text
  try {
    return parseEndpoint(text, undefined).url
  } catch (error) {
    if (error instanceof ValueProblem) return text
    throw error
  }
}
