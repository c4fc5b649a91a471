// `reconcile --rebuild`: an empty catalog is filled again from the servers alone. Every archive in this
// host's folder is looked at with a HEAD and one ranged read of its tail, a few at a time, and becomes a
// row at once; two copies of one archive join in one row. Afterwards the result is reconciled: rows that
// came with a snapshot and have no object any more, copies of the catalog, others' bytes.
//
// Killed at any moment it is begun again and goes on: what has a row is not read twice.

import { planReconcile, settleAll } from './reconcile.ts'
import { READ_AT_ONCE, readObject } from './rebuild-archive.ts'
import { adopt } from './adopt.ts'
import { asServerFailure } from './reconcile-failure.ts'
import { eachAtOnce } from './reconcile-at-once.ts'
import { exitOf } from '../domain/exit-code.ts'
import { failureOf, SpillwayError } from '../domain/errors.ts'
import { archiveNameIn, keyOnServer } from '../domain/archive.ts'
import { notEmpty } from './rebuild-snapshot.ts'
import { ONLY_IN_SPOOL } from '../catalog/rebuild-calls.ts'
import { OtherHosts } from './other-hosts.ts'
import { planExit } from './reconcile-plan.ts'
import { RebuiltPins } from './rebuild-pins.ts'
import { rebuildSpool } from './rebuild-spool.ts'
import { refusedName } from './reconcile-server.ts'
import { SamePlaces } from './same-place.ts'
import { ServerPool } from './server-pool.ts'
import type { OpenStorage } from './server-pool.ts'
import type { RebuildStart } from './rebuild-snapshot.ts'
import type { ReconcilePlan } from './reconcile-plan.ts'
import type { ReconcileServices } from './reconcile.ts'
import type { Server } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'

export type RebuiltServer = {
  readonly server: Server
  /** Archives that no row knew, and copies of archives that one did. */
  added: number
  joined: number
  /** Had their rows already: from the snapshot, or from a rebuild that was interrupted. */
  known: number
  refused: number
}

export type Rebuilt = {
  readonly exit: number
  readonly start: RebuildStart
  /** false: a server could not be read to its end; run it again. */
  readonly isComplete: boolean
  readonly servers: readonly RebuiltServer[]
  readonly inSpool: number
  readonly plan: ReconcilePlan
  readonly problems: readonly SpillwayError[]
}

type Input = {
  readonly start: RebuildStart
  /** Archives of other hosts as well. */
  readonly isForAllHosts: boolean
  /** After every object. */
  readonly onProgress: (servers: readonly RebuiltServer[]) => void
  /** Before rows change that are there already. */
  readonly onPlan: (plan: ReconcilePlan) => void
}

/** Under the run lock, after `startRebuild`. What lies on a disabled server is ours as well. */
export async function rebuild(
  services: Omit<ReconcileServices, 'pool'> & { readonly openStorage: () => Promise<OpenStorage> },
  input: Input,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const { catalog, config, openStorage } = services
  const { servers, serverId: host } = config
  const disabled = new Set(servers.flatMap((each) => (each.isEnabled ? [] : [each.identity])))
  // As a known one: the folder of a disk that is not mounted must not be given a new marker.
  const openKnown = async (): Promise<OpenStorage> => {
    const open = await openStorage()
    return (server, isKnown) => open(server, isKnown || disabled.has(server.identity))
  }
  const pool = ServerPool.ofAll({ servers, catalog, host, openStorage: openKnown })
  try {
    return await rebuildFrom({ ...services, pool }, input, signal)
  } finally {
    pool.close()
  }
}

