// Retention: what no rule keeps is deleted, oldest first, one archive at a time.
//
// The plan is made from rows alone. Before anything of a source goes, a server must show once more the
// newest archive that stays, and its clock must agree with ours: rules that count archives are only as
// good as the archives, and rules about days only as good as the clock.

import { CLOCK_TOLERANCE_MS, clockJump } from '../domain/retention.ts'
import { dropFile } from './spool.ts'
import { failureOf, isFailure } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { oldestFirst, removable, runDeletesMax } from './plan-prune.ts'
import { clockDiffers } from './server-pool.ts'
import { planProven } from './prune-proof.ts'
import { RETENTION_REASON } from '../domain/archive.ts'
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
  const isForDeletes = input.onPlan === undefined
  const asked = { sources, deletesMax: left, now: new Date(), isForDeletes }
  const plan = await planProven(services, asked, deletions, signal)
  input.onPlan?.(plan)
  for (const { source, reason, isWarning } of plan.held) deletions.hold(source, reason, isWarning)
  for (const { copy, server } of plan.leftOut)
    await deletions.leaveOut(
      services.catalog,
      copy,
      server,
      server && services.pool.downBecause(server),
    )
  deletions.remaining += plan.remaining
  for (const note of plan.notes) services.emit({ kind: 'note', about: undefined, message: note })
  const going = plan.archives.filter(({ action }) => action === 'delete')
  await deleteArchives(services, { plan, going, deletions }, signal)
  return plan
}

/** What an earlier run had begun to delete goes only if it were to go today. */
export async function pruneAgain(
  services: PruneServices,
  input: { readonly archives: readonly ArchiveWithCopies[]; readonly deletions: Deletions },
  signal: AbortSignal,
): Promise<void> {
  const { archives, deletions } = input
  const names = new Set(archives.map(({ source }) => source))
  const sources = services.config.sources.filter(({ name }) => names.has(name))
  const asked = { sources, deletesMax: undefined, now: new Date() }
  // What holds a source back now may be over when the run prunes, or makes room.
  const plan = await planProven(services, asked, deletions, signal)
  const judged = new Map(plan.archives.map((each) => [each.archive.id, each]))
  const going: PrunedArchive[] = []
  for (const { file, id } of archives) {
    const found = judged.get(id)
    if (found?.action === 'delete') {
      going.push(found)
      continue
    }
    const why = found?.reasons.join(', ') ?? 'its source is not configured'
    services.emit({ kind: 'note', about: file, message: `its delete is taken back: ${why}` })
  }
  // They counted against the cap when they were begun: what is refused every night must not take the place of others.
  await deleteArchives(services, { plan, going, deletions, isBegun: true }, signal)
}

export type MakeRoom = (
  input: {
    readonly server: Server
    readonly missingBytes: number
    /** undefined: the server itself has less room than its limit says. */
    readonly neededBytes?: number
    /** The archive for which room is wanted. */
    readonly archiveId: ArchiveId
  },
  signal: AbortSignal,
) => Promise<boolean>

/**
 * Room for an archive that would not fit: deletes what is due anyway, and only if that is enough. Resolves
 * with whether the server confirmed it.
 */
export function createMakeRoom(
  services: PruneServices,
  deletions: Deletions,
  /** Archives under way beside it. */
  underWay: ReadonlySet<ArchiveId> = new Set(),
): MakeRoom {
  return async ({ server, missingBytes, archiveId }, signal) => {
    const { sources } = services.config
    const left = (await runDeletesMax(services)) - deletions.begun
    const asked = {
      ...{ sources, deletesMax: undefined, now: new Date() },
      except: new Set([archiveId, ...underWay]),
      isForDeletes: true,
    }
    const plan = await planProven(services, asked, deletions, signal)
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
    readonly isBegun?: boolean
  },
  signal: AbortSignal,
): Promise<void> {
  const { plan, deletions, going } = input
  const clock = await askClocks(services, going, signal)
  for (const { archive } of going) {
    const wrongClock = clock.fault ?? (clock.wasTold ? undefined : jumpOf(plan, archive.source))
    if (wrongClock !== undefined) deletions.hold(archive.source, wrongClock, true)
  }
  for (const { archive, reasons } of going.toSorted(oldestFirst)) {
    if (deletions.heldBecause(archive.source) !== undefined) continue
    if (input.isBegun !== true) deletions.begun += 1
    await deleteArchive(services, { archive, reason: reasons.join(', '), deletions }, signal)
  }
}

/** Of the servers from which something is to go, each asked once. */
async function askClocks(
  { config, pool }: PruneServices,
  going: readonly PrunedArchive[],
  signal: AbortSignal,
): Promise<{ readonly fault: string | undefined; readonly wasTold: boolean }> {
  let wasTold = false
  const copies = going.flatMap(({ archive }) => removable(archive))
  for (const server of config.servers) {
    const copy = copies.find(({ identity }) => identity === server.identity)
    if (copy === undefined || !server.isEnabled || pool.downBecause(server) !== undefined) continue
    try {
      const storage = await pool.ready(server, signal)
      await storage.head(copy.key, signal)
      const offsetMs = storage.clockOffsetMs?.()
      if (offsetMs === undefined) continue
      wasTold = true
      if (Math.abs(offsetMs) > CLOCK_TOLERANCE_MS)
        return { fault: clockDiffers(server, offsetMs), wasTold }
    } catch (error) {
      if (failureOf(error).server === undefined) throw error
      // The delete itself tells what is wrong with a server that answers.
      if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
    }
  }
  return { fault: undefined, wasTold }
}

/** A directory has no clock of its own: there a clock that jumped shows only in the archives. */
function jumpOf({ archives }: PrunePlan, source: string): string | undefined {
  const dates = archives
    .filter(({ archive, isProven }) => archive.source === source && isProven && !archive.isPinned)
    .map(({ archive }) => archive.startedAt)
  const days = clockJump(dates)
  if (days === undefined) return undefined
  return (
    `${days} days lie between two of its newest archives, and no server tells the time: the clock may have ` +
    `jumped (this ends by itself, once it lies seven archives back)`
  )
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
    const reason = RETENTION_REASON + input.reason
    let bytes = 0
    let left = 0
    const copies = removable(archive)
    for (const copy of copies) {
      if (await deletions.remove(services, copy, reason, signal, { unlessPinned: true }))
        bytes += copy.sizeBytes
      else left += 1
    }
    const { id, source, file } = archive
    if (left > 0) {
      if (left === copies.length) return
      deletions.notePartlyDeleted({ id, source, file, bytes, copiesLeft: left })
      const stays = `${left} of ${copies.length} copies cannot be deleted now`
      const message = `deleted by retention, ${formatBytes(bytes)} freed (${stays}): ${input.reason}`
      emit({ kind: 'note', about: file, message })
      return
    }
    deletions.noteDeleted({ id, source, file, bytes })
    archiveUses.forget(id)
    const message = `deleted by retention, ${formatBytes(bytes)} freed: ${input.reason}`
    emit({ kind: 'note', about: file, message })
  } finally {
    claim.release()
  }
}
