// Replaces an env file so that at every moment the old or the new one is there, whole: a file of
// its own beside it, fsync, rename, fsync of the folder. Mode 0600 whatever the umask says.

import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import {
  access,
  lstat,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import { syncFolder } from '../lib/sync-folder.ts'
import { leftoverPrefix, lockEnvFile } from './env-file-lock.ts'
import { readEnvFile } from './load.ts'

/**
 * Writes `text` to `path`. A symbolic link stays one: its target is replaced. `before` is the text
 * that the change started from (undefined: no file); if the file says something else by now,
 * somebody edited it meanwhile, and nothing is written.
 */
export async function writeEnvFile(
  path: string,
  text: string,
  before: string | undefined,
): Promise<void> {
  await changeEnvFile(path, (write) => write(text, before))
}

/** `writeEnvFile`, without the path. */
type Write = (text: string, before: string | undefined) => Promise<void>

/** For what must not be mixed with another change of this file: nobody else writes it until `work` has ended. */
export async function changeEnvFile<T>(
  path: string,
  work: (write: Write) => Promise<T>,
): Promise<T> {
  const { target, release } = await locked(path).catch((cause: unknown) => {
    throw cannotWrite(path, cause)
  })
  try {
    return await work((text, before) => writeLocked(path, target, text, before))
  } finally {
    await release()
  }
}

async function locked(path: string) {
  const target = await targetOf(path)
  requireOwn(path, await statOf(target))
  return { target, release: await lockEnvFile(target) }
}

function cannotWrite(path: string, cause: unknown): SpillwayError {
  if (cause instanceof SpillwayError) return cause
  return new SpillwayError('CONFIG_INVALID', `cannot write ${path}: ${messageOf(cause)}`, {
    cause,
    hint:
      (cause as NodeJS.ErrnoException).code === 'EBUSY'
        ? 'a file that is mounted by itself (containers do so) cannot be replaced: mount its folder instead'
        : 'is the folder there, and may this user write to it?',
  })
}

async function writeLocked(
  path: string,
  target: string,
  text: string,
  before: string | undefined,
): Promise<void> {
  try {
    const old = await statOf(target)
    requireUnchanged(path, old === undefined ? undefined : readEnvFile(target).text, before)
    await removeLeftovers(target, LEFTOVER_AGE_MS)
    await replace(target, text, old)
  } catch (cause) {
    throw cannotWrite(path, cause)
  }
}

async function replace(target: string, text: string, old: Stats | undefined): Promise<void> {
  const folder = dirname(target)
  const temporary = join(folder, leftoverPrefix(target) + randomBytes(6).toString('hex'))
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(temporary, flags, 0o600)
  try {
    try {
      // The umask may have taken bits away; nothing can have added any.
      await file.chmod(0o600)
      if (old !== undefined && process.getuid?.() === 0) await file.chown(old.uid, old.gid)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(folder)
}

/** Where the bytes go: the end of a chain of links, also if nothing is there yet. */
async function targetOf(path: string): Promise<string> {
  // As many as Linux itself follows.
  const linksMax = 40
  let target = path
  for (let links = 0; links < linksMax; links += 1) {
    const stats = await lstatOf(target)
    if (stats?.isSymbolicLink() !== true)
      return join(await realpath(dirname(target)), basename(target))
    target = resolve(dirname(target), await readlink(target))
  }
  throw new SpillwayError('CONFIG_INVALID', `${path} is a symbolic link that leads nowhere`)
}

function requireOwn(path: string, old: Stats | undefined): void {
  const uid = process.getuid?.()
  if (old === undefined || uid === undefined || uid === 0 || old.uid === uid) return
  throw new SpillwayError('CONFIG_UNSAFE', `${path} belongs to user ${old.uid}, not to ${uid}`, {
    hint: 'change it as its owner, or as root',
  })
}

function requireUnchanged(path: string, now: string | undefined, before: string | undefined): void {
  if (now === before) return
  throw new SpillwayError('SETTINGS_CHANGED', `${path} was changed by somebody else meanwhile`, {
    hint: 'nothing was written; start again from its present state',
  })
}

// A write takes well under a second: what is older than this was left by a process that was killed.
const LEFTOVER_AGE_MS = 600_000

/** They hold secrets, so they must not lie about. `path`: the env file, or a link to it. */
export async function removeLeftovers(path: string, ageMs: number): Promise<void> {
  const target = await targetOf(path)
  const folder = dirname(target)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(leftoverPrefix(target))) continue
    const stats = await lstatOf(join(folder, name))
    if (stats?.isFile() === true && Date.now() - stats.mtimeMs >= ageMs)
      await rm(join(folder, name), { force: true })
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  return absentAsUndefined(stat(path))
}

async function lstatOf(path: string): Promise<Stats | undefined> {
  return absentAsUndefined(lstat(path))
}

async function absentAsUndefined(found: Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await found
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Whether `writeEnvFile` would be let: its folder takes a new file, and an old one is this user's. */
export async function canWriteEnvFile(path: string): Promise<boolean> {
  try {
    const target = await targetOf(path)
    requireOwn(path, await statOf(target))
    await access(dirname(target), constants.W_OK)
    return true
  } catch {
    return false
  }
}
