// Takes a copy that was found on a server into the catalog; one that is known, and only seen under another name
// of its server, is none.

import type { Adoption, FoundCopy, RebuiltArchive } from '../catalog/rebuild-calls.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { SamePlaces } from './same-place.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'

export type Adopting = {
  readonly catalog: Catalog
  readonly pool: { readonly servers: readonly Server[] }
  readonly places: SamePlaces
}

/** `server`: where it was found. A server that is not in the pool cannot be asked, and has no say. */
export async function adopt(
  { catalog, pool, places }: Adopting,
  server: Server,
  { archive, copy }: { readonly archive: RebuiltArchive; readonly copy: FoundCopy },
  signal: AbortSignal,
): Promise<Exclude<Adoption, { readonly outcome: 'twin' }>> {
  const apart: ServerIdentity[] = []
  for (;;) {
    const adoption = await catalog.adoptCopy(archive, copy, apart)
    if (adoption.outcome !== 'twin') return adoption
    const twin = pool.servers.find(({ identity }) => identity === adoption.on)
    const error = twin && (await places.whyOne(twin, server, signal))
    if (error !== undefined) return { outcome: 'conflict', why: error.message }
    apart.push(adoption.on)
  }
}
