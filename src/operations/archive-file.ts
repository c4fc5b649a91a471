// One file of an archive, as the catalog knows it: what is asked before its bytes are.

import { isFailure, SpillwayError } from '../domain/errors.ts'
import { membersOf, placeOf } from './archive-members.ts'
import { memberMissing } from './restore-plan.ts'
import { plainPaths } from '../pack/extract-patterns.ts'
import type { ArchiveRow, Catalog } from '../catalog/catalog.ts'

/**
 * undefined: the catalog does not know what is in the archive, which says so itself. Rejects with MEMBER_MISSING when
 * it is not there, or no file.
 */
export async function fileInArchive(
  catalog: Catalog,
  archive: ArchiveRow,
  text: string,
): Promise<{ readonly sizeBytes: number | undefined } | undefined> {
  try {
    const place = await placeOf(catalog, archive)
    for (const path of plainPaths(text))
      for await (const { kind, sizeBytes } of membersOf(catalog, place, { from: path, to: path })) {
        // A link has the content of what it is a link to.
        if (kind === 'hard-link') return { sizeBytes: undefined }
        if (kind === 'file') return { sizeBytes }
        throw new SpillwayError('MEMBER_MISSING', `"${text}" is no file (${kind})`)
      }
  } catch (error) {
    if (isFailure(error, 'HISTORY_MISSING')) return undefined
    throw error
  }
  throw memberMissing([text])
}
