// Retention: what no rule keeps is deleted, oldest first, one archive at a time.
//
// The plan is made from rows alone. Before anything of a source goes, a server must show once more the
// newest archive that stays, and its clock must agree with ours: rules that count archives are only as
// good as the archives, and rules about days only as good as the clock.

import { CLOCK_TOLERANCE_MS } from '../domain/retention.ts'
import { dropFile } from './spool.ts'
import { failureOf, isFailure, messageOf } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { isProvenBy } from '../storage/storage.ts'
import { oldestFirst, planPrune, removable, runDeletesMax } from './plan-prune.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { Deletions, DeleteServices } from './deletions.ts'
import type { PrunedArchive, PrunePlan } from './plan-prune.ts'
import type { Server } from '../domain/server.ts'
import type { Source } from '../domain/source.ts'

export type PruneServices = DeleteServices & { readonly archiveUses: ArchiveUses }

/** Plans and applies. What was deleted, refused and held back is in `deletions`. */
export async function prune(
  services: PruneServices,
  input: {
    readonly sources: readonly Source[]
    readonly deletions: Deletions
    /** Called with the plan before anything is deleted. */
    readonly onPlan?: (plan: PrunePlan) => void
  },
  signal: AbortSignal,
): Promise<PrunePlan> {
  const { deletions, sources } = input
  const left = Math.max(0, (await runDeletesMax(services)) - deletions.begun)
  const plan = await planPrune(services, { sources, deletesMax: left, now: new Date() })
  input.onPlan?.(plan)
  for (const { source, reason, isWarning } of plan.held) deletions.hold(source, reason, isWarning)
  deletions.remaining += plan.remaining
  for (const note of plan.notes) services.emit({ kind: 'note', about: undefined, message: note })
  const going = plan.archives.filter(({ action }) => action === 'delete')
  await deleteArchives(services, { plan, going, deletions }, signal)
  return plan
}

export type MakeRoom = (
  input: {
    readonly server: Server
    readonly missingBytes: number
    /** The archive for which room is wanted. */
    readonly archiveId: ArchiveId
  },
  signal: AbortSignal,
) => Promise<boolean>

/**
 * Room for an archive that would not fit: deletes what is due anyway, and only if that is enough. Resolves
 * with whether the server confirmed it.
 */
export function createMakeRoom(services: PruneServices, deletions: Deletions): MakeRoom {
  return async ({ server, missingBytes, archiveId }, signal) => {
    const { sources } = services.config
    const left = (await runDeletesMax(services)) - deletions.begun
    const plan = await planPrune(services, {
      sources,
      deletesMax: undefined,
      except: archiveId,
      now: new Date(),
    })
    const going: PrunedArchive[] = []
    let bytes = 0
    for (const due of plan.archives.toSorted(oldestFirst)) {
      const there = removable(due.archive).find(({ identity }) => identity === server.identity)
      if (due.action === 'keep' || there === undefined || bytes >= missingBytes) continue
      if (deletions.heldBecause(due.archive.source) !== undefined) continue
      going.push(due)
      bytes += there.sizeBytes
    }
    if (bytes < missingBytes || going.length > left) return false
    const before = deletions.freedOn(server.identity)
    services.emit({
      kind: 'note',
      about: server.label,
      message: `retention makes room: ${formatBytes(bytes)} of archives are due`,
    })
    await deleteArchives(services, { plan, going, deletions }, signal)
    return deletions.freedOn(server.identity) - before >= missingBytes
  }
}

async function deleteArchives(
  services: PruneServices,
  input: {
    readonly plan: PrunePlan
    readonly going: readonly PrunedArchive[]
    readonly deletions: Deletions
  },
  signal: AbortSignal,
): Promise<void> {
  const { plan, deletions, going } = input
  const wrongClock = await clockFaultOf(services, going, signal)
  if (wrongClock !== undefined)
    for (const { archive } of going) deletions.hold(archive.source, wrongClock, true)
  const shown = new Set<string>()
  for (const { archive, reasons } of going.toSorted(oldestFirst)) {
    const { source } = archive
    if (!shown.has(source) && deletions.heldBecause(source) === undefined) {
      shown.add(source)
      const fault = await faultOf(services, plan.lastGood.get(source), signal)
      if (fault !== undefined) deletions.hold(source, fault, true)
    }
    if (deletions.heldBecause(source) !== undefined) continue
    deletions.begun += 1
    await deleteArchive(services, { archive, reason: reasons.join(', '), deletions }, signal)
  }
}

