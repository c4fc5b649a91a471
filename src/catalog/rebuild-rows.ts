// The queries that compare the catalog with the servers and fill it again from them.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { changeCopy, copyIn } from './copy-rows.ts'
import type { RebuildCalls } from './rebuild-calls.ts'
import type { Tables } from './tables.ts'

export function createRebuildCalls(db: Kysely<Tables>, _host: string): RebuildCalls {
  return {
    markMissing: (copyId, reason) =>
      db.transaction().execute(async (trx) => {
        const copy = await copyIn(trx, copyId, ['stored'])
        await changeCopy(trx, copy, { state: 'missing', reason })
        await trx
          .updateTable('archives')
          .set({ stored_copies: sql`stored_copies - 1` })
          .where('id', '=', copy.archiveId)
          .execute()
      }),
  }
}
