// The queries on archives and their attempts.

import { join } from 'node:path'
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import { archiveFileName, archiveKey } from '../domain/archive.ts'
import { copiesOn } from '../domain/copies.ts'
import type { CopiesWanted } from '../domain/copies.ts'
import type { ArchiveId, ArchiveState, Warning } from '../domain/archive.ts'
import type { ArchiveFilter, ArchiveRow, ArchiveWithCopies, AttemptRow } from './catalog.ts'
import { copiesOf } from './copy-rows.ts'
import { ARCHIVE_STATES, archiveFrom, attemptFrom, timeText } from './rows.ts'
import { requireBytes, serverIdOf } from './server-rows.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

export async function beginArchive(
  db: Db,
  host: string,
  input: {
    readonly id: ArchiveId
    readonly source: string
    readonly sourceKind: string
    readonly startedAt: Date
    readonly spoolDir: string
  },
): Promise<ArchiveRow> {
  return db.transaction().execute(async (trx) => {
    // Rows are never removed, so a key that was ever given is found here for all time.
    for (let repeat = 1; ; repeat += 1) {
      const file = archiveFileName(input.source, input.startedAt, repeat)
      const row = await trx
        .insertInto('archives')
        .values({
          id: input.id,
          host,
          source: input.source,
          source_kind: input.sourceKind,
          state: 'packing',
          file,
          key: archiveKey(host, input.startedAt, file),
          local_path: `${join(input.spoolDir, file)}.partial`,
          started_at: timeText(input.startedAt),
        })
        .onConflict((conflict) => conflict.columns(['host', 'key']).doNothing())
        .returningAll()
        .executeTakeFirst()
      if (row !== undefined) return archiveFrom(row)
    }
  })
}

export async function markReady(
  db: Db,
  id: ArchiveId,
  facts: {
    readonly localPath: string
    readonly sizeBytes: number
    readonly sourceBytes: number
    readonly memberCount: number
    readonly sha256: string
    readonly endedAt: Date
    readonly warningCount: number
    readonly warnings: readonly Warning[]
  },
): Promise<void> {
  requireBytes(facts.sizeBytes, 'sizeBytes')
  requireBytes(facts.sourceBytes, 'sourceBytes')
  requireBytes(facts.memberCount, 'memberCount')
  requireBytes(facts.warningCount, 'warningCount')
  await changeArchive(db, id, sql`state = 'packing'`, {
    state: 'ready',
    local_path: facts.localPath,
    size_bytes: facts.sizeBytes,
    source_bytes: facts.sourceBytes,
    member_count: facts.memberCount,
    sha256: facts.sha256,
    ended_at: timeText(facts.endedAt),
    warning_count: facts.warningCount,
    warnings: JSON.stringify(facts.warnings),
  })
}

export async function markArchiveFailed(
  db: Db,
  id: ArchiveId,
  reason: string,
  at: Date,
): Promise<void> {
  await changeArchive(db, id, sql`state in ('packing', 'ready')`, {
    state: 'failed',
    local_path: null,
    ended_at: timeText(at),
    reason,
  })
}

export async function markMoved(db: Db, id: ArchiveId, localPath: string): Promise<void> {
  await changeArchive(db, id, sql`state = 'ready'`, { local_path: localPath })
}

export async function markLocalGone(db: Db, id: ArchiveId): Promise<void> {
  // The last safety net under the only copy of an archive.
  await changeArchive(db, id, sql`state = 'ready' and stored_copies > 0`, {
    state: 'gone',
    local_path: null,
  })
}

/** Newest first. */
export async function listArchives(db: Db, filter: ArchiveFilter): Promise<ArchiveWithCopies[]> {
  const { source, host, limit, states = ARCHIVE_STATES } = filter
  if (limit !== undefined) requireBytes(limit, 'limit')
  return snapshot(db, async (trx) => {
    const found: ArchiveRow[] = []
    const isAny = host !== undefined && ARCHIVE_STATES.every((state) => states.includes(state))
    // State by state, so that each part is the beginning of an index, however rare the state is. Of all states
    // together there is one by host.
    for (const state of isAny ? [undefined] : new Set(states)) {
      let query = trx.selectFrom('archives').selectAll()
      if (state !== undefined) query = query.where('state', '=', state)
      if (source !== undefined) query = query.where('source', '=', source)
      if (host !== undefined) query = query.where('host', '=', host)
      query = query.orderBy('started_at', 'desc').orderBy('id', 'desc')
      if (limit !== undefined) query = query.limit(limit)
      for (const row of await query.execute()) found.push(archiveFrom(row))
    }
    return withCopies(trx, found.sort(newestFirst).slice(0, limit))
  })
}

