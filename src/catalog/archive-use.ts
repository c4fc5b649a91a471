// Who uses an archive right now: a restore holds it, so that retention does not delete it under its feet.
//
// A lock per archive, SQLite's own, on an empty file: a reader's lock while it is used, a writer's lock
// while it is deleted. The kernel drops both when the process dies, so no lock is ever stale. Whoever
// reads an archive takes its lock first and looks at its copies afterwards; whoever deletes takes the
// lock, looks again, and marks the copies: in between nobody can slip.

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import { makeFolder } from './catalog-file.ts'
import { openHandle } from './open-sqlite.ts'
import { isBusy } from './sqlite-errors.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { SqliteHandle } from './open-sqlite.ts'

export type ArchiveUse = {
  /** May be called twice. */
  readonly release: () => void
}

/** Of one catalog: those who share it must share its locks, too, so they lie beside it. */
export type ArchiveUses = {
  /**
   * From now until `release`, or the end of the process, the archive is not deleted. Any number of users
   * at once. undefined: it is just being deleted.
   */
  readonly use: (id: ArchiveId) => ArchiveUse | undefined
  /** Nobody else uses it until `release`. undefined: somebody does. */
  readonly claim: (id: ArchiveId) => ArchiveUse | undefined
  /** For plans that are only shown; what is deleted is claimed. */
  readonly isInUse: (id: ArchiveId) => boolean
  /** Once it is deleted nobody needs its lock: whoever holds it now finds no copy either. */
  readonly forget: (id: ArchiveId) => void
}

export function createArchiveUses(catalogDir: string): ArchiveUses {
  return {
    use: (id) => useArchive(catalogDir, id),
    claim: (id) => claimArchive(catalogDir, id),
    isInUse: (id) => isInUse(catalogDir, id),
    forget: (id) => rmSync(lockPath(catalogDir, id), { force: true }),
  }
}

const FOLDER = 'in-use'

// `isInUse` claims for an instant, and whoever deletes for longer: a restore waits for the first only.
const PASSING_CLAIM_MS = 200

// A handle that nobody refers to is closed by the garbage collector, and its lock with it.
const held = new Set<SqliteHandle>()

function useArchive(catalogDir: string, id: ArchiveId): ArchiveUse | undefined {
  const take = (handle: SqliteHandle): void => {
    handle.exec('begin')
    // A transaction has its lock from its first look at the file on.
    handle.prepare('select count(*) from sqlite_master').all([])
  }
  return lock(catalogDir, id, take, PASSING_CLAIM_MS)
}

function claimArchive(catalogDir: string, id: ArchiveId): ArchiveUse | undefined {
  return lock(catalogDir, id, (handle) => handle.exec('begin exclusive'))
}

function isInUse(catalogDir: string, id: ArchiveId): boolean {
  if (!existsSync(lockPath(catalogDir, id))) return false
  const claim = claimArchive(catalogDir, id)
  claim?.release()
  return claim === undefined
}

function lockPath(catalogDir: string, id: ArchiveId): string {
  return join(catalogDir, FOLDER, `${id}.lock`)
}

function lock(
  catalogDir: string,
  id: ArchiveId,
  take: (handle: SqliteHandle) => void,
  busyTimeoutMs = 0,
): ArchiveUse | undefined {
  const path = lockPath(catalogDir, id)
  for (let tries = 1; ; tries += 1) {
    let handle: SqliteHandle | undefined
    try {
      makeFolder(join(catalogDir, FOLDER))
      writeFileSync(path, '', { flag: 'a', mode: 0o600 })
      handle = openHandle(path, { busyTimeoutMs })
      take(handle)
      return heldUntilReleased(handle)
    } catch (error) {
      handle?.close()
      if (isBusy(error)) return undefined
      // Forgotten between the two steps, by the run that has just deleted the archive: once at most.
      if (tries === 1 && !existsSync(path)) continue
      throw unusable(path, error instanceof SpillwayError ? (error.cause ?? error) : error)
    }
  }
}

function heldUntilReleased(handle: SqliteHandle): ArchiveUse {
  held.add(handle)
  return {
    release: () => {
      if (held.delete(handle)) handle.close()
    },
  }
}

function unusable(path: string, cause: unknown): SpillwayError {
  const what = `the lock ${path} cannot be taken: ${messageOf(cause)}`
  return new SpillwayError('CATALOG_UNAVAILABLE', what, { cause, facts: { path } })
}
