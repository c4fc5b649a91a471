// `latest:SOURCE` is the newest archive that can be had. Where a newer one was lost, that is said: who restores it
// would take it for the last state of the source.

import { isByRetention, LOST } from '../domain/archive.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Warning } from '../domain/archive.ts'

// A month of nights; where more of them are lost, these are told.
const LOOKED_AT = 30

export async function lostSince(
  catalog: Pick<Catalog, 'archives'>,
  name: string,
  { host, id, source }: ArchiveWithCopies,
): Promise<readonly Warning[]> {
  if (!name.startsWith('latest:')) return []
  const newest = await catalog.archives({ host, source, limit: LOOKED_AT })
  const at = newest.findIndex((archive) => archive.id === id)
  const newer = at === -1 ? newest : newest.slice(0, at)
  return newer
    .filter(isLost)
    .map(({ file }) => ({ path: file, reason: 'is newer, and no server has it any more' }))
}

/** It was whole once, and nobody deleted it by rule. */
function isLost({ copies, reason, sizeBytes, state }: ArchiveWithCopies): boolean {
  if (sizeBytes === undefined || state === 'packing' || state === 'ready') return false
  if (copies.some((copy) => copy.state === 'stored' || isByRetention(copy))) return false
  return copies.some(({ storedAt }) => storedAt !== undefined) || reason?.endsWith(LOST) === true
}
