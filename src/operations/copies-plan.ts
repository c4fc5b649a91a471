// Which archives lack copies, and where those would go: from the catalog alone, no server is asked.

import { formatBytes } from '../domain/sizes.ts'
import { placeArchive } from '../domain/placement.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { ServerUsage } from '../domain/placement.ts'

/** Stored copies on these servers. One on a server that left the configuration is nobody's to read. */
export function storedOn(
  { copies }: Pick<ArchiveWithCopies, 'copies'>,
  servers: readonly Pick<Server, 'identity'>[],
): number {
  return servers.filter(({ identity }) =>
    copies.some((copy) => copy.identity === identity && copy.state === 'stored'),
  ).length
}

/**
 * Archives of this host with fewer than COPIES copies on configured servers, and with bytes that could
 * be copied. Those with the fewest copies first, then the newest.
 */
export async function archivesLackingCopies({
  config,
  catalog,
}: {
  readonly config: Config
  readonly catalog: Catalog
}): Promise<readonly ArchiveWithCopies[]> {
  const { copies, serverId, servers } = config
  const archives = await catalog.archives({ host: serverId, states: ['ready', 'gone'] })
  return archives
    .map((archive) => ({ archive, count: storedOn(archive, servers) }))
    .filter(({ archive, count }) => count < copies && (count > 0 || archive.state === 'ready'))
    .toSorted((a, b) => a.count - b.count)
    .map(({ archive }) => archive)
}

/** Takes what it plans out of `usage`: what is meant for one archive is not there for the next one. */
export function planCopies(
  servers: readonly Server[],
  usage: Map<ServerIdentity, ServerUsage>,
  archive: ArchiveWithCopies,
  copiesMissing: number,
): { readonly to: readonly number[]; readonly error: SpillwayError | undefined } {
  const neededBytes = archive.sizeBytes ?? 0
  const held = archive.copies.filter(({ state }) => state !== 'failed' && state !== 'deleted')
  const open = servers.filter(({ identity }) => !held.some((copy) => copy.identity === identity))
  const { candidates, withoutRoom } = placeArchive({
    servers: open,
    usageByIdentity: usage,
    neededBytes,
  })
  const chosen = candidates.slice(0, copiesMissing)
  for (const { identity } of chosen) usage.set(identity, plus(usage.get(identity), neededBytes))
  const to = chosen.map(({ number }) => number)
  if (chosen.length === copiesMissing) return { to, error: undefined }
  const full = withoutRoom.map(
    ({ server, spareBytes }) => `${server.label}: ${formatBytes(spareBytes)} spare`,
  )
  const why = full.join('; ') || 'there is no other server that may take it'
  const what = `no server has room for a copy of ${archive.file} (${formatBytes(neededBytes)}): ${why}`
  return { to, error: new SpillwayError('NO_SERVER_FOR_COPY', what) }
}

function plus(usage: ServerUsage | undefined, bytes: number): ServerUsage {
  const { usedBytes = 0, reservedBytes = 0, catalogBytes = 0, otherBytes = 0 } = usage ?? {}
  return { usedBytes, reservedBytes: reservedBytes + bytes, catalogBytes, otherBytes }
}
