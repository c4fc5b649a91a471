// The queries of retention.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import { snapshot, withCopies } from './archive-rows.ts'
import { changeCopy, copyIn } from './copy-rows.ts'
import { archiveFrom, safeInteger } from './rows.ts'
import type { RetentionCalls } from './retention-calls.ts'
import type { StoredInteger, Tables } from './tables.ts'

export function createRetentionCalls(db: Kysely<Tables>, host: string): RetentionCalls {
  return {
    markDeleting: (copyId, reason) =>
      db.transaction().execute(async (trx) => {
        const copy = await copyIn(trx, copyId, ['stored', 'missing'])
        await changeCopy(trx, copy, { state: 'deleting', reason })
        if (copy.state !== 'stored') return
        await trx
          .updateTable('archives')
          .set({ stored_copies: sql`stored_copies - 1` })
          .where('id', '=', copy.archiveId)
          .execute()
      }),

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
      const { count } = await db
        .selectFrom('archives')
        .select(sql<StoredInteger>`count(*)`.as('count'))
        .where('host', '=', host)
        .where(sql<boolean>`(state = 'ready' or stored_copies > 0)`)
        .executeTakeFirstOrThrow()
      return safeInteger(count, 'count of archives')
    },

    setPinned: async (id, isPinned) => {
      const { numUpdatedRows } = await db
        .updateTable('archives')
        .set({ is_pinned: isPinned ? 1 : 0 })
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      assert(numUpdatedRows === 1n, `there is no archive ${id} to pin`)
    },
  }
}
