// The queries of the history of files.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import { snapshot, withCopies } from './archive-rows.ts'
import type { ArchiveRow } from './catalog.ts'
import type {
  FileHistory,
  HistoryCalls,
  HistoryId,
  HistoryRecording,
  NewHistoryBlock,
  RecordedArchive,
  UnknownArchive,
} from './history-calls.ts'
import { archiveFrom, safeInteger } from './rows.ts'
import type { StoredInteger, Tables } from './tables.ts'

type Db = Kysely<Tables>

// SQLite takes 32 766 values in a statement; more than this at once is no faster.
const IDS_AT_ONCE = 500

export function createHistoryCalls(db: Db): HistoryCalls {
  return {
    histories: (filter = {}) => listHistories(db, filter),
    emptyHistories: () => emptyHistories(db),
    historyBlocks: (id) => listBlocks(db, id),
    historyBytes: (ids) => readBlocks(db, ids),
    beginRecording: (host, source) => beginRecording(db, host, source),
    stageHistory: (recording, blocks) =>
      db.transaction().execute(async (trx) => {
        await requireCurrent(trx, recording)
        await insertBlocks(trx, recording, blocks)
      }),
    commitRecording: (recording, change) => commitRecording(db, recording, change),
    setHistoryUnreadable: (archive, reason) => setUnreadable(db, archive, reason),
    dropHistory: (id) => dropHistory(db, id),
    archivesWithoutHistory: () => listUnknown(db),
  }
}

async function listHistories(
  db: Db,
  filter: Parameters<HistoryCalls['histories']>[0] & object,
): Promise<FileHistory[]> {
  const { host, source, includesLetGo = false } = filter
  return snapshot(db, async (trx) => {
    let query = trx.selectFrom('file_histories').selectAll()
    if (host !== undefined) query = query.where('host', '=', host)
    if (source !== undefined) query = query.where('source', '=', source)
    const found: FileHistory[] = []
    for (const row of await query.orderBy('host').orderBy('source').execute()) {
      const id = safeInteger(row.id, 'file_histories.id')
      found.push({
        id,
        host: row.host,
        source: row.source,
        generation: safeInteger(row.generation, 'file_histories.generation'),
        sweptSegment: safeInteger(row.swept_segment, 'file_histories.swept_segment'),
        archives: await recordedArchives(trx, id, includesLetGo),
        hasLetGo: await hasLetGo(trx, id),
      })
    }
    return found
  })
}

