// What verifying found and nobody has settled, read back for whoever asks.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { snapshot } from './archive-rows.ts'
import type { CopyProblem } from './proof-calls.ts'
import { date, safeInteger } from './rows.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

export function listProblems(db: Db): Promise<readonly CopyProblem[]> {
  return snapshot(db, async (trx) => {
    const rows = await trx
      .selectFrom('proof_problems')
      .innerJoin('s3_archives', 's3_archives.id', 'proof_problems.copy_id')
      .innerJoin('s3_servers', 's3_servers.id', 's3_archives.server_id')
      .innerJoin('archives', 'archives.id', 's3_archives.archive_id')
      .selectAll('proof_problems')
      .select(['s3_servers.identity', 'archives.file', 's3_archives.archive_id'])
      .where(sql<boolean>`s3_archives.state in ('stored', 'missing')`)
      .orderBy('archives.started_at')
      .orderBy('proof_problems.copy_id')
      .orderBy('proof_problems.from_byte')
      .execute()
    return rows.map((row) => {
      const frame = safeInteger(row.frame, 'proof_problems.frame')
      return {
        copyId: safeInteger(row.copy_id, 'proof_problems.copy_id'),
        archiveId: row.archive_id,
        file: row.file,
        identity: row.identity,
        place: row.place,
        frame: frame < 0 ? null : frame,
        fromByte: safeInteger(row.from_byte, 'proof_problems.from_byte'),
        toByte: safeInteger(row.to_byte, 'proof_problems.to_byte'),
        what: row.what,
        memberCount:
          row.member_count === null
            ? null
            : safeInteger(row.member_count, 'proof_problems.member_count'),
        members: membersFrom(row.members),
        foundAt: date(row.found_at, 'proof_problems.found_at'),
        seenAt: date(row.seen_at, 'proof_problems.seen_at'),
      }
    })
  })
}

/** Names help a person; a row that lost them still says that something is wrong. */
function membersFrom(text: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? parsed.filter((path) => typeof path === 'string') : []
  } catch {
    return []
  }
}
