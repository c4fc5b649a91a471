// Names of variables: which entries S3_SERVER_N_* and SOURCE_N_* there are, and which names are
// ours but misspelt.
//
// A misspelt name is worse than a wrong value: nothing complains, and the default is used. So an
// unknown name inside an entry is an error, and so is a name in the file that is nearly one of ours.

import { editDistance } from '../lib/nearest.ts'
import { NOTIFY_SETTINGS } from './notify-settings.ts'
import type { Problem } from './problem.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import {
  CONFIG_VARIABLE,
  GLOBAL_SETTINGS,
  SERVER_SETTINGS,
  SOURCE_AND_KEEP_SETTINGS,
} from './settings.ts'
import type { Setting, Settings } from './settings.ts'

export type EntryKind = 'S3_SERVER' | 'SOURCE' | 'NOTIFY'

export const ENTRY_SETTINGS: Readonly<Record<EntryKind, Settings>> = {
  S3_SERVER: SERVER_SETTINGS,
  SOURCE: SOURCE_AND_KEEP_SETTINGS,
  NOTIFY: NOTIFY_SETTINGS,
}

export type EntryName = {
  readonly kind: EntryKind
  readonly number: number
  /** As written: may have leading zeros. */
  readonly numberText: string
  readonly setting: string
}

/** Takes `S3_SERVER_2_BUCKET` apart; undefined for names that belong to no entry. */
export function entryName(variable: string): EntryName | undefined {
  const [, kind, numberText, setting] =
    /^(S3_SERVER|SOURCE|NOTIFY)_(\d+)_(.+)$/.exec(variable) ?? []
  if (kind === undefined || numberText === undefined || setting === undefined) return undefined
  return { kind: kind as EntryKind, number: Number(numberText), numberText, setting }
}

/** The table's row for a variable; undefined for names that are not ours. */
export function settingOf(variable: string): Setting<unknown> | undefined {
  const entry = entryName(variable)
  const settings: Settings = entry === undefined ? GLOBAL_SETTINGS : ENTRY_SETTINGS[entry.kind]
  const name = entry?.setting ?? variable
  return Object.hasOwn(settings, name) ? settings[name] : undefined
}

/** Settings of a source with the URL of a server of databases: it names a user, and holds no password. */
export const DATABASE_URLS: readonly string[] = ['POSTGRES', 'MYSQL', 'MONGODB', 'REDIS']

export function isDatabaseUrl(variable: string): boolean {
  const entry = entryName(variable)
  return entry?.kind === 'SOURCE' && DATABASE_URLS.includes(entry.setting)
}

export function entryPrefix(kind: EntryKind, number: number): string {
  return `${kind}_${number}_`
}

/** Numbers of the entries that have at least one value, ascending; gaps are fine. */
export function entryNumbers(env: EnvRecord, kind: EntryKind): number[] {
  const numbers = new Set<number>()
  for (const variable of Object.keys(env)) {
    const entry = entryName(variable)
    if (entry?.kind === kind && isGoodNumber(entry) && textOf(env, variable) !== undefined)
      numbers.add(entry.number)
  }
  return [...numbers].sort((a, b) => a - b)
}

// More digits than that are a slip; all smaller numbers are exact.
const NUMBER_DIGITS_MAX = 9

function isGoodNumber({ number, numberText }: EntryName): boolean {
  return number > 0 && !numberText.startsWith('0') && numberText.length <= NUMBER_DIGITS_MAX
}

/** What is wrong with the names themselves. `fileNames`: those that stand in the env file. */
export function nameProblems(env: EnvRecord, fileNames: Iterable<string>): Problem[] {
  const problems: Problem[] = []
  for (const variable of Object.keys(env)) {
    const entry = entryName(variable)
    if (entry !== undefined && textOf(env, variable) !== undefined)
      problems.push(...entryProblems(env, variable, entry))
  }
  for (const variable of fileNames) {
    if (settingOf(variable) === undefined && entryName(variable) === undefined)
      problems.push(...strayProblems(variable))
  }
  return problems
}

export function swallowedNames(env: EnvRecord, fileNames: Iterable<string>): Problem[] {
  return [...fileNames].flatMap((variable) => swallowed(variable, textOf(env, variable) ?? ''))
}

