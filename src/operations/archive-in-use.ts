// An archive that is being read: retention leaves it alone until that is over.

import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'

/** Rejects with ARCHIVE_MISSING when there is none of that name, or it is being deleted just now. */
export async function withArchiveInUse<Result>(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  name: string,
  work: (archive: ArchiveWithCopies) => Promise<Result>,
): Promise<Result> {
  // Loaded here: it brings SQLite with it, which `--help` does without.
  const { useArchive } = await import('../catalog/archive-use.ts')
  const { id, file } = await catalog.findArchive(name)
  const use = useArchive(config.dataDir, id)
  if (use === undefined)
    throw new SpillwayError('ARCHIVE_MISSING', `${file} is being deleted at this moment`)
  try {
    // Its copies as they are now that nobody may delete them any more.
    return await work(await catalog.findArchive(id))
  } finally {
    use.release()
  }
}
