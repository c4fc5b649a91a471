// `spillway seal`: every plain secret of the env file sealed in its place, opened again, or sealed with a
// new key.
//
// A change of keys that is cut off anywhere leaves a file that can be read: the new key is on disk, as FILE.new,
// before the env file is written, the old one stays until after that, and readers try both.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { editEnvText } from '../config/env-file.ts'
import { changeEnvFile, removeLeftovers, writeEnvFile } from '../config/env-file-write.ts'
import { scanEnvText, textProblems } from '../config/env-text.ts'
import { findEnvFile, joinEnv, parseEnvText, readEnvFile } from '../config/load.ts'
import type { ConfigPlace } from '../config/load.ts'
import { settingOf } from '../config/names.ts'
import { configInvalid } from '../config/problem.ts'
import { isSealable, openWith } from '../config/sealed-env.ts'
import {
  createKeyFile,
  keyPlaceOf,
  newKeyFile,
  promoteNewKey,
  readKeyRing,
  requireSealing,
} from '../config/seal-key.ts'
import type { KeyPlace } from '../config/seal-key.ts'
import { isSealed, isSealedWith, sealValue } from '../config/sealed-value.ts'
import type { EnvRecord } from '../config/read-settings.ts'
import { SpillwayError } from '../domain/errors.ts'
import { assert } from '../lib/assert.ts'

export type SealResult = {
  readonly file: string
  readonly keyFile: string
  /** What was (or would be) written anew. */
  readonly variables: readonly string[]
  /** Where plain secrets still stand: never what they are. */
  readonly warnings: readonly string[]
}

type Sealing = {
  readonly path: string
  readonly text: string
  readonly raw: Readonly<Record<string, string>>
  readonly env: EnvRecord
  readonly place: KeyPlace
}

/** Throws CONFIG_INVALID where there is a key already. */
export async function createSealKey(place: ConfigPlace): Promise<SealResult> {
  const { path, env } = findEnvFile(place)
  const file = existsSync(path) ? readEnvFile(path) : undefined
  const joined = joinEnv(file === undefined ? {} : parseEnvText(file.text), env)
  const keyPlace = keyPlaceOf(joined, { envFileDir: dirname(path), ownerUid: file?.uid })
  // One that a change of keys left is in use already.
  if (existsSync(newKeyFile(keyPlace)))
    throw new SpillwayError('CONFIG_INVALID', `a change of keys was cut off: ${keyPlace.file}`, {
      hint: 'end it first: spillway seal',
    })
  await createKeyFile(keyPlace, keyPlace.file)
  return { file: path, keyFile: keyPlace.file, variables: [], warnings: [] }
}

/** Seals every plain secret; with `rotates` all of them with a new key. */
export async function sealSecrets(
  place: ConfigPlace,
  { rotates, isDryRun }: { readonly rotates: boolean; readonly isDryRun: boolean },
): Promise<SealResult> {
  if (isDryRun) return planOf(begin(place), rotates).result
  // Before the new key takes the place of the old one nobody else may write what is sealed with that.
  return changeEnvFile(findEnvFile(place).path, async (write) => {
    const sealing = begin(place)
    const { isChange, result } = planOf(sealing, rotates)
    const { place: keyPlace, path } = sealing
    if (isChange && !existsSync(newKeyFile(keyPlace)))
      await createKeyFile(keyPlace, newKeyFile(keyPlace))
    const opened = openedOf(sealing)
    const { set, text } = sealedText(sealing, opened, result.variables)
    requireSameValues(opened, parseEnvText(text), keyPlace)
    if (set > 0) await write(text, sealing.text)
    if (isChange) await promoteNewKey(keyPlace)
    const isSecret = (name: string) =>
      result.variables.includes(name) || settingOf(name)?.isSecret === true
    const secrets = Object.entries(opened).flatMap(([name, value]) =>
      isSecret(name) ? [value] : [],
    )
    return { ...result, warnings: await plainPlaces(path, text, secrets) }
  })
}

function planOf(
  sealing: Sealing,
  rotates: boolean,
): { readonly isChange: boolean; readonly result: SealResult } {
  const { raw, path, place } = sealing
  requireSealing(readKeyRing(place))
  const opened = openedOf(sealing)
  const isChange = rotates || existsSync(newKeyFile(place))
  if (isChange) requireOwnKey(sealing)
  const isDue = (name: string): boolean =>
    isSealable(name, raw[name] ?? '', opened) || (isChange && isSealed(raw[name] ?? ''))
  const variables = Object.keys(raw).filter(isDue)
  return { isChange, result: { file: path, keyFile: place.file, variables, warnings: [] } }
}

