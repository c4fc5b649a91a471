// Keeps what standing-tables.ts sums up: whatever changes the state or the proof of a copy does it through here, in
// its own transaction, so that the sums are exact at every moment.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import type { CopyId } from './catalog.ts'
import { safeInteger } from './rows.ts'
import { COUNTED, WEIGHT } from './standing-tables.ts'
import type { StoredInteger, Tables } from './tables.ts'

type Db = Kysely<Tables>

type Weight = {
  readonly serverId: StoredInteger
  readonly copies: number
  readonly bytes: number
  readonly headed: number
  readonly deep: number
  readonly proven: number
}

/** `change` changes nothing of other copies. */
export async function keepStanding<Result>(
  trx: Db,
  copyId: CopyId,
  change: () => Promise<Result>,
): Promise<Result> {
  const before = await weightOf(trx, copyId)
  const result = await change()
  await move(trx, copyId, before, await weightOf(trx, copyId))
  return result
}

/** Of a row that is new. */
export async function addToStanding(trx: Db, copyId: CopyId): Promise<void> {
  await move(trx, copyId, undefined, await weightOf(trx, copyId))
}

/** undefined: it is not stored, and counts for nothing. */
async function weightOf(trx: Db, copyId: CopyId): Promise<Weight | undefined> {
  const { rows } = await sql<Record<string, StoredInteger>>`select c.server_id, ${sql.raw(WEIGHT)}
    from s3_archives c left join copy_proofs p on p.copy_id = c.id
    where c.id = ${copyId} and c.state = 'stored'`.execute(trx)
  const [row] = rows
  if (row === undefined) return undefined
  const number = (name: string): number =>
    safeInteger(row[name] ?? NaN, `weight of a copy, ${name}`)
  return {
    serverId: number('server_id'),
    copies: number('copies'),
    bytes: number('bytes'),
    headed: number('headed'),
    deep: number('deep'),
    proven: number('proven'),
  }
}

/** A copy never changes its server. */
async function move(
  trx: Db,
  copyId: CopyId,
  before: Weight | undefined,
  after: Weight | undefined,
): Promise<void> {
  const serverId = after?.serverId ?? before?.serverId
  if (serverId === undefined) return
  const by = (of: 'copies' | 'bytes' | 'headed' | 'deep' | 'proven'): number =>
    (after?.[of] ?? 0) - (before?.[of] ?? 0)
  await sql`update s3_servers set
      stored_copies = stored_copies + ${by('copies')},
      stored_bytes = stored_bytes + ${by('bytes')},
      headed_copies = headed_copies + ${by('headed')},
      deep_copies = deep_copies + ${by('deep')},
      proven_bytes = proven_bytes + ${by('proven')}
    where id = ${serverId}`.execute(trx)
  await trx
    .updateTable('copy_proofs')
    .set({ server_id: after === undefined ? null : Number(serverId) })
    .where('copy_id', '=', copyId)
    .execute()
}

/** Servers whose sums are not those of their copies. Reads every copy. */
export async function findStandingFaults(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ identity: string }>`with counted as (${sql.raw(COUNTED)})
    select identity from s3_servers left join counted on counted.server_id = s3_servers.id
    where stored_copies <> coalesce(copies, 0) or stored_bytes <> coalesce(bytes, 0)
      or headed_copies <> coalesce(headed, 0) or deep_copies <> coalesce(deep, 0)
      or proven_bytes <> coalesce(proven, 0)
      or exists (select 1 from copy_proofs p join s3_archives c on c.id = p.copy_id
        where p.server_id = s3_servers.id and (c.state <> 'stored' or c.server_id <> p.server_id))`.execute(
    db,
  )
  return rows.map(
    ({ identity }) =>
      `what ${identity} is said to hold and to have shown is not what its copies say`,
  )
}
