// The queries that compare the catalog with the servers and fill it again from them.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { ServerIdentity } from '../domain/server.ts'
import type { CopyId } from './catalog.ts'
import { changeCopy, copyIn, moveBytes } from './copy-rows.ts'
import { forgetUnreadable } from './history-unreadable.ts'
import { adoptCopy, adoptLocal } from './rebuild-adopt.ts'
import { ONLY_IN_SPOOL, UNASKED } from './rebuild-calls.ts'
import type { CopyOnServer, LostCopy, RebuildCalls, RebuildState } from './rebuild-calls.ts'
import { ARCHIVE_STATES, date, safeInteger, timeText, word } from './rows.ts'
import { addOtherBytes, serverIdOf } from './server-rows.ts'
import { createSnapshotCalls } from './snapshot-rows.ts'
import type { StoredInteger, Tables } from './tables.ts'

type Db = Kysely<Tables>

export function createRebuildCalls(db: Db, host: string): RebuildCalls {
  const atomic = <Result>(work: (trx: Db) => Promise<Result>) => db.transaction().execute(work)
  return {
    ...createSnapshotCalls(db, host),
    markMissing: (copyId, reason, at = new Date()) =>
      atomic((trx) => markMissing(trx, copyId, reason, at)),
    markFound: (copyId) => atomic((trx) => markFound(trx, copyId)),
    settleMissing: (copyId, reason, othersBytes = 0) =>
      atomic((trx) => settleMissing(trx, copyId, reason, othersBytes)),
    lostCopies: (since) => lostCopies(db, host, since),
    copiesOn: (identity) => copiesOn(db, identity),
    copyOfUpload: async (identity, { key, uploadId }) => {
      const rows = db
        .selectFrom('s3_archives')
        .select(['state', 'token', 'key'])
        .where('server_id', '=', await serverIdOf(db, identity))
      const named = await rows.where('upload_id', '=', uploadId).executeTakeFirst()
      if (named !== undefined) return named
      // Create's answer was lost, and the key is nobody else's.
      return rows
        .where('key', '=', key)
        .where('upload_id', 'is', null)
        .where('state', '=', 'failed')
        .executeTakeFirst()
    },
    archiveKeys: async () => {
      const rows = await db.selectFrom('archives').select('key').where('host', '=', host).execute()
      return new Set(rows.map(({ key }) => key))
    },
    adoptCopy: (archive, copy, apart = []) => atomic((trx) => adoptCopy(trx, archive, copy, apart)),
    adoptLocal: (archive, localPath) => atomic((trx) => adoptLocal(trx, archive, localPath)),
    rebuildState: () => rebuildState(db),
    beginRebuild: ({ at, snapshot }) =>
      atomic(async (trx) => {
        if (snapshot !== undefined) await forgetLostMachine(trx, snapshot.latest)
        if ((await rebuildState(trx)).isRebuilding && snapshot === undefined) return
        // A snapshot made between a rebuild's begin and end brings an open one with it.
        await endRebuilds(trx, at)
        const row = { begun_at: timeText(at), snapshot: snapshot?.name ?? null }
        await trx.insertInto('rebuilds').values(row).execute()
      }),
    doubtPins: async () => {
      await db
        .updateTable('rebuilds')
        .set({ snapshot: null })
        .where('ended_at', 'is', null)
        .execute()
    },
    endRebuild: (at) => atomic((trx) => endRebuilds(trx, at)),
  }
}

async function markMissing(trx: Db, copyId: CopyId, reason: string, at: Date): Promise<void> {
  const copy = await copyIn(trx, copyId, ['stored', 'missing'])
  if (copy.state === 'missing' && (await isKnownToBeGone(trx, copyId))) return
  await changeCopy(trx, copy, { state: 'missing', reason })
  if (copy.state === 'stored') await countStored(trx, copy.archiveId, -1)
  const seen = { seen_at: timeText(at) }
  await trx
    .insertInto('missing_copies')
    .values({ copy_id: copyId, ...seen })
    .onConflict((conflict) => conflict.column('copy_id').doUpdateSet(seen))
    .execute()
}

