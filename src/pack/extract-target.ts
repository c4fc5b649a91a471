// The folder that is restored into: empty, ours, and closed to everybody else until it is done. Nobody
// can then plant a symlink in it, or read what the archive's modes would not let them read. With a rule
// for what is there already it need not be empty, and stays as open as it is: it may be in use.

import * as fs from 'node:fs'
import { FOLDER_FLAGS, inside, itself } from './extract-folders.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
const NAMELESS_FLAGS = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW

/** A descriptor of the folder. Throws RESTORE_FAILED, and has changed nothing then. */
export function openTarget(directory: string, mayHoldFiles = false): number {
  const fd = openFolder(directory)
  try {
    claim(fd, directory, mayHoldFiles)
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw asFailure(error, directory)
  }
}

/** What `openTarget` would throw of a folder that is there; nothing is changed. */
export function checkTarget(directory: string, mayHoldFiles: boolean): void {
  const fd = openFolder(directory)
  try {
    requireUsable(fd, directory, mayHoldFiles)
  } catch (error) {
    throw asFailure(error, directory)
  } finally {
    fs.closeSync(fd)
  }
}

function asFailure(error: unknown, directory: string): SpillwayError {
  if (error instanceof SpillwayError) return error
  return failed(`cannot restore into ${directory}: ${messageOf(error)}`, { cause: error })
}

function openFolder(directory: string): number {
  try {
    // The operator's own path may lead through symlinks, and end in one.
    return fs.openSync(directory, FOLDER_FLAGS & ~fs.constants.O_NOFOLLOW)
  } catch (cause) {
    const isFile = (cause as NodeJS.ErrnoException).code === 'ENOTDIR'
    const hint = isFile ? { hint: 'it is no folder: name one, or the place for a new one' } : {}
    throw failed(`cannot open the folder ${directory}: ${messageOf(cause)}`, { cause, ...hint })
  }
}

/** A file in the folder that has no name any more, and so is gone with its descriptor. */
export function openNameless(rootFd: number, mode = 0o600): number {
  const name = inside(rootFd, `.spillway-${process.pid}-${process.hrtime.bigint()}`)
  const fd = fs.openSync(name, NAMELESS_FLAGS, mode)
  fs.unlinkSync(name)
  return fd
}

// What a disk calls now is some milliseconds behind.
const CLOCK_GRAIN_NS = 20_000_000n

// Linux counts a hundred times a second at least. Of a disk that counts seconds, what was changed in the last one is
// taken for ours if it has the very time of the archive's file, too.
const STEP_MAX_MS = 40

/**
 * By the clock of the disk there (a file server has one of its own), in nanoseconds since 1970; by ours where nothing
 * can be made in that folder itself. Later than all that was changed there before: such clocks go in steps of
 * milliseconds, and the next one is waited for.
 */
export function nowOn(rootFd: number): bigint {
  try {
    const first = changedNow(rootFd)
    for (let waitedMs = 0; waitedMs < STEP_MAX_MS; waitedMs += 1) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
      const next = changedNow(rootFd)
      if (next > first) return next
    }
    return first
  } catch {
    // Whatever is the matter with that folder, its first member will say so.
    return BigInt(Date.now()) * 1_000_000n - CLOCK_GRAIN_NS
  }
}

function changedNow(rootFd: number): bigint {
  const fd = openNameless(rootFd)
  try {
    return fs.fstatSync(fd, { bigint: true }).ctimeNs
  } finally {
    fs.closeSync(fd)
  }
}

function requireUsable(fd: number, directory: string, mayHoldFiles: boolean): fs.Stats {
  if (!fs.existsSync(itself(fd)))
    throw failed('cannot restore without /proc: it keeps every path inside the folder', {
      hint: 'mount /proc',
    })
  if (!mayHoldFiles) checkEmpty(fd, directory)
  const stats = fs.fstatSync(fd)
  const ownUid = process.geteuid?.()
  if (ownUid !== 0 && stats.uid !== ownUid)
    throw failed(`the folder ${directory} belongs to somebody else`, { hint: HINT })
  return stats
}

function claim(fd: number, directory: string, mayHoldFiles: boolean): void {
  const { mode } = requireUsable(fd, directory, mayHoldFiles)
  if (mayHoldFiles) return
  fs.fchmodSync(fd, 0o700)
  try {
    // Once more, now that nobody else can add anything.
    checkEmpty(fd, directory)
  } catch (error) {
    fs.fchmodSync(fd, mode & 0o7777)
    throw error
  }
}

function checkEmpty(fd: number, directory: string): void {
  const folder = fs.opendirSync(inside(fd, '.').toString())
  try {
    if (folder.readSync() !== null)
      throw failed(`the folder ${directory} is not empty`, { hint: HINT })
  } finally {
    folder.closeSync()
  }
}

const HINT =
  'name a folder that does not exist yet, or an empty one of your own; or say what to do with files that are there: --overwrite'

function failed(message: string, more: { cause?: unknown; hint?: string }): SpillwayError {
  return new SpillwayError('RESTORE_FAILED', message, more)
}
