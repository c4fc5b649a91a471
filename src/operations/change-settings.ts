// Changes of the env file that are asked for over HTTP: the same draft as the wizard's, judged as a whole before it
// is written, with what a wizard on the host needs not ask: whether a token may change this at all, and
// whether a saved secret would be sent to somebody whom it was not typed for.

import type { Catalog } from '../catalog/catalog.ts'
import type { ConfigPlace } from '../config/load.ts'
import { hostOnlyReason } from '../config/host-only.ts'
import { entryName, entryNumbers, entryPrefix, ENTRY_SETTINGS, nearest } from '../config/names.ts'
import type { EntryKind } from '../config/names.ts'
import { parseEndpoint } from '../config/endpoint.ts'
import type { Problem } from '../config/problem.ts'
import { ValueProblem } from '../config/problem.ts'
import { GLOBAL_SETTINGS } from '../config/settings.ts'
import { readServers } from '../config/servers.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { openDraft } from './configure.ts'
import type { ConfigDraft } from './configure.ts'
import { nextNumber, removeEntry, reorderEntries } from './configure-entries.ts'
import { maskValue } from './configure-masks.ts'
import { revisionOf, sourceRootsOf } from './settings-document.ts'
import { requireOwnSecret } from './settings-secrets.ts'
import { whyRefused } from './settings-guard.ts'
import { SettingsRefusal } from './settings-refusal.ts'

/** By names without the entry's prefix; null or '' removes. */
export type SettingsChange = Readonly<Record<string, string | null>>

export type Saved = {
  readonly revision: string
  /** What it means for archives that are stored already. */
  readonly note?: string
}

type Asked = {
  readonly place: ConfigPlace
  /** undefined: whatever the file is by now. */
  readonly revision: string | undefined
  /** undefined: nothing was ever archived. */
  readonly catalog: Catalog | undefined
}

/** `kind` undefined: settings that stand alone; `number` undefined: a new entry. */
export async function changeSettings(
  asked: Asked & {
    readonly kind: EntryKind | undefined
    readonly number?: number | undefined
    readonly settings: SettingsChange
  },
): Promise<Saved & { readonly number: number }> {
  const draft = openAt(asked)
  const before = draft.joined
  const number = await applyChange(draft, asked)
  await saveChecked(draft)
  return { ...(await saved(draft, before, asked.catalog)), number }
}

export async function removeSettings(
  asked: Asked & { readonly kind: EntryKind; readonly number: number },
): Promise<Saved> {
  const { kind, number, catalog } = asked
  const draft = openAt(asked)
  const before = draft.joined
  requireEntry(draft, kind, number)
  requireFromFile(draft, kind, number)
  draft.change(removeEntry(draft.values, kind, number))
  await saveChecked(draft)
  return saved(draft, before, catalog)
}

/** `order`: all numbers of the entries, each once. */
export async function orderSettings(
  asked: Asked & { readonly kind: EntryKind; readonly order: readonly number[] },
): Promise<Saved> {
  const { kind, order, catalog } = asked
  const draft = openAt(asked)
  const before = draft.joined
  const numbers = entryNumbers(draft.joined, kind)
  const isWhole = order.length === numbers.length && new Set(order).size === order.length
  if (!isWhole || !numbers.every((number) => order.includes(number)))
    throw new SpillwayError('USAGE', `the order must name each entry once: ${numbers.join(', ')}`, {
      hint: 'GET /api/settings lists them',
    })
  for (const [at, number] of order.entries())
    if (numbers[at] !== number) requireFromFile(draft, kind, number)
  draft.change(reorderEntries(draft.values, kind, order))
  await saveChecked(draft)
  return saved(draft, before, catalog)
}

