// The queries of archives whose bytes come back into the spool.

import type { Kysely } from 'kysely'
import { assert } from '../lib/assert.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { RecopyCalls } from './recopy-calls.ts'
import { archiveFrom } from './rows.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

export function createRecopyCalls(db: Db, host: string): RecopyCalls {
  return {
    beginFetch: async (id, partialPath) => {
      const { numUpdatedRows } = await db
        .updateTable('archives')
        .set({ local_path: partialPath })
        .where('id', '=', id)
        .where('state', '=', 'gone')
        // A file that another fetch left must be removed before its name is forgotten.
        .where('local_path', 'is', null)
        .executeTakeFirstOrThrow()
      assert(numUpdatedRows === 1n, `archive ${id} is not gone, or is already being fetched`)
    },
    markFetched: (id, localPath) => changeGone(db, id, { state: 'ready', local_path: localPath }),
    endFetch: (id) => changeGone(db, id, { local_path: null }),

    openFetches: async () => {
      const rows = await db
        .selectFrom('archives')
        .selectAll()
        .where('state', '=', 'gone')
        .where('host', '=', host)
        .where('local_path', 'is not', null)
        .execute()
      return rows.map(archiveFrom)
    },
  }
}

async function changeGone(
  db: Db,
  id: ArchiveId,
  change: { readonly state?: 'ready'; readonly local_path: string | null },
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('archives')
    .set(change)
    .where('id', '=', id)
    .where('state', '=', 'gone')
    .executeTakeFirstOrThrow()
  assert(numUpdatedRows === 1n, `archive ${id} is not gone: its bytes cannot be fetched`)
}
