// The queries on servers and their health.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import { bucketOf } from '../domain/server.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { Health, ServerRow } from './catalog.ts'
import { safeInteger, serverFrom, timeText } from './rows.ts'
import type { Tables } from './tables.ts'

export async function registerServers(
  db: Kysely<Tables>,
  servers: readonly Server[],
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    for (const server of servers) {
      const seen = {
        label: server.label,
        endpoint: server.endpoint,
        bucket: bucketOf(server),
        prefix: server.prefix,
      }
      await trx
        .insertInto('s3_servers')
        .values({ identity: server.identity, ...seen })
        .onConflict((conflict) => conflict.column('identity').doUpdateSet(seen))
        .execute()
    }
  })
}

export async function listServers(db: Kysely<Tables>, host: string): Promise<ServerRow[]> {
  const rows = await db
    .selectFrom('s3_servers')
    .leftJoin('server_health', (join) =>
      join
        .onRef('server_health.server_id', '=', 's3_servers.id')
        .on('server_health.host', '=', host),
    )
    .selectAll('s3_servers')
    .select(['server_health.health', 'server_health.reason', 'server_health.checked_at'])
    .orderBy('s3_servers.id')
    .execute()
  return rows.map(serverFrom)
}

export async function setOtherBytes(
  db: Kysely<Tables>,
  identity: ServerIdentity,
  otherBytes: number,
  listedAt: Date,
): Promise<void> {
  requireBytes(otherBytes, 'otherBytes')
  await db.transaction().execute(async (trx) => {
    await trx
      .updateTable('s3_servers')
      .set({ other_bytes: otherBytes, listed_at: timeText(listedAt) })
      .where('id', '=', await serverIdOf(trx, identity))
      .execute()
  })
}

export async function setHealth(
  db: Kysely<Tables>,
  host: string,
  seen: {
    readonly identity: ServerIdentity
    readonly health: Health
    readonly reason: string | undefined
    readonly at: Date
  },
): Promise<void> {
  const values = {
    health: seen.health,
    reason: seen.reason ?? null,
    checked_at: timeText(seen.at),
  }
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('server_health')
      .values({ host, server_id: await serverIdOf(trx, seen.identity), ...values })
      .onConflict((conflict) => conflict.columns(['host', 'server_id']).doUpdateSet(values))
      .execute()
  })
}

/** What a row counted until now is somebody else's; in the transaction that takes it out of the row. */
export async function addOtherBytes(
  trx: Kysely<Tables>,
  serverId: number,
  bytes: number,
): Promise<void> {
  requireBytes(bytes, 'othersBytes')
  await trx
    .updateTable('s3_servers')
    .set({ other_bytes: sql`other_bytes + ${bytes}` })
    .where('id', '=', serverId)
    .execute()
}

/** Whether the sums of a server can take so many bytes more and stay numbers: it says sizes itself. */
export async function canCount(
  trx: Kysely<Tables>,
  serverId: number,
  bytes: number,
): Promise<boolean> {
  const row = await trx
    .selectFrom('s3_servers')
    .select(['used_bytes', 'catalog_bytes'])
    .where('id', '=', serverId)
    .executeTakeFirstOrThrow()
  const usedBytes = safeInteger(row.used_bytes, 's3_servers.used_bytes')
  const catalogBytes = safeInteger(row.catalog_bytes, 's3_servers.catalog_bytes')
  return Number.isSafeInteger(usedBytes + catalogBytes + bytes)
}

/** The number of a server in the tables; a server that was never registered is a bug. */
export async function serverIdOf(db: Kysely<Tables>, identity: ServerIdentity): Promise<number> {
  const row = await db
    .selectFrom('s3_servers')
    .select('id')
    .where('identity', '=', identity)
    .executeTakeFirst()
  assert(row !== undefined, `server "${identity}" is not registered in the catalog`)
  return safeInteger(row.id, 's3_servers.id')
}

export function requireBytes(bytes: number, name: string): void {
  assert(Number.isSafeInteger(bytes) && bytes >= 0, `${name} is ${bytes}`)
}