/** Makes the change in the draft, and refuses what may not be changed over HTTP. Resolves to the entry's number. */
export async function applyChange(
  draft: ConfigDraft,
  asked: {
    readonly kind: EntryKind | undefined
    readonly number?: number | undefined
    readonly settings: SettingsChange
  },
): Promise<number> {
  const { kind, settings } = asked
  if (kind !== undefined && asked.number !== undefined) requireEntry(draft, kind, asked.number)
  // Also past those that stand in the environment: a new entry must not get keys of another.
  const number = kind === undefined ? 0 : (asked.number ?? nextNumber(draft.joined, kind))
  const prefix = kind === undefined ? '' : entryPrefix(kind, number)
  requireKnown(draft, kind, prefix, settings)
  const changed = changedOf(draft, prefix, settings)
  await requireAllowed(draft, kind, prefix, changed)
  const before = draft.joined
  try {
    draft.change({
      remove: [...changed].flatMap(([name, value]) => (value === '' ? [prefix + name] : [])),
      set: [...changed].flatMap(([name, value]) => (value === '' ? [] : [[prefix + name, value]])),
    })
  } catch (error) {
    if (!isFailure(error, 'CONFIG_INVALID')) throw error
    const variable = prefix + ([...changed.keys()][0] ?? '')
    throw wrong([{ variable, reason: `cannot be written: ${messageOf(error)}`, remedy: undefined }])
  }
  requireOwnSecret({ draft, before, kind, prefix, settings })
  return number
}

function openAt({ place, revision }: Asked): ConfigDraft {
  const draft = openDraft(place)
  if (revision === undefined || revision === revisionOf(draft)) return draft
  throw new SpillwayError('SETTINGS_CHANGED', `${draft.path} was changed meanwhile`)
}

function requireEntry(draft: ConfigDraft, kind: EntryKind, number: number): void {
  if (entryNumbers(draft.joined, kind).includes(number)) return
  throw new SpillwayError('SETTINGS_MISSING', `there is no ${kind}_${number}`)
}

/** What stands in the environment cannot be moved or removed, and must not end up beside the lines of another. */
function requireFromFile(draft: ConfigDraft, kind: EntryKind, number: number): void {
  const variables = Object.keys(ENTRY_SETTINGS[kind])
    .map((name) => entryPrefix(kind, number) + name)
    .filter((variable) => draft.isFromEnvironment(variable))
  if (variables.length > 0) throw hostOnly(variables.map((variable) => [variable, ENVIRONMENT]))
}

const ENVIRONMENT = 'is set in the environment, which wins over the file'

function requireKnown(
  draft: ConfigDraft,
  kind: EntryKind | undefined,
  prefix: string,
  settings: SettingsChange,
): void {
  const known = Object.keys(kind === undefined ? GLOBAL_SETTINGS : ENTRY_SETTINGS[kind])
  const problems = Object.entries(settings).flatMap(([name, value]) => {
    if (known.includes(name)) return []
    // A misspelt line of the entry may be taken away.
    const isGoing = value === null && kind !== undefined && draft.value(prefix + name) !== ''
    const place = kind === undefined ? placeOf(name) : undefined
    const remedy = place ?? `the nearest is ${nearest(name, known).name}`
    return isGoing ? [] : [{ variable: prefix + name, reason: 'is not a setting', remedy }]
  })
  if (problems.length > 0) throw wrong(problems)
}

const ENTRY_PLACES: Readonly<Record<EntryKind, string>> = {
  S3_SERVER: '/api/servers',
  SOURCE: '/api/sources',
  NOTIFY: '/api/notifications',
}

/** Where a setting of an entry is changed; undefined for what is none. */
function placeOf(variable: string): string | undefined {
  const entry = entryName(variable)
  if (entry === undefined) return undefined
  const { kind, number, setting } = entry
  return `it is ${setting} at ${ENTRY_PLACES[kind]}/${number}`
}

