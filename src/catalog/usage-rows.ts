// What came and went on the servers, by day. Only the days that are asked for are read, along the indexes by
// time; what lies there now is in the ledger, and earlier sums follow from both.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { safeInteger } from './rows.ts'
import type { StoredInteger, Tables } from './tables.ts'
import type { UsageCalls } from './usage-calls.ts'

// The migration that began to note when a copy is deleted.
const NOTED_SINCE_VERSION = 3

export function createUsageCalls(db: Kysely<Tables>): UsageCalls {
  return {
    usageChanges: async (fromDay) => {
      const { rows } = await changes(fromDay).execute(db)
      return rows.map(({ identity, day, bytes }) => ({
        ...{ identity, day },
        bytes: safeInteger(bytes, 'changes of a day'),
      }))
    },
    usageKnownSince: async () => {
      const unknown = await db
        .selectFrom('s3_archives')
        .select('id')
        // Spelled as the index copies_by_day_deleted spells it: only then is it used.
        .where(sql<boolean>`state = 'deleted'`)
        .where('deleted_at', 'is', null)
        .limit(1)
        .executeTakeFirst()
      if (unknown === undefined) return undefined
      const row = await db
        .selectFrom('schema_versions')
        .select('applied_at')
        .where('version', '=', NOTED_SINCE_VERSION)
        .executeTakeFirstOrThrow()
      return row.applied_at.slice(0, 10)
    },
  }
}

type ChangeRow = {
  readonly identity: string
  readonly day: string
  readonly bytes: StoredInteger
}

/**
 * A damaged object that was never `stored` counts as used from the start of its archive until it is gone. What was
 * deleted before anybody noted when is left out: it lies there no more, and nobody knows until when it did.
 */
function changes(fromDay: string) {
  return sql<ChangeRow>`select s.identity, changed.day, sum(changed.bytes) as bytes from (
      select server_id, substr(stored_at, 1, 10) as day, size_bytes as bytes from s3_archives
        where stored_at >= ${fromDay}
        and (state in ('stored', 'missing', 'deleting') or (state = 'deleted' and deleted_at is not null))
      union all
      select server_id, substr(deleted_at, 1, 10), -size_bytes from s3_archives
        where state = 'deleted' and deleted_at >= ${fromDay}
      union all
      select c.server_id, substr(a.started_at, 1, 10), c.size_bytes
        from s3_archives c join archives a on a.id = c.archive_id
        where c.state = 'deleted' and c.deleted_at >= ${fromDay} and c.stored_at is null
        and a.started_at >= ${fromDay}
      union all
      select c.server_id, substr(a.started_at, 1, 10), c.size_bytes
        from s3_archives c join archives a on a.id = c.archive_id
        -- Twice, since the index copies_unsettled spells it so.
        where c.state in ('uploading', 'uncertain', 'deleting') and c.state = 'deleting'
        and c.stored_at is null and a.started_at >= ${fromDay}
    ) changed join s3_servers s on s.id = changed.server_id
    group by s.identity, changed.day order by changed.day, s.identity`
}
