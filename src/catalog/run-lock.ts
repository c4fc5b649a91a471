// One run at a time per data folder, and per host of a catalog, by locks that die with their process.
//
// A lock is SQLite's own: an open write transaction on DATA_DIR/run.lock, a file that stays empty.
// The kernel drops it when the process ends, however it ends. Who holds it is told by run.pid, which
// is for the message only: it may be missing or left over, and is believed when it can be proven.
//
// The second one lies beside the catalog: with CATALOG_URL two data folders may have the same, and a run
// would take what the other is packing for what an interrupted one left.

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import { isAlive, startTicksOf } from '../lib/process-identity.ts'
import { makeFolder } from './catalog-file.ts'
import { openHandle } from './open-sqlite.ts'
import type { SqliteHandle } from './open-sqlite.ts'
import { isBusy, roomHint, sqliteCode } from './sqlite-errors.ts'

export type RunLock = {
  /** May be called twice. */
  readonly release: () => Promise<void>
}

// A handle that nobody refers to is closed by the garbage collector, and its lock with it.
const held = new Set<SqliteHandle>()

/** Where the catalog lies, and for whom it is opened. */
export type LockedCatalog = { readonly path: string; readonly host: string }

/**
 * Rejects with RUN_LOCKED while another run is going on in this data folder, or with this catalog for this host;
 * waits for nobody.
 */
export async function acquireRunLock(dataDir: string, catalog?: LockedCatalog): Promise<RunLock> {
  const first = await acquire(join(dataDir, 'run'))
  if (catalog === undefined) return first
  const second = await acquire(besideCatalog(catalog)).catch(async (error: unknown) => {
    await first.release()
    throw error
  })
  return {
    release: async () => {
      try {
        await second.release()
      } finally {
        await first.release()
      }
    },
  }
}

/** Of a daemon: a second one would settle the jobs of the first as lost, and queue them again. */
export function acquireDaemonLock(dataDir: string): Promise<RunLock> {
  return acquire(join(dataDir, 'serve'), 'another daemon serves this DATA_DIR')
}

function besideCatalog({ path, host }: LockedCatalog): string {
  return `${path}.${host}.run`
}

async function acquire(stem: string, isThere = 'another run is going on'): Promise<RunLock> {
  makeFolder(dirname(stem))
  const lockPath = `${stem}.lock`
  const pidPath = `${stem}.pid`
  const handle = take(lockPath)
  if (handle === undefined) throw await lockedBy(pidPath, isThere)
  held.add(handle)
  try {
    writeHolder(pidPath)
  } catch (cause) {
    drop(handle)
    throw unusable(pidPath, cause)
  }
  return {
    release: async () => {
      if (!held.has(handle)) return
      try {
        // Before the lock is given back: afterwards it may be another run's.
        rmSync(pidPath, { force: true })
      } finally {
        drop(handle)
      }
    },
  }
}

function take(lockPath: string): SqliteHandle | undefined {
  let handle: SqliteHandle | undefined
  try {
    if (!existsSync(lockPath)) createLockFile(lockPath)
    handle = openHandle(lockPath, { busyTimeoutMs: 0 })
    // Not EXCLUSIVE: that also fails when two processes merely look at the file at once, and then
    // nobody would win. Of those who ask for this one, exactly one gets it.
    handle.exec('begin immediate')
    return handle
  } catch (error) {
    handle?.close()
    if (isBusy(error)) return undefined
    throw unusable(lockPath, error instanceof SpillwayError ? (error.cause ?? error) : error)
  }
}

function createLockFile(lockPath: string): void {
  try {
    writeFileSync(lockPath, '', { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    // Made by another run a moment ago.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause
  }
}

function drop(handle: SqliteHandle): void {
  held.delete(handle)
  handle.close()
}

/** Who runs just now. */
export type RunHolder = { readonly pid: number; readonly since: string }

/** undefined: nobody, or a process that cannot be seen from here. Changes nothing, and waits for nobody. */
export function currentRun(dataDir: string, catalog?: LockedCatalog): RunHolder | undefined {
  const stems = [join(dataDir, 'run'), ...(catalog === undefined ? [] : [besideCatalog(catalog)])]
  const holder = stems.map((stem) => readHolder(`${stem}.pid`)).find((found) => found !== undefined)
  return holder === undefined ? undefined : { pid: holder.pid, since: holder.since }
}

type Holder = RunHolder & { readonly startTicks: string | undefined }

function writeHolder(pidPath: string): void {
  const holder: Holder = {
    pid: process.pid,
    since: new Date().toISOString(),
    startTicks: startTicksOf(process.pid),
  }
  const newPath = `${pidPath}.new`
  writeFileSync(newPath, `${JSON.stringify(holder)}\n`, { mode: 0o600 })
  renameSync(newPath, pidPath)
}

// The holder writes its name a moment after it took the lock: 10 looks over 200 ms see it, also on a
// busy machine, and cost nothing to somebody who will not run anyway.
const LOOKS = 10
const BETWEEN_LOOKS_MS = 20

async function lockedBy(pidPath: string, isThere: string): Promise<SpillwayError> {
  for (let look = 0; look < LOOKS; look += 1) {
    const holder = readHolder(pidPath)
    if (holder !== undefined) {
      const { pid, since } = holder
      return new SpillwayError(
        'RUN_LOCKED',
        `${isThere} (pid ${pid}, since ${clockTime(new Date(since))})`,
        { facts: { pid, since } },
      )
    }
    await sleep(BETWEEN_LOOKS_MS)
  }
  // In another container, say, which shares the folder and not the process numbers.
  return new SpillwayError('RUN_LOCKED', `${isThere} (its process cannot be seen from here)`)
}

/** undefined: nobody, or nobody who is proven to be alive. */
function readHolder(pidPath: string): Holder | undefined {
  let holder: unknown
  try {
    holder = JSON.parse(readFileSync(pidPath, 'utf8'))
  } catch {
    // Missing, or damaged: the lock itself has already said all that matters.
    return undefined
  }
  return isHolder(holder) && isAlive(holder) === true ? holder : undefined
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false
  const { pid, since } = value as Partial<Holder>
  return Number.isSafeInteger(pid) && pid! > 0 && !Number.isNaN(Date.parse(String(since)))
}

/** `02:30:07` of this machine's clock, with the date when it was not today. */
function clockTime(at: Date): string {
  const time = at.toTimeString().slice(0, 8)
  return at.toDateString() === new Date().toDateString()
    ? time
    : `${at.toISOString().slice(0, 10)} ${time}`
}

function unusable(path: string, cause: unknown): SpillwayError {
  return new SpillwayError(
    'CATALOG_UNAVAILABLE',
    `the run lock ${path} cannot be taken: ${messageOf(cause)}`,
    {
      cause,
      facts: { path },
      hint:
        sqliteCode(cause) === 'SQLITE_FULL'
          ? roomHint(path)
          : `may this user write there? If no run is going on, ${path} may be removed`,
    },
  )
}
