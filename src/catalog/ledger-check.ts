// Recounts what the catalog keeps as sums, so that a damaged number is said and never counted on.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

// Enough to see what kind of damage it is.
const FINDINGS_MAX = 3

/** Servers whose sums are not the sums of their copies. Reads every copy once. */
export async function findLedgerFaults(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ identity: string | null; told: string; counted: string }>`
    with counted as (
      select
        server_id,
        sum(case when state in ('stored', 'deleting', 'missing') then size_bytes else 0 end) as used,
        sum(case when state in ('stored', 'deleting', 'missing') then 1 else 0 end) as copies,
        sum(reserved_bytes) as reserved
      from s3_archives
      group by server_id
    )
    select
      s3_servers.identity as identity,
      used_bytes || ' used, ' || reserved_bytes || ' reserved, ' || used_copies || ' copies' as told,
      coalesce(used, 0) || ' used, ' || coalesce(reserved, 0) || ' reserved, '
        || coalesce(copies, 0) || ' copies' as counted
    from s3_servers
    left join counted on counted.server_id = s3_servers.id
    where used_bytes <> coalesce(used, 0)
      or reserved_bytes <> coalesce(reserved, 0)
      or used_copies <> coalesce(copies, 0)
    union all
    select null, 'no server', 'copies on server ' || server_id
    from counted
    where server_id not in (select id from s3_servers)
    limit ${FINDINGS_MAX}`.execute(db)
  return rows.map(({ identity, told, counted }) =>
    identity === null
      ? `there are ${counted}, and ${told} has this number`
      : `the ledger of ${identity} says ${told}, and its copies have ${counted}`,
  )
}

/** Archives whose count of stored copies is wrong: they would wait for ever, or not at all. */
export async function findCountFaults(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select archives.id as id
    from archives
    left join (
      select archive_id, count(*) as copies from s3_archives where state = 'stored'
      group by archive_id
    ) counted on counted.archive_id = archives.id
    where stored_copies <> coalesce(copies, 0)
    limit ${FINDINGS_MAX}`.execute(db)
  return rows.map(({ id }) => `archive ${id} has another number of stored copies than its row says`)
}