function sealedText(
  { raw, text, place }: Sealing,
  opened: Readonly<Record<string, string>>,
  variables: readonly string[],
): { readonly set: number; readonly text: string } {
  const key = requireSealing(readKeyRing(place))
  const isDone = (name: string) => isSealed(raw[name] ?? '') && isSealedWith(raw[name] ?? '', key)
  const set = variables
    .filter((name) => !isDone(name))
    .map((name) => [name, sealValue(name, opened[name] ?? '', key)] as const)
  return { set: set.length, text: editEnvText(text, { set }) }
}

/** Writes every sealed value plain again. */
export async function unsealSecrets(
  place: ConfigPlace,
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<SealResult> {
  const sealing = begin(place)
  const { raw, path, text } = sealing
  const opened = openedOf(sealing)
  const variables = Object.keys(raw).filter((name) => isSealed(raw[name] ?? ''))
  const set = variables.map((name) => [name, opened[name] ?? ''] as const)
  if (!isDryRun && set.length > 0) await writeEnvFile(path, editEnvText(text, { set }), text)
  return { file: path, keyFile: sealing.place.file, variables, warnings: [] }
}

function begin(place: ConfigPlace): Sealing {
  const { path, env } = findEnvFile(place)
  const { text, uid } = readEnvFile(path)
  // Of a variable on two lines only the last would be sealed.
  const problems = textProblems(text)
  if (problems.length > 0) throw configInvalid(path, problems, 'nothing was written')
  const raw = parseEnvText(text)
  const keyPlace = keyPlaceOf(joinEnv(raw, env), { envFileDir: dirname(path), ownerUid: uid })
  return { path, text, raw, env, place: keyPlace }
}

/** Throws CONFIG_INVALID with all that cannot be opened. */
function openedOf({ raw, path, place }: Sealing): Readonly<Record<string, string>> {
  const { env, problems } = openWith(raw, readKeyRing(place))
  if (problems.length > 0) throw configInvalid(path, problems, 'nothing was written')
  return env as Readonly<Record<string, string>>
}

/** A key that somebody else keeps cannot be replaced from here, nor what is sealed elsewhere. */
function requireOwnKey({ place, env }: Sealing): void {
  if (!existsSync(place.file) && !existsSync(newKeyFile(place)))
    throw new SpillwayError('CONFIG_INVALID', `there is no key to replace: ${place.file}`, {
      hint: 'the one in use is a systemd credential: name its file in SEAL_KEY_FILE',
    })
  const sealed = Object.keys(env).filter((name) => isSealed(env[name] ?? ''))
  if (sealed.length === 0) return
  throw new SpillwayError(
    'CONFIG_INVALID',
    `the environment has sealed values, which would be lost: ${sealed.join(', ')}`,
    { hint: 'put them into the env file first' },
  )
}

/** What was written must be what was read, before the old key goes. */
function requireSameValues(opened: EnvRecord, written: EnvRecord, place: KeyPlace): void {
  const { env, problems } = openWith(written, readKeyRing(place))
  assert(problems.length === 0, 'a value that was sealed cannot be opened')
  for (const [name, value] of Object.entries(opened))
    assert(env[name] === value, `${name} would not be what it was`)
}

// Shorter ones stand in any text by chance.
const SECRET_CHARACTERS_MIN = 6
const FILE_BYTES_MAX = 1_000_000

/** Old text of the file that is left: in its comments, and in the copies that editors make. */
async function plainPlaces(
  path: string,
  text: string,
  secrets: readonly string[],
): Promise<readonly string[]> {
  await removeLeftovers(path, 0)
  const known = secrets.filter((secret) => secret.length >= SECRET_CHARACTERS_MIN)
  const holds = (part: string): boolean => known.some((secret) => part.includes(secret))
  const assigned = new Set(scanEnvText(text).assignments.map(({ lineNumber }) => lineNumber))
  const comments = text.split('\n').flatMap((line, at) => {
    const isOld = !assigned.has(at + 1) && (holds(line) || isOldSecret(line))
    return isOld
      ? [`line ${at + 1} of ${path} holds a secret in plain, in a comment: remove it`]
      : []
  })
  const name = basename(path)
  const copies = readdirSync(dirname(path)).filter((other) => {
    if (other === name || !other.replace(/^[.#]+/, '').startsWith(name.replace(/^\.+/, '')))
      return false
    const file = join(dirname(path), other)
    const stats = statSync(file, { throwIfNoEntry: false })
    const isText = stats?.isFile() === true && stats.size <= FILE_BYTES_MAX
    return isText && holds(readFileSync(file, 'utf8'))
  })
  return [
    ...comments,
    ...copies.map((each) => `${join(dirname(path), each)} holds secrets in plain`),
  ]
}

/** `#S3_SERVER_1_SECRET_KEY=...`: what was in force once. */
function isOldSecret(line: string): boolean {
  const [, name = '', value = ''] = /^\s*#+\s*(?:export\s+)?([A-Z0-9_]+)=(.*)$/.exec(line) ?? []
  return settingOf(name)?.isSecret === true && value.trim() !== '' && !isSealed(value)
}
