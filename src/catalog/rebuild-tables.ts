// The tables of comparing with the servers: copies of the catalog that lie there, copies of archives that
// were seen missing, and rebuilds that were begun.

import { sql } from 'kysely'
import type { ColumnType, Generated, Kysely } from 'kysely'
import type { ColumnTypes } from './migrations.ts'
import type { StoredInteger } from './tables.ts'

type Integer = ColumnType<StoredInteger, number, number>

type SnapshotsTable = {
  id: Generated<StoredInteger>
  server_id: Integer
  host: string
  key: string
  token: string
  state: 'uploading' | 'stored' | 'deleting'
  size_bytes: Integer
  made_at: string
}

type MissingTable = { copy_id: Integer; seen_at: string }

type RebuildsTable = {
  id: Generated<StoredInteger>
  begun_at: string
  ended_at: string | null
  snapshot: string | null
}

export type RebuildTables = {
  catalog_snapshots: SnapshotsTable
  missing_copies: MissingTable
  rebuilds: RebuildsTable
}

/**
 * `catalog_snapshots`: `catalog_bytes` of a server is the sum over its rows; a row goes when its object is
 * gone. `missing_copies`: since when a copy is missing. `rebuilds`: one without an end may go on.
 */
export async function createRebuildTables(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  await sql`create table catalog_snapshots (
    id ${t.id},
    server_id ${t.integer} not null references s3_servers (id),
    host ${t.text} not null,
    key ${t.text} not null,
    token ${t.text} not null,
    state ${t.text} not null check (state in ('uploading', 'stored', 'deleting')),
    size_bytes ${t.integer} not null check (size_bytes between 0 and 9007199254740991),
    made_at ${t.text} not null,
    unique (server_id, key)
  ) ${t.tableEnd}`.execute(db)
  await sql`create table missing_copies (
    copy_id ${t.integer} not null primary key references s3_archives (id),
    seen_at ${t.text} not null
  ) ${t.tableEnd}`.execute(db)
  await sql`create table rebuilds (
    id ${t.id},
    begun_at ${t.text} not null,
    ended_at ${t.text},
    snapshot ${t.text}
  ) ${t.tableEnd}`.execute(db)
}
