// The few calls of the file system that a walk makes, as one value, so that a test can let a disk
// fail at a chosen byte. All are synchronous: in a worker thread that is six times as fast as
// promises (145 000 files a second against 22 000, measured).

import fs, { constants } from 'node:fs'
import { fileStatsOf } from '../lib/file-stats.ts'
import type { FileStats } from '../lib/file-stats.ts'
import { systemCalls, whyNoSystemCalls } from '../lib/system-calls.ts'
import type { SystemCalls } from '../lib/system-calls.ts'
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
  open(path: ByteString, flags: number): number
  close(fd: number): void
  /** To be read; one that is not followed, and never waited for. Closed by `closeFile` alone. */
  openFile(folderFd: number, name: ByteString): number
  closeFile(fd: number): void
  fstat(fd: number): FileStats
  lstat(path: ByteString): FileStats
  stat(path: ByteString): FileStats
  /** From `from` on in the file; `position` is the buffer's. */
  read(fd: number, buffer: Buffer, position: number, bytes: number, from: number): number
  readlink(path: ByteString): ByteString
  /** In any order. `kind` is a hint, undefined where the file system gives none. */
  readFolder(path: ByteString): FolderEntry[]
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

/** The same, with a call of `onBack` after each that has come back well; one that fails ends its member. */
export function watchedFiles(onBack: () => void): SourceFiles {
  // No closure for each call: there are seven for every file.
  const back = <Result>(result: Result): Result => {
    onBack()
    return result
  }
  const files = sourceFiles
  return {
    open: (path, flags) => back(files.open(path, flags)),
    close: (fd) => back(files.close(fd)),
    openFile: (folderFd, name) => back(files.openFile(folderFd, name)),
    closeFile: (fd) => back(files.closeFile(fd)),
    fstat: (fd) => back(files.fstat(fd)),
    lstat: (path) => back(files.lstat(path)),
    stat: (path) => back(files.stat(path)),
    read: (fd, buffer, position, bytes, from) =>
      back(files.read(fd, buffer, position, bytes, from)),
    readlink: (path) => back(files.readlink(path)),
    readFolder: (path) => back(files.readFolder(path)),
    calls: watchedCalls(files.calls, back),
    whyNoCalls: files.whyNoCalls,
  }
}

function watchedCalls(
  calls: ExtraCalls | undefined,
  back: <Result>(result: Result) => Result,
): ExtraCalls | undefined {
  if (calls === undefined) return undefined
  return {
    listAttributes: (at) => back(calls.listAttributes(at)),
    readAttribute: (at, name) => back(calls.readAttribute(at, name)),
    seekData: (fd, from) => back(calls.seekData(fd, from)),
    seekHole: (fd, from) => back(calls.seekHole(fd, from)),
    flagsOf: (fd) => back(calls.flagsOf(fd)),
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
