// What must be true before retention deletes anything: the archives that the rules keep are really there.
//
// A plan is made from rows, and a row says what was true once. So the servers are asked: for what the rules
// keep of every source of which something would go, and whether they answer at all. What is gone is marked,
// what cannot be shown counts for no rule, and the plan is made again, until the servers bear it out.

import { headCopies } from './verify-heads.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { isRecent } from '../domain/recent.ts'
import { planPrune, removable } from './plan-prune.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { CopyTask } from './verify-report.ts'
import type { Deletions, DeleteServices } from './deletions.ts'
import type { PrunedArchive, PrunePlan, PlanPruneInput, PlanPruneServices } from './plan-prune.ts'
import type { Server } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'

export type ProofServices = PlanPruneServices & DeleteServices

// Two servers that die and two losses are more than one night brings; after that nothing is deleted.
const ROUNDS_MAX = 6
// Of a source, in one run: some seconds at eight at a time. Beyond that, those are asked again that no server
// has shown for a week.
const ASKED_MAX = 200
const SHOWN_FOR_MS = 7 * 86_400_000

const NOT_SHOWN = 'too many of the archives that the rules keep could not be shown today'

export async function planProven(
  services: ProofServices,
  input: Omit<PlanPruneInput, 'unshown' | 'isDown'>,
  deletions: Deletions,
  signal: AbortSignal,
): Promise<PrunePlan> {
  const { pool } = services
  const isDown = (server: Server): boolean => pool.downBecause(server) !== undefined
  for (let round = 1; ; round += 1) {
    const unshown = unshownIn(deletions)
    const plan = await planPrune(services, { ...input, unshown, isDown })
    const going = plan.archives.filter(
      ({ action, archive }) =>
        action === 'delete' && deletions.heldBecause(archive.source) === undefined,
    )
    const sources = new Set(going.map(({ archive }) => archive.source))
    const hasNews = await askServers(services, going, signal)
    const kept = plan.archives.filter(({ archive }) => sources.has(archive.source))
    const wasAsked = await askKept(services, { kept, plan, deletions }, signal)
    const isProven = !hasNews && !wasAsked
    if (!isProven && round < ROUNDS_MAX) continue
    const why = isProven ? pool.retentionDoubt : NOT_SHOWN
    if (why !== undefined) for (const source of sources) deletions.hold(source, why, true)
    return plan
  }
}

function unshownIn({ shown }: Deletions): ReadonlySet<ArchiveId> {
  return new Set([...shown].filter(([, isShown]) => !isShown).map(([id]) => id))
}

/** Whether a server of those from which something would go has turned out not to answer. */
async function askServers(
  { config, pool }: ProofServices,
  going: readonly PrunedArchive[],
  signal: AbortSignal,
): Promise<boolean> {
  const identities = new Set(
    going.flatMap(({ archive }) => removable(archive).map((c) => c.identity)),
  )
  let hasNews = false
  for (const server of config.servers) {
    if (!identities.has(server.identity) || !server.isEnabled) continue
    if (pool.downBecause(server) !== undefined) continue
    try {
      await pool.ready(server, signal)
    } catch (error) {
      if (failureOf(error).server === undefined) throw error
      await pool.settle(server, error)
      hasNews ||= pool.downBecause(server) !== undefined
    }
  }
  return hasNews
}

/** Whether one that the rules keep could not be shown, or the last good one was not: then all is planned anew. */
async function askKept(
  services: ProofServices,
  input: {
    readonly kept: readonly PrunedArchive[]
    readonly plan: PrunePlan
    readonly deletions: Deletions
  },
  signal: AbortSignal,
): Promise<boolean> {
  const { plan, deletions } = input
  const { catalog } = services
  const newest = new Set([...plan.lastGood.values()].map(({ id }) => id))
  const tasks = await tasksOf(services, input.kept, { newest, deletions })
  const found = await headCopies({ catalog, storageOf: storageOf(services) }, tasks, signal)
  const why = new Map<ArchiveId, string>()
  for (const task of tasks) {
    const { archive, copy, label } = task
    const { outcome, message } = found.get(task)!
    const isShown = outcome === 'proven'
    deletions.shown.set(archive.id, isShown || deletions.shown.get(archive.id) === true)
    if (isShown) continue
    why.set(archive.id, message ?? label)
    if (outcome === 'unasked') continue
    // Only the copy: what it means for the archive, the plan tells.
    const what = `${label} does not show ${copy.key} as it was stored: ${message ?? outcome}`
    deletions.warn(new SpillwayError(FOUND_CODES[outcome], what))
  }
  let isUnshown = false
  for (const { archive } of input.kept) {
    if (!why.has(archive.id) || deletions.shown.get(archive.id) === true) continue
    isUnshown = true
    // It may be what every older one stays or goes for: nothing goes today.
    if (plan.lastGood.get(archive.source)?.id === archive.id)
      deletions.hold(archive.source, unproven(archive.file, why.get(archive.id)!), true)
  }
  return isUnshown
}

const FOUND_CODES = {
  missing: 'ARCHIVE_MISSING',
  replaced: 'ARCHIVE_CORRUPT',
  rewritten: 'SERVER_UNPROVEN',
} as const

function unproven(file: string, why: string): string {
  return `its last good archive, ${file}, could not be proved today: ${why}`
}

/** Of what the rules keep, and this run has not asked for yet. */
async function tasksOf(
  { catalog, config }: ProofServices,
  kept: readonly PrunedArchive[],
  { newest, deletions }: { readonly newest: ReadonlySet<ArchiveId>; readonly deletions: Deletions },
): Promise<readonly CopyTask[]> {
  const asked = kept.filter(
    ({ action, archive, isDue, isProven }) =>
      action === 'keep' && !isDue && isProven && !archive.isPinned,
  )
  const tasks = asked
    .filter(({ archive }) => !deletions.shown.has(archive.id))
    .flatMap(({ archive }) =>
      archive.copies
        .filter(({ state }) => state === 'stored')
        .map((copy): CopyTask => {
          const server = config.servers.find(({ identity }) => identity === copy.identity)
          return { archive, copy, server, label: server?.label ?? copy.identity }
        }),
    )
  if (tasks.length <= ASKED_MAX) return tasks
  const proofs = await catalog.copyProofs(tasks.map(({ copy }) => copy.id))
  const nowMs = Date.now()
  return tasks.filter(({ archive, copy }) => {
    const shownAt = proofs.get(copy.id)?.headedAt ?? copy.storedAt
    return newest.has(archive.id) || !isRecent(shownAt, SHOWN_FOR_MS, nowMs)
  })
}

function storageOf({
  pool,
}: ProofServices): (server: Server, signal: AbortSignal) => Promise<Storage> {
  return async (server, signal) => {
    const down = pool.downBecause(server)
    if (down !== undefined) throw down as Error
    if (!server.isEnabled) throw new SpillwayError('SERVER_UNPROVEN', `${server.label} is disabled`)
    try {
      return await pool.ready(server, signal)
    } catch (error) {
      if (failureOf(error).server === undefined) throw error
      if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
      throw error instanceof Error ? error : new Error(messageOf(error))
    }
  }
}
