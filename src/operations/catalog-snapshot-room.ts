// Copies of the catalog give way to archives: no archive is passed on, or left waiting, for want of room
// that copies of the catalog take. What retention would delete anyway goes first.
//
// The run puts a new copy of the catalog at its end wherever there is room for one then.

import { failureOf, isFailure } from '../domain/errors.ts'
import { removeSnapshot } from './catalog-snapshot-server.ts'
import { spareBytesOf } from '../domain/placement.ts'
import type { Catalog, ServerRow } from '../catalog/catalog.ts'
import type { MakeRoom } from './prune.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'
import type { SnapshotRow } from '../catalog/snapshot-calls.ts'

type RoomServices = {
  readonly catalog: Catalog
  readonly config: { readonly serverId: string }
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
}

/** `retention`: undefined where nothing is deleted by rule (`copies`, `evacuate`). */
export function snapshotsGiveWay(services: RoomServices, retention?: MakeRoom): MakeRoom {
  return async (input, signal) => {
    const { catalog } = services
    const { missingBytes, server } = input
    const wantedBytes = spareBytesOn(await catalog.servers(), server) + missingBytes
    if ((await retention?.(input, signal)) === true) return true
    if ((await givingWay(catalog, server)).length === 0) return false
    const usage = await usageForArchives(catalog)
    const gapBytes = wantedBytes - spareBytesOn([...usage.values()], server)
    if (gapBytes > 0 && (await retention?.({ ...input, missingBytes: gapBytes }, signal)) !== true)
      return false
    return removeOldest(services, server, wantedBytes, signal)
  }
}

/** Of every server, as an archive sees it: where this host's copies of the catalog lie, it finds room. */
export async function usageForArchives(catalog: Catalog): Promise<Map<ServerIdentity, ServerRow>> {
  const snapshots = await catalog.snapshots()
  const rows = await catalog.servers()
  return new Map(
    rows.map((row) => {
      const ours = snapshots.filter((each) => isStoredOn(each, row))
      const givingBytes = ours.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      return [row.identity, { ...row, catalogBytes: row.catalogBytes - givingBytes }]
    }),
  )
}

/** Until so many bytes are spare; true: they are. */
async function removeOldest(
  services: RoomServices,
  server: Server,
  wantedBytes: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { catalog, config, emit, pool } = services
  const isEnough = async () => spareBytesOn(await catalog.servers(), server) >= wantedBytes
  let count = 0
  try {
    const storage = await pool.ready(server, signal)
    const place = { catalog, server, storage, host: config.serverId }
    for (const row of await givingWay(catalog, server)) {
      if (await isEnough()) break
      if (await removeSnapshot(place, row, signal)) count += 1
    }
  } catch (error) {
    if (failureOf(error).server === undefined) throw error
    // One that cannot delete may take archives all the same; anything else, the upload would meet, too.
    if (!isFailure(error, 'SERVER_UNPROVEN', 'SERVER_REJECTED', 'SERVER_DENIED'))
      await pool.settle(server, error)
  }
  if (count > 0) {
    const what = count === 1 ? '1 copy of the catalog is' : `${count} copies of the catalog are`
    const message = `${what} deleted there: an archive needs the room`
    emit({ kind: 'note', about: server.label, message })
  }
  return isEnough()
}

/** Oldest first. */
async function givingWay(catalog: Catalog, server: Server): Promise<readonly SnapshotRow[]> {
  return (await catalog.snapshots()).filter((row) => isStoredOn(row, server))
}

function isStoredOn(
  row: { readonly identity: ServerIdentity; readonly state: string },
  { identity }: { readonly identity: ServerIdentity },
): boolean {
  return row.identity === identity && row.state === 'stored'
}

export function spareBytesOn(rows: readonly ServerRow[], { identity, limitBytes }: Server): number {
  return spareBytesOf(
    limitBytes,
    rows.find((row) => row.identity === identity),
  )
}
