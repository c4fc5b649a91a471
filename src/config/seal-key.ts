// The key that secrets in the env file are sealed with: where it lies, who may read it, and how it is
// written and replaced.
//
// By default it lies in DATA_DIR: that folder belongs to this host alone, and no archive of ours ever has it
// in it, while /etc and the env file itself are what people archive, copy and check in. A systemd
// credential "spillway-key" is used beside it. While keys are changed there are two: FILE, and FILE.new.

import { randomBytes } from 'node:crypto'
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { chown, link, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { makeFolderOnDisk, syncFolder } from '../lib/sync-folder.ts'
import { ValueProblem } from './problem.ts'
import { textOf } from './read-settings.ts'
import type { EnvRecord } from './read-settings.ts'
import { KEY_BYTES, sealKeyOf } from './sealed-value.ts'
import type { SealKey } from './sealed-value.ts'
import { path as parsePath } from './values.ts'

export const SEAL_KEY_NAME = 'seal.key'
export const SEAL_KEY_CREDENTIAL = 'spillway-key'

const START = 'spillway-key-v1:'
// A key has 59 characters.
const FILE_BYTES_MAX = 1_000

export type KeyPlace = {
  /** Absolute. */
  readonly file: string
  readonly credential: string | undefined
  /** Of the env file: whoever reads that may use a key of the same owner. */
  readonly ownerUid: number | undefined
}

export type KeyFault = { readonly reason: string; readonly remedy: string }

export type KeyRing = {
  readonly place: KeyPlace
  readonly keys: readonly SealKey[]
  /** The one to seal with; undefined: there is none, or it may not be used. */
  readonly sealing: SealKey | undefined
  /** Of files that are there and may not be used. */
  readonly fault: KeyFault | undefined
}

/** Read before all other settings. What is wrong with DATA_DIR is told where that is parsed. */
export function keyPlaceOf(
  env: EnvRecord,
  { envFileDir, ownerUid }: { readonly envFileDir: string; readonly ownerUid?: number | undefined },
): KeyPlace {
  const pathOf = (variable: string): string | undefined => {
    const text = textOf(env, variable)
    try {
      return text === undefined ? undefined : parsePath(text, { envFileDir })
    } catch (error) {
      if (error instanceof ValueProblem) return undefined
      throw error
    }
  }
  const credentials = textOf(env, 'CREDENTIALS_DIRECTORY')
  return {
    file:
      pathOf('SEAL_KEY_FILE') ??
      join(pathOf('DATA_DIR') ?? join(envFileDir, 'data'), SEAL_KEY_NAME),
    credential: credentials === undefined ? undefined : join(credentials, SEAL_KEY_CREDENTIAL),
    ownerUid,
  }
}

/** The next key of a change that is under way. */
export function newKeyFile({ file }: KeyPlace): string {
  return `${file}.new`
}

export function readKeyRing(place: KeyPlace): KeyRing {
  const files = [newKeyFile(place), place.file].map((file) => readKeyFile(file, place))
  // systemd has seen to who may read it, by means that the mode does not show.
  const credential =
    place.credential === undefined ? undefined : readKeyFile(place.credential, undefined)
  // The file first: a service has the credential of its start, and the key may be another by now.
  const found = [...files, credential].filter((each) => each !== undefined)
  const keys = found.flatMap((each) => ('bytes' in each ? [each] : []))
  const fault = found.find((each) => 'reason' in each)
  // With one that may not be used nothing is sealed: the next reader would not take it either.
  return { place, keys, sealing: fault === undefined ? keys[0] : undefined, fault }
}

/** Throws CONFIG_UNSAFE if there is no key, or one that may not be used. */
export function requireSealing({ sealing, fault, place }: KeyRing): SealKey {
  if (sealing !== undefined) return sealing
  if (fault === undefined)
    throw new SpillwayError('CONFIG_INVALID', `there is no key to seal with: ${place.file}`, {
      hint: 'make one: spillway seal --create-key',
    })
  throw new SpillwayError('CONFIG_UNSAFE', `the key to seal with ${fault.reason}`, {
    hint: fault.remedy,
  })
}

/** undefined: there is no such file. `place`: whose owner it may have. */
function readKeyFile(file: string, place: KeyPlace | undefined): SealKey | KeyFault | undefined {
  let handle: number
  try {
    // Not blocking: the name of a pipe must not hang the command.
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    return {
      reason: `cannot be read: ${messageOf(error)}`,
      remedy: 'run as the owner of the key, or as root',
    }
  }
  try {
    const stats = fstatSync(handle)
    const fault = place === undefined ? undefined : unsafe(file, stats, place)
    if (fault !== undefined) return fault
    const isKey = stats.isFile() && stats.size <= FILE_BYTES_MAX
    const text = isKey ? readFileSync(handle, 'utf8').trim() : ''
    const bytes = Buffer.from(text.slice(START.length), 'base64url')
    if (text.startsWith(START) && bytes.length === KEY_BYTES) return sealKeyOf(bytes)
    return {
      reason: `is no key of "spillway seal": ${file}`,
      remedy: 'name the right file in SEAL_KEY_FILE, or put the right key there',
    }
  } finally {
    closeSync(handle)
  }
}

function unsafe(file: string, stats: Stats, { ownerUid }: KeyPlace): KeyFault | undefined {
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
    return { reason: `lets others at it: ${file}, mode ${mode}`, remedy: `chmod 600 ${file}` }
  }
  const uid = process.getuid?.()
  if (uid === undefined || [uid, 0, ownerUid].includes(stats.uid)) return undefined
  return {
    reason: `belongs to user ${stats.uid}, not to ${uid}: ${file}`,
    remedy: `run as its owner, or: chown ${uid} ${file}`,
  }
}

/**
 * Makes a key: whole, on disk, mode 0600, and never over one that is there. Throws CONFIG_INVALID. Root makes it
 * for the owner of the env file.
 */
export async function createKeyFile(place: KeyPlace, file: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  const owner = process.getuid?.() === 0 ? place.ownerUid : undefined
  try {
    const isMade = makeFolderOnDisk(dirname(file))
    if (isMade && owner !== undefined) await chown(dirname(file), owner, -1)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const handle = await open(temporary, flags, 0o600)
    try {
      await handle.chmod(0o600)
      if (owner !== undefined) await handle.chown(owner, -1)
      await handle.writeFile(`${START}${randomBytes(KEY_BYTES).toString('base64url')}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // A rename would replace a key that was made meanwhile.
    await link(temporary, file)
    await syncFolder(dirname(file))
  } catch (cause) {
    if (existsSync(file))
      throw new SpillwayError('CONFIG_INVALID', `there is a key already: ${file}`, {
        cause,
        hint: 'it stays; to change it: spillway seal --rotate',
      })
    throw new SpillwayError('CONFIG_INVALID', `cannot write ${file}: ${messageOf(cause)}`, {
      cause,
      hint: 'is the folder there, and may this user write to it? SEAL_KEY_FILE names another place',
    })
  } finally {
    await rm(temporary, { force: true })
  }
}

/** The end of a change of keys: from here on there is no old one. */
export async function promoteNewKey(place: KeyPlace): Promise<void> {
  await rename(newKeyFile(place), place.file)
  await syncFolder(dirname(place.file))
}
