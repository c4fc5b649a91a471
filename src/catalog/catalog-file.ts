// The file of an SQLite catalog: made whole or not at all, readable by its owner only, and copied
// before its schema changes. Nothing here opens it (see open-sqlite.ts for the reason).

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import type { Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import { makeFolderOnDisk } from '../lib/sync-folder.ts'
import { repairHint } from './damage.ts'

/**
 * Makes sure that there is a catalog at `path` which SQLite may open. `create` writes a new one to
 * the path it is given; it is then linked into place, so that an empty or half-made catalog.db never
 * exists, and of two processes that do this at once one wins.
 */
export async function prepareCatalogFile(
  path: string,
  create: (newPath: string) => Promise<void>,
): Promise<void> {
  makeFolder(dirname(path))
  let file = statOf(path)
  if (file === undefined) {
    await createInPlace(path, create)
    file = statOf(path)
  }
  if (file?.isFile() !== true) throw unusable(path, 'is not a file', undefined, 'move it away')
  if (file.size === 0) {
    // SQLite would take it for a new catalog, and every archive would be forgotten without a word.
    throw new SpillwayError('CATALOG_CORRUPT', `the catalog ${path} is empty (0 bytes)`, {
      facts: { path },
      hint: `${repairHint(path)}; only if there never was one, remove it`,
    })
  }
  requireWritable(path)
  for (const suffix of ['', '-wal', '-shm']) keepPrivate(path + suffix)
}

/**
 * Whether the file ends within a page: SQLite would read zeros in place of what was cut off, and no
 * check of its would see it where a text lay there. A page that a power cut tore while it was copied
 * from the write-ahead log is in that log still, so with one this says nothing.
 */
export function isCutWithinPage(path: string, pageBytes: number): boolean {
  if ((statOf(`${path}-wal`)?.size ?? 0) > 0) return false
  return (statOf(path)?.size ?? 0) % pageBytes !== 0
}

/** A check that the file at `path` is still the one that is there now. */
export function placeGuard(path: string): () => void {
  const opened = statOf(path)
  return () => {
    const found = statOf(path)
    if (found !== undefined && found.ino === opened?.ino && found.dev === opened.dev) return
    const what = found === undefined ? 'was removed' : 'was replaced by another file'
    throw unusable(
      path,
      `${what} while it was open`,
      undefined,
      'put the file back, and start this program again',
    )
  }
}

/** Renames a finished copy over `path`, durably. */
export function publishCopy(copyPath: string, path: string): void {
  try {
    syncPath(copyPath)
    renameSync(copyPath, path)
    syncPath(dirname(path))
  } catch (cause) {
    throw unusable(path, 'cannot be written', cause, `free some room in ${dirname(path)}`)
  }
}

/** An empty file that only its owner may read; SQLite fills it. What was there is dropped. */
export function makePrivateFile(path: string): void {
  try {
    rmSync(path, { force: true })
    closeSync(openSync(path, 'wx', 0o600))
  } catch (cause) {
    throw unusable(path, 'cannot be created', cause, `may this user write ${dirname(path)}?`)
  }
}

/** DATA_DIR or what stands for it. One that exists keeps its mode: it may be shared on purpose. */
export function makeFolder(folder: string): void {
  try {
    makeFolderOnDisk(folder)
  } catch (cause) {
    throw new SpillwayError(
      'CATALOG_UNAVAILABLE',
      `the folder ${folder} cannot be created: ${messageOf(cause)}`,
      {
        cause,
        facts: { path: folder },
        hint: 'correct DATA_DIR, or the owner of the folder above',
      },
    )
  }
}

async function createInPlace(
  path: string,
  create: (newPath: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path)
  let workshop: string
  try {
    removeOldWorkshops(folder)
    workshop = mkdtempSync(join(folder, WORKSHOP))
  } catch (cause) {
    throw unusable(path, 'cannot be created', cause, `may this user write ${folder}?`)
  }
  try {
    const newPath = join(workshop, basename(path))
    makePrivateFile(newPath)
    await create(newPath)
    linkSync(newPath, path)
    syncPath(folder)
  } catch (cause) {
    // Another process was faster, and its catalog is as good as this one.
    if (isErrno(cause, 'EEXIST')) return
    if (!isErrno(cause)) throw cause
    throw unusable(path, 'cannot be created', cause, `may this user write ${folder}?`)
  } finally {
    rmSync(workshop, { recursive: true, force: true })
  }
}

const WORKSHOP = '.new-catalog-'
// A catalog is made in a tenth of a second: whoever began an hour ago was killed.
const WORKSHOP_AGE_MS = 3_600_000

function removeOldWorkshops(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (name.startsWith(WORKSHOP) && Date.now() - (statOf(path)?.mtimeMs ?? NaN) > WORKSHOP_AGE_MS)
      rmSync(path, { recursive: true, force: true })
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return undefined
    throw unusable(path, 'cannot be reached', cause, `may this user read ${dirname(path)}?`)
  }
}

// SQLite opens read-only what it may not write, and fails at the first write only: in the middle of
// a run. Its folder must be writable too, for the write-ahead log.
function requireWritable(path: string): void {
  for (const place of [path, dirname(path)]) {
    try {
      accessSync(place, constants.R_OK | constants.W_OK)
    } catch (cause) {
      throw unusable(
        path,
        'cannot be written',
        cause,
        `is ${place} mounted read-only, or owned by another user?`,
      )
    }
  }
}

function keepPrivate(path: string): void {
  try {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
  } catch (cause) {
    // The log files are not always there. A file of another owner that we may write keeps its mode:
    // whoever set it up so can read it anyway.
    if (!isErrno(cause, 'ENOENT') && !isErrno(cause, 'EPERM'))
      throw unusable(path, 'cannot be made private', cause, 'is it a real file of this user?')
  }
}

function syncPath(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function unusable(path: string, problem: string, cause: unknown, hint: string): SpillwayError {
  const reason = cause === undefined ? '' : `: ${messageOf(cause)}`
  return new SpillwayError('CATALOG_UNAVAILABLE', `the catalog ${path} ${problem}${reason}`, {
    cause,
    facts: { path },
    hint,
  })
}

/** Whether the system said no (with this word). */
function isErrno(error: unknown, code?: string): boolean {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return false
  return code === undefined || error.code === code
}
