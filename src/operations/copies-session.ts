// What moving and adding copies works with: two views of the servers, and a spool in which nothing is
// left over from a process that died.
//
// Copies are read, proven and removed on any configured server, also a disabled one: that word says only
// that nothing new goes there. New copies go to the enabled ones, and never to the one that is left.

import { Deletions } from './deletions.ts'
import { copyCatalog } from './catalog-snapshot.ts'
import { isFailure } from '../domain/errors.ts'
import { prepareSpool, trimSpool } from './spool.ts'
import { recover } from './recover.ts'
import { SamePlaces } from './same-place.ts'
import { requireServers } from '../config/parse.ts'
import { ServerPool } from './server-pool.ts'
import { snapshotsGiveWay } from './catalog-snapshot-room.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { Config } from '../domain/config.ts'
import type { DeliveryServices } from './deliver.ts'
import type { OpenStorage } from './server-pool.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { SpillwayError } from '../domain/errors.ts'

/** Must hold the run lock: nobody else may send or remove copies meanwhile. */
export type CopyServices = Omit<DeliveryServices, 'pool'> & {
  readonly config: Config
  readonly openStorage: () => Promise<OpenStorage>
  /** An archive that is being restored keeps its copies. */
  readonly archiveUses: ArchiveUses
}

export type CopySession = {
  readonly config: Config
  /** For `deliver`: its pool has the servers that may get a copy. */
  readonly delivery: DeliveryServices
  /** All configured servers. */
  readonly readers: ServerPool
  readonly places: SamePlaces
  /** undefined: no server is to be left. */
  readonly leaving: ServerIdentity | undefined
}

/**
 * Settles what earlier processes left, then works, then lets go of the servers. `problems` are what is
 * wrong and stays wrong.
 */
export async function withCopySession<Result>(
  services: CopyServices,
  leaving: Server | undefined,
  work: (session: CopySession, problems: readonly SpillwayError[]) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const { catalog, config, emit, openStorage } = services
  requireServers(config)
  const { serverId: host } = config
  const readers = ServerPool.ofAll({ servers: config.servers, catalog, host, openStorage })
  const others = config.servers.filter(({ identity }) => identity !== leaving?.identity)
  const pool = new ServerPool({ servers: others, catalog, host, openStorage })
  try {
    // A ledger that is off by a byte could overrun a limit: nothing is sent on its word.
    await catalog.check()
    await catalog.registerServers(config.servers)
    await prepareSpool(services)
    // What an earlier try left open on the server that is left is settled too, also where it is disabled.
    const servers = config.servers.map((server) =>
      server.identity === leaving?.identity ? { ...server, isEnabled: true } : server,
    )
    const { archiveUses } = services
    const recovering = { archiveUses, catalog, emit, pool: readers, config: { ...config, servers } }
    const deletions = new Deletions()
    const problems = await recover(recovering, deletions, signal)
    const session = {
      config,
      delivery: { ...services, pool, makeRoom: snapshotsGiveWay({ ...services, pool }) },
      readers,
      places: new SamePlaces(readers, host),
      leaving: leaving?.identity,
    }
    return await work(session, [...problems, ...deletions.problems()])
  } finally {
    readers.close()
    pool.close()
  }
}

/** A server that one view found dead is not waited for by the other. */
export async function shareHealth({ delivery, readers }: CopySession): Promise<void> {
  for (const [from, to] of [
    [readers, delivery.pool],
    [delivery.pool, readers],
  ] as const) {
    for (const server of to.servers) {
      const error = from.downBecause(server)
      if (error !== undefined && to.downBecause(server) === undefined)
        await to.settle(server, error)
    }
  }
}

/**
 * As at the end of a run: nothing stays in the spool that need not, and the servers get the catalog as it
 * is now, since their newest copy of it names copies that were removed.
 */
export async function finishCopies(
  { config, delivery }: CopySession,
  hasChanged: boolean,
  onProblem: (error: SpillwayError) => void,
  signal: AbortSignal,
): Promise<void> {
  const { catalog } = delivery
  try {
    await trimSpool({ catalog, config })
  } catch (error) {
    if (!isFailure(error, 'SPOOL_FAILED')) throw error
    onProblem(error as SpillwayError)
  }
  // One that died while it copied the catalog had changed something.
  const hasBegun = (await catalog.snapshots()).some(({ state }) => state === 'uploading')
  if (!hasChanged && !hasBegun) return
  const { problems } = await copyCatalog({ ...delivery, config }, signal)
  for (const problem of problems) onProblem(problem)
}
