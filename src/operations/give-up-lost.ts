// What a server lost stays on record while it may come back, and while it is the last trace of an archive. A run
// gives it up once its server has denied it twice, a day apart, and the archive is safe elsewhere: then its bytes
// are free again, that server may take another copy, and nobody is told every night of what is made good.
//
// An archive of which nothing sound is left is none of that: what became of it stays until somebody has seen it
// (`reconcile` gives it up).

import { damagedCopyIds, withoutDamaged } from './damaged-copies.ts'
import { eachAtOnce } from './reconcile-at-once.ts'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { lookAtCopy, SETTLED_AFTER_MS } from './reconcile-copy.ts'
import { READ_AT_ONCE } from './rebuild-archive.ts'
import { storedOn } from './copies-plan.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Catalog, CopyId } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { LostCopy } from '../catalog/rebuild-calls.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'

type GiveUpServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
}

/** Resolves with what is to be told of it: archives that lie on fewer servers than COPIES now. */
export async function giveUpLost(
  services: GiveUpServices,
  signal: AbortSignal,
): Promise<readonly SpillwayError[]> {
  const { catalog, pool } = services
  const now = new Date()
  const lost = await catalog.lostCopies(new Date(now.getTime() - SETTLED_AFTER_MS))
  if (lost.length === 0) return []
  const damagedIds = await damagedCopyIds(catalog)
  const problems: SpillwayError[] = []
  await eachAtOnce(pool.servers, pool.servers.length, async (server) => {
    const there = lost.filter(({ identity }) => identity === server.identity)
    if (there.length === 0 || pool.downBecause(server) !== undefined) return
    const found = await askServer(services, { server, lost: there, damagedIds, now }, signal)
    problems.push(...tell(services, server, found))
  })
  return problems
}

type Found = {
  givenUp: number
  isThere: number
  /** Of archives that are on fewer servers than COPIES wants, and not in the spool. */
  short: number
}

async function askServer(
  services: GiveUpServices,
  asked: {
    readonly server: Server
    readonly lost: readonly LostCopy[]
    readonly damagedIds: ReadonlySet<CopyId>
    readonly now: Date
  },
  signal: AbortSignal,
): Promise<Found> {
  const { catalog, pool } = services
  const { server, lost, damagedIds, now } = asked
  const found = { givenUp: 0, isThere: 0, short: 0 }
  try {
    const storage = await pool.ready(server, signal)
    await eachAtOnce(lost, READ_AT_ONCE, async (copy) => {
      const safety = await safetyOf(services, copy.archiveId, damagedIds)
      if (safety === 'lost') return
      const seen = await lookAtCopy({ server, storage, now }, copy, signal)
      const step = typeof seen === 'object' ? seen.step : undefined
      if (step?.kind === 'mark-found') {
        await catalog.markFound(copy.id)
        found.isThere += 1
      } else if (step?.kind === 'settle-missing') {
        await catalog.settleMissing(copy.id, step.reason, step.othersBytes)
        found.givenUp += 1
        if (safety === 'short') found.short += 1
      }
    })
  } catch (error) {
    // Nothing is known, so nothing is concluded; whatever is sent there tonight tells what is wrong.
    if (!(error instanceof SpillwayError) || error.failure.server === undefined) throw error
    if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
  }
  return found
}

/** `short`: sound, on fewer servers than COPIES wants, and no run sends it again. */
async function safetyOf(
  { catalog, config }: GiveUpServices,
  id: ArchiveId,
  damagedIds: ReadonlySet<CopyId>,
): Promise<'safe' | 'short' | 'lost'> {
  const archive = await catalog.findArchive(id)
  if (archive.state === 'ready') return 'safe'
  const sound = storedOn(withoutDamaged(archive, damagedIds), config.servers)
  if (sound === 0) return 'lost'
  return sound < config.copies ? 'short' : 'safe'
}

function tell(
  { config, emit }: GiveUpServices,
  { label }: Server,
  { givenUp, isThere, short }: Found,
): readonly SpillwayError[] {
  const note = (message: string): void => emit({ kind: 'note', about: undefined, message })
  if (isThere > 0) note(`${label}: ${counted(isThere)} found again, missing until now`)
  if (givenUp === 0) return []
  const what = `${label}: ${counted(givenUp)} gone for more than a day, given up`
  if (short === 0) {
    note(`${what}; sound ones are elsewhere`)
    return []
  }
  const few = `${short} of these archives on fewer than ${config.copies} servers now`
  return [new SpillwayError('COPIES_MISSING', `${what}; ${few}: spillway copies`)]
}

function counted(copies: number): string {
  return copies === 1 ? '1 copy' : `${copies} copies`
}
