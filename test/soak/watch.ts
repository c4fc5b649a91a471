// Looks over a host's shoulder while it works: at each promise of room (I-3), and before anything is marked to be
// deleted (I-5), with the rows as they are at that moment.

import type { CatalogEye } from './catalog-eye.ts'
import { digestOf } from './sim-host.ts'
import { keptIds } from './keep-rules.ts'
import type { Book } from './book.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { Packer } from '../../src/pack/packer.ts'
import type { SeenArchive, SeenCopy } from './catalog-eye.ts'
import type { SimHost } from './sim-host.ts'

export type Watch = {
  readonly host: SimHost
  readonly book: Book
  readonly violation: (what: string) => void
}

export function watchPacker({ book }: Watch, packer: Packer): Packer {
  return {
    ...packer,
    pack: async (job, onProgress, signal) => {
      const { archiveId: id, outputPath, source } = job
      const digest = source.kind === 'folder' ? digestOf(source.path) : ''
      const result = await packer.pack(job, onProgress, signal)
      book.packed({ id, source: source.name, outputPath, digest })
      return result
    },
  }
}

export function watchCatalog(watch: Watch, catalog: Catalog, eye: CatalogEye): Catalog {
  const { host, book } = watch
  const promised = (identity: string, limitBytes: number): void => {
    const entry = host.entryOf(identity)
    if (entry?.limitBytes !== limitBytes)
      watch.violation(`a limit of ${limitBytes} is used, ${entry?.limitBytes} is configured`)
    const { promisedBytes, otherBytes } = eye.counted(identity)
    if (promisedBytes + otherBytes > limitBytes)
      watch.violation(
        `${promisedBytes} bytes are promised on ${entry?.server.name}, and ${otherBytes} are others': the limit is ${limitBytes}`,
      )
  }
  return {
    ...catalog,
    reserve: async (input) => {
      const id = await catalog.reserve(input)
      if (id !== undefined) promised(input.identity, input.limitBytes)
      return id
    },
    resizeReservation: async (copyId, bytes, limitBytes) => {
      const isGrowing = bytes > eye.copy(copyId).reservedBytes
      const isDone = await catalog.resizeReservation(copyId, bytes, limitBytes)
      if (isDone && isGrowing) promised(eye.copy(copyId).identity, limitBytes)
      return isDone
    },
    reserveSnapshot: async (input) => {
      const id = await catalog.reserveSnapshot(input)
      if (id !== undefined) promised(input.identity, input.limitBytes)
      return id
    },
    markDeleting: async (copyId, reason, guard) => {
      const isDone = await judged(watch, eye, { copyId, reason }, () =>
        catalog.markDeleting(copyId, reason, guard),
      )
      return isDone
    },
    markLocalGone: async (id) => {
      // Found out in the same run, by reading it back a moment later: too late to keep the file.
      const entry = book.entries.get(id)
      const isLast = !book.places().has(id) && hasUnseenHarm(host, eye, id)
      if (entry !== undefined && isLast) entry.releasedBecause ??= 'nobody knew of its harm yet'
      await catalog.markLocalGone(id)
    },
    takeBackDelete: async (copyId) => {
      await catalog.takeBackDelete(copyId)
      book.retired.delete(eye.copy(copyId).archiveId)
      const entry = book.entries.get(eye.copy(copyId).archiveId)
      if (entry?.releasedBecause === RETENTION) entry.releasedBecause = undefined
    },
  }
}

/** A copy of it counts as good, and is not: nobody has read it back since. */
export function hasUnseenHarm(host: SimHost, eye: CatalogEye, archiveId: string): boolean {
  return eye
    .copiesOf(archiveId)
    .some(
      ({ identity, key, state, hasProblem }) =>
        state === 'stored' &&
        hasProblem === 0 &&
        host.entryOf(identity)?.server.harmed.has(key) === true,
    )
}

export const RETENTION = 'retention deleted it'

async function judged(
  watch: Watch,
  eye: CatalogEye,
  { copyId, reason }: { readonly copyId: number; readonly reason: string },
  mark: () => Promise<boolean>,
): Promise<boolean> {
  const copy = eye.copy(copyId)
  const archive = eye.archive(copy.archiveId)!
  const entry = watch.book.entries.get(archive.id)
  const isRetention = reason.startsWith('retention: ')
  const objection = isRetention
    ? watch.book.retired.has(archive.id)
      ? undefined
      : keptBecause(watch, eye, archive)
    : neededBecause(watch, eye, copy)
  const isDone = await mark()
  if (!isDone) return false
  if (objection !== undefined) watch.violation(`${copy.key} is deleted (${reason}): ${objection}`)
  if (isRetention) watch.book.retired.add(archive.id)
  if (isRetention && entry !== undefined) entry.releasedBecause ??= RETENTION
  return true
}

/** undefined: the rules let it go. */
export function keptBecause(
  { host }: Pick<Watch, 'host'>,
  eye: CatalogEye,
  archive: SeenArchive,
): string | undefined {
  if (archive.isPinned === 1) return 'it is pinned'
  const configured = new Set(host.configured().map((entry) => host.identityOf(entry)))
  const isHeld = ({ state, identity }: SeenCopy): boolean =>
    state === 'stored' && configured.has(identity)
  const rows = eye.restorable(archive.source).map((row) => ({
    ...row,
    startedAt: new Date(row.startedAt),
    isSound: row.copies.some((copy) => isHeld(copy) && copy.isDamaged === 0),
    isHeld: row.copies.some(isHeld),
  }))
  const inTurn = rows.filter((row) => row.isPinned === 0 && row.isHeld)
  const counted = inTurn.filter(({ isSound }) => isSound)
  const itself = rows.find(({ id }) => id === archive.id)
  if (itself === undefined || !itself.isHeld) return 'no server of ours is known to hold it'
  if (keptIds(itself.isSound ? counted : inTurn, host.keep).has(archive.id))
    return `a rule keeps it, of ${JSON.stringify(host.keep)}`
  // Where a clock was set back two may be of one time: then each is as good as the other.
  const isNewest = (of: typeof counted) =>
    of.some(({ id }) => id === archive.id) &&
    of.every(({ id, startedAt }) => id === archive.id || startedAt < itself.startedAt)
  if (isNewest(counted)) return 'it is the last good one'
  if (isNewest(counted.filter(({ warningCount }) => warningCount === 0)))
    return 'it is the last one without warnings'
  return undefined
}

/** Of a copy that goes for another reason (evacuated, mended): undefined: its bytes are elsewhere. */
function neededBecause(
  { host, book }: Watch,
  eye: CatalogEye,
  { archiveId, identity, key }: SeenCopy,
): string | undefined {
  const entry = book.entries.get(archiveId)
  if (entry === undefined || entry.releasedBecause !== undefined) return undefined
  const places = book.places().get(archiveId) ?? []
  const server = host.entryOf(identity)?.server
  const isSound = places.some((place) => place.server === server && place.key === key)
  if (!isSound || places.length > 1 || book.isInSpool(entry)) return undefined
  // Another copy has rotted where no look without reading can tell, and that was the soak's doing.
  const rotten = eye
    .copiesOf(archiveId)
    .some(
      (copy) =>
        copy.state === 'stored' &&
        host.entryOf(copy.identity)?.server.harmed.get(copy.key) === 'rot',
    )
  if (!rotten) return 'no other whole copy of it is anywhere'
  entry.releasedBecause = 'its other copy had rotted unseen'
  return undefined
}
