// Owner, extended attributes, mode, ACL and capabilities, mtime of what was restored, in this order: a change
// of owner clears setuid and capabilities, a mode may forbid writing attributes, and bends an ACL; writing
// would move the mtime, the others do not.
//
// Owners are the numbers in the archive, not the names: a restore is most often the same machine made
// anew, in a rescue system whose names mean other people. Without root everything becomes ours, which
// is said once, not once per file.

import * as fs from 'node:fs'
import { errnoOf } from './extract-failures.ts'
import { itself } from './extract-folders.ts'
import { PRIVATE_MODE } from './extract-born.ts'
import { ExtrasWriter } from './extract-extras.ts'
import { microsecondsOf } from './pax-records.ts'
import { shownPath } from './extract-paths.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { Born } from './extract-born.ts'
import type { Attributes } from './extract-deferred.ts'
import type { ByteString, TarKind } from './tar-header.ts'
import type { ReadMember } from './tar-reader.ts'
import type { ExtractWarnings } from './extract-warnings.ts'
import type { PaxTime } from './pax-records.ts'

// The one above means "leave it as it is" to chown(2).
const ID_MAX = 2 ** 32 - 2
const SETUID_SETGID = 0o6000
// Names an inode without opening it: a fifo would wait for its other end, a device would act.
const O_PATH = 0o10000000

export class AttributeWriter {
  readonly extras: ExtrasWriter
  readonly #warnings: ExtractWarnings
  readonly #isRoot = process.geteuid?.() === 0
  readonly #ownUid = process.geteuid?.()
  readonly #ownGid = process.getegid?.()
  #otherOwners = 0

  constructor(warnings: ExtractWarnings) {
    this.#warnings = warnings
    this.extras = new ExtrasWriter(warnings)
  }

  /** A file that was born with its owner or mode is left with them: `mode` is what it was made with. */
  applyTo(
    fd: number,
    wanted: Attributes,
    { path, kind }: { readonly path: ByteString; readonly kind: 'file' | 'directory' },
    born?: { readonly owner: Born | undefined; readonly mode: number },
  ): void {
    const { uid, gid } = wanted
    const isOwned = born?.owner?.uid === uid && born.owner.gid === gid
    if (!isOwned && this.#givesOwner(wanted)) this.#chown(() => fs.fchownSync(fd, uid, gid))
    this.extras.apply(fd, wanted.attributes, path, 'before mode')
    const hasMode = born !== undefined && born.mode !== PRIVATE_MODE && born.mode === wanted.mode
    if (!hasMode) this.#setMode(fd, this.#modeOf(wanted, path, kind), path)
    this.extras.apply(fd, wanted.attributes, path, 'after mode')
    if (this.extras.setTimes(fd, wanted)) return
    const mtime = timeFor(wanted)
    fs.futimesSync(fd, mtime, mtime)
  }

  /**
   * For what must not be opened. In a folder that others may write to, what was just made there may be
   * something else by now: it is held by its inode, and looked at, before anything is changed.
   */
  applyByName(
    at: Buffer,
    wanted: Attributes,
    { path, kind }: Pick<ReadMember, 'path' | 'kind'>,
  ): void {
    const pathFd = fs.openSync(at, O_PATH | fs.constants.O_NOFOLLOW)
    try {
      checkKind(fs.fstatSync(pathFd), { path, kind })
      const same = itself(pathFd)
      const place = { pathFd }
      if (this.#givesOwner(wanted)) this.#chown(() => fs.chownSync(same, wanted.uid, wanted.gid))
      // A symlink has neither a mode of its own nor an ACL.
      const isSymlink = kind === 'symlink'
      if (!isSymlink) this.extras.dropInherited(place, 'file')
      this.extras.apply(place, wanted.attributes, path, 'before mode')
      if (!isSymlink) fs.chmodSync(same, this.#modeOf(wanted, path, 'file'))
      this.extras.apply(place, wanted.attributes, path, 'after mode')
      if (this.extras.setTimes(place, wanted)) return
      const mtime = timeFor(wanted)
      fs.utimesSync(same, mtime, mtime)
    } finally {
      fs.closeSync(pathFd)
    }
  }

  /** At the end: one line, however many members it is about. */
  addSummaryWarnings(): void {
    this.extras.addMissingWarning()
    if (this.#otherOwners === 0) return
    const why = this.#isRoot ? 'the system did not allow their owner' : 'only root can restore that'
    const what =
      this.#otherOwners === 1 ? '1 member belongs' : `${this.#otherOwners} members belong`
    this.#warnings.add('', `${what} to somebody else and became yours: ${why}`)
  }

  #givesOwner({ uid, gid }: Attributes): boolean {
    if (this.#isRoot && uid <= ID_MAX && gid <= ID_MAX) return true
    if (uid !== this.#ownUid || gid !== this.#ownGid) this.#otherOwners += 1
    return false
  }

  /** Root of a container may be no root for the disk, or not know an id. */
  #chown(work: () => void): void {
    try {
      work()
    } catch (error) {
      const code = errnoOf(error)
      if (code !== 'EPERM' && code !== 'EINVAL') throw error
      this.#otherOwners += 1
    }
  }

  /** A sandbox may refuse set-id bits (RestrictSUIDSGID=), and without CAP_FSETID the kernel drops them silently. */
  #setMode(fd: number, mode: number, path: ByteString): void {
    const bits = mode & SETUID_SETGID
    if (bits === 0) return fs.fchmodSync(fd, mode)
    try {
      fs.fchmodSync(fd, mode)
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error
      fs.fchmodSync(fd, mode & ~SETUID_SETGID)
    }
    if ((fs.fstatSync(fd).mode & SETUID_SETGID) !== bits)
      this.#warnings.add(path, 'lost its setuid or setgid bit: this process may not set it')
  }

  #modeOf({ mode }: Attributes, path: ByteString, kind: 'file' | 'directory'): number {
    if (this.#isRoot || kind === 'directory' || (mode & SETUID_SETGID) === 0) return mode
    // Under another owner these bits would lend other rights than those that were meant.
    this.#warnings.add(path, 'lost its setuid or setgid bit: only root can restore that')
    return mode & ~SETUID_SETGID
  }
}

const FORMATS: Readonly<Partial<Record<TarKind, number>>> = {
  symlink: fs.constants.S_IFLNK,
  fifo: fs.constants.S_IFIFO,
  'character-device': fs.constants.S_IFCHR,
  'block-device': fs.constants.S_IFBLK,
}

function checkKind(stats: fs.Stats, { path, kind }: Pick<ReadMember, 'path' | 'kind'>): void {
  if ((stats.mode & fs.constants.S_IFMT) === FORMATS[kind]) return
  const what = `"${shownPath(path)}" was replaced while it was restored`
  throw new SpillwayError('RESTORE_FAILED', what, {
    hint: 'restore into a folder that nobody else may write to',
  })
}

/**
 * Microseconds as Node takes them. Node reads a negative number as "now", but not a negative text;
 * half a microsecond more keeps the way through floating point from ending one too low.
 */
export function timeFor(time: PaxTime): number | string {
  const mtimeUs = microsecondsOf(time)
  return mtimeUs < 0 ? String((mtimeUs - 0.5) / 1e6) : (mtimeUs + 0.5) / 1e6
}