async function hasLetGo(db: Db, id: HistoryId): Promise<boolean> {
  const row = await db
    .selectFrom('history_archives')
    .select('serial')
    .where('history_id', '=', id)
    // Spelled as the index history_let_go spells it.
    .where(sql<boolean>`is_let_go = 1`)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

async function emptyHistories(db: Db): Promise<HistoryId[]> {
  const { rows } = await sql<{ id: StoredInteger }>`select id from file_histories h
    where exists (select 1 from history_archives where history_id = h.id and serial is not null)
    and not exists (select 1 from history_archives r join archives on archives.id = r.archive_id
      where r.history_id = h.id and r.serial is not null and r.is_let_go = 0
      and (archives.state = 'ready' or archives.stored_copies > 0 or ${MAY_RETURN}))
    order by id`.execute(db)
  return rows.map(({ id }) => safeInteger(id, 'file_histories.id'))
}

const MAY_RETURN = sql`exists (select 1 from s3_archives where archive_id = archives.id
  and s3_archives.state in ('missing', 'uncertain', 'uploading'))`

async function recordedArchives(
  db: Db,
  id: HistoryId,
  includesLetGo: boolean,
): Promise<RecordedArchive[]> {
  const rows = await db
    .selectFrom('history_archives')
    .innerJoin('archives', 'archives.id', 'history_archives.archive_id')
    .select([
      'archives.id',
      'archives.file',
      'archives.started_at',
      'archives.state',
      'archives.stored_copies',
      'history_archives.serial',
      'history_archives.is_let_go',
    ])
    .select(
      sql<StoredInteger>`case when archives.state = 'ready' or archives.stored_copies > 0 then 0
        else ${MAY_RETURN} end`.as('may_return'),
    )
    .where('history_id', '=', id)
    .where('serial', 'is not', null)
    // Spelled as the index history_held spells it: few, where retention deletes every night.
    .$if(!includesLetGo, (query) => query.where(sql<boolean>`is_let_go = 0`))
    .orderBy('serial')
    .execute()
  const archives = rows.map((row) => {
    const isRestorable =
      row.state === 'ready' || safeInteger(row.stored_copies, 'archives.stored_copies') > 0
    return {
      id: row.id,
      file: row.file,
      startedAt: new Date(row.started_at),
      serial: safeInteger(row.serial ?? 0, 'history_archives.serial'),
      isRestorable,
      isGone: !isRestorable && !Number(row.may_return),
      isLetGo: Number(row.is_let_go) === 1,
    }
  })
  // One that turned up again after it was let go is as unknown as one that never was recorded.
  return archives.filter(({ isLetGo, isGone }) => !isLetGo || isGone)
}

async function listBlocks(db: Db, id: HistoryId): ReturnType<HistoryCalls['historyBlocks']> {
  return snapshot(db, async (trx) => {
    const history = await trx
      .selectFrom('file_histories')
      .select('generation')
      .where('id', '=', id)
      .executeTakeFirst()
    if (history === undefined) return undefined
    const generation = safeInteger(history.generation, 'file_histories.generation')
    const rows = await trx
      .selectFrom('history_blocks')
      .select(['id', 'segment', 'version_count', 'first_path'])
      .where('history_id', '=', id)
      .where('born', '<=', generation)
      .execute()
    const blocks = rows.map((row) => ({
      id: safeInteger(row.id, 'history_blocks.id'),
      segment: safeInteger(row.segment, 'history_blocks.segment'),
      versionCount: safeInteger(row.version_count, 'history_blocks.version_count'),
      firstPath: asBuffer(row.first_path).toString('latin1'),
    }))
    return { generation, blocks }
  })
}

async function readBlocks(db: Db, ids: readonly number[]): Promise<Map<number, Buffer>> {
  const rows = await db
    .selectFrom('history_blocks')
    .select(['id', 'bytes'])
    .where('id', 'in', ids)
    .execute()
  return new Map(
    rows.map(({ id, bytes }) => [safeInteger(id, 'history_blocks.id'), asBuffer(bytes)]),
  )
}

async function beginRecording(db: Db, host: string, source: string): Promise<HistoryRecording> {
  return db.transaction().execute(async (trx) => {
    await trx
      .insertInto('file_histories')
      .values({ host, source })
      .onConflict((conflict) => conflict.columns(['host', 'source']).doNothing())
      .execute()
    const row = await trx
      .updateTable('file_histories')
      .set({ attempt: sql`attempt + 1` })
      .where('host', '=', host)
      .where('source', '=', source)
      .returning(['id', 'generation', 'attempt'])
      .executeTakeFirstOrThrow()
    const historyId = safeInteger(row.id, 'file_histories.id')
    await trx
      .deleteFrom('history_blocks')
      .where('history_id', '=', historyId)
      .where('born', '>', safeInteger(row.generation, 'file_histories.generation'))
      .execute()
    return { historyId, generation: safeInteger(row.attempt, 'file_histories.attempt') }
  })
}

/** A recording that another one has ended must add nothing: its blocks would be taken for the other's. */
async function requireCurrent(db: Db, { historyId, generation }: HistoryRecording): Promise<void> {
  const row = await db
    .selectFrom('file_histories')
    .select(['attempt', 'generation'])
    .where('id', '=', historyId)
    .executeTakeFirst()
  const isCurrent =
    row !== undefined &&
    safeInteger(row.attempt, 'file_histories.attempt') === generation &&
    safeInteger(row.generation, 'file_histories.generation') < generation
  assert(isCurrent, `recording ${generation} of history ${historyId} was ended by another one`)
}

async function insertBlocks(
  db: Db,
  { historyId, generation }: HistoryRecording,
  blocks: readonly NewHistoryBlock[],
): Promise<void> {
  for (const block of blocks) {
    await db
      .insertInto('history_blocks')
      .values({
        history_id: historyId,
        born: generation,
        segment: block.segment,
        version_count: block.versionCount,
        first_path: Buffer.from(block.firstPath, 'latin1'),
        bytes: block.bytes,
      })
      .execute()
  }
}

async function commitRecording(
  db: Db,
  recording: HistoryRecording,
  change: Parameters<HistoryCalls['commitRecording']>[1],
): Promise<void> {
  const { archiveId, blocks, replaced, letGo, sweptSegment } = change
  const { historyId, generation } = recording
  await db.transaction().execute(async (trx) => {
    await requireCurrent(trx, recording)
    await insertBlocks(trx, recording, blocks)
    for (let at = 0; at < replaced.length; at += IDS_AT_ONCE) {
      await trx
        .deleteFrom('history_blocks')
        .where('id', 'in', replaced.slice(at, at + IDS_AT_ONCE))
        .execute()
    }
    for (let at = 0; at < letGo.length; at += IDS_AT_ONCE) {
      await trx
        .updateTable('history_archives')
        .set({ is_let_go: 1 })
        .where('archive_id', 'in', letGo.slice(at, at + IDS_AT_ONCE))
        .execute()
    }
    const known = { history_id: historyId, serial: generation, reason: null, is_let_go: 0 }
    await trx
      .insertInto('history_archives')
      .values({ archive_id: archiveId, ...known })
      .onConflict((conflict) => conflict.column('archive_id').doUpdateSet(known))
      .execute()
    await trx
      .updateTable('file_histories')
      .set({ generation, swept_segment: sweptSegment })
      .where('id', '=', historyId)
      .execute()
  })
}

async function setUnreadable(db: Db, archive: ArchiveRow, reason: string): Promise<void> {
  const { historyId } = await beginRecording(db, archive.host, archive.source)
  const unreadable = { history_id: historyId, serial: null, reason, is_let_go: 0 }
  await db
    .insertInto('history_archives')
    .values({ archive_id: archive.id, ...unreadable })
    .onConflict((conflict) => conflict.column('archive_id').doUpdateSet(unreadable))
    .execute()
}

async function dropHistory(db: Db, id: HistoryId): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('history_blocks').where('history_id', '=', id).execute()
    await trx
      .deleteFrom('history_archives')
      .where('history_id', '=', id)
      .where('serial', 'is not', null)
      .execute()
    // The numbers go on: a reader under way must not take new blocks for old ones.
    await trx
      .updateTable('file_histories')
      .set({ generation: sql`attempt + 1`, attempt: sql`attempt + 1`, swept_segment: 0 })
      .where('id', '=', id)
      .execute()
  })
}

async function listUnknown(db: Db): Promise<UnknownArchive[]> {
  return snapshot(db, async (trx) => {
    const rows = await trx
      .selectFrom('archives')
      .leftJoin('history_archives', 'history_archives.archive_id', 'archives.id')
      .selectAll('archives')
      .select('history_archives.reason as unreadable')
      // Spelled as the index archives_restorable spells it.
      .where(sql<boolean>`(archives.state = 'ready' or archives.stored_copies > 0)`)
      .where(sql<boolean>`(history_archives.serial is null or history_archives.is_let_go = 1)`)
      .orderBy('archives.started_at')
      .orderBy('archives.id')
      .execute()
    const reasons = new Map(rows.map((row) => [row.id, row.unreadable ?? undefined]))
    const archives = await withCopies(trx, rows.map(archiveFrom))
    return archives.map((row) => ({ ...row, unreadableBecause: reasons.get(row.id) }))
  })
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
