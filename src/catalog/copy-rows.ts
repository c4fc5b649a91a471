// The ledger: copies under way, and the bytes that each server holds or is promised.
//
// Every function is one transaction that moves a copy and its server's sums together. A copy in a
// state that the call does not expect is our bug: an assertion, and nothing has changed.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { ArchiveId, CopyState } from '../domain/archive.ts'
import type { ServerIdentity } from '../domain/server.ts'
import type { CopyId, CopyRow, KeysOnServer } from './catalog.ts'
import { forgetUnreadable } from './history-unreadable.ts'
import { copyFrom, safeInteger, timeText } from './rows.ts'
import { addOtherBytes, requireBytes, serverIdOf } from './server-rows.ts'
import { keepStanding } from './standing-sums.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

export async function reserve(
  db: Db,
  input: {
    readonly archiveId: ArchiveId
    readonly identity: ServerIdentity
    readonly key: string
    readonly token: string
    readonly bytes: number
    readonly limitBytes: number
  },
): Promise<CopyId | undefined> {
  requireBytes(input.bytes, 'bytes')
  return db.transaction().execute(async (trx) => {
    const archive = await trx
      .selectFrom('archives')
      .select('state')
      .where('id', '=', input.archiveId)
      .executeTakeFirst()
    assert(
      archive?.state === 'packing' || archive?.state === 'ready',
      `archive ${input.archiveId} is ${archive?.state ?? 'unknown'}: it has no bytes to send`,
    )
    const serverId = await serverIdOf(trx, input.identity)
    if (!(await promise(trx, serverId, input.bytes, input.limitBytes))) return undefined
    const { id } = await trx
      .insertInto('s3_archives')
      .values({
        archive_id: input.archiveId,
        server_id: serverId,
        state: 'uploading',
        key: input.key,
        token: input.token,
        reserved_bytes: input.bytes,
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    return safeInteger(id, 's3_archives.id')
  })
}

export async function resizeReservation(
  db: Db,
  copyId: CopyId,
  bytes: number,
  limitBytes: number,
): Promise<boolean> {
  requireBytes(bytes, 'bytes')
  return db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['uploading'])
    const grownBytes = bytes - copy.reservedBytes
    if (grownBytes > 0) {
      if (!(await promise(trx, copy.serverId, grownBytes, limitBytes))) return false
    } else {
      // No condition: giving back must work also where the limit was lowered below what is used.
      await moveBytes(trx, copy.serverId, { reservedBytes: grownBytes, usedBytes: 0, copies: 0 })
    }
    await changeCopy(trx, copy, { reserved_bytes: bytes })
    return true
  })
}

export async function setUploadId(db: Db, copyId: CopyId, uploadId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await changeCopy(trx, await copyIn(trx, copyId, ['uploading']), { upload_id: uploadId })
  })
}

export async function markCompleting(db: Db, copyId: CopyId, at: Date): Promise<void> {
  const completing_at = timeText(at)
  await db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['uploading'])
    await changeCopy(trx, copy, { is_completing: 1, completing_at })
  })
}

export async function markStored(
  db: Db,
  copyId: CopyId,
  proof: {
    readonly sizeBytes: number
    readonly etag: string | undefined
    readonly versionId: string | undefined
    readonly at: Date
  },
): Promise<void> {
  requireBytes(proof.sizeBytes, 'sizeBytes')
  const storedAt = timeText(proof.at)
  await db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['uploading', 'uncertain'])
    assert(
      proof.sizeBytes <= copy.reservedBytes,
      `copy ${copyId} has ${proof.sizeBytes} bytes, and ${copy.reservedBytes} were reserved`,
    )
    await changeCopy(trx, copy, {
      state: 'stored',
      size_bytes: proof.sizeBytes,
      reserved_bytes: 0,
      etag: proof.etag ?? null,
      version_id: proof.versionId ?? null,
      stored_at: storedAt,
      reason: null,
    })
    await moveBytes(trx, copy.serverId, {
      reservedBytes: -copy.reservedBytes,
      usedBytes: proof.sizeBytes,
      copies: 1,
    })
    await trx
      .updateTable('archives')
      .set({
        stored_copies: sql`stored_copies + 1`,
        first_stored_at: sql`coalesce(first_stored_at, ${storedAt})`,
      })
      .where('id', '=', copy.archiveId)
      .execute()
    await forgetUnreadable(trx, copy.archiveId)
  })
}

