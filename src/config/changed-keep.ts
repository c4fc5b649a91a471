// The rules of retention as they would be with other values: read by the same parsers as the file, and written
// nowhere.

import { entryPrefix } from './names.ts'
import { findEnvFile, joinEnv, parseEnvText, readEnvFile } from './load.ts'
import { existsSync } from 'node:fs'
import { KEEP_SETTINGS } from './settings.ts'
import { keepPolicy, keepsNothing, nothingKept } from './sources.ts'
import { nearestName } from '../lib/nearest.ts'
import { readSettings } from './read-settings.ts'
import type { ConfigPlace } from './load.ts'
import type { EnvRecord } from './read-settings.ts'
import type { KeepPolicy } from '../domain/keep-policy.ts'
import type { Problem } from './problem.ts'
import type { Source } from '../domain/source.ts'

/** Names of KEEP_SETTINGS; null: as if it was not there. */
export type KeepChanges = Readonly<Record<string, string | null>>

export type ChangedKeep = {
  /** By name of the source. */
  readonly policies: ReadonlyMap<string, KeepPolicy>
  readonly problems: readonly Problem[]
}

export type ChangeKeep = (
  sources: readonly Source[],
  /** undefined: the rules for all, which those of a source go before. */
  changed: Source | undefined,
  changes: KeepChanges,
) => ChangedKeep

/** Throws CONFIG_INVALID when there is no file to read any more. */
export function changedKeep(
  place: ConfigPlace,
  ...[sources, changed, changes]: Parameters<ChangeKeep>
): ChangedKeep {
  const { path, env } = findEnvFile(place)
  const file = existsSync(path) ? parseEnvText(readEnvFile(path).text) : {}
  const prefix = changed === undefined ? '' : entryPrefix('SOURCE', changed.number)
  const problems: Problem[] = unknownNames(prefix, changes)
  const joined = { ...joinEnv(file, env), ...overridden(prefix, changes) }
  const read = (variablePrefix: string) =>
    readSettings({
      ...{ settings: KEEP_SETTINGS, variablePrefix, env: joined, problems },
      context: { envFileDir: '/' },
    })
  const common = read('')
  if (prefix === '' && keepsNothing(keepPolicy(common, NONE)))
    problems.push(nothingKept('KEEP_*', 'leave them out to keep everything'))
  const policies = new Map<string, KeepPolicy>()
  for (const source of sources) {
    const policy = keepPolicy(common, read(entryPrefix('SOURCE', source.number)))
    policies.set(source.name, policy)
    if (source.name === changed?.name && keepsNothing(policy))
      problems.push(nothingKept(`${prefix}KEEP_*`, 'leave them out to keep everything'))
  }
  return { policies, problems }
}

const NONE = {} as Parameters<typeof keepPolicy>[1]

function overridden(prefix: string, changes: KeepChanges): EnvRecord {
  return Object.fromEntries(
    Object.entries(changes).map(([name, text]) => [prefix + name, text ?? undefined]),
  )
}

function unknownNames(prefix: string, changes: KeepChanges): Problem[] {
  const known = Object.keys(KEEP_SETTINGS)
  return Object.keys(changes)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const nearest = nearestName(name, known)
      const remedy =
        nearest === undefined ? `there are: ${known.join(', ')}` : `did you mean ${nearest}?`
      const reason = 'is no rule of retention'
      return { variable: prefix + name, value: undefined, reason, remedy }
    })
}
