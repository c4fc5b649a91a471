// The schema of the catalog, as an ordered list of steps that is the same for every database.
//
// A step that has been released is never edited: a later one corrects it. Each step is plain SQL
// that SQLite and PostgreSQL both take; what they spell differently comes in as ColumnTypes.

import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'
import { createHistoryTables } from './history-tables.ts'
import { createProofTables } from './proof-tables.ts'
import { createRebuildTables } from './rebuild-tables.ts'
import { addStandingSums } from './standing-tables.ts'

export type ColumnTypes = {
  /** A number that the database gives by itself, and never twice. */
  readonly id: RawBuilder<unknown>
  /** Holds every safe integer. */
  readonly integer: RawBuilder<unknown>
  /** Sorts and compares by bytes, whatever the locale. */
  readonly text: RawBuilder<unknown>
  readonly real: RawBuilder<unknown>
  /** Bytes of any kind; compares by bytes. */
  readonly blob: RawBuilder<unknown>
  /** After the closing bracket of a table. */
  readonly tableEnd: RawBuilder<unknown>
}

export type Migration = {
  /** 1, 2, 3, ... without gaps. */
  readonly version: number
  readonly name: string
  readonly apply: (db: Kysely<unknown>, types: ColumnTypes) => Promise<void>
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'servers, archives, copies, attempts',
    apply: async (db, types) => {
      await createServers(db, types)
      await createArchives(db, types)
      await createCopies(db, types)
      await createAttempts(db, types)
    },
  },
  {
    version: 2,
    name: 'proofs, history of files',
    apply: async (db, types) => {
      await createProofTables(db, types)
      await createHistoryTables(db, types)
      await createRebuildTables(db, types)
    },
  },
  {
    version: 3,
    name: 'times of deletion, pages of archives',
    apply: async (db, types) => {
      // Unknown (null) of what was deleted before.
      await sql`alter table s3_archives add column deleted_at ${types.text}`.execute(db)
      await sql`create index copies_by_day_stored on s3_archives (stored_at)`.execute(db)
      await sql`create index copies_by_day_deleted on s3_archives (deleted_at)
        where state = 'deleted'`.execute(db)
      await sql`create index archives_by_host on archives (host, started_at, id)`.execute(db)
      await sql`create index archives_by_host_source
        on archives (host, source, started_at, id)`.execute(db)
    },
  },
  {
    version: 4,
    name: 'sums and indexes for how things stand',
    apply: addStandingSums,
  },
  {
    version: 5,
    name: 'times of Complete',
    // Unknown (null) of what was sent before.
    apply: async (db, types) => {
      await sql`alter table s3_archives add column completing_at ${types.text}`.execute(db)
    },
  },
]

// Bytes are safe integers here too: 2^53 - 1 is the largest that JavaScript reads back unchanged.
const BYTES = sql.raw('between 0 and 9007199254740991')

/** The ledger. `used_bytes`, `reserved_bytes` and `used_copies` are sums over `s3_archives`. */
async function createServers(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  await sql`create table s3_servers (
    id ${t.id},
    identity ${t.text} not null unique,
    label ${t.text} not null,
    endpoint ${t.text} not null,
    bucket ${t.text},
    prefix ${t.text} not null,
    used_bytes ${t.integer} not null default 0 check (used_bytes ${BYTES}),
    reserved_bytes ${t.integer} not null default 0 check (reserved_bytes ${BYTES}),
    catalog_bytes ${t.integer} not null default 0 check (catalog_bytes ${BYTES}),
    other_bytes ${t.integer} not null default 0 check (other_bytes ${BYTES}),
    used_copies ${t.integer} not null default 0 check (used_copies ${BYTES}),
    listed_at ${t.text}
  ) ${t.tableEnd}`.execute(db)
  await sql`create table server_health (
    host ${t.text} not null,
    server_id ${t.integer} not null references s3_servers (id),
    health ${t.text} not null
      check (health in ('alive', 'full', 'dead', 'misconfigured', 'unknown')),
    reason ${t.text},
    checked_at ${t.text} not null,
    primary key (host, server_id)
  ) ${t.tableEnd}`.execute(db)
}

