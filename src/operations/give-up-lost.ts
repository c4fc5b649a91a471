// What a server lost stays on record while it may come back, and while it is the last trace of an archive. A run
// gives it up once its server has denied it twice, a day apart, and other servers have shown in this very run that
// the archive is safe: then its bytes are free again, that server may take another copy, and nobody is told every
// night of what is made good.
//
// Two things are left to somebody who looks (`reconcile`): an archive of which nothing sound is shown, and a server
// that lost more than it still has. There the server is wrong rather than its copies, and they may all come back.

import { eachAtOnce } from './reconcile-at-once.ts'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { isProvenBy } from '../storage/storage.ts'
import { lookAtCopy, SETTLED_AFTER_MS } from './reconcile-copy.ts'
import { READ_AT_ONCE } from './rebuild-archive.ts'
import type { Catalog, CopyId, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { LostCopy } from '../catalog/rebuild-calls.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'

type GiveUpServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
  /** At once: what ends the run later must not take it away. */
  readonly onProblem: (problem: SpillwayError) => void
}

type Work = {
  readonly server: Server
  readonly lost: readonly LostCopy[]
  /** Copies with anything wrong about them that is not settled: none of these makes an archive safe. */
  readonly doubtedIds: ReadonlySet<CopyId>
  readonly now: Date
}

/** Rejects with CATALOG_* and INTERRUPTED. */
export async function giveUpLost(services: GiveUpServices, signal: AbortSignal): Promise<void> {
  const { catalog, pool, onProblem } = services
  const now = new Date()
  const lost = await catalog.lostCopies(new Date(now.getTime() - SETTLED_AFTER_MS))
  if (lost.length === 0) return
  const doubtedIds = new Set((await catalog.problems()).map(({ copyId }) => copyId))
  const held = new Map((await catalog.standing()).map(({ identity, copies }) => [identity, copies]))
  await eachAtOnce(pool.servers, pool.servers.length, async (server) => {
    const there = lost.filter(({ identity }) => identity === server.identity)
    if (there.length === 0 || pool.downBecause(server) !== undefined) return
    const left = held.get(server.identity) ?? 0
    if (left < there.length) onProblem(wrongServer(server, there.length, left))
    else await askServer(services, { server, lost: there, doubtedIds, now }, signal)
  })
}

function wrongServer({ label }: Server, lost: number, left: number): SpillwayError {
  const what = `${label}: ${counted(lost)} gone for more than a day, and ${counted(left)} left there`
  return new SpillwayError(
    'SERVER_UNPROVEN',
    `${what}: is it the right place? If they are lost, spillway reconcile gives them up`,
  )
}

async function askServer(
  services: GiveUpServices,
  { server, lost, doubtedIds, now }: Work,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, config, pool } = services
  const found = { givenUp: 0, isThere: 0, short: 0 }
  try {
    const storage = await pool.ready(server, signal)
    await eachAtOnce(lost, READ_AT_ONCE, async (copy) => {
      const seen = await lookAtCopy({ server, storage, now }, copy, signal)
      const step = typeof seen === 'object' ? seen.step : undefined
      if (step?.kind === 'mark-found') {
        await catalog.markFound(copy.id)
        found.isThere += 1
      }
      if (step?.kind !== 'settle-missing') return
      const shown = await shownCopies(services, copy, doubtedIds, signal)
      if (shown === 0) return
      if (!(await catalog.settleMissing(copy.id, step.reason, step.othersBytes))) return
      found.givenUp += 1
      if (shown < config.copies) found.short += 1
    })
  } catch (error) {
    await noteFailure(services, server, error)
  } finally {
    tell(services, server, found)
  }
}

/** On how many servers it has a sound copy, as they say now; as many as COPIES where the spool has it. */
async function shownCopies(
  { catalog, config, pool, onProblem }: GiveUpServices,
  { archiveId, identity }: LostCopy,
  doubtedIds: ReadonlySet<CopyId>,
  signal: AbortSignal,
): Promise<number> {
  const archive = await catalog.findArchive(archiveId)
  if (archive.state === 'ready') return config.copies
  const shown = new Set<ServerIdentity>()
  for (const copy of archive.copies) {
    if (copy.state !== 'stored' || doubtedIds.has(copy.id) || copy.identity === identity) continue
    const server = pool.servers.find((each) => each.identity === copy.identity)
    if (server === undefined || pool.downBecause(server) !== undefined) continue
    try {
      const problem = await whyNotShown({ catalog, pool }, server, copy, signal)
      if (problem === undefined) shown.add(copy.identity)
      else onProblem(problem)
    } catch (error) {
      await noteFailure({ pool }, server, error)
    }
  }
  return shown.size
}

/** One that is gone as well is missing from now on. */
async function whyNotShown(
  { catalog, pool }: Pick<GiveUpServices, 'catalog' | 'pool'>,
  server: Server,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<SpillwayError | undefined> {
  const { key } = copy
  const head = await (await pool.ready(server, signal)).head(key, signal)
  if (isProvenBy(head, copy)) return undefined
  if (head !== undefined)
    return new SpillwayError(
      'ARCHIVE_CORRUPT',
      `what lies at ${key} on ${server.label} is not ours`,
    )
  const what = `${server.label} does not hold ${key} any more`
  await catalog.markMissing(copy.id, what)
  return new SpillwayError('ARCHIVE_MISSING', what)
}

/** Nothing is known then, so nothing is concluded. Throws again what says nothing about the server. */
async function noteFailure(
  { pool }: Pick<GiveUpServices, 'pool'>,
  server: Server,
  error: unknown,
): Promise<void> {
  if (!(error instanceof SpillwayError) || error.failure.server === undefined) throw error
  if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
}

function tell(
  { config, emit, onProblem }: GiveUpServices,
  { label }: Server,
  found: { readonly givenUp: number; readonly isThere: number; readonly short: number },
): void {
  const { givenUp, isThere, short } = found
  const note = (message: string): void => emit({ kind: 'note', about: undefined, message })
  if (isThere > 0) note(`${label}: ${counted(isThere)} found again, missing until now`)
  if (givenUp === 0) return
  const what = `${label}: ${counted(givenUp)} gone for more than a day, given up`
  if (short === 0) {
    note(`${what}; sound ones are elsewhere`)
    return
  }
  const few = `${short} of these archives on fewer than ${config.copies} servers now`
  const hint = 'spillway copies makes others'
  onProblem(new SpillwayError('COPIES_MISSING', `${what}; ${few}: spillway copies`, { hint }))
}

function counted(copies: number): string {
  return copies === 1 ? '1 copy' : `${copies} copies`
}
