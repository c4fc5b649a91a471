// The queries of retention.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import { changeCopy, copyIn } from './copy-rows.ts'
import type { RetentionCalls } from './retention-calls.ts'
import type { Tables } from './tables.ts'

export function createRetentionCalls(db: Kysely<Tables>): RetentionCalls {
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
