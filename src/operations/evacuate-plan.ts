// `evacuate --dry-run`: what would become of each archive on a server, from the catalog alone.
//
// No server is asked and nothing is locked; whether copies are sound shows only when they are read.

import { copiesOn, leavingServer, nothingElsewhere, obstacleOf } from './evacuate-server.ts'
import { EvacuationRecord } from './evacuate-record.ts'
import { damagedAmong, damagedCopyIds, withoutDamaged } from './damaged-copies.ts'
import { noSoundCopy } from './copies-recopy.ts'
import { planCopies, storedOn } from './copies-plan.ts'
import { planSnapshots } from './evacuate-snapshots.ts'
import { usageForArchives } from './catalog-snapshot-room.ts'
import type { ArchiveWithCopies, Catalog, CopyId } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { EvacuatedArchive, Evacuation } from './evacuate-record.ts'
import type { Server } from '../domain/server.ts'
import type { SpillwayError } from '../domain/errors.ts'
import type { ServerUsage } from '../domain/placement.ts'

export async function planEvacuation(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  number: number,
): Promise<Evacuation> {
  const server = leavingServer(config, number)
  const record = new EvacuationRecord(server, [])
  const rows = await catalog.servers()
  const usage = new Map<string, ServerUsage>(await usageForArchives(catalog))
  const damagedIds = await damagedCopyIds(catalog)
  for (const archive of await catalog.archives()) {
    const copies = copiesOn(archive, server)
    if (copies.length === 0) continue
    const error = obstacleOf(archive, copies, config.serverId)
    if (error !== undefined) record.add(archive, { action: 'leave', to: [], error })
    else if (copies.every(({ state }) => state === 'missing'))
      record.add(archive, forget({ config, leaving: server, damagedIds }, archive))
    else record.add(archive, place({ config, leaving: server, usage, damagedIds }, archive))
  }
  const staying = config.servers.filter(({ identity }) => identity !== server.identity)
  if (!record.hasLeft) record.snapshots(await planSnapshots(catalog, server, staying))
  const row = rows.find(({ identity }) => identity === server.identity)
  return record.report(row, true)
}

type Planning = {
  readonly config: Config
  readonly leaving: Server
  readonly usage: Map<string, ServerUsage>
  readonly damagedIds: ReadonlySet<CopyId>
}

type Planned = {
  readonly action: EvacuatedArchive['action']
  readonly to: readonly number[]
  readonly error?: SpillwayError
}

/** Nothing of it lies there any more, and only its record would go. */
function forget(
  { config, leaving, damagedIds }: Omit<Planning, 'usage'>,
  archive: ArchiveWithCopies,
): Planned {
  const staying = config.servers.filter(({ identity }) => identity !== leaving.identity)
  const isInSpool = archive.state === 'ready' && archive.localPath !== undefined
  if (isInSpool || storedOn(withoutDamaged(archive, damagedIds), staying) > 0)
    return { action: 'remove', to: [] }
  const error = nothingElsewhere(archive, leaving, damagedAmong(archive, damagedIds))
  return { action: 'leave', to: [], error }
}

function place(planning: Planning, archive: ArchiveWithCopies): Planned {
  const { config, leaving, usage, damagedIds } = planning
  const staying = config.servers.filter(({ identity }) => identity !== leaving.identity)
  const sound = withoutDamaged(archive, damagedIds)
  const [others, here] = [storedOn(sound, staying), storedOn(sound, [leaving])]
  const missing = Math.max(0, config.copies - others)
  if (missing === 0) return { action: 'remove', to: [] }
  if (others + here === 0 && archive.state !== 'ready')
    return { action: 'leave', to: [], error: noSoundCopy(archive) }
  const damaged = damagedAmong(archive, damagedIds)
  const { to, error } = planCopies(staying, usage, archive, { missing, damaged })
  // Never fewer copies than there are, up to as many as there should be.
  if (others + to.length < Math.max(1, Math.min(config.copies, others + here)))
    return { action: 'leave', to: [], ...(error === undefined ? {} : { error }) }
  return { action: 'move', to }
}
