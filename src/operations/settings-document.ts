// The settings as the API shows them: what the env file says, without its secrets, with what is wrong and with what
// could be set. It is read from the file, not from the settings in use, so that a file with faults can be
// seen and mended.

import { createHmac, randomBytes } from 'node:crypto'
import { canWriteEnvFile } from '../config/env-file-write.ts'
import { hostOnlyReason } from '../config/host-only.ts'
import { entryName, entryNumbers, entryPrefix, ENTRY_SETTINGS } from '../config/names.ts'
import type { EntryKind } from '../config/names.ts'
import { readNotifications } from '../config/notifications.ts'
import { tryParse } from '../config/read-settings.ts'
import { readServer } from '../config/servers.ts'
import { SOURCE_KINDS } from '../config/source-kinds.ts'
import { readOneSource } from '../config/sources.ts'
import { GLOBAL_SETTINGS } from '../config/settings.ts'
import type { Setting, Settings } from '../config/settings.ts'
import { boolean, booleanOrAuto } from '../config/values.ts'
import { PROVIDERS } from '../domain/providers.ts'
import type { ConfigDraft } from './configure.ts'
import { maskValue } from './configure-masks.ts'
import { settingProblem } from './settings-refusal.ts'
import type { SettingProblem } from './settings-refusal.ts'

export type SettingsGroup = {
  readonly settings: Readonly<Record<string, string>>
  readonly secretsSet: readonly string[]
  readonly fromEnvironment: readonly string[]
}

export type SettingsEntry = SettingsGroup & {
  readonly number: number
  readonly label: string | null
  readonly problems: readonly SettingProblem[]
}

export type SettingField = {
  readonly name: string
  readonly help: string
  readonly fallback: string | null
  readonly otherwise: string | null
  readonly example: string | null
  readonly isSecret: boolean
  readonly isReadOnly: boolean
  readonly readOnlyReason: string | null
  readonly kind: 'text' | 'number' | 'boolean' | 'boolean-or-auto' | 'schedule'
  readonly sourceKinds: readonly string[] | null
}

/** Throws nothing for a file with faults: they are in `problems`. */
export async function settingsDocument(draft: ConfigDraft) {
  const { made, old } = draft.check()
  const problems = [...made, ...old].map(settingProblem)
  const entries = (kind: EntryKind) =>
    entryNumbers(draft.joined, kind).map((number) => entryOf(draft, kind, number, problems))
  const roots = sourceRootsOf(draft)
  return {
    file: draft.path,
    revision: revisionOf(draft),
    isWritable: await canWriteEnvFile(draft.path),
    problems: [...openToOthers(draft), ...problems],
    general: groupOf(draft, GLOBAL_SETTINGS, ''),
    servers: entries('S3_SERVER'),
    sources: entries('SOURCE'),
    notifications: entries('NOTIFY'),
    fields: {
      general: fieldsOf(undefined, roots),
      server: fieldsOf('S3_SERVER', roots),
      source: fieldsOf('SOURCE', roots),
      notification: fieldsOf('NOTIFY', roots),
    },
    providers: PROVIDERS.map((provider) => ({
      ...{ id: provider.id, name: provider.name, endpoint: provider.endpoint },
      ...{ endpointHint: provider.endpointHint, regionHint: provider.regionHint },
      ...{ region: provider.region ?? null, note: provider.note ?? null },
    })),
  }
}

// Of this process: a plain hash of a file whose other lines are known would let its secrets be guessed offline.
const REVISION_KEY = randomBytes(32)

/** Another one for another text. */
export function revisionOf(draft: ConfigDraft): string {
  return createHmac('sha256', REVISION_KEY).update(draft.state.text).digest('hex').slice(0, 16)
}

/** As the file has them; those of a file whose other settings have faults, too. */
export function sourceRootsOf({ joined, envFileDir }: ConfigDraft): readonly string[] {
  const { fallback, parse } = GLOBAL_SETTINGS.SOURCE_ROOTS
  const text = joined['SOURCE_ROOTS']?.trim() || fallback
  return tryParse([], 'SOURCE_ROOTS', text, false, () => parse(text, { envFileDir })) ?? []
}

function openToOthers({ path, wasOpenToOthers }: ConfigDraft): SettingProblem[] {
  if (!wasOpenToOthers) return []
  const reason = 'is open to other users of this machine'
  return [{ variable: path, name: '', reason, remedy: `chmod 600 ${path}` }]
}

function groupOf(draft: ConfigDraft, table: Settings, prefix: string): SettingsGroup {
  const names = Object.keys(table)
  const isSet = (name: string): boolean => draft.value(prefix + name).trim() !== ''
  // A key id is no secret, and is shown by its end.
  const isHidden = (name: string): boolean =>
    table[name]?.isSecret === true && name !== 'ACCESS_KEY'
  const shown = names.filter((name) => isSet(name) && !isHidden(name))
  return {
    settings: Object.fromEntries(
      shown.map((name) => [name, maskValue(prefix + name, draft.value(prefix + name))]),
    ),
    secretsSet: names.filter((name) => isSet(name) && isHidden(name)),
    fromEnvironment: names.filter((name) => draft.isFromEnvironment(prefix + name)),
  }
}

function entryOf(
  draft: ConfigDraft,
  kind: EntryKind,
  number: number,
  problems: readonly SettingProblem[],
): SettingsEntry {
  const own = problems.filter(({ variable }) => {
    const entry = entryName(variable)
    return entry?.kind === kind && entry.number === number
  })
  return {
    number,
    label: labelOf(draft, kind, number) ?? null,
    ...groupOf(draft, ENTRY_SETTINGS[kind], entryPrefix(kind, number)),
    problems: own,
  }
}

function labelOf(draft: ConfigDraft, kind: EntryKind, number: number): string | undefined {
  const context = { envFileDir: draft.envFileDir }
  switch (kind) {
    case 'S3_SERVER':
      return readServer(draft.joined, number, context, [])?.label
    case 'SOURCE':
      return readOneSource(draft.joined, number, context, [])?.name
    case 'NOTIFY':
      return readNotifications(draft.joined, context, []).find((each) => each.number === number)
        ?.label
  }
}

function fieldsOf(
  kind: EntryKind | undefined,
  sourceRoots: readonly string[],
): readonly SettingField[] {
  const table: Settings = kind === undefined ? GLOBAL_SETTINGS : ENTRY_SETTINGS[kind]
  return Object.entries(table).map(([name, setting]) => {
    const reason = hostOnlyReason(kind, name, sourceRoots)
    return {
      ...{ name, help: setting.help, fallback: setting.fallback ?? null },
      ...{ otherwise: setting.otherwise ?? null, example: setting.example || null },
      isSecret: setting.isSecret === true,
      ...{ isReadOnly: reason !== undefined, readOnlyReason: reason ?? null },
      kind: kindOf(name, setting),
      sourceKinds: kind === 'SOURCE' ? sourceKindsOf(name) : null,
    }
  })
}

function kindOf(name: string, { parse, example }: Setting<unknown>): SettingField['kind'] {
  if (parse === boolean) return 'boolean'
  if (parse === booleanOrAuto) return 'boolean-or-auto'
  if (name === 'SCHEDULE') return 'schedule'
  return /^\d+(?:\.\d+)?$/.test(example) ? 'number' : 'text'
}

/** null: every kind may have it. */
function sourceKindsOf(name: string): readonly string[] | null {
  const kinds = Object.entries(SOURCE_KINDS).flatMap(([kind, { mark, also }]) =>
    mark === name || also.includes(name) ? [kind] : [],
  )
  return kinds.length === 0 ? null : kinds
}
