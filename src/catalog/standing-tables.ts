// Sums and indexes by which `status` tells how things stand without reading every archive: with a million of them
// it read for a minute, and took 3.5 GB.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { ColumnTypes } from './migrations.ts'

/**
 * On `s3_servers`: copies stored there, their bytes, how many of them a server showed by HEAD since, how many were
 * read back whole, and how many bytes were. Sums over `s3_archives` and `copy_proofs`, kept by standing-sums.ts.
 * `copy_proofs.server_id` is where the copy is stored, and null while it is not: so the oldest date of a server is
 * the beginning of an index.
 */
export async function addStandingSums(db: Kysely<unknown>, t: ColumnTypes): Promise<void> {
  for (const column of SUMS)
    await sql`alter table s3_servers add column ${sql.raw(column)} ${t.integer} not null default 0
      check (${sql.raw(column)} between 0 and 9007199254740991)`.execute(db)
  await sql`alter table copy_proofs add column server_id ${t.integer} references s3_servers (id)`.execute(
    db,
  )
  await sql`update copy_proofs set server_id = (select server_id from s3_archives
    where s3_archives.id = copy_proofs.copy_id and state = 'stored')`.execute(db)
  await sql.raw(FILL_SUMS).execute(db)
  await sql`create index proofs_by_headed on copy_proofs (server_id, headed_at)
    where server_id is not null`.execute(db)
  await sql`create index proofs_by_oldest on copy_proofs (server_id, oldest_at)
    where server_id is not null`.execute(db)
  await sql`create index copies_missing on s3_archives (archive_id) where state = 'missing'`.execute(
    db,
  )
  // A second copy on a server has a key of its own: copyKey() in domain/archive.ts.
  await sql`create index copies_again on s3_archives (archive_id)
    where key like '%.copy-%'`.execute(db)
  await sql`create index archives_lacking on archives (host, stored_copies)
    where state = 'gone' and stored_copies > 0`.execute(db)
  // All that the forecast reads of the past is in the index: of a million rows those of a season lie far apart.
  await sql`create index archives_sizes on archives (host, source, started_at, size_bytes, state)
    where state in ('ready', 'gone')`.execute(db)
  await sql`create index archives_fetching on archives (host)
    where state = 'gone' and local_path is not null`.execute(db)
  await sql`create index history_held on history_archives (history_id, serial)
    where is_let_go = 0`.execute(db)
  await sql`create index history_let_go on history_archives (history_id)
    where is_let_go = 1`.execute(db)
  await renewIndexes(db)
}

/**
 * Of indexes that fit a question equally well SQLite takes the youngest: those of version 3, by host, had taken the place
 * of these, which hold few rows or come to what is rare at once. A source that keeps a hundred of 36 000 archives was
 * read whole, and a million to find that none is being packed.
 */
async function renewIndexes(db: Kysely<unknown>): Promise<void> {
  for (const [name, rows] of RENEWED) {
    await sql`drop index ${sql.raw(name)}`.execute(db)
    await sql`create index ${sql.raw(name)} on archives ${sql.raw(rows)}`.execute(db)
  }
}

const RENEWED = [
  ['archives_by_state', '(state, started_at, id)'],
  ['archives_by_source', '(state, source, started_at, id)'],
  [
    'archives_restorable',
    `(host, source, started_at, id) where state = 'ready' or stored_copies > 0`,
  ],
  ['archives_once_stored', '(host, source, started_at, id) where first_stored_at is not null'],
] as const

const SUMS = ['stored_copies', 'stored_bytes', 'headed_copies', 'deep_copies', 'proven_bytes']

/** What one copy adds to the sums of its server; with s3_archives as `c` and copy_proofs as `p`. */
export const WEIGHT = `1 as copies, c.size_bytes as bytes,
  case when p.headed_at is null then 0 else 1 end as headed,
  case when p.proven_frames = p.frame_count then 1 else 0 end as deep,
  case when coalesce(p.proven_frames, 0) = 0 then 0
    else cast(c.size_bytes * (1.0 * p.proven_frames / p.frame_count) as bigint) end as proven`

/** Of every server with stored copies. Reads every copy. */
export const COUNTED = `select server_id, sum(copies) as copies, sum(bytes) as bytes, sum(headed) as headed,
    sum(deep) as deep, sum(proven) as proven
  from (select c.server_id, ${WEIGHT} from s3_archives c left join copy_proofs p on p.copy_id = c.id
    where c.state = 'stored') weights
  group by server_id`

/** Of catalogs that knew no sums, and of those that are made for measurements. */
export const FILL_SUMS = `with counted as (${COUNTED})
  update s3_servers set
    stored_copies = (select copies from counted where server_id = s3_servers.id),
    stored_bytes = (select bytes from counted where server_id = s3_servers.id),
    headed_copies = (select headed from counted where server_id = s3_servers.id),
    deep_copies = (select deep from counted where server_id = s3_servers.id),
    proven_bytes = (select proven from counted where server_id = s3_servers.id)
  where id in (select server_id from counted)`