/** A quote that is not closed goes on to the next one, lines below, and a whole source may be gone with it. */
function swallowed(variable: string, value: string): Problem[] {
  for (const line of value.split('\n').slice(1)) {
    const [, name] = /^\s*(?:export\s+)?(\w+)\s*=/.exec(line) ?? []
    if (name === undefined) continue
    if (settingOf(name) === undefined && entryName(name) === undefined) continue
    const reason = `goes on over several lines, and one of them sets ${name}`
    return [{ variable, value: undefined, reason, remedy: 'close its quote on its own line' }]
  }
  // A secret may begin with anything, and a pattern, too.
  const [quote = ''] = /^["'`]/.exec(value) ?? []
  const setting = settingOf(variable)
  const mayBegin = setting === undefined || setting.isSecret === true || /_EXCLUDE$/.test(variable)
  if (quote === '' || value.includes(quote, 1) || mayBegin) return []
  const reason = `begins with a quote (${quote}) that is not closed`
  return [{ variable, value: undefined, reason, remedy: 'close it, or remove it' }]
}

function entryProblems(env: EnvRecord, variable: string, entry: EntryName): Problem[] {
  const problem = (reason: string, remedy: string): Problem[] => [
    { variable, value: undefined, reason, remedy },
  ]
  if (!isGoodNumber(entry)) {
    if (entry.number === 0) return problem('has the number 0', 'numbers begin with 1')
    if (!entry.numberText.startsWith('0')) return problem('has too large a number', 'use a smaller')
    const plain = entryPrefix(entry.kind, entry.number) + entry.setting
    return textOf(env, plain) === undefined
      ? problem('has a number with leading zeros', `write ${plain}`)
      : problem(`has the same number as ${plain}`, 'give one of them another number')
  }
  const names = Object.keys(ENTRY_SETTINGS[entry.kind])
  if (names.includes(entry.setting)) return []
  // Half a name (SECRET, LIMIT_GB) has more letters missing than another one has different.
  const kin = names.filter((name) => name.includes(entry.setting) || entry.setting.includes(name))
  const near = nearest(entry.setting, kin.length > 0 ? kin : names)
  return problem(
    'is not a setting',
    `the nearest is ${entryPrefix(entry.kind, entry.number)}${near.name}`,
  )
}

// Common in env files, near to ours, and meant for other programs.
const NEIGHBOURS = new Set(['HTTP_PROXY', 'ALL_PROXY', 'SOURCE', 'PATH', CONFIG_VARIABLE])

function strayProblems(variable: string): Problem[] {
  if (NEIGHBOURS.has(variable.toUpperCase()) || isProxyName(variable)) return []
  // Digits stand for any number; then `S3_SERVER_BUCKET` and `S3SERVER_1_BUCKET` are near, too.
  const pattern = variable.toUpperCase().replace(/(?<!^S)\d+(?=_|$)/g, 'N')
  const near = nearest(pattern, KNOWN_PATTERNS)
  // Two slips in a long name, one in a short one: shorter names are near to everything.
  const distanceMax = variable.length >= 9 ? 2 : 1
  if (near.distance > distanceMax) return []
  return [
    { variable, value: undefined, reason: 'is not a setting', remedy: `is ${near.name} meant?` },
  ]
}

const KNOWN_PATTERNS: readonly string[] = [
  ...Object.keys(GLOBAL_SETTINGS),
  ...Object.entries(ENTRY_SETTINGS).flatMap(([kind, settings]) =>
    Object.keys(settings).map((name) => `${kind}_N_${name}`),
  ),
]

/** curl and others read these names in lower case, and so do we. */
function isProxyName(variable: string): boolean {
  return variable === 'https_proxy' || variable === 'no_proxy'
}

/** The known name that takes the fewest slips to become `name`. */
export function nearest(
  name: string,
  known: readonly string[],
): { readonly name: string; readonly distance: number } {
  let best = { name: '', distance: Number.POSITIVE_INFINITY }
  for (const candidate of known) {
    const distance = editDistance(name, candidate)
    if (distance < best.distance) best = { name: candidate, distance }
  }
  return best
}
