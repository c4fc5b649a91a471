// Opens the sealed values of a record of variables, before any parser sees them; and which values of an env
// file are to be sealed. What cannot be opened is a problem of its variable, and is never shown.

import { entryName, isDatabaseUrl, settingOf } from './names.ts'
import type { Problem } from './problem.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { keyPlaceOf, readKeyRing } from './seal-key.ts'
import type { KeyRing } from './seal-key.ts'
import { isSealed, openValue } from './sealed-value.ts'

export type OpenedEnv = {
  /** What could not be opened stands there as it is. */
  readonly env: EnvRecord
  readonly problems: readonly Problem[]
}

/** `env`: file and environment joined. */
export function openSealed(
  env: EnvRecord,
  place: { readonly envFileDir: string; readonly ownerUid?: number | undefined },
): OpenedEnv {
  const isNeeded = Object.values(env).some((value) => value !== undefined && isSealed(value))
  // Without sealed values no key is looked for.
  return isNeeded ? openWith(env, readKeyRing(keyPlaceOf(env, place))) : { env, problems: [] }
}

export function openWith(env: EnvRecord, ring: KeyRing): OpenedEnv {
  const opened: Record<string, string | undefined> = { ...env }
  const problems: Problem[] = []
  for (const [variable, text] of Object.entries(env)) {
    if (text === undefined || !isSealed(text)) continue
    const found = openValue(variable, text, ring.keys)
    if ('value' in found) opened[variable] = found.value
    else problems.push(problemOf(variable, text, found.failure, ring))
  }
  return { env: opened, problems }
}

/** Problems of parsing that only say again that a value was not opened are left out. */
export function joinProblems(
  sealed: readonly Problem[],
  parsed: readonly Problem[],
): readonly Problem[] {
  const known = new Set(sealed.map(({ variable }) => variable))
  return [...sealed, ...parsed.filter(({ variable }) => !known.has(variable))]
}

const RETYPE = 'type the secret again: spillway configure --set'

function problemOf(
  variable: string,
  text: string,
  failure: 'version' | 'damaged' | 'key' | 'name',
  ring: KeyRing,
): Problem {
  const { place, keys, fault } = ring
  const problem = (reason: string, remedy: string): Problem => ({
    ...{ variable, value: undefined, reason, remedy },
  })
  const retype =
    settingOf(variable) === undefined
      ? 'write its line in plain once more, then: spillway seal'
      : `${RETYPE}=${variable}=-`
  if (failure === 'version')
    return problem('is sealed in a way that this version does not know', 'use a newer Spillway')
  if (failure === 'key' && fault !== undefined)
    return problem(`is sealed, and the key ${fault.reason}`, fault.remedy)
  if (failure === 'key' && keys.length === 0)
    return problem(
      `is sealed, and its key is missing: ${place.file}`,
      `put the key there, or name it in SEAL_KEY_FILE; if it is lost, make a new one (spillway seal --create-key) and ${retype}`,
    )
  if (failure === 'key')
    return problem(
      `is sealed with another key than ${place.file}`,
      `put the right key there, or ${retype}`,
    )
  const meant = ownerOf(variable, text, ring)
  if (meant !== undefined)
    return problem(
      `holds what was sealed for ${meant}`,
      `a sealed value works under its own name only: ${retype}`,
    )
  return problem('is sealed, and its text is damaged', `restore the line, or ${retype}`)
}

// Entries are renumbered by hand now and then, and few have more of them.
const NUMBERS_TRIED = 100

/** The variable that a value was sealed for, among those that it may have been moved from. */
function ownerOf(variable: string, text: string, { keys }: KeyRing): string | undefined {
  const entry = entryName(variable)
  if (entry === undefined) return undefined
  const settings = ['SECRET_KEY', 'ACCESS_KEY', 'PASSWORD', 'URL', entry.setting]
  for (const kind of ['S3_SERVER', 'SOURCE', 'NOTIFY'])
    for (let number = 1; number <= NUMBERS_TRIED; number += 1)
      for (const setting of new Set(settings)) {
        const name = `${kind}_${number}_${setting}`
        if (settingOf(name) !== undefined && 'value' in openValue(name, text, keys)) return name
      }
  return undefined
}

const SECRET_WORDS = /PASS|PWD|SECRET|TOKEN|KEY|CRED/i

/**
 * Whether a plain value is to be sealed: secret settings, URLs with a login, and variables that SOURCE_N_ENV hands
 * to commands and whose names say what they are. What other programs read in the same file stays as it is.
 */
export function isSealable(variable: string, value: string, values: EnvRecord): boolean {
  if (value.trim() === '' || isSealed(value)) return false
  const setting = settingOf(variable)
  if (setting?.isSecret === true) return true
  if (setting === undefined)
    return SECRET_WORDS.test(variable) && namesPassedOn(values).has(variable)
  return !isDatabaseUrl(variable) && /:\/\/[^/\s]+@/.test(value)
}

function namesPassedOn(values: EnvRecord): ReadonlySet<string> {
  const lists = Object.keys(values).flatMap((name) =>
    entryName(name)?.setting === 'ENV' ? [textOf(values, name) ?? ''] : [],
  )
  return new Set(lists.flatMap((list) => list.split(',').map((each) => each.trim())))
}
