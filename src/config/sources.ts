// SOURCE_N_* -> Source, with the retention that applies to it: its own rules before the common ones.

import { safeName } from '../domain/archive.ts'
import type { KeepPolicy } from '../domain/keep-policy.ts'
import { readCommandSource } from './command-sources.ts'
import { readMongodbSource, readMysqlSource, readPostgresSource } from './database-sources.ts'
import { readRedisSource } from './redis-source.ts'
import { readSqliteSource } from './sqlite-source.ts'
import type { FolderSource, Source } from '../domain/source.ts'
import { entryName, entryNumbers, entryPrefix } from './names.ts'
import type { Problem } from './problem.ts'
import { readSettings, textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { HOOKS } from './command-settings.ts'
import { programSurroundings } from './program-surroundings.ts'
import { readHooks } from './source-hooks.ts'
import { foreignSettings, SOURCE_KINDS, sourceKindsOf } from './source-kinds.ts'
import { KEEP_SETTINGS, SOURCE_SETTINGS } from './settings.ts'
import type { Values } from './settings.ts'
import { lastFolder } from './values.ts'
import type { ValueContext } from './values.ts'
import type { SourceInput } from './source-input.ts'

type KeepValues = Values<typeof KEEP_SETTINGS>

/** All entries in numeric order. `common`: KEEP_* without a number. */
export function readSources(
  env: EnvRecord,
  context: ValueContext,
  common: KeepValues,
  problems: Problem[],
): Source[] {
  const sources: Source[] = []
  for (const number of entryNumbers(env, 'SOURCE')) {
    const variablePrefix = entryPrefix('SOURCE', number)
    const input = { variablePrefix, env, context, problems }
    const values = readSettings({ ...input, settings: SOURCE_SETTINGS })
    const own = readSettings({ ...input, settings: KEEP_SETTINGS })
    const kind = kindOf(env, variablePrefix, problems)
    const keep = keepPolicy(common, own)
    const surroundings = programSurroundings({ ...input, names: values.ENV ?? [] })
    const source = readSource(kind, { ...input, number, values, keep, surroundings })
    if (source === undefined) continue
    problems.push(...sourceProblems(source, sources, own))
    const hooks = readHooks(values, surroundings)
    sources.push({
      ...source,
      ...(hooks === undefined ? {} : { hooks }),
      ...(values.SCHEDULE === undefined ? {} : { schedule: values.SCHEDULE }),
    })
  }
  return sources
}

/** One entry, as it would be beside no other; undefined if anything about it is wrong. */
export function readOneSource(
  env: EnvRecord,
  number: number,
  context: ValueContext,
  problems: Problem[],
): Source | undefined {
  const isOther = (name: string): boolean => {
    const entry = entryName(name)
    return entry?.kind === 'SOURCE' && entry.number !== number
  }
  const alone = Object.fromEntries(Object.entries(env).filter(([name]) => !isOther(name)))
  const found: Problem[] = []
  const sources = readSources(alone, context, {} as KeepValues, found)
  problems.push(...found)
  return found.length === 0 ? sources[0] : undefined
}

function readSource(
  kind: Source['kind'],
  input: SourceInput & Parameters<typeof readCommandSource>[0],
): Source | undefined {
  switch (kind) {
    case 'folder':
      return folderSource(input.number, input.values, input.keep)
    case 'command':
      return readCommandSource(input)
    case 'postgres':
      return readPostgresSource(input)
    case 'mysql':
      return readMysqlSource(input)
    case 'mongodb':
      return readMongodbSource(input)
    case 'sqlite':
      return readSqliteSource(input)
    case 'redis':
      return readRedisSource(input)
  }
}

/** What it is, with what is wrong about that. An entry that is nothing is taken for a folder. */
function kindOf(env: EnvRecord, variablePrefix: string, problems: Problem[]): Source['kind'] {
  const isSet = (name: string): boolean => textOf(env, variablePrefix + name) !== undefined
  const problem = (name: string, reason: string, remedy: string): void =>
    void problems.push({ variable: variablePrefix + name, value: undefined, reason, remedy })
  const kinds = sourceKindsOf(isSet)
  const kind = kinds.at(-1) ?? 'folder'
  const { mark, called } = SOURCE_KINDS[kind]
  const marks = Object.values(SOURCE_KINDS).map((each) => each.mark)
  if (kinds.length > 1)
    problem(
      mark,
      `is set, and so is ${variablePrefix}${SOURCE_KINDS[kinds[0]!].mark}`,
      'a source is one or the other',
    )
  if (kinds.length === 0)
    problem(
      'PATH',
      'is missing',
      `set it to the ${SOURCE_SETTINGS.PATH.help}; or set ${otherMarks(variablePrefix, marks)}`,
    )
  for (const name of foreignSettings(kind).filter((each) => !marks.includes(each)))
    if (isSet(name)) problem(name, `means nothing to ${called}`, 'leave it out')
  if (kind !== 'command' && isSet('ENV') && !HOOKS.some(isSet))
    problem('ENV', `means nothing to ${called} without BEFORE, AFTER or ON_ERROR`, 'leave it out')
  if (kind !== 'folder' && !isSet('NAME'))
    problem('NAME', 'is missing', `give ${called} a name: reports and object keys use it`)
  return kind
}

function otherMarks(variablePrefix: string, marks: readonly string[]): string {
  const others = marks.filter((mark) => mark !== 'PATH').map((mark) => variablePrefix + mark)
  return others.join(' or ')
}

function folderSource(
  number: number,
  values: Values<typeof SOURCE_SETTINGS>,
  keep: KeepPolicy,
): FolderSource | undefined {
  if (values.PATH === undefined) return undefined
  return {
    kind: 'folder',
    number,
    name: values.NAME ?? lastFolder(values.PATH),
    path: values.PATH,
    excludes: values.EXCLUDE ?? [],
    isOneFileSystem: values.ONE_FILE_SYSTEM,
    excludesCaches: values.EXCLUDE_CACHES,
    mayBeEmpty: values.ALLOW_EMPTY,
    keep,
  }
}

export function keepPolicy(common: KeepValues, own: KeepValues): KeepPolicy {
  return {
    last: own.KEEP_LAST ?? common.KEEP_LAST,
    daily: own.KEEP_DAILY ?? common.KEEP_DAILY,
    weekly: own.KEEP_WEEKLY ?? common.KEEP_WEEKLY,
    monthly: own.KEEP_MONTHLY ?? common.KEEP_MONTHLY,
    yearly: own.KEEP_YEARLY ?? common.KEEP_YEARLY,
    withinDays: own.KEEP_WITHIN_DAYS ?? common.KEEP_WITHIN_DAYS,
  }
}

function sourceProblems(source: Source, before: readonly Source[], ownKeep: KeepValues): Problem[] {
  const prefix = entryPrefix('SOURCE', source.number)
  const problems: Problem[] = []
  const twin = before.find(({ name }) => safeName(name) === safeName(source.name))
  if (twin !== undefined) {
    const same =
      twin.name === source.name
        ? `is "${source.name}"`
        : `is "${source.name}", in object keys "${safeName(source.name)}"`
    problems.push({
      variable: `${prefix}NAME`,
      value: undefined,
      reason: `${same} like that of SOURCE_${twin.number}`,
      remedy: 'give one of them another name',
    })
  }
  // The common rules are judged on their own, once.
  const hasOwn = Object.values(ownKeep).some((rule) => rule !== undefined)
  if (hasOwn && keepsNothing(source.keep))
    problems.push(nothingKept(`${prefix}KEEP_*`, 'leave them out to keep everything'))
  return problems
}

/** Every rule that is set is 0: retention would remove every archive. */
export function keepsNothing(policy: KeepPolicy): boolean {
  const rules = Object.values(policy).filter((rule) => rule !== undefined)
  return rules.length > 0 && rules.every((rule) => rule === 0)
}

export function commonKeepProblems(common: KeepValues): Problem[] {
  return keepsNothing(keepPolicy(common, {} as KeepValues))
    ? [nothingKept('KEEP_*', 'leave them out to keep everything')]
    : []
}

export function nothingKept(variable: string, remedy: string): Problem {
  return { variable, value: undefined, reason: 'are all 0, so no archive would be kept', remedy }
}
