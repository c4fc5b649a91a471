// The queries on copies of the catalog, and the statement that makes one.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { ServerIdentity } from '../domain/server.ts'
import { makePrivateFile } from './catalog-file.ts'
import { date, safeInteger, timeText } from './rows.ts'
import { canCount, requireBytes, serverIdOf } from './server-rows.ts'
import type { SnapshotCalls, SnapshotId, SnapshotRow } from './snapshot-calls.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

export function createSnapshotCalls(db: Db, host: string): SnapshotCalls {
  return {
    copyTo: async (path) => {
      makePrivateFile(path)
      // Readers and one writer may go on; what is not committed is not in the copy.
      await sql`vacuum into ${path}`.execute(db)
    },
    snapshots: () => listSnapshots(db, host),
    reserveSnapshot: (input) =>
      db.transaction().execute(async (trx) => {
        const serverId = await serverIdOf(trx, input.identity)
        if (!(await promise(trx, serverId, input.sizeBytes, input.limitBytes))) return undefined
        return insert(trx, { ...input, host, serverId, state: 'uploading' })
      }),
    markSnapshotStored: (id) => change(db, id, 'uploading', 'stored'),
    markSnapshotDeleting: (id) => change(db, id, 'stored', 'deleting'),
    dropSnapshot: (id) => db.transaction().execute((trx) => drop(trx, id)),
    adoptSnapshot: (input) =>
      db.transaction().execute(async (trx) => {
        const serverId = await serverIdOf(trx, input.identity)
        const known = await trx
          .selectFrom('catalog_snapshots')
          .select('id')
          .where('server_id', '=', serverId)
          .where('key', '=', input.key)
          .executeTakeFirst()
        if (known !== undefined || !(await canCount(trx, serverId, input.sizeBytes))) return false
        await insert(trx, { ...input, host, serverId, state: 'stored' })
        await move(trx, serverId, input.sizeBytes)
        return true
      }),
  }
}

export async function snapshotKeysOn(db: Db, identity: ServerIdentity): Promise<string[]> {
  const rows = await db
    .selectFrom('catalog_snapshots')
    .select('key')
    .where('server_id', '=', await serverIdOf(db, identity))
    .execute()
  return rows.map(({ key }) => key)
}

/** Servers whose sum is not the sum of their snapshots. */
export async function findSnapshotFaults(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ identity: string; told: number; counted: number }>`
    select identity, catalog_bytes as told, coalesce(counted, 0) as counted
    from s3_servers
    left join (
      select server_id, sum(size_bytes) as counted from catalog_snapshots group by server_id
    ) sums on sums.server_id = s3_servers.id
    where catalog_bytes <> coalesce(counted, 0)
    limit 3`.execute(db)
  return rows.map(
    ({ identity, told, counted }) =>
      `the ledger of ${identity} says ${told} bytes of catalog, and its snapshots have ${counted}`,
  )
}

async function listSnapshots(db: Db, host: string): Promise<SnapshotRow[]> {
  const rows = await db
    .selectFrom('catalog_snapshots')
    .innerJoin('s3_servers', 's3_servers.id', 'catalog_snapshots.server_id')
    .selectAll('catalog_snapshots')
    .select('s3_servers.identity')
    .where('catalog_snapshots.host', '=', host)
    .orderBy('catalog_snapshots.made_at')
    .orderBy('catalog_snapshots.id')
    .execute()
  return rows.map((row) => ({
    id: safeInteger(row.id, 'catalog_snapshots.id'),
    identity: row.identity,
    key: row.key,
    token: row.token,
    state: row.state,
    sizeBytes: safeInteger(row.size_bytes, 'catalog_snapshots.size_bytes'),
    madeAt: date(row.made_at, 'catalog_snapshots.made_at'),
  }))
}

/** The one conditional update, as `promise` of copy-rows.ts; these bytes count as the catalog's. */
async function promise(
  trx: Db,
  serverId: number,
  bytes: number,
  limitBytes: number,
): Promise<boolean> {
  requireBytes(bytes, 'sizeBytes')
  requireBytes(limitBytes, 'limitBytes')
  const { numUpdatedRows } = await trx
    .updateTable('s3_servers')
    .set({ catalog_bytes: sql`catalog_bytes + ${bytes}` })
    .where('id', '=', serverId)
    .where(
      sql<boolean>`used_bytes + reserved_bytes + catalog_bytes + other_bytes + ${bytes} <= ${limitBytes}`,
    )
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

async function move(trx: Db, serverId: number, bytes: number): Promise<void> {
  await trx
    .updateTable('s3_servers')
    .set({ catalog_bytes: sql`catalog_bytes + ${bytes}` })
    .where('id', '=', serverId)
    .execute()
}

async function insert(
  trx: Db,
  input: {
    readonly serverId: number
    readonly host: string
    readonly key: string
    readonly token: string
    readonly state: SnapshotRow['state']
    readonly sizeBytes: number
    readonly madeAt: Date
  },
): Promise<SnapshotId> {
  requireBytes(input.sizeBytes, 'sizeBytes')
  const { id } = await trx
    .insertInto('catalog_snapshots')
    .values({
      server_id: input.serverId,
      host: input.host,
      key: input.key,
      token: input.token,
      state: input.state,
      size_bytes: input.sizeBytes,
      made_at: timeText(input.madeAt),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return safeInteger(id, 'catalog_snapshots.id')
}

async function change(
  db: Db,
  id: SnapshotId,
  from: SnapshotRow['state'],
  to: SnapshotRow['state'],
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('catalog_snapshots')
    .set({ state: to })
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirstOrThrow()
  assert(numUpdatedRows === 1n, `snapshot ${id} is not ${from}: it cannot become ${to}`)
}

async function drop(trx: Db, id: SnapshotId): Promise<void> {
  const gone = await trx
    .deleteFrom('catalog_snapshots')
    .where('id', '=', id)
    .returning(['server_id', 'size_bytes'])
    .executeTakeFirst()
  assert(gone !== undefined, `there is no snapshot ${id}`)
  const sizeBytes = safeInteger(gone.size_bytes, 'catalog_snapshots.size_bytes')
  await move(trx, safeInteger(gone.server_id, 'catalog_snapshots.server_id'), -sizeBytes)
}