/** Otherwise it is called missing only since nobody has asked for it: see forgetLostMachine. */
async function isKnownToBeGone(trx: Db, copyId: CopyId): Promise<boolean> {
  const row = await trx
    .selectFrom('missing_copies')
    .select('copy_id')
    .where('copy_id', '=', copyId)
    .executeTakeFirst()
  return row !== undefined
}

async function markFound(trx: Db, copyId: CopyId): Promise<void> {
  const copy = await copyIn(trx, copyId, ['missing', 'stored'])
  if (copy.state === 'stored') return
  await changeCopy(trx, copy, { state: 'stored', reason: null })
  await countStored(trx, copy.archiveId, 1)
  await trx.deleteFrom('missing_copies').where('copy_id', '=', copyId).execute()
  // What verifying said of it as a whole: that it was gone, or was something else.
  await trx
    .deleteFrom('proof_problems')
    .where('copy_id', '=', copyId)
    .where('place', '=', 'object')
    .execute()
  await forgetUnreadable(trx, copy.archiveId)
}

async function settleMissing(
  trx: Db,
  copyId: CopyId,
  reason: string,
  othersBytes: number,
): Promise<boolean> {
  const copy = await copyIn(trx, copyId, ['missing', 'stored'])
  if (copy.state === 'stored') return false
  await changeCopy(trx, copy, { state: 'deleted', deleted_at: timeText(new Date()), reason })
  const given = { reservedBytes: 0, usedBytes: -copy.sizeBytes, copies: -1 }
  await moveBytes(trx, copy.serverId, given)
  await trx.deleteFrom('missing_copies').where('copy_id', '=', copyId).execute()
  await addOtherBytes(trx, copy.serverId, othersBytes)
  // Where this was the last place, the row of the archive says what became of it.
  await trx
    .updateTable('archives')
    .set({ reason })
    .where('id', '=', copy.archiveId)
    .where('state', '=', 'gone')
    .where(
      sql<boolean>`not exists (select 1 from s3_archives
        where archive_id = ${copy.archiveId} and state in ('stored', 'missing', 'uncertain', 'uploading'))`,
    )
    .execute()
  return true
}

async function countStored(trx: Db, archiveId: string, by: 1 | -1): Promise<void> {
  await trx
    .updateTable('archives')
    .set({ stored_copies: sql`stored_copies + ${by}` })
    .where('id', '=', archiveId)
    .execute()
}

async function copiesOn(db: Db, identity: ServerIdentity): Promise<CopyOnServer[]> {
  const rows = await selectCopies(db)
    .where('s3_archives.server_id', '=', await serverIdOf(db, identity))
    // Spelled as the index copies_by_key spells it: only then is it used.
    .where(sql<boolean>`s3_archives.state not in ('deleted', 'failed')`)
    .orderBy('s3_archives.id')
    .execute()
  return rows.map(copyFrom)
}

async function lostCopies(db: Db, host: string, since: Date): Promise<LostCopy[]> {
  const rows = await selectCopies(db)
    .innerJoin('s3_servers', 's3_servers.id', 's3_archives.server_id')
    .select('s3_servers.identity')
    .where('archives.host', '=', host)
    .where('s3_archives.state', '=', 'missing')
    // By the few that are missing, and not by all archives of the host.
    .where('s3_archives.id', 'in', (missing) =>
      missing
        .selectFrom('missing_copies')
        .select('missing_copies.copy_id')
        .where('missing_copies.seen_at', '<=', timeText(since)),
    )
    .orderBy('s3_archives.server_id')
    .orderBy('s3_archives.id')
    .execute()
  return rows.map((row) => {
    const { missingSince = since, ...copy } = copyFrom(row)
    return { ...copy, missingSince, identity: row.identity }
  })
}

function selectCopies(db: Db) {
  return db
    .selectFrom('s3_archives')
    .innerJoin('archives', 'archives.id', 's3_archives.archive_id')
    .leftJoin('missing_copies', 'missing_copies.copy_id', 's3_archives.id')
    .select([
      's3_archives.id',
      's3_archives.archive_id',
      's3_archives.state',
      's3_archives.key',
      's3_archives.token',
      's3_archives.size_bytes',
      'archives.file',
      'archives.state as archive_state',
      'missing_copies.seen_at',
      // One that nobody has asked for yet may be there.
      sql<StoredInteger>`archives.stored_copies + (select count(*) from s3_archives unasked
        where unasked.archive_id = archives.id and unasked.state = 'missing'
          and unasked.id not in (select copy_id from missing_copies))`.as('held_copies'),
    ])
}