export async function markUncertain(db: Db, copyId: CopyId, reason: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['uploading'])
    await changeCopy(trx, copy, { state: 'uncertain', reason })
  })
}

export async function markCopyFailed(db: Db, copyId: CopyId, reason: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['uploading', 'uncertain'])
    await changeCopy(trx, copy, { state: 'failed', reserved_bytes: 0, reason })
    await moveBytes(trx, copy.serverId, {
      reservedBytes: -copy.reservedBytes,
      usedBytes: 0,
      copies: 0,
    })
  })
}

export async function markDamaged(db: Db, copyId: CopyId, reason: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['uploading', 'uncertain'])
    const sizeBytes = copy.reservedBytes
    await changeCopy(trx, copy, {
      state: 'deleting',
      size_bytes: sizeBytes,
      reserved_bytes: 0,
      reason,
    })
    await moveBytes(trx, copy.serverId, {
      reservedBytes: -sizeBytes,
      usedBytes: sizeBytes,
      copies: 1,
    })
  })
}

export async function markDeleted(db: Db, copyId: CopyId, at: Date): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['deleting'])
    await changeCopy(trx, copy, { state: 'deleted', deleted_at: timeText(at) })
    await moveBytes(trx, copy.serverId, {
      reservedBytes: 0,
      usedBytes: -copy.sizeBytes,
      copies: -1,
    })
  })
}

/** In one transaction: the room that our bytes took is that of somebody else's now. */
export async function markOverwritten(db: Db, copyId: CopyId, othersBytes: number): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const copy = await copyIn(trx, copyId, ['deleting'])
    await changeCopy(trx, copy, { state: 'deleted', deleted_at: timeText(new Date()) })
    const given = { reservedBytes: 0, usedBytes: -copy.sizeBytes, copies: -1 }
    await moveBytes(trx, copy.serverId, given)
    await addOtherBytes(trx, copy.serverId, othersBytes)
  })
}

export async function keysOn(db: Db, identity: ServerIdentity): Promise<KeysOnServer> {
  const rows = await db
    .selectFrom('s3_archives')
    .select(['key', 'state', 'size_bytes'])
    .where('server_id', '=', await serverIdOf(db, identity))
    // Spelled as the index copies_by_key spells it: only then is it used.
    .where(sql<boolean>`state not in ('deleted', 'failed')`)
    .execute()
  return new Map(
    rows.map(({ key, state, size_bytes: size }) => {
      const isOpen = state === 'uploading' || state === 'uncertain'
      return [key, isOpen ? undefined : safeInteger(size, 's3_archives.size_bytes')]
    }),
  )
}

export async function unsettledCopies(db: Db, host: string): Promise<CopyRow[]> {
  const rows = await withIdentity(db)
    .where(sql<boolean>`s3_archives.state in ('uploading', 'uncertain', 'deleting')`)
    // Not a join: that could begin with all archives of the host. Of these copies there are few.
    .where(sql<boolean>`(select host from archives where id = s3_archives.archive_id) = ${host}`)
    .orderBy('s3_archives.id')
    .execute()
  return rows.map(copyFrom)
}

// PostgreSQL takes 65 535 parameters in a statement, SQLite 32 766; more than some hundred at once
// save nothing.
const IDS_AT_ONCE = 500

