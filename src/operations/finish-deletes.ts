// Deletes that an earlier run began and could not finish, or did not. Much may have become true since: the
// archive was pinned, its other copy was lost, the rules keep it now. So each is asked again why it should go, under a
// claim, and what must stay is taken back: the row is `stored` again when the server shows the object. What retention
// wanted to delete is planned like anything else, with all that keeps it from deleting.

import { failureOf, isFailure, SpillwayError } from '../domain/errors.ts'
import { isProvenBy } from '../storage/storage.ts'
import { pruneAgain } from './prune.ts'
import { isByRetention } from '../domain/archive.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies, CopyRow } from '../catalog/catalog.ts'
import type { Deletions } from './deletions.ts'
import type { PruneServices } from './prune.ts'

export async function finishDeletes(
  services: PruneServices,
  deletions: Deletions,
  copies: readonly CopyRow[],
  signal: AbortSignal,
): Promise<void> {
  const again = new Map<ArchiveId, ArchiveWithCopies>()
  for (const copy of copies) {
    if (copy.state !== 'deleting') continue
    const claim = services.archiveUses.claim(copy.archiveId)
    // It is being restored: the next run finds it as it is.
    if (claim === undefined) continue
    try {
      const archive = await finishDelete(services, deletions, copy, signal)
      if (archive !== undefined) again.set(archive.id, archive)
    } finally {
      claim.release()
    }
  }
  if (again.size > 0)
    await pruneAgain(services, { archives: [...again.values()], deletions }, signal)
}

/** Resolves with an archive that retention is to judge anew. */
async function finishDelete(
  services: PruneServices,
  deletions: Deletions,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<ArchiveWithCopies | undefined> {
  const archive = await services.catalog.findArchive(copy.archiveId)
  // What never was what was sent is nobody's copy.
  if (copy.storedAt !== undefined) {
    const isRetention = isByRetention(copy) || isGoneByRetention(archive)
    if (isRetention ? archive.isPinned : !(await isElsewhere(services, archive, copy, signal))) {
      const why = isRetention ? 'it is pinned' : 'no other copy of it could be proven'
      await takeBack(services, { archive, copy, why, deletions }, signal)
      return undefined
    }
    if (isRetention && !(await hasNewer(services, archive, signal))) {
      const why = `no other archive could be proven today: ${archive.file} stays until then`
      deletions.hold(archive.source, why, true)
      return undefined
    }
    if (isByRetention(copy) && (await look(services, copy, signal)) === 'proven') {
      await services.catalog.takeBackDelete(copy.id)
      return archive
    }
  }
  await deletions.remove(services, copy, copy.reason ?? 'it was to be deleted', signal)
  return undefined
}

/**
 * Retention took what others there were, while this one was to go for another reason. With any copy that is stored,
 * or was lost since, the archive is to stay.
 */
function isGoneByRetention({ copies }: ArchiveWithCopies): boolean {
  const known = copies.filter(({ state }) => state !== 'failed')
  return (
    known.every(({ state }) => state === 'deleting' || state === 'deleted') &&
    known.some(isByRetention)
  )
}

/** Another copy without known damage is shown by its server now. */
async function isElsewhere(
  services: PruneServices,
  { copies }: ArchiveWithCopies,
  leaving: CopyRow | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  for (const copy of copies) {
    if (copy.id === leaving?.id || copy.state !== 'stored') continue
    if (await services.catalog.hasDamagedBytes(copy.id)) continue
    if ((await look(services, copy, signal)) === 'proven') return true
  }
  return false
}

/** Retention never deletes the last good archive of a source, whatever has become of the others since. */
async function hasNewer(
  services: PruneServices,
  leaving: ArchiveWithCopies,
  signal: AbortSignal,
): Promise<boolean> {
  for (const archive of await services.catalog.restorableArchives(leaving.source)) {
    if (archive.startedAt.getTime() <= leaving.startedAt.getTime()) return false
    if (await isElsewhere(services, archive, undefined, signal)) return true
  }
  return false
}

async function takeBack(
  services: PruneServices,
  input: {
    readonly archive: ArchiveWithCopies
    readonly copy: CopyRow
    readonly why: string
    readonly deletions: Deletions
  },
  signal: AbortSignal,
): Promise<void> {
  const { catalog, emit } = services
  const { archive, copy, why, deletions } = input
  const seen = await look(services, copy, signal)
  // Nobody can tell now; a restore reads it all the same, and the next run asks again.
  if (seen === 'unknown') return
  if (seen === 'proven') {
    await catalog.takeBackDelete(copy.id)
    emit({ kind: 'note', about: archive.file, message: `its delete is taken back: ${why}` })
    return
  }
  const what = `${copy.key} was to be deleted, should stay (${why}), and is not there any more`
  deletions.warn(new SpillwayError('ARCHIVE_MISSING', what))
  if (seen === 'gone' && copy.versionId === undefined) {
    // Our own delete came through: what is left to do is the row.
    await deletions.remove(services, copy, copy.reason ?? why, signal)
    return
  }
  // A version may lie hidden below a marker, and can be brought back: reconcile looks again for a day.
  await catalog.takeBackDelete(copy.id)
  await catalog.markMissing(copy.id, what)
}

async function look(
  { config, pool }: PruneServices,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<'proven' | 'gone' | 'differs' | 'unknown'> {
  const server = config.servers.find(({ identity }) => identity === copy.identity)
  if (server?.isEnabled !== true || pool.downBecause(server) !== undefined) return 'unknown'
  try {
    const head = await (await pool.ready(server, signal)).head(copy.key, signal)
    if (head === undefined) return 'gone'
    return isProvenBy(head, copy) ? 'proven' : 'differs'
  } catch (error) {
    if (failureOf(error).server === undefined) throw error
    if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
    return 'unknown'
  }
}
