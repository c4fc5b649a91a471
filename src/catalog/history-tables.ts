// The tables of the history of files.
//
// A history belongs to one source of one host. Its versions (domain/file-history.ts) lie in compressed
// blocks that the catalog keeps without looking into them: segment 0 holds what the archive recorded
// last has in it, in the order of paths; every other segment holds versions that ended, each segment
// in that order too. Blocks are written once and never changed, so a reader needs no lock: it takes
// those whose number `born` is not above the history's `generation`, and a recording that dies leaves
// only blocks above it.

import { sql } from 'kysely'
import type { ColumnType, Generated, Kysely } from 'kysely'
import type { ColumnTypes } from './migrations.ts'
import type { StoredInteger } from './tables.ts'

type Integer = ColumnType<StoredInteger, number, number>
type OptionalInteger = ColumnType<StoredInteger | null, number | null, number | null>
type DefaultedInteger = ColumnType<StoredInteger, number | undefined, number>

export type HistoryTables = {
  file_histories: {
    id: Generated<StoredInteger>
    host: string
    source: string
    generation: DefaultedInteger
    attempt: DefaultedInteger
    swept_segment: DefaultedInteger
  }
  history_archives: {
    archive_id: string
    history_id: Integer
    serial: OptionalInteger
    reason: string | null
    is_let_go: DefaultedInteger
  }
  history_blocks: {
    id: Generated<StoredInteger>
    history_id: Integer
    born: Integer
    segment: Integer
    version_count: Integer
    first_path: Uint8Array
    bytes: Uint8Array
  }
}

/**
 * `attempt` is the number that was given to the last recording that began, `generation` the one of the
 * last that came to its end; the `serial` of an archive is the number of its recording. A row of
 * `history_archives` without a serial is an archive whose index cannot be read, and says why. What only
 * archives that are let go had may have been dropped: one that turns up again is recorded again.
 */
export async function createHistoryTables(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  await sql`create table file_histories (
    id ${t.id},
    host ${t.text} not null,
    source ${t.text} not null,
    generation ${t.integer} not null default 0,
    attempt ${t.integer} not null default 0,
    swept_segment ${t.integer} not null default 0,
    unique (host, source),
    check (generation between 0 and attempt)
  ) ${t.tableEnd}`.execute(db)
  await sql`create table history_archives (
    archive_id ${t.text} not null primary key references archives (id),
    history_id ${t.integer} not null references file_histories (id),
    serial ${t.integer} check (serial > 0),
    reason ${t.text},
    is_let_go ${t.integer} not null default 0 check (is_let_go in (0, 1)),
    unique (history_id, serial),
    check ((serial is null) = (reason is not null))
  ) ${t.tableEnd}`.execute(db)
  await sql`create table history_blocks (
    id ${t.id},
    history_id ${t.integer} not null references file_histories (id),
    born ${t.integer} not null check (born > 0),
    segment ${t.integer} not null check (segment >= 0),
    version_count ${t.integer} not null check (version_count > 0),
    first_path ${t.blob} not null,
    bytes ${t.blob} not null
  ) ${t.tableEnd}`.execute(db)
  await sql`create index history_blocks_by_history on history_blocks (history_id, segment)`.execute(
    db,
  )
}
