// A pinned archive is never deleted by retention, however old it is; unpinning puts it under the rules again.
//
// An archive is pinned while it is in use: retention, which claims what it deletes, is then not at it, and
// what is said to be pinned stays.

import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'

export type PinServices = {
  readonly catalog: Catalog
  readonly archiveUses: Pick<ArchiveUses, 'use'>
}

export type Pinned = {
  readonly archive: ArchiveWithCopies
  /** false: it was so already. */
  readonly isChanged: boolean
}

/**
 * `name`: an id, a unique prefix of one, a file name, or `latest:SOURCE`. Rejects with ARCHIVE_MISSING when
 * what should be pinned is being deleted, or was.
 */
export async function setPinned(
  { archiveUses, catalog }: PinServices,
  name: string,
  isPinned: boolean,
): Promise<Pinned> {
  const found = await catalog.findArchive(name)
  if (found.isPinned === isPinned) return { archive: found, isChanged: false }
  const use = isPinned ? archiveUses.use(found.id) : undefined
  if (isPinned && use === undefined) {
    const what = `${found.file} is being deleted at this moment: it is not pinned`
    throw new SpillwayError('ARCHIVE_MISSING', what, { hint: 'see: spillway list' })
  }
  try {
    // As it is now that nobody may delete it any more.
    const archive = await catalog.findArchive(found.id)
    if (isPinned && isDeleted(archive))
      throw new SpillwayError('ARCHIVE_MISSING', `${archive.file} was deleted: it is not pinned`)
    await catalog.setPinned(archive.id, isPinned)
    return { archive: { ...archive, isPinned }, isChanged: true }
  } finally {
    use?.release()
  }
}

function isDeleted({ state, copies }: ArchiveWithCopies): boolean {
  const isGone = copies.every((copy) => copy.state === 'deleted' || copy.state === 'failed')
  return state === 'gone' && isGone
}