export async function copiesOf(
  db: Db,
  ids: readonly ArchiveId[],
): Promise<ReadonlyMap<ArchiveId, readonly CopyRow[]>> {
  const byArchive = new Map<ArchiveId, CopyRow[]>(ids.map((id) => [id, []]))
  for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
    const rows = await withIdentity(db)
      .where('s3_archives.archive_id', 'in', ids.slice(start, start + IDS_AT_ONCE))
      .orderBy('s3_archives.id')
      .execute()
    for (const row of rows) byArchive.get(row.archive_id)?.push(copyFrom(row))
  }
  return byArchive
}

function withIdentity(db: Db) {
  return db
    .selectFrom('s3_archives')
    .innerJoin('s3_servers', 's3_servers.id', 's3_archives.server_id')
    .selectAll('s3_archives')
    .select('s3_servers.identity')
}

/** The one conditional update: promises bytes if they fit, else changes nothing. */
export async function promise(
  trx: Db,
  serverId: number,
  bytes: number,
  limitBytes: number,
): Promise<boolean> {
  requireBytes(limitBytes, 'limitBytes')
  const { numUpdatedRows } = await trx
    .updateTable('s3_servers')
    .set({ reserved_bytes: sql`reserved_bytes + ${bytes}` })
    .where('id', '=', serverId)
    .where(
      sql<boolean>`used_bytes + reserved_bytes + catalog_bytes + other_bytes + ${bytes} <= ${limitBytes}`,
    )
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export async function moveBytes(
  trx: Db,
  serverId: number,
  by: { readonly reservedBytes: number; readonly usedBytes: number; readonly copies: number },
): Promise<void> {
  await trx
    .updateTable('s3_servers')
    .set({
      reserved_bytes: sql`reserved_bytes + ${by.reservedBytes}`,
      used_bytes: sql`used_bytes + ${by.usedBytes}`,
      used_copies: sql`used_copies + ${by.copies}`,
    })
    .where('id', '=', serverId)
    .execute()
}

type Copy = {
  readonly id: CopyId
  readonly archiveId: ArchiveId
  readonly serverId: number
  readonly state: CopyState
  readonly reservedBytes: number
  readonly sizeBytes: number
}

export async function copyIn(trx: Db, copyId: CopyId, states: readonly CopyState[]): Promise<Copy> {
  const row = await trx
    .selectFrom('s3_archives')
    .select(['archive_id', 'server_id', 'state', 'reserved_bytes', 'size_bytes'])
    .where('id', '=', copyId)
    .executeTakeFirst()
  assert(
    row !== undefined && states.includes(row.state),
    `copy ${copyId} is ${row?.state ?? 'unknown'}, not ${states.join(' or ')}`,
  )
  return {
    id: copyId,
    archiveId: row.archive_id,
    serverId: safeInteger(row.server_id, 's3_archives.server_id'),
    state: row.state,
    reservedBytes: safeInteger(row.reserved_bytes, 's3_archives.reserved_bytes'),
    sizeBytes: safeInteger(row.size_bytes, 's3_archives.size_bytes'),
  }
}

/** Exactly the row that was read: where locks are finer than SQLite's, it may have changed since. */
export async function changeCopy(
  trx: Db,
  copy: Copy,
  change: Partial<{
    state: CopyState
    upload_id: string
    is_completing: 1
    completing_at: string
    size_bytes: number
    reserved_bytes: number
    etag: string | null
    version_id: string | null
    stored_at: string
    deleted_at: string
    reason: string | null
  }>,
): Promise<void> {
  await keepStanding(trx, copy.id, async () => {
    const { numUpdatedRows } = await trx
      .updateTable('s3_archives')
      .set(change)
      .where('id', '=', copy.id)
      .where('state', '=', copy.state)
      .where('reserved_bytes', '=', copy.reservedBytes)
      .executeTakeFirstOrThrow()
    assert(numUpdatedRows === 1n, `copy ${copy.id} is ${copy.state} no more`)
  })
}
