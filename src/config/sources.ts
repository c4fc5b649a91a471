// SOURCE_N_* -> Source, with the retention that applies to it: its own rules before the common ones.

import { safeName } from '../domain/archive.ts'
import type { KeepPolicy } from '../domain/keep-policy.ts'
import type { Source } from '../domain/source.ts'
import { entryNumbers, entryPrefix } from './names.ts'
import type { Problem } from './problem.ts'
import { readSettings, textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { KEEP_SETTINGS, SOURCE_SETTINGS } from './settings.ts'
import type { Values } from './settings.ts'
import { lastFolder } from './values.ts'
import type { ValueContext } from './values.ts'

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
    if (textOf(env, `${variablePrefix}PATH`) === undefined)
      problems.push({
        variable: `${variablePrefix}PATH`,
        value: undefined,
        reason: 'is missing',
        remedy: `set it to the ${SOURCE_SETTINGS.PATH.help}`,
      })
    if (values.PATH === undefined) continue
    const source: Source = {
      kind: 'folder',
      number,
      name: values.NAME ?? lastFolder(values.PATH),
      path: values.PATH,
      excludes: values.EXCLUDE ?? [],
      isOneFileSystem: values.ONE_FILE_SYSTEM,
      excludesCaches: values.EXCLUDE_CACHES,
      mayBeEmpty: values.ALLOW_EMPTY,
      keep: keepPolicy(common, own),
    }
    problems.push(...sourceProblems(source, sources, own))
    sources.push(source)
  }
  return sources
}

function keepPolicy(common: KeepValues, own: KeepValues): KeepPolicy {
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

function nothingKept(variable: string, remedy: string): Problem {
  return { variable, value: undefined, reason: 'are all 0, so no archive would be kept', remedy }
}
