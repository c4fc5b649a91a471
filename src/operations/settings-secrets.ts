// A saved secret goes to whom it was typed for and to nobody else. Nobody can read it over HTTP; but whoever could
// change the address beside it would have it sent to a machine of their own.

import { DATABASE_URLS } from '../config/names.ts'
import type { EntryKind } from '../config/names.ts'
import { parseEndpoint } from '../config/endpoint.ts'
import { ValueProblem } from '../config/problem.ts'
import { textOf } from '../config/read-settings.ts'
import type { EnvRecord } from '../config/read-settings.ts'
import type { ConfigDraft } from './configure.ts'
import { MASK, maskValue } from './configure-masks.ts'
import { NEEDS_PASSWORD } from './settings-guard.ts'
import { SettingsRefusal } from './settings-refusal.ts'

type Sending = { readonly to: readonly string[]; readonly secret: string }

const SENDING: Readonly<Record<EntryKind, Sending>> = {
  S3_SERVER: { to: ['ENDPOINT'], secret: 'SECRET_KEY' },
  SOURCE: { to: DATABASE_URLS, secret: 'PASSWORD' },
  NOTIFY: { to: ['URL'], secret: 'PASSWORD' },
}

type Changed = {
  readonly draft: ConfigDraft
  readonly before: EnvRecord
  readonly kind: EntryKind | undefined
  readonly prefix: string
  readonly settings: Readonly<Record<string, string | null>>
}

/** Throws SETTINGS_WRONG or SETTINGS_HOST_ONLY. `draft` has the change already, `before` has not. */
export function requireOwnSecret(input: Changed): void {
  requireNoMask(input)
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

/** A form that sends back what it was shown changes nothing; but a part of that is not what stood there. */
function requireNoMask({ draft, before, prefix, settings }: Changed): void {
  const after = draft.joined
  const masked = Object.keys(settings)
    .map((name) => prefix + name)
    .filter((variable) => textOf(after, variable) !== textOf(before, variable))
    .filter((variable) => textOf(after, variable)?.includes(MASK) === true)
  if (masked.length === 0) return
  const reason = `has ${MASK} in it, which stands for what is not shown`
  const remedy = 'type it again, as a whole'
  throw new SettingsRefusal(
    'SETTINGS_WRONG',
    masked.map((variable) => ({ variable, reason, remedy })),
  )
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
