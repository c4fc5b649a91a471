// Small steps on a local directory that survive a power cut: a name is there for good only when its
// folder, too, has been flushed to the disk.

import { link, lstat, mkdir, open, realpath, rename, rmdir, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { SpillwayError } from '../domain/errors.ts'
import { syncFolder } from '../lib/sync-folder.ts'
import { errnoOf } from './file-errors.ts'

// Only the user who archives may read what was archived.
export const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** Makes every missing folder from `root` (which must exist) down to `path`. */
export async function ensureFolder(root: string, path: string): Promise<void> {
  let at = root
  for (const segment of relative(root, path).split(sep).filter(Boolean)) {
    const parent = at
    at = join(at, segment)
    try {
      await mkdir(at, { mode: FOLDER_MODE })
      await syncFolder(parent)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
      // A link could lead anywhere; we follow none inside a server.
      if (!(await lstat(at)).isDirectory()) throw notAFolder(at)
    }
  }
}

export async function writeAll(
  file: FileHandle,
  chunk: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const left = chunk.length - done
    done += (await file.write(chunk, done, left, position + done)).bytesWritten
  }
}

/** Throws unless the folder of `path`, with all links followed, still lies in `root`. */
export async function checkInside(root: string, path: string): Promise<void> {
  const [realRoot, realFolder] = await Promise.all([realpath(root), realpath(dirname(path))])
  if (realFolder !== realRoot && !realFolder.startsWith(realRoot + sep))
    throw notAFolder(dirname(path))
}

/** Removes folders that have become empty, from `path` up to `root`, which stays. */
export async function removeEmptyFolders(root: string, path: string): Promise<void> {
  for (let at = path; at !== root && at.startsWith(root + sep); at = dirname(at)) {
    try {
      await rmdir(at)
    } catch {
      // Not empty, or in use by another run: it stays, and so do those above it.
      return
    }
  }
}

/** Gives the file its name without ever replacing one; EEXIST when the name is taken. */
export async function publish(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errnoOf(error) ?? ''))
      throw error
    // FAT and some network file systems have no hard links. Keys are never reused, so between the look
    // and the rename nobody of ours takes the name.
    const isTaken = await stat(path).then(
      () => true,
      () => false,
    )
    if (isTaken)
      throw Object.assign(new Error(`${path} exists`), { code: 'EEXIST', syscall: 'link' })
    await rename(temporary, path)
  }
}

/** A small file, whole or absent. */
export async function writeSmallFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  const file = await open(temporary, 'w', FILE_MODE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

function notAFolder(path: string): SpillwayError {
  return new SpillwayError('SERVER_BUCKET', `${path} is not a folder of this server`)
}