/** Why nothing of a source may go now; undefined: a server has just shown its last good archive. */
async function faultOf(
  { config, pool }: PruneServices,
  lastGood: ArchiveWithCopies | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  let why = 'no server that is configured holds it'
  for (const copy of lastGood?.copies ?? []) {
    const server = config.servers.find(({ identity }) => identity === copy.identity)
    if (copy.state !== 'stored' || server?.isEnabled !== true) continue
    const down = pool.downBecause(server)
    if (down !== undefined) {
      why = messageOf(down)
      continue
    }
    try {
      const storage = await pool.ready(server, signal)
      const head = await storage.head(copy.key, signal)
      if (isProvenBy(head, copy)) return undefined
      why = `${server.label} does not show it as it was stored`
    } catch (error) {
      if (failureOf(error).server === undefined) throw error
      if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
      why = messageOf(error)
    }
  }
  return `its last good archive, ${lastGood?.file ?? 'none'}, could not be proved today: ${why}`
}

/** Of the servers from which something is to go, each asked once. */
async function clockFaultOf(
  { config, pool }: PruneServices,
  going: readonly PrunedArchive[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const copies = going.flatMap(({ archive }) => removable(archive))
  for (const server of config.servers) {
    const copy = copies.find(({ identity }) => identity === server.identity)
    if (copy === undefined || !server.isEnabled || pool.downBecause(server) !== undefined) continue
    try {
      const storage = await pool.ready(server, signal)
      await storage.head(copy.key, signal)
      const offsetMs = storage.clockOffsetMs?.() ?? 0
      if (Math.abs(offsetMs) > CLOCK_TOLERANCE_MS) return clockDiffers(server, offsetMs)
    } catch (error) {
      if (failureOf(error).server === undefined) throw error
      // The delete itself tells what is wrong with a server that answers.
      if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
    }
  }
  return undefined
}

function clockDiffers({ label }: Server, offsetMs: number): string {
  const minutes = Math.round(Math.abs(offsetMs) / 60_000)
  const way = offsetMs > 0 ? 'behind' : 'ahead of'
  return `the clock of this machine is ${minutes} min ${way} that of ${label}`
}

async function deleteArchive(
  services: PruneServices,
  input: {
    readonly archive: ArchiveWithCopies
    readonly reason: string
    readonly deletions: Deletions
  },
  signal: AbortSignal,
): Promise<void> {
  const { archiveUses, catalog, emit } = services
  const { deletions } = input
  const claim = archiveUses.claim(input.archive.id)
  // A restore has begun since the plan was made; the next run finds it still due.
  if (claim === undefined) return
  try {
    // As it is now: it may have been pinned since.
    const archive = await catalog.findArchive(input.archive.id)
    if (archive.isPinned) return
    if (archive.localPath !== undefined && archive.state === 'ready') {
      await dropFile(archive.localPath)
      await catalog.markLocalGone(archive.id)
    }
    const reason = `retention: ${input.reason}`
    let bytes = 0
    let left = 0
    for (const copy of removable(archive)) {
      if (await deletions.remove(services, copy, reason, signal)) bytes += copy.sizeBytes
      else left += 1
    }
    if (left > 0) return
    const { id, source, file } = archive
    deletions.noteDeleted({ id, source, file, bytes })
    archiveUses.forget(id)
    const message = `deleted by retention, ${formatBytes(bytes)} freed: ${input.reason}`
    emit({ kind: 'note', about: file, message })
  } finally {
    claim.release()
  }
}
