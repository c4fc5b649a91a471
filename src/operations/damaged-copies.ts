// Which copies are known to be damaged: verifying found bytes of them to be wrong, and nobody has settled it.
//
// Not among them: an object that is gone (its copy is `missing`, and no copy), and one that was only written
// again, which may well hold the same bytes (`verify --deep` tells).

import { isDamage } from '../domain/proof.ts'
import type { ArchiveWithCopies, Catalog, CopyId, CopyRow } from '../catalog/catalog.ts'

export async function damagedCopyIds(
  catalog: Pick<Catalog, 'problems'>,
): Promise<ReadonlySet<CopyId>> {
  const problems = await catalog.problems()
  return new Set(problems.filter(isDamage).map(({ copyId }) => copyId))
}

export function damagedAmong(
  { copies }: Pick<ArchiveWithCopies, 'copies'>,
  damagedIds: ReadonlySet<CopyId>,
): readonly CopyRow[] {
  return copies.filter(({ id, state }) => state === 'stored' && damagedIds.has(id))
}

/** The same archive, as if its damaged copies were not there. */
export function withoutDamaged<Archive extends Pick<ArchiveWithCopies, 'copies'>>(
  archive: Archive,
  damagedIds: ReadonlySet<CopyId>,
): Archive {
  if (damagedIds.size === 0) return archive
  return { ...archive, copies: archive.copies.filter(({ id }) => !damagedIds.has(id)) }
}
