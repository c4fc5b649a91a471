// `evacuate --dry-run`: what would become of each archive on a server, from the catalog alone.
//
// No server is asked and nothing is locked; whether copies are sound shows only when they are read.

import { copyOn, leavingServer, obstacleOf } from './evacuate-server.ts'
import { EvacuationRecord } from './evacuate-record.ts'
import { planCopies, storedOn } from './copies-plan.ts'
import { usageForArchives } from './catalog-snapshot-room.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
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
  for (const archive of await catalog.archives()) {
    const copy = copyOn(archive, server)
    if (copy === undefined) continue
    const error = obstacleOf(archive, copy, config.serverId)
    if (error !== undefined) record.add(archive, { action: 'leave', to: [], error })
    else if (copy.state === 'missing') record.add(archive, { action: 'remove', to: [] })
    else record.add(archive, place(config, server, usage, archive))
  }
  const row = rows.find(({ identity }) => identity === server.identity)
  return record.report(row, true)
}

function place(
  config: Config,
  leaving: Server,
  usage: Map<string, ServerUsage>,
  archive: ArchiveWithCopies,
): {
  readonly action: EvacuatedArchive['action']
  readonly to: readonly number[]
  readonly error?: SpillwayError
} {
  const staying = config.servers.filter(({ identity }) => identity !== leaving.identity)
  const others = storedOn(archive, staying)
  const missing = Math.max(0, config.copies - others)
  if (missing === 0) return { action: 'remove', to: [] }
  const { to, error } = planCopies(staying, usage, archive, missing)
  // Never fewer copies than there are, up to as many as there should be.
  if (others + to.length < Math.min(config.copies, others + 1))
    return { action: 'leave', to: [], ...(error === undefined ? {} : { error }) }
  return { action: 'move', to }
}
