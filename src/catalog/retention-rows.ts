// The queries of retention.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import { snapshot, withCopies } from './archive-rows.ts'
import { changeCopy, copyIn } from './copy-rows.ts'
import type { CopyId } from './catalog.ts'
import { forgetUnreadable } from './history-unreadable.ts'
import { archiveFrom, safeInteger } from './rows.ts'
import type { RetentionCalls } from './retention-calls.ts'
import type { StoredInteger, Tables } from './tables.ts'

export function createRetentionCalls(db: Kysely<Tables>, host: string): RetentionCalls {
  return {
    markDeleting: (copyId, reason, guard) =>
      db.transaction().execute((trx) => markDeleting(trx, copyId, reason, guard?.unlessPinned)),
    takeBackDelete: (copyId) => db.transaction().execute((trx) => takeBackDelete(trx, copyId)),

    hasDamagedBytes: async (copyId) => {
      const found = await db
        .selectFrom('proof_problems')
        .select('copy_id')
        .where('copy_id', '=', copyId)
        .where('place', '<>', 'object')
        .executeTakeFirst()
      return found !== undefined
    },

    restorableArchives: (source) =>
      snapshot(db, async (trx) => {
        const rows = await trx
          .selectFrom('archives')
          .selectAll()
          .where('host', '=', host)
          .where('source', '=', source)
          // Spelled as the index archives_restorable spells it: only then is it used.
          .where(sql<boolean>`(state = 'ready' or stored_copies > 0)`)
          .orderBy('started_at', 'desc')
          .orderBy('id', 'desc')
          .execute()
        return withCopies(trx, rows.map(archiveFrom))
      }),

    countRestorable: async () => {
      // Two counts, each along an index that holds all that it asks for (archives_lacking, archives_waiting): along the
      // one of both together each row would be looked at.
      const { rows } = await sql<{ count: StoredInteger }>`select
        (select count(*) from archives where host = ${host} and state = 'gone' and stored_copies > 0) +
        (select count(*) from archives where host = ${host} and state = 'ready') as count`.execute(
        db,
      )
      return safeInteger(rows[0]?.count ?? NaN, 'count of archives')
    },

    setPinned: async (id, isPinned) => {
      const { numUpdatedRows } = await db
        .updateTable('archives')
        .set({ is_pinned: isPinned ? 1 : 0 })
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      assert(numUpdatedRows === 1n, `there is no archive ${id} to pin`)
    },

    arePinsUnknown: async () => {
      const found = await db
        .selectFrom('rebuilds')
        .select('id')
        .where('snapshot', 'is', null)
        .executeTakeFirst()
      return found !== undefined
    },

    acceptPins: async () => {
      await db
        .deleteFrom('rebuilds')
        .where('snapshot', 'is', null)
        .where('ended_at', 'is not', null)
        .execute()
    },
  }
}

async function markDeleting(
  trx: Kysely<Tables>,
  copyId: CopyId,
  reason: string,
  unlessPinned = false,
): Promise<boolean> {
  const copy = await copyIn(trx, copyId, ['stored', 'missing'])
  // Written, not only read, and in the same transaction: no pin slips in between.
  const { numUpdatedRows } = await trx
    .updateTable('archives')
    .set({ stored_copies: sql`stored_copies - ${copy.state === 'stored' ? 1 : 0}` })
    .where('id', '=', copy.archiveId)
    .$if(unlessPinned, (update) => update.where('is_pinned', '=', 0))
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) return false
  await changeCopy(trx, copy, { state: 'deleting', reason })
  return true
}

async function takeBackDelete(trx: Kysely<Tables>, copyId: CopyId): Promise<void> {
  const copy = await copyIn(trx, copyId, ['deleting'])
  const { stored_at: storedAt } = await trx
    .selectFrom('s3_archives')
    .select('stored_at')
    .where('id', '=', copyId)
    .executeTakeFirstOrThrow()
  assert(storedAt !== null, `copy ${copyId} was never stored: it cannot be kept`)
  await changeCopy(trx, copy, { state: 'stored', reason: null })
  await trx
    .updateTable('archives')
    .set({ stored_copies: sql`stored_copies + 1` })
    .where('id', '=', copy.archiveId)
    .execute()
  await forgetUnreadable(trx, copy.archiveId)
}