type CopyOnServerRow = Awaited<ReturnType<ReturnType<typeof selectCopies>['execute']>>[number]

function copyFrom(row: CopyOnServerRow): CopyOnServer {
  return {
    id: safeInteger(row.id, 's3_archives.id'),
    archiveId: row.archive_id,
    file: row.file,
    archiveState: word(ARCHIVE_STATES, row.archive_state, 'archives.state'),
    heldCopies: safeInteger(row.held_copies, 'count of copies'),
    state: row.state,
    key: row.key,
    token: row.token,
    sizeBytes: safeInteger(row.size_bytes, 's3_archives.size_bytes'),
    missingSince: row.seen_at === null ? undefined : date(row.seen_at, 'missing_copies.seen_at'),
  }
}

async function rebuildState(db: Db): Promise<RebuildState> {
  const { archives } = await db
    .selectFrom('archives')
    .select((select) => select.fn.countAll<number>().as('archives'))
    .executeTakeFirstOrThrow()
  const open = await db
    .selectFrom('rebuilds')
    .select('snapshot')
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return {
    archives: safeInteger(archives, 'archives'),
    isRebuilding: open !== undefined,
    snapshot: open?.snapshot ?? undefined,
  }
}

async function endRebuilds(trx: Db, at: Date): Promise<void> {
  await trx
    .updateTable('rebuilds')
    .set({ ended_at: timeText(at) })
    .where('ended_at', 'is', null)
    .execute()
}

/**
 * A snapshot came from a server, which is not to be trusted with more than it holds. No path that it
 * names is believed, since a later run would remove that file, and no deletion that it says is under way
 * is carried on: what is really there is adopted again. Nor is a copy stored because it was when the snapshot
 * was made: retention went on, and until its server has shown it, it counts as missing.
 */
async function forgetLostMachine(trx: Db, latest: Date): Promise<void> {
  await sql`update s3_archives
    set state = 'failed', reserved_bytes = 0, size_bytes = 0,
      reason = 'it was under way when the catalog was copied'
    where state in ('uploading', 'uncertain', 'deleting')`.execute(trx)
  await sql`update archives
    set local_path = null,
      reason = case when state = 'ready' and stored_copies > 0 then reason
        when state = 'failed' then reason
        when state = 'ready' then ${ONLY_IN_SPOOL}
        else 'it was being packed when the catalog was copied' end,
      state = case when state = 'ready' and stored_copies > 0 then 'gone' else 'failed' end
    where state in ('packing', 'ready')`.execute(trx)
  await sql`update archives set local_path = null where local_path is not null`.execute(trx)
  await sql`update s3_archives set state = 'missing', reason = ${UNASKED}
    where state = 'stored'`.execute(trx)
  await sql`update archives set stored_copies = 0 where stored_copies > 0`.execute(trx)
  await sql`update copy_proofs set server_id = null where server_id is not null`.execute(trx)
  await sql`delete from catalog_snapshots
    where state <> 'stored' or made_at > ${timeText(latest)}`.execute(trx)
  const sum = (column: string, condition: string) =>
    sql`(select coalesce(sum(${sql.raw(column)}), 0) from s3_archives
      where server_id = s3_servers.id and ${sql.raw(condition)})`
  const isUsed = `state in ('stored', 'deleting', 'missing')`
  await sql`update s3_servers set
    used_bytes = ${sum('size_bytes', isUsed)},
    used_copies = ${sum('1', isUsed)},
    reserved_bytes = ${sum('reserved_bytes', 'true')},
    stored_copies = 0, stored_bytes = 0, headed_copies = 0, deep_copies = 0, proven_bytes = 0,
    catalog_bytes = (select coalesce(sum(size_bytes), 0) from catalog_snapshots
      where server_id = s3_servers.id),
    other_bytes = 0,
    listed_at = null`.execute(trx)
  const left = await trx
    .selectFrom('s3_archives')
    .select('id')
    .where('reserved_bytes', '>', 0)
    .executeTakeFirst()
  assert(left === undefined, 'a copy is under way although nothing is')
}
