// `reconcile`: the catalog against the servers. A plan is made by looking only; then it is printed; then
// it is applied, to the catalog and to nothing else but uploads and deletions that a row says are ours.
// An archive that this catalog never knew becomes ours only where that is asked for: it may be of another
// machine with the same name, and what is ours is deleted by rule.
//
// Servers are compared at the same time. One that fails half way says nothing: whatever was found there
// so far is not believed, and the others are reconciled all the same.

import { Deletions } from './deletions.ts'
import { adopt } from './adopt.ts'
import { asServerFailure } from './reconcile-failure.ts'
import { eachAtOnce } from './reconcile-at-once.ts'
import { examineServer } from './reconcile-server.ts'
import { lostArchives, planExit } from './reconcile-plan.ts'
import { prepareSpool } from './spool.ts'
import { recover } from './recover.ts'
import { SamePlaces } from './same-place.ts'
import { requireServers } from '../config/parse.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { Adopting } from './adopt.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Examined } from './reconcile-server.ts'
import type { Finding, ReconcilePlan, ServerPlan } from './reconcile-plan.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'

export type ReconcileServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: ServerPool
  readonly archiveUses: ArchiveUses
  readonly emit: (event: RunEvent) => void
}

export type Reconciled = {
  readonly exit: number
  readonly plan: ReconcilePlan
  readonly isApplied: boolean
  /** What is wrong and stays wrong, besides what the plan says. */
  readonly problems: readonly SpillwayError[]
}

/** `onPlan` is called before anything is changed. Under the run lock. */
export async function reconcile(
  services: ReconcileServices,
  input: {
    readonly isDryRun: boolean
    /** What this catalog never knew becomes ours. */
    readonly isAdopting: boolean
    readonly onPlan: (plan: ReconcilePlan) => void
  },
  signal: AbortSignal,
): Promise<Reconciled> {
  const { catalog, config } = services
  requireServers(config)
  await catalog.check()
  await catalog.registerServers(config.servers)
  const asked = { isAdopting: input.isAdopting, refused: new Map() }
  const plan = await planReconcile(services, asked, signal)
  input.onPlan(plan)
  if (input.isDryRun) return { exit: planExit(plan, []), plan, isApplied: false, problems: [] }
  const problems = await settleAll(services, plan, signal)
  return { exit: planExit(plan, problems), plan, isApplied: true, problems }
}

/** The plan, and what an interrupted run left: its copies are asked for, its deletes are finished. */
export async function settleAll(
  services: ReconcileServices,
  plan: ReconcilePlan,
  signal: AbortSignal,
): Promise<readonly SpillwayError[]> {
  const deletions = new Deletions()
  const applied = await applyPlan(services, plan, signal)
  try {
    // As in a run: archives that wait on a disk that is not mounted must not be taken for lost.
    await prepareSpool(services)
  } catch (error) {
    return [...applied, asServerFailure(error)]
  }
  const recovered = await recover(services, deletions, signal)
  return [...applied, ...recovered, ...deletions.problems()]
}

export async function planReconcile(
  services: ReconcileServices,
  asked: Pick<Examined, 'isAdopting' | 'refused'>,
  signal: AbortSignal,
): Promise<ReconcilePlan> {
  const { catalog, config, pool } = services
  const servers: ServerPlan[] = []
  const failed: { readonly server: Server; readonly error: SpillwayError }[] = []
  const now = new Date()
  await eachAtOnce(pool.servers, pool.servers.length, async (server) => {
    try {
      const down = pool.downBecause(server)
      if (down instanceof Error) throw down
      const storage = await pool.ready(server, signal)
      const input = { ...asked, catalog, server, storage, host: config.serverId, now }
      servers.push(await examineServer(input, signal))
    } catch (error) {
      const failure = asServerFailure(error)
      await pool.settle(server, failure)
      failed.push({ server, error: failure })
    }
  })
  return {
    servers: servers.toSorted((a, b) => a.server.number - b.server.number),
    failed: failed.toSorted((a, b) => a.server.number - b.server.number),
    notAsked: await copiesElsewhere(services),
    lost: lostArchives(servers),
  }
}

async function copiesElsewhere({ catalog, pool }: ReconcileServices): Promise<number> {
  const asked = new Set(pool.servers.map(({ identity }) => identity))
  const rows = (await catalog.servers()).filter(({ identity }) => !asked.has(identity))
  return rows.reduce((sum, { archives }) => sum + archives, 0)
}

/** Step by step: each is one transaction, and doing them again from a new plan is harmless. */
export async function applyPlan(
  { catalog, config, pool }: Pick<ReconcileServices, 'catalog' | 'config' | 'pool'>,
  plan: ReconcilePlan,
  signal: AbortSignal,
): Promise<readonly SpillwayError[]> {
  const problems: SpillwayError[] = []
  const places = new SamePlaces(pool, config.serverId)
  for (const { server, findings, confirmed, otherBytes } of plan.servers) {
    let accountedBytes = 0
    for (const copyId of confirmed) {
      signal.throwIfAborted()
      await catalog.markFound(copyId)
    }
    for (const finding of findings) {
      signal.throwIfAborted()
      try {
        accountedBytes += await applyStep({ catalog, pool, places }, server, finding, signal)
      } catch (error) {
        problems.push(asServerFailure(error))
      }
    }
    // After the rows, so that for a moment bytes count twice rather than not at all.
    if (otherBytes !== undefined) {
      const left = Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, otherBytes - accountedBytes))
      await catalog.setOtherBytes(server.identity, left, new Date())
    }
  }
  return problems
}

/** Resolves with how many bytes of "others" have a row now; negative: have none any more. */
async function applyStep(
  services: Adopting & { readonly pool: ServerPool },
  server: Server,
  { step, key }: Finding,
  signal: AbortSignal,
): Promise<number> {
  const { catalog, pool } = services
  switch (step.kind) {
    case 'nothing':
      return 0
    case 'mark-missing':
      await catalog.markMissing(step.copyId, step.reason)
      return 0
    case 'mark-found':
      await catalog.markFound(step.copyId)
      return 0
    case 'settle-missing':
      await catalog.settleMissing(step.copyId, step.reason, step.othersBytes)
      return -step.othersBytes
    case 'adopt': {
      const adoption = await adopt(services, server, step, signal)
      if (adoption.outcome === 'conflict')
        throw new SpillwayError('ARCHIVE_REFUSED', `${key} is not adopted: ${adoption.why}`)
      return step.copy.sizeBytes
    }
    case 'abort':
      await (await pool.ready(server, signal)).abort(step.upload, signal)
      return 0
    case 'drop-snapshot':
      await catalog.dropSnapshot(step.id)
      return 0
    case 'adopt-snapshot':
      return (await catalog.adoptSnapshot({ identity: server.identity, ...step }))
        ? step.sizeBytes
        : 0
  }
}
