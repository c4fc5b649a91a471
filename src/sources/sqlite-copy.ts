// A consistent copy of one SQLite database, made and checked in a folder of ours: what the child process of a
// SQLite source does. Nothing is ever written or made beside the original.
//
// - By SQLite's backup interface on a connection that only reads, in one transaction: page by page, whatever
//   functions and collations its program brings along (VACUUM INTO needs those, and renumbers rows), and not
//   begun again for each commit of a busy writer. Under WAL writers go on; without it they wait.
// - Where SQLite itself would have to write for that (a -wal or -shm to be made, which would belong to us and
//   lock the owner out; a journal to be rolled back; a disk mounted read-only), by a copy of the files while
//   they lie still (sqlite-still.ts): SQLite recovers it in our folder as after a crash.

import {
  closeSync,
  existsSync,
  openSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { databaseFailed } from './database-failure.ts'
import { copyStill } from './sqlite-still.ts'

const MAGIC = 'SQLite format 3\0'
// Of the header: 2 where it is read by a write-ahead log.
const READ_VERSION_AT = 19
const WAL = 2
// A program that opens and closes it without a pause is not met three times in a row at the wrong moment.
const ATTEMPTS_MAX = 3
const ALL_PAGES = 0x7fffffff
// Enough to see what kind of damage it is.
const PROBLEMS_SHOWN_MAX = 3

export type SqliteCopy = {
  /** One file, whole, that nobody has open. undefined: the database is an empty file. */
  readonly path: string | undefined
  /** What could not be checked. */
  readonly unchecked: string | undefined
}

type Input = {
  readonly path: string
  /** Private; on a disk with room for the copy. */
  readonly folder: string
  /** So long a lock of another program is waited for. */
  readonly busyMs: number
}

export function sqliteVersion(): string {
  const database = new Database(':memory:')
  try {
    return database.prepare('select sqlite_version()').pluck().get() as string
  } finally {
    database.close()
  }
}

/** Rejects with SOURCE_DATABASE_FAILED. */
export async function copySqlite({ path, folder, busyMs }: Input): Promise<SqliteCopy> {
  // -wal and -journal lie beside the file itself, not beside a link to it.
  const real = told(path, () => realpathSync(path))
  if (!hasContent(real)) return { path: undefined, unchecked: undefined }
  requireRoom(real, folder)
  const target = join(folder, 'copy.db')
  for (let attempt = 1; ; attempt += 1) {
    const refused = mustWrite(real)
      ? 'SQLite would have to make files beside it'
      : await copyByBackup(real, target, busyMs)
    if (refused === undefined) break
    const moved = await copyStill(real, target).catch((cause: unknown) => {
      throw unreadable(real, cause)
    })
    if (moved === undefined) break
    if (attempt === ATTEMPTS_MAX)
      throw databaseFailed(
        `${real} cannot be copied: ${refused}, and its files do not lie still: ${moved} changes`,
        'run as the owner of the file, or give this user the right to write its -shm file',
      )
  }
  return { path: target, unchecked: checkCopy(real, target) }
}

/** false: an empty file, which SQLite takes for an empty database. */
function hasContent(path: string): boolean {
  if (!told(path, () => statSync(path)).isFile())
    throw databaseFailed(`${path} is no file, so it is no SQLite database`)
  const header = headerOf(path)
  if (header.length === 0) return false
  if (header.toString('latin1', 0, MAGIC.length) === MAGIC) return true
  throw databaseFailed(
    `${path} is no SQLite database: it does not begin like one`,
    'if it is encrypted, archive its folder while its program is at rest',
  )
}

/** Never while we have it open: closing would drop our locks on it. */
function headerOf(path: string): Buffer {
  const header = Buffer.alloc(READ_VERSION_AT + 1)
  const fd = told(path, () => openSync(path, 'r'))
  try {
    return header.subarray(0, readSync(fd, header, 0, header.length, 0))
  } finally {
    closeSync(fd)
  }
}

/** Whether a connection, even one that only reads, would make files beside it. */
function mustWrite(path: string): boolean {
  if (headerOf(path)[READ_VERSION_AT] !== WAL) return false
  return !existsSync(`${path}-wal`) || !existsSync(`${path}-shm`)
}

/** Returns why SQLite refuses, where a copy of the files may do. */
async function copyByBackup(
  path: string,
  target: string,
  busyMs: number,
): Promise<string | undefined> {
  let database: Database.Database | undefined
  try {
    database = new Database(path, { readonly: true, fileMustExist: true, timeout: busyMs })
    // From here on it is of one moment, and whoever holds a lock was waited for.
    database.exec('begin')
    const pages = database.pragma('page_count', { simple: true })
    const { totalPages } = await database.backup(target, { progress: () => ALL_PAGES })
    if (totalPages !== pages) throw databaseFailed(`${path} was not copied whole`)
    return undefined
  } catch (cause) {
    if (cause instanceof SpillwayError) throw cause
    if (/^SQLITE_(?:READONLY|CANTOPEN)/.test(codeOf(cause))) return `SQLite says ${codeOf(cause)}`
    throw notCopied(path, cause, busyMs)
  } finally {
    database?.close()
  }
}

/** Also joins what a log or a journal beside the copy still holds. Returns what could not be checked. */
function checkCopy(path: string, copy: string): string | undefined {
  let database: Database.Database | undefined
  try {
    database = new Database(copy, { fileMustExist: true })
    const unchecked = checkIntegrity(path, database)
    database.pragma('wal_checkpoint(truncate)')
    return unchecked
  } catch (cause) {
    if (cause instanceof SpillwayError) throw cause
    throw notCopied(path, cause, 0)
  } finally {
    database?.close()
  }
}

function checkIntegrity(path: string, database: Database.Database): string | undefined {
  const problemsOf = (check: string): string[] =>
    (database.prepare(`pragma ${check}(${PROBLEMS_SHOWN_MAX})`).pluck().all() as string[]).filter(
      (line) => line !== 'ok',
    )
  let problems: string[]
  let unchecked: string | undefined
  try {
    problems = problemsOf('integrity_check')
  } catch (error) {
    if (!isOfItsProgram(error)) throw error
    unchecked = `${path} was copied, but not checked whole: ${messageOf(error)}`
    problems = quickProblems(problemsOf)
  }
  if (problems.length === 0) return unchecked
  const shown = problems.map((line) =>
    line.replace(/^\*\*\* in database main \*\*\*\s*/, '').replace(/\s+/g, ' '),
  )
  throw damaged(path, shown.join('; '))
}

function quickProblems(problemsOf: (check: string) => string[]): string[] {
  try {
    return problemsOf('quick_check')
  } catch (error) {
    if (!isOfItsProgram(error)) throw error
    // Said already: nothing but the copy itself could be proved.
    return []
  }
}

/** Only its own program knows how it sorts, or a function in one of its rules. */
function isOfItsProgram(error: unknown): boolean {
  const isUnknown = /^SQLITE_ERROR(?:_MISSING_COLLSEQ)?$/.test(codeOf(error))
  return isUnknown && !/malformed/.test(messageOf(error))
}

/** Before the disk is full: the copy, and what its log and journal are joined into. */
function requireRoom(path: string, folder: string): void {
  const sizes = ['', '-wal', '-wal', '-journal'].map(
    (suffix) => statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0,
  )
  const neededBytes = sizes.reduce((sum, size) => sum + size, 0)
  const { bavail, bsize } = statfsSync(folder)
  if (neededBytes <= bavail * bsize) return
  throw databaseFailed(
    `the copy of ${path} needs ${formatBytes(neededBytes)}, and the disk of ${dirname(folder)} has ${formatBytes(bavail * bsize)}`,
    'make room on that disk, or set SPOOL_DIR to a larger one',
  )
}

function notCopied(path: string, cause: unknown, busyMs: number): SpillwayError {
  const code = codeOf(cause)
  if (/^SQLITE_(?:CORRUPT|NOTADB)/.test(code)) return damaged(path, messageOf(cause), cause)
  if (/^SQLITE_(?:BUSY|LOCKED)/.test(code))
    return databaseFailed(
      `${path} was locked by another program for ${busyMs / 1_000} seconds`,
      'let that program use a write-ahead log (PRAGMA journal_mode=WAL), or archive when it is at rest',
      cause,
    )
  if (code === 'SQLITE_FULL')
    return databaseFailed(
      `the disk is full: no copy of ${path}`,
      'make room on the disk of SPOOL_DIR',
      cause,
    )
  return databaseFailed(`${path} cannot be copied: ${messageOf(cause)} (${code})`, undefined, cause)
}

function damaged(path: string, problem: string, cause?: unknown): SpillwayError {
  return databaseFailed(
    `${path} is damaged: ${problem}`,
    'sqlite3 FILE .recover saves what can be read; earlier archives may hold it whole',
    cause,
  )
}

/** Errors of the system as failures that name the file. */
function told<Result>(path: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function unreadable(path: string, cause: unknown): SpillwayError {
  if (cause instanceof SpillwayError) return cause
  const code = codeOf(cause)
  const why =
    code === 'ENOENT'
      ? 'is not there'
      : code === 'EACCES'
        ? 'may not be read by this user'
        : code === 'ENOSPC'
          ? 'cannot be copied: the disk of SPOOL_DIR is full'
          : `cannot be read: ${messageOf(cause)}`
  return databaseFailed(`${path} ${why}`, undefined, cause)
}

function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : 'no code'
}
