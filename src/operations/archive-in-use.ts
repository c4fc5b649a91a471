// An archive that is being read: retention leaves it alone until that is over.

import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'

export type ArchiveInUseServices = {
  readonly catalog: Catalog
  readonly archiveUses: () => Promise<Pick<ArchiveUses, 'use'>>
}

/** Rejects with ARCHIVE_MISSING when there is none of that name, or it is being deleted just now. */
export async function withArchiveInUse<Result>(
  { catalog, archiveUses }: ArchiveInUseServices,
  name: string,
  work: (archive: ArchiveWithCopies) => Promise<Result>,
): Promise<Result> {
  const { id, file } = await catalog.findArchive(name)
  const use = (await archiveUses()).use(id)
  if (use === undefined)
    throw new SpillwayError('ARCHIVE_MISSING', `${file} is being deleted at this moment`)
  try {
    // Its copies as they are now that nobody may delete them any more.
    return await work(await catalog.findArchive(id))
  } finally {
    use.release()
  }
}