export async function interruptedArchives(db: Db, host: string): Promise<ArchiveRow[]> {
  const rows = await db
    .selectFrom('archives')
    .selectAll()
    .where('state', '=', 'packing')
    .where('host', '=', host)
    .orderBy('started_at')
    .orderBy('id')
    .execute()
  return rows.map(archiveFrom)
}

/** Oldest first. */
export async function waitingArchives(
  db: Db,
  host: string,
  wanted: CopiesWanted,
): Promise<ArchiveWithCopies[]> {
  const ready = await snapshot(db, async (trx) => {
    const rows = await trx
      .selectFrom('archives')
      .selectAll()
      .where('host', '=', host)
      .where('state', '=', 'ready')
      .orderBy('started_at')
      .orderBy('id')
      .execute()
    return withCopies(trx, rows.map(archiveFrom))
  })
  return ready.filter((archive) => copiesOn(archive, wanted.servers) < wanted.copies)
}

export async function lastGood(
  db: Db,
  host: string,
  source: string,
): Promise<ArchiveRow | undefined> {
  const row = await db
    .selectFrom('archives')
    .selectAll()
    .where('host', '=', host)
    .where('source', '=', source)
    .where('first_stored_at', 'is not', null)
    // As isDamage has it: of an object that was only written again no bytes are known to be wrong.
    .where(
      sql<boolean>`exists (select 1 from s3_archives copy
        where copy.archive_id = archives.id and copy.state = 'stored' and not exists (
          select 1 from proof_problems problem where problem.copy_id = copy.id
            and (problem.place <> 'object' or problem.member_count is not null)))`,
    )
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? undefined : archiveFrom(row)
}

export async function addAttempt(db: Db, attempt: AttemptRow): Promise<void> {
  requireBytes(attempt.bytesSent, 'bytesSent')
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('attempts')
      .values({
        archive_id: attempt.archiveId,
        server_id: await serverIdOf(trx, attempt.identity),
        server_number: attempt.serverNumber,
        outcome: attempt.outcome,
        code: attempt.code ?? null,
        message: attempt.message ?? null,
        bytes_sent: attempt.bytesSent,
        seconds: attempt.seconds,
        at: timeText(attempt.at),
      })
      .execute()
  })
}

/** In the order in which they were added. */
export async function attemptsOf(db: Db, id: ArchiveId): Promise<AttemptRow[]> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('s3_servers', 's3_servers.id', 'attempts.server_id')
    .selectAll('attempts')
    .select('s3_servers.identity')
    .where('attempts.archive_id', '=', id)
    .orderBy('attempts.id')
    .execute()
  return rows.map(attemptFrom)
}

export async function withCopies(
  db: Db,
  archives: readonly ArchiveRow[],
): Promise<ArchiveWithCopies[]> {
  const copies = await copiesOf(
    db,
    archives.map(({ id }) => id),
  )
  return archives.map((archive) => ({ ...archive, copies: copies.get(archive.id) ?? [] }))
}

/** Several reads that see one state of the catalog, and keep nobody from writing. */
export function snapshot<T>(db: Db, read: (trx: Db) => Promise<T>): Promise<T> {
  return db
    .transaction()
    .setAccessMode('read only')
    .setIsolationLevel('repeatable read')
    .execute(read)
}

function newestFirst(a: ArchiveRow, b: ArchiveRow): number {
  return b.startedAt.getTime() - a.startedAt.getTime() || (a.id < b.id ? 1 : -1)
}

async function changeArchive(
  db: Db,
  id: ArchiveId,
  expected: ReturnType<typeof sql>,
  change: Partial<{
    state: ArchiveState
    local_path: string | null
    size_bytes: number
    source_bytes: number
    member_count: number
    sha256: string
    ended_at: string
    warning_count: number
    warnings: string
    reason: string
  }>,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('archives')
      .set(change)
      .where('id', '=', id)
      .where(sql<boolean>`${expected}`)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 1n) return
    const row = await trx
      .selectFrom('archives')
      .select(['state', 'stored_copies'])
      .where('id', '=', id)
      .executeTakeFirst()
    const is = row === undefined ? 'unknown' : `${row.state}, stored ${row.stored_copies} times`
    assert(false, `archive ${id} is ${is}: it cannot become ${change.state}`)
  })
}
