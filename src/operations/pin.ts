// A pinned archive is never deleted by retention, however old it is; unpinning puts it under the rules again.

import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'

export type Pinned = {
  readonly archive: ArchiveWithCopies
  /** false: it was so already. */
  readonly isChanged: boolean
}

/** `name`: an id, a unique prefix of one, a file name, or `latest:SOURCE`. */
export async function setPinned(
  { catalog }: { readonly catalog: Catalog },
  name: string,
  isPinned: boolean,
): Promise<Pinned> {
  const archive = await catalog.findArchive(name)
  if (archive.isPinned === isPinned) return { archive, isChanged: false }
  await catalog.setPinned(archive.id, isPinned)
  return { archive: { ...archive, isPinned }, isChanged: true }
}
