// Takes into the catalog what was found outside of it: a copy on a server, a whole archive in the spool.
//
// Each call is part of one transaction. What is there already is left alone, and nothing that
// contradicts a row ever replaces it.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { forgetUnreadable } from './history-unreadable.ts'
import { moveBytes } from './copy-rows.ts'
import type { Adoption, FoundCopy, RebuiltArchive } from './rebuild-calls.ts'
import { safeInteger, timeText } from './rows.ts'
import type { ServerIdentity } from '../domain/server.ts'
import { canCount, requireBytes, serverIdOf } from './server-rows.ts'
import { addToStanding } from './standing-sums.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

export async function adoptCopy(
  trx: Db,
  archive: RebuiltArchive,
  copy: FoundCopy,
  apart: readonly ServerIdentity[],
): Promise<Adoption> {
  requireBytes(copy.sizeBytes, 'sizeBytes')
  const serverId = await serverIdOf(trx, copy.identity)
  const known = await trx
    .selectFrom('s3_archives')
    .select('id')
    .where('server_id', '=', serverId)
    .where('key', '=', copy.key)
    .where(sql<boolean>`state not in ('deleted', 'failed')`)
    .executeTakeFirst()
  if (known !== undefined) return { outcome: 'known' }
  const twin = await twinOf(trx, archive, copy, apart)
  if (twin !== undefined) return { outcome: 'twin', on: twin }
  if (!(await canCount(trx, serverId, copy.sizeBytes)))
    return { outcome: 'conflict', why: `no sum can hold its size of ${copy.sizeBytes} bytes` }
  const adoption = await adoptArchive(trx, archive, undefined)
  if (adoption.outcome === 'conflict') return adoption
  const storedAt = timeText(copy.storedAt)
  const { id } = await trx
    .insertInto('s3_archives')
    .values({
      archive_id: archive.id,
      server_id: serverId,
      state: 'stored',
      key: copy.key,
      token: copy.token,
      // Whoever finds it there knows that Complete was sent.
      is_completing: 1,
      size_bytes: copy.sizeBytes,
      etag: copy.etag ?? null,
      version_id: copy.versionId ?? null,
      stored_at: storedAt,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await addToStanding(trx, safeInteger(id, 's3_archives.id'))
  // Without a condition: the bytes lie there, whether they fit the limit or not.
  await moveBytes(trx, serverId, { reservedBytes: 0, usedBytes: copy.sizeBytes, copies: 1 })
  await trx
    .updateTable('archives')
    .set({
      stored_copies: sql`stored_copies + 1`,
      first_stored_at: sql`case when first_stored_at < ${storedAt} then first_stored_at
        else ${storedAt} end`,
    })
    .where('id', '=', archive.id)
    .execute()
  await forgetUnreadable(trx, archive.id)
  return { outcome: adoption.outcome === 'known' ? 'joined' : 'added' }
}

/** A token is written by one upload, and into one place. */
async function twinOf(
  trx: Db,
  archive: RebuiltArchive,
  { identity, token }: FoundCopy,
  apart: readonly ServerIdentity[],
): Promise<ServerIdentity | undefined> {
  const row = await trx
    .selectFrom('s3_archives')
    .innerJoin('s3_servers', 's3_servers.id', 's3_archives.server_id')
    .select('s3_servers.identity')
    .where('s3_archives.archive_id', '=', archive.id)
    .where('s3_archives.token', '=', token)
    .where('s3_servers.identity', 'not in', [identity, ...apart])
    .where(sql<boolean>`s3_archives.state not in ('deleted', 'failed')`)
    .executeTakeFirst()
  return row?.identity
}

export async function adoptLocal(
  trx: Db,
  archive: RebuiltArchive,
  localPath: string,
): Promise<Adoption> {
  return adoptArchive(trx, archive, localPath)
}

/** Of a file in the spool when there is a path. `known`: its row was there, and may have changed. */
async function adoptArchive(
  trx: Db,
  archive: RebuiltArchive,
  localPath: string | undefined,
): Promise<Adoption> {
  const row = await trx
    .selectFrom('archives')
    .selectAll()
    .where('id', '=', archive.id)
    .executeTakeFirst()
  const facts = factsOf(archive)
  const place =
    localPath === undefined
      ? ({ state: 'gone', local_path: null } as const)
      : ({ state: 'ready', local_path: localPath } as const)
  if (row === undefined) {
    const inserted = await trx
      .insertInto('archives')
      .values({
        id: archive.id,
        host: archive.host,
        key: archive.key,
        file: archive.file,
        ...facts,
        ...place,
      })
      .onConflict((conflict) => conflict.columns(['host', 'key']).doNothing())
      .returning('id')
      .executeTakeFirst()
    if (inserted !== undefined) return { outcome: 'added' }
    return { outcome: 'conflict', why: `another archive of ${archive.host} has the same name` }
  }
  const why = contradiction(row, archive)
  if (why !== undefined) return { outcome: 'conflict', why }
  if (localPath !== undefined || row.state === 'packing' || row.state === 'failed') {
    await trx
      .updateTable('archives')
      .set({ ...facts, ...place, reason: null })
      .where('id', '=', archive.id)
      .execute()
  }
  return { outcome: 'known' }
}

function contradiction(
  row: {
    readonly host: string
    readonly key: string
    readonly sha256: string | null
    readonly size_bytes: number | string | bigint | null
  },
  archive: RebuiltArchive,
): string | undefined {
  if (row.host !== archive.host || row.key !== archive.key)
    return `the catalog knows this archive as ${row.key}`
  const isOther =
    (row.sha256 !== null && row.sha256 !== archive.sha256) ||
    (row.size_bytes !== null &&
      safeInteger(row.size_bytes, 'archives.size_bytes') !== archive.sizeBytes)
  return isOther ? 'the catalog knows this archive with other bytes' : undefined
}

function factsOf(archive: RebuiltArchive) {
  requireBytes(archive.sizeBytes, 'sizeBytes')
  return {
    source: archive.source,
    source_kind: archive.sourceKind,
    size_bytes: archive.sizeBytes,
    source_bytes: archive.sourceBytes,
    member_count: archive.memberCount,
    sha256: archive.sha256,
    started_at: timeText(archive.startedAt),
    ended_at: timeText(archive.endedAt),
    warning_count: archive.warningCount,
    warnings: JSON.stringify(archive.warnings),
  }
}