/**
 * `stored_copies` counts the copies in state stored; `first_stored_at` says that there was one.
 * Both stand here so that "what waits" and "what was good" are answered by an index.
 */
async function createArchives(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  await sql`create table archives (
    id ${t.text} not null primary key,
    host ${t.text} not null,
    source ${t.text} not null,
    source_kind ${t.text} not null,
    state ${t.text} not null check (state in ('packing', 'ready', 'gone', 'failed')),
    file ${t.text} not null,
    key ${t.text} not null,
    local_path ${t.text},
    size_bytes ${t.integer} check (size_bytes ${BYTES}),
    source_bytes ${t.integer} check (source_bytes ${BYTES}),
    member_count ${t.integer} check (member_count ${BYTES}),
    sha256 ${t.text},
    started_at ${t.text} not null,
    ended_at ${t.text},
    verified_at ${t.text},
    is_pinned ${t.integer} not null default 0 check (is_pinned in (0, 1)),
    warning_count ${t.integer} not null default 0 check (warning_count ${BYTES}),
    warnings ${t.text} not null default '[]',
    reason ${t.text},
    stored_copies ${t.integer} not null default 0 check (stored_copies ${BYTES}),
    first_stored_at ${t.text},
    unique (host, key),
    check (state in ('packing', 'failed') or (size_bytes is not null and sha256 is not null)),
    check (state <> 'ready' or local_path is not null)
  ) ${t.tableEnd}`.execute(db)

  await sql`create index archives_by_file on archives (file)`.execute(db)
  await sql`create index archives_by_state on archives (state, started_at, id)`.execute(db)
  await sql`create index archives_by_source on archives (state, source, started_at, id)`.execute(db)
  await sql`create index archives_waiting on archives (host, stored_copies)
    where state = 'ready'`.execute(db)
  await sql`create index archives_restorable on archives (host, source, started_at, id)
    where state = 'ready' or stored_copies > 0`.execute(db)
  await sql`create index archives_once_stored on archives (host, source, started_at, id)
    where first_stored_at is not null`.execute(db)
}

async function createCopies(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  await sql`create table s3_archives (
    id ${t.id},
    archive_id ${t.text} not null references archives (id),
    server_id ${t.integer} not null references s3_servers (id),
    state ${t.text} not null check (state in
      ('uploading', 'uncertain', 'stored', 'missing', 'deleting', 'deleted', 'failed')),
    key ${t.text} not null,
    token ${t.text} not null,
    upload_id ${t.text},
    is_completing ${t.integer} not null default 0 check (is_completing in (0, 1)),
    size_bytes ${t.integer} not null default 0 check (size_bytes ${BYTES}),
    reserved_bytes ${t.integer} not null default 0 check (reserved_bytes ${BYTES}),
    etag ${t.text},
    version_id ${t.text},
    stored_at ${t.text},
    reason ${t.text},
    check (state in ('uploading', 'uncertain') or reserved_bytes = 0),
    check (state not in ('uploading', 'uncertain', 'failed') or size_bytes = 0)
  ) ${t.tableEnd}`.execute(db)

  await sql`create index copies_by_archive on s3_archives (archive_id)`.execute(db)
  // Two uploads to one key would overwrite each other: at most one row may claim a key at a time.
  await sql`create unique index copies_by_key on s3_archives (server_id, key)
    where state not in ('deleted', 'failed')`.execute(db)
  await sql`create index copies_unsettled on s3_archives (state)
    where state in ('uploading', 'uncertain', 'deleting')`.execute(db)
}

async function createAttempts(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  await sql`create table attempts (
    id ${t.id},
    archive_id ${t.text} not null references archives (id),
    server_id ${t.integer} not null references s3_servers (id),
    server_number ${t.integer} not null,
    outcome ${t.text} not null
      check (outcome in ('stored', 'full', 'dead', 'misconfigured', 'failed')),
    code ${t.text},
    message ${t.text},
    bytes_sent ${t.integer} not null check (bytes_sent ${BYTES}),
    seconds ${t.real} not null,
    at ${t.text} not null
  ) ${t.tableEnd}`.execute(db)
  await sql`create index attempts_by_archive on attempts (archive_id)`.execute(db)
}
