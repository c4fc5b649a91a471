// DATA_DIR/state.sqlite: what belongs to this host alone and is never copied to a server: tokens, the
// daemon's queue, and the last runs with their journals. Losing it loses no archive, so it is a file of
// its own beside the catalog, and nothing that an archive depends on waits for it.

import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { makeFolderOnDisk } from '../lib/sync-folder.ts'

export type StateHandle = Database.Database

const FILE = 'state.sqlite'

// Several processes write a few small rows each: whoever waits longer than this has met a shell that
// somebody left open.
const BUSY_TIMEOUT_MS = 5_000

// Steps are appended, never edited; `user_version` counts those that were done.
const STEPS: readonly string[] = [
  `create table tokens (
    name text not null primary key,
    prefix text not null,
    hash blob not null unique,
    scope text not null check (scope in ('read', 'run', 'restore', 'admin')),
    created_at text not null,
    last_used_at text
  ) strict;
  create table jobs (
    id text not null primary key,
    kind text not null,
    origin text not null,
    requested_by text not null,
    state text not null check (state in ('queued', 'running', 'done', 'failed', 'cancelled', 'lost')),
    args text not null,
    created_at text not null,
    started_at text,
    ended_at text,
    exit integer,
    result text,
    reason text
  ) strict;
  create index jobs_by_state on jobs (state, id);
  create table job_lines (
    job_id text not null references jobs (id) on delete cascade,
    number integer not null,
    at text not null,
    event text not null,
    primary key (job_id, number)
  ) strict, without rowid;
  create table schedule_marks (
    name text not null primary key,
    at text not null
  ) strict;`,
  `create table marks (
    name text not null primary key,
    value text not null,
    at text not null
  ) strict;`,
  `create table runs (
    id text not null primary key,
    origin text not null check (origin in ('schedule', 'api', 'command')),
    job_id text,
    process text not null,
    sources text not null,
    started_at text not null,
    ended_at text,
    exit integer,
    is_lost integer not null default 0 check (is_lost in (0, 1)),
    reason text,
    counts text,
    report text
  ) strict;
  create index runs_open on runs (id) where ended_at is null;
  create table run_events (
    run_id text not null references runs (id) on delete cascade,
    number integer not null,
    at text not null,
    event text not null,
    primary key (run_id, number)
  ) strict, without rowid;
  create table audit (
    id integer primary key autoincrement,
    at text not null,
    token text,
    method text not null,
    path text not null,
    status integer not null,
    remote_address text not null
  ) strict;
  create index audit_of_nobody on audit (id) where token is null;`,
]

export function hasStateFile(dataDir: string): boolean {
  return existsSync(join(dataDir, FILE))
}

/** Made when it is not there yet. Throws STATE_UNAVAILABLE. */
export function openStateFile(dataDir: string): StateHandle {
  const path = join(dataDir, FILE)
  try {
    if (!existsSync(path)) {
      makeFolderOnDisk(dataDir)
      // SQLite would make it readable for everybody.
      closeSync(openSync(path, 'a', 0o600))
      chmodSync(path, 0o600)
    }
    const handle = new Database(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      prepare(handle)
      return handle
    } catch (error) {
      handle.close()
      throw error
    }
  } catch (cause) {
    if (cause instanceof SpillwayError) throw cause
    throw unavailable(path, cause)
  }
}

// What the disk or another program does to it. The rest (a constraint, a wrong statement) is our bug.
const FROM_OUTSIDE = /^SQLITE_(?:BUSY|FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|PERM|NOMEM)/

/** Of a call to an open state file: STATE_UNAVAILABLE where it is no bug; undefined: it is. */
export function stateFailure(error: unknown): SpillwayError | undefined {
  const code = codeOf(error)
  return code !== undefined && FROM_OUTSIDE.test(code) ? unavailable(FILE, error) : undefined
}

function unavailable(path: string, cause: unknown): SpillwayError {
  // A full disk cannot even be read from: the readers' shared memory is a file.
  const isFull =
    /^SQLITE_(?:FULL|IOERR_SHM)/.test(codeOf(cause) ?? '') || codeOf(cause) === 'ENOSPC'
  const hint = isFull ? 'its disk is full: free some room in DATA_DIR' : undefined
  return new SpillwayError('STATE_UNAVAILABLE', `${path} cannot be used: ${messageOf(cause)}`, {
    ...{ cause, facts: { path } },
    ...(hint === undefined ? {} : { hint }),
  })
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/**
 * Of what can be written later as well: whoever holds the file is waited for no longer than this. Nothing else
 * happens in this process meanwhile.
 */
export const HASTY_MS = 50

export function withPatience<Result>(handle: StateHandle, ms: number, work: () => Result): Result {
  const before = handle.pragma('busy_timeout', { simple: true }) as number
  handle.pragma(`busy_timeout = ${ms}`)
  try {
    return work()
  } finally {
    handle.pragma(`busy_timeout = ${before}`)
  }
}

function prepare(handle: StateHandle): void {
  handle.pragma('trusted_schema = OFF')
  handle.pragma('foreign_keys = ON')
  handle.pragma('journal_mode = WAL')
  // What was queued or revoked must still be so after a power cut.
  handle.pragma('synchronous = FULL')
  if (versionOf(handle) === STEPS.length) return
  handle
    .transaction(() => {
      // Another process may have done it meanwhile.
      const version = versionOf(handle)
      if (version > STEPS.length)
        throw new SpillwayError(
          'STATE_UNAVAILABLE',
          `${handle.name} has version ${version}, and this Spillway knows ${STEPS.length}`,
          { hint: 'use the version of Spillway that wrote it, or a newer one' },
        )
      for (const step of STEPS.slice(version)) handle.exec(step)
      handle.pragma(`user_version = ${STEPS.length}`)
    })
    .immediate()
}

function versionOf(handle: StateHandle): number {
  return handle.pragma('user_version', { simple: true }) as number
}