async function rebuildFrom(
  services: ReconcileServices,
  input: Input,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const { catalog, config, pool } = services
  const state = await catalog.rebuildState()
  if (state.archives > 0 && !state.isRebuilding) throw notEmpty(config.catalogPath, state)
  await catalog.beginRebuild({ at: new Date(), snapshot: undefined })
  await catalog.registerServers(config.servers)
  const pins = await RebuiltPins.open(catalog, config.serverId)
  const spool = await rebuildSpool(services, pins)
  const servers = pool.servers.map((server) => ({ server, ...NOTHING_YET }))
  const refused = new Map<string, string>()
  const conflicts: SpillwayError[] = []
  const places = new SamePlaces(pool, config.serverId)
  await eachAtOnce(servers, servers.length, async (counts) => {
    try {
      const onRead = () => input.onProgress(servers)
      const found = { refused, conflicts, pins, places }
      await rebuildServer(services, { ...input, ...found, counts, onRead }, signal)
    } catch (error) {
      await pool.settle(counts.server, asServerFailure(error))
    }
  })
  const plan = await planReconcile(services, { isAdopting: true, refused }, signal)
  input.onPlan(plan)
  const settled = await settleAll(services, plan, signal)
  const lost = await lostWithSpool(services)
  const found = { servers, inSpool: spool.found }
  const isToTell = !input.isForAllHosts && input.start.from !== 'snapshot'
  const absent = isToTell ? nothingFound(found, plan, config.serverId) : []
  const problems = [
    ...[...spool.problems, ...conflicts, ...settled, ...lost],
    ...[...pins.problems(), ...absent],
  ]
  const isComplete = plan.failed.length === 0
  if (isComplete) await catalog.endRebuild(new Date())
  return {
    exit: exitOf([planExit(plan, problems), ...spool.problems.map(exitOfProblem)]),
    ...{ start: input.start, isComplete, ...found, plan, problems },
  }
}

/** Not one archive: it may be that this machine was called otherwise. */
function nothingFound(
  { servers, inSpool }: Pick<Rebuilt, 'servers' | 'inSpool'>,
  plan: ReconcilePlan,
  host: string,
): readonly SpillwayError[] {
  const isAny = ({ added, joined, known, refused }: RebuiltServer): boolean =>
    added + joined + known + refused > 0
  // A server that did not answer may hold all of them.
  if (plan.failed.length > 0 || inSpool > 0 || servers.some(isAny)) return []
  const others = new OtherHosts(host)
  for (const { otherHosts } of plan.servers) others.add(otherHosts)
  const problem = others.nothingOurs()
  return problem === undefined ? [] : [problem]
}

const NOTHING_YET = { added: 0, joined: 0, known: 0, refused: 0 }

function exitOfProblem(problem: SpillwayError): number {
  return failureOf(problem).exit
}

async function rebuildServer(
  { catalog, config, pool }: ReconcileServices,
  input: {
    readonly isForAllHosts: boolean
    readonly counts: RebuiltServer
    readonly refused: Map<string, string>
    readonly conflicts: SpillwayError[]
    readonly pins: RebuiltPins
    readonly places: SamePlaces
    readonly onRead: () => void
  },
  signal: AbortSignal,
): Promise<void> {
  const { counts, refused, conflicts, pins, places } = input
  const { server } = counts
  const storage = await pool.ready(server, signal)
  const hosts = input.isForAllHosts ? undefined : config.serverId
  const known = await catalog.keysOn(server.identity)
  await eachAtOnce(archivesOn(server, storage, hosts, signal), READ_AT_ONCE, async (key) => {
    if (known.has(key)) {
      counts.known += 1
      return
    }
    const read = await readObject({ server, storage }, key, signal)
    if ('refused' in read) {
      refused.set(refusedName(server, key), read.refused)
      counts.refused += 1
      // What lies in this host's own folder is named by the plan.
      if (archiveNameIn(server, key)?.host !== config.serverId)
        conflicts.push(notAdopted(server, key, read.refused))
    } else {
      await pins.look(read.archive)
      const adoption = await adopt({ catalog, pool, places }, server, read, signal)
      if (adoption.outcome === 'conflict') {
        refused.set(refusedName(server, key), adoption.why)
        conflicts.push(notAdopted(server, key, adoption.why))
        counts.refused += 1
      } else counts[adoption.outcome] += 1
    }
    input.onRead()
  })
}

/** Keys that are an archive's by their form; `host` undefined: of any. */
async function* archivesOn(
  server: Server,
  storage: Storage,
  host: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const folder = keyOnServer(server.prefix, host === undefined ? '' : `${host}/`)
  for await (const { key } of storage.list(folder, signal)) {
    const name = archiveNameIn(server, key)
    if (name !== undefined && (host === undefined || name.host === host)) yield key
  }
}

function notAdopted({ label }: Server, key: string, why: string): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', `${key} on ${label} is not adopted: ${why}`)
}

/** Archives of the snapshot that waited in a spool which is not there any more. */
async function lostWithSpool({ catalog, config }: ReconcileServices): Promise<SpillwayError[]> {
  const failed = await catalog.archives({ host: config.serverId, states: ['failed'] })
  return failed
    .filter(({ reason }) => reason === ONLY_IN_SPOOL)
    .map(({ file }) => {
      const what = `archive lost: ${file} waited in the spool, is not there, and no server has it`
      return new SpillwayError('ARCHIVE_LOST', what)
    })
}
