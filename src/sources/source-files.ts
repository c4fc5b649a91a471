// The few calls of the file system that a walk makes, as one value, so that a test can let a disk
// fail at a chosen byte. All are synchronous: in a worker thread that is six times as fast as
// promises (145 000 files a second against 22 000, measured).

import fs, { constants } from 'node:fs'
import { fileStatsOf } from '../lib/file-stats.ts'
import type { FileStats } from '../lib/file-stats.ts'
import { systemCalls, whyNoSystemCalls } from '../lib/system-calls.ts'
import type { CallPlace, SystemCalls } from '../lib/system-calls.ts'
import type { ByteString } from './member.ts'

export type EntryKind =
  'file' | 'directory' | 'symlink' | 'socket' | 'fifo' | 'character-device' | 'block-device'

export type FolderEntry = { readonly name: ByteString; readonly kind: EntryKind | undefined }

/** What Node cannot ask. */
export type ExtraCalls = Pick<
  SystemCalls,
  'listAttributes' | 'readAttribute' | 'seekData' | 'seekHole' | 'flagsOf'
>

export interface SourceFiles {
  readonly open: (path: ByteString, flags: number) => number
  readonly close: (fd: number) => void
  /** To be read; one that is not followed, and never waited for. Closed by `closeFile` alone. */
  readonly openFile: (folderFd: number, name: ByteString) => number
  readonly closeFile: (fd: number) => void
  readonly fstat: (fd: number) => FileStats
  readonly lstat: (path: ByteString) => FileStats
  readonly stat: (path: ByteString) => FileStats
  /** From `from` on in the file; `position` is the buffer's. */
  readonly read: (
    fd: number,
    buffer: Buffer,
    position: number,
    bytes: number,
    from: number,
  ) => number
  readonly readlink: (path: ByteString) => ByteString
  /** In any order. `kind` is a hint, undefined where the file system gives none. */
  readonly readFolder: (path: ByteString) => FolderEntry[]
  /** undefined: not on this machine, for the reason that `whyNoCalls` gives. */
  readonly calls: ExtraCalls | undefined
  readonly whyNoCalls: string | undefined
}

// O_NONBLOCK: a file that was swapped for a fifo must not hold the walk.
export const FILE_FLAGS =
  constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY

const BIGINT = { bigint: true } as const

/** The real ones. */
export const sourceFiles: SourceFiles = {
  open: (path, flags) => fs.openSync(pathLike(path), flags),
  close: (fd) => fs.closeSync(fd),
  // What is done for every file goes to the system directly where it can: less than half the time.
  openFile: (folderFd, name) =>
    systemCalls()?.openIn(folderFd, name, FILE_FLAGS) ??
    fs.openSync(pathLike(`/proc/self/fd/${folderFd}/${name}`), FILE_FLAGS),
  closeFile: (fd) => {
    const calls = systemCalls()
    if (calls === undefined) fs.closeSync(fd)
    else calls.close(fd)
  },
  fstat: (fd) => systemCalls()?.statOf(fd) ?? fileStatsOf(fs.fstatSync(fd, BIGINT)),
  lstat: (path) => fileStatsOf(fs.lstatSync(pathLike(path), BIGINT)),
  stat: (path) => fileStatsOf(fs.statSync(pathLike(path), BIGINT)),
  read: (fd, buffer, position, bytes, from) =>
    systemCalls()?.read(fd, buffer.subarray(position, position + bytes), from) ??
    fs.readSync(fd, buffer, position, bytes, from),
  readlink: (path) => fs.readlinkSync(pathLike(path), 'latin1'),
  readFolder,
  // Asked for by a walk, and not before: it loads a library.
  get calls() {
    return systemCalls()
  },
  get whyNoCalls() {
    return whyNoSystemCalls()
  },
}

/** The same, with a call of `onBack` after each that has come back, well or not. */
export function watchedFiles(onBack: () => void): SourceFiles {
  // Each is wrapped once: a closure for every call took a thirtieth of the time of tiny files.
  const watched =
    <Given extends readonly unknown[], Result>(call: (...given: Given) => Result) =>
    (...given: Given): Result => {
      try {
        return call(...given)
      } finally {
        onBack()
      }
    }
  const files = sourceFiles
  const { calls } = files
  return {
    open: watched(files.open),
    close: watched(files.close),
    openFile: watched(files.openFile),
    closeFile: watched(files.closeFile),
    fstat: watched(files.fstat),
    lstat: watched(files.lstat),
    stat: watched(files.stat),
    read: watched(files.read),
    readlink: watched(files.readlink),
    readFolder: watched(files.readFolder),
    calls: calls && {
      listAttributes: watched((at: CallPlace) => calls.listAttributes(at)),
      readAttribute: watched((at: CallPlace, name: string) => calls.readAttribute(at, name)),
      seekData: watched((fd: number, from: number) => calls.seekData(fd, from)),
      seekHole: watched((fd: number, from: number) => calls.seekHole(fd, from)),
      flagsOf: watched((fd: number) => calls.flagsOf(fd)),
    },
    whyNoCalls: files.whyNoCalls,
  }
}

/** The file type in a mode (st_mode) or undefined for one that tar has no word for. */
export function kindOf({ mode }: FileStats): EntryKind | undefined {
  return KINDS[(mode >> 12) & 0o17]
}

const KINDS: Readonly<Record<number, EntryKind>> = {
  0o01: 'fifo',
  0o02: 'character-device',
  0o04: 'directory',
  0o06: 'block-device',
  0o10: 'file',
  0o12: 'symlink',
  0o14: 'socket',
}

// Strings go to the system as UTF-8, so only ASCII may stay a string. Most names are, and a Buffer
// costs a microsecond.
// eslint-disable-next-line no-control-regex -- ASCII begins with control characters
const NOT_ASCII = /[^\x00-\x7f]/

function pathLike(path: ByteString): string | Buffer {
  return NOT_ASCII.test(path) ? Buffer.from(path, 'latin1') : path
}

function readFolder(path: ByteString): FolderEntry[] {
  const at = pathLike(path)
  try {
    const entries = fs.readdirSync(at, { encoding: 'latin1', withFileTypes: true })
    return entries.map((entry) => ({
      name: entry.name,
      kind: entry.isFile()
        ? 'file'
        : entry.isDirectory()
          ? 'directory'
          : entry.isSymbolicLink()
            ? 'symlink'
            : undefined,
    }))
  } catch (error) {
    // Where the file system gives no types, Node asks for each by its decoded name, and fails at
    // names that are no UTF-8. Then the names alone must do; a real error comes again.
    if ((error as NodeJS.ErrnoException).syscall !== 'lstat') throw error
    const names = fs.readdirSync(at, 'latin1')
    return names.map((name) => ({ name, kind: undefined }))
  }
}
