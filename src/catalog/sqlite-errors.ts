// SQLite's result codes -> CATALOG_* failures: the one place that reads them.
//
// An error that is none of these (a constraint, a syntax error) is our bug and stays as it is.

import { dirname } from 'node:path'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import type { FailureCode } from '../domain/errors.ts'
import { repairHint } from './damage.ts'

type Translation = {
  readonly failure: FailureCode
  readonly says: (path: string) => string
  readonly hint: (path: string) => string
}

// By the first part of the code: SQLITE_IOERR stands for SQLITE_IOERR_FSYNC and its sisters.
const TRANSLATIONS: Readonly<Record<string, Translation>> = {
  SQLITE_BUSY: {
    failure: 'CATALOG_UNAVAILABLE',
    says: (path) => `the catalog ${path} is held by another program`,
    hint: () => 'end the program that keeps it open for writing (a database shell, a backup of it)',
  },
  SQLITE_FULL: {
    failure: 'CATALOG_UNAVAILABLE',
    says: (path) => `no room for the catalog ${path}`,
    hint: roomHint,
  },
  SQLITE_READONLY: {
    failure: 'CATALOG_UNAVAILABLE',
    says: (path) => `the catalog ${path} cannot be written`,
    hint: (path) =>
      `is ${dirname(path)} mounted read-only, or owned by another user, or was the file replaced?`,
  },
  SQLITE_CANTOPEN: {
    failure: 'CATALOG_UNAVAILABLE',
    says: (path) => `the catalog ${path} cannot be opened`,
    hint: (path) => `may this user read and write ${dirname(path)}, and are file handles left?`,
  },
  SQLITE_PERM: {
    failure: 'CATALOG_UNAVAILABLE',
    says: (path) => `the catalog ${path} may not be opened`,
    hint: (path) => `may this user read and write ${dirname(path)}?`,
  },
  SQLITE_IOERR: {
    failure: 'CATALOG_UNAVAILABLE',
    says: (path) => `the disk failed under the catalog ${path}`,
    hint: () => 'look into the system log for disk errors',
  },
  SQLITE_PROTOCOL: {
    failure: 'CATALOG_UNAVAILABLE',
    says: (path) => `the catalog ${path} cannot be locked`,
    hint: () => 'keep DATA_DIR on a local disk: network file systems lock badly',
  },
  SQLITE_CORRUPT: {
    failure: 'CATALOG_CORRUPT',
    says: (path) => `the catalog ${path} is damaged`,
    hint: repairHint,
  },
  // Nothing of ours is near a gigabyte: a length that was flipped says so.
  SQLITE_TOOBIG: {
    failure: 'CATALOG_CORRUPT',
    says: (path) => `the catalog ${path} is damaged`,
    hint: repairHint,
  },
  SQLITE_NOTADB: {
    failure: 'CATALOG_CORRUPT',
    says: (path) => `the catalog ${path} is no SQLite database`,
    hint: repairHint,
  },
}

/** A full disk cannot even be read from: the readers' shared memory is a file. */
const ALSO_FULL = /^SQLITE_IOERR_(?:SHMSIZE|SHMMAP)$/

export function roomHint(path: string): string {
  const folder = dirname(path)
  return `free some room in ${folder}; to restore meanwhile: cp ${folder}/catalog.db* /elsewhere/ and DATA_DIR=/elsewhere spillway restore ...`
}

/** The code of an error of better-sqlite3, as SQLITE_IOERR_FSYNC; undefined for all others. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return undefined
  return error.code.startsWith('SQLITE_') ? error.code : undefined
}

/** Whether the same statement may work a moment later. */
export function isBusy(error: unknown): boolean {
  // Not SQLITE_BUSY_SNAPSHOT: a read that became a write cannot succeed by waiting.
  const code = sqliteCode(error)
  return code === 'SQLITE_BUSY' || code === 'SQLITE_BUSY_RECOVERY' || code === 'SQLITE_BUSY_TIMEOUT'
}

/** The same error when it is none of SQLite's, or a bug of ours. */
export function fromSqlite(error: unknown, path: string): unknown {
  const code = sqliteCode(error)
  if (code === undefined) return error
  const translation =
    TRANSLATIONS[ALSO_FULL.test(code) ? 'SQLITE_FULL' : code.split('_', 2).join('_')]
  if (translation === undefined) return error
  return new SpillwayError(
    translation.failure,
    `${translation.says(path)}: ${messageOf(error)} (${code})`,
    { cause: error, facts: { path, code }, hint: translation.hint(path) },
  )
}
