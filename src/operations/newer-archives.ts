// `latest:SOURCE` is the newest archive that can be had. Where a newer one was lost, that is said: who restores it
// would take it for the last state of the source.

import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Warning } from '../domain/archive.ts'

// Of the newest archives of a source: more than that are not lost at once without anybody having heard of it.
const LOOKED_AT = 30

export async function lostSince(
  catalog: Pick<Catalog, 'archives'>,
  name: string,
  { host, id, source }: ArchiveWithCopies,
): Promise<readonly Warning[]> {
  if (!name.startsWith('latest:')) return []
  const newest = await catalog.archives({ host, source, limit: LOOKED_AT })
  const newer = newest.slice(
    0,
    Math.max(
      0,
      newest.findIndex((archive) => archive.id === id),
    ),
  )
  return newer
    .filter(({ copies }) => copies.some(({ state }) => state === 'missing'))
    .map(({ file }) => ({ path: file, reason: 'is newer, and no server has it any more' }))
}