/** What would be another text than now. '': to be removed. */
function changedOf(
  draft: ConfigDraft,
  prefix: string,
  settings: SettingsChange,
): ReadonlyMap<string, string> {
  const changed = new Map<string, string>()
  for (const [name, given] of Object.entries(settings)) {
    const variable = prefix + name
    const present = draft.value(variable)
    const text = given?.trim() ?? ''
    // A form sends back what it was shown.
    const isSame = text === present.trim() || (text !== '' && text === maskValue(variable, present))
    if (!isSame) changed.set(name, text)
  }
  const endpoint = changed.get('ENDPOINT')
  if (prefix.startsWith('S3_SERVER_') && endpoint !== undefined && endpoint !== '')
    changed.set(
      'ENDPOINT',
      mended(endpoint, changed.get('BUCKET') ?? draft.value(`${prefix}BUCKET`)),
    )
  return changed
}

/** Slips in an endpoint are not written down, as in the wizard. */
function mended(endpoint: string, bucket: string): string {
  try {
    return parseEndpoint(endpoint, bucket === '' ? undefined : bucket).url
  } catch (error) {
    // Told where the whole entry is judged.
    if (error instanceof ValueProblem) return endpoint
    throw error
  }
}

async function requireAllowed(
  draft: ConfigDraft,
  kind: EntryKind | undefined,
  prefix: string,
  changed: ReadonlyMap<string, string>,
): Promise<void> {
  const sourceRoots = sourceRootsOf(draft)
  const value = (name: string): string => changed.get(name) ?? draft.value(prefix + name)
  const context = { envFile: draft.path, sourceRoots, value }
  const refused: [string, string][] = []
  for (const [name, text] of changed) {
    const reason =
      (draft.isFromEnvironment(prefix + name) ? ENVIRONMENT : undefined) ??
      hostOnlyReason(kind, name, sourceRoots) ??
      (text === '' ? undefined : await whyRefused(kind, name, text, context))
    if (reason !== undefined) refused.push([prefix + name, reason])
  }
  if (refused.length > 0) throw hostOnly(refused)
}

function hostOnly(
  reasons: readonly (readonly [variable: string, reason: string])[],
): SpillwayError {
  const remedy = 'change it on the host'
  return new SettingsRefusal(
    'SETTINGS_HOST_ONLY',
    reasons.map(([variable, reason]) => ({ variable, reason, remedy })),
  )
}

function wrong(
  problems: readonly Pick<Problem, 'variable' | 'reason' | 'remedy'>[],
): SpillwayError {
  return new SettingsRefusal('SETTINGS_WRONG', problems)
}

async function saveChecked(draft: ConfigDraft): Promise<void> {
  const { made } = draft.check()
  if (made.length > 0) throw wrong(made)
  if (draft.isChanged) await draft.save()
}

async function saved(
  draft: ConfigDraft,
  before: ConfigDraft['joined'],
  catalog: Catalog | undefined,
): Promise<Saved> {
  const note = await noteOf(draft, before, catalog)
  return { revision: revisionOf(draft), ...(note === undefined ? {} : { note }) }
}

/** Of servers that are no longer in the settings, and hold archives. */
async function noteOf(
  draft: ConfigDraft,
  before: ConfigDraft['joined'],
  catalog: Catalog | undefined,
): Promise<string | undefined> {
  const context = { envFileDir: draft.envFileDir }
  const after = readServers(draft.joined, context, []).map(({ identity }) => identity)
  const left = readServers(before, context, []).filter(({ identity }) => !after.includes(identity))
  if (left.length === 0 || catalog === undefined) return undefined
  const rows = await catalog.servers()
  const notes = left.flatMap(({ identity, label }) => {
    const count = rows.find((row) => row.identity === identity)?.archives ?? 0
    const archives = count === 1 ? '1 archive stays' : `${count} archives stay`
    return count === 0
      ? []
      : [`${archives} on ${label}, and can be restored again once it is put back`]
  })
  return notes.length === 0 ? undefined : notes.join('; ')
}
