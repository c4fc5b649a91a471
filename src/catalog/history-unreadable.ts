// Archives whose index could not be read anywhere: told once, and not tried again every night. A copy that
// is new, seen again or proven whole is a reason to try.

import type { Kysely } from 'kysely'
import type { ArchiveId } from '../domain/archive.ts'
import type { CopyId } from './catalog.ts'
import type { Tables } from './tables.ts'

export async function forgetUnreadable(trx: Kysely<Tables>, id: ArchiveId): Promise<void> {
  await trx
    .deleteFrom('history_archives')
    .where('archive_id', '=', id)
    .where('serial', 'is', null)
    .execute()
}

/** Of the archive that this is a copy of. */
export async function forgetUnreadableOf(trx: Kysely<Tables>, copyId: CopyId): Promise<void> {
  const { archive_id } = await trx
    .selectFrom('s3_archives')
    .select('archive_id')
    .where('id', '=', copyId)
    .executeTakeFirstOrThrow()
  await forgetUnreadable(trx, archive_id)
}
