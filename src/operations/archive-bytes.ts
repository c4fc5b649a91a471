// The bytes of an archive, from wherever they can be had: the spool's own file, else the copies in the
// order of the servers. Copies are the same bytes, so when one fails half way the next one goes on
// from there, and whoever reads notices nothing. One that failed is not asked again.

import { ArchivePlaces } from './archive-places.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { openArchiveTail } from '../pack/archive-tail.ts'
import { placesOf } from './archive-places.ts'
import type { ArchiveTail, ReadRange } from '../pack/archive-tail.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { OpenStorage } from './server-pool.ts'
import type { Place } from './archive-places.ts'
import type { Warning } from '../domain/archive.ts'

export type ArchiveBytes = {
  readonly sizeBytes: number
  /** From the first byte to the last. May be asked for again. */
  readonly stream: () => AsyncIterable<Uint8Array>
  /** Bytes that `check` throws at are taken from another copy, if there is one that has them whole. */
  readonly read: ReadRange
  /**
   * What the archive says of itself. undefined: damaged on every copy that answers, and read by `stream`
   * only. Rejects with ARCHIVE_REFUSED when every copy that answers is what this version cannot read.
   */
  readonly openTail: () => Promise<ArchiveTail | undefined>
  /** Where bytes came from so far: `spool`, labels of servers. */
  readonly from: () => readonly string[]
  /** Bytes that came, from all places together. */
  readonly readBytes: () => number
  /** Places that failed; the reading went on elsewhere. */
  readonly warnings: () => readonly Warning[]
  /** Ends connections. */
  readonly close: () => void
}

export type ArchiveBytesServices = {
  readonly config: Config
  readonly catalog: Catalog
  /** Called only when the spool cannot serve the archive. */
  readonly openStorage: () => Promise<OpenStorage>
}

/** Rejects with ARCHIVE_MISSING when there is no place to read from. Asks no server yet. */
export async function openArchiveBytes(
  services: ArchiveBytesServices,
  archive: ArchiveWithCopies,
  signal: AbortSignal,
): Promise<ArchiveBytes> {
  const { sizeBytes, file } = archive
  if (sizeBytes === undefined || archive.state === 'packing')
    throw new SpillwayError('ARCHIVE_MISSING', `${file} was never finished`)
  const found = await placesOf(services, archive, sizeBytes)
  const places = new ArchivePlaces(found, { file, sizeBytes, signal })
  return {
    sizeBytes,
    stream: () => places.stream(),
    read: (...range) => places.read(...range),
    openTail: () => openTail(places, found, archive, sizeBytes),
    from: () => places.from,
    readBytes: () => places.readBytes,
    warnings: () => places.warnings(),
    close: () => places.close(),
  }
}

/** From the first place that has it whole; the places in front of that one are not asked again. */
async function openTail(
  places: ArchivePlaces,
  found: readonly Place[],
  archive: ArchiveWithCopies,
  sizeBytes: number,
): Promise<ArchiveTail | undefined> {
  const damaged: { readonly place: Place; readonly error: SpillwayError }[] = []
  for (const first of found) {
    if (places.isDown(first)) continue
    // From one place until all of it fits together; from then on from whichever answers.
    let isOpening = true
    const read: ReadRange = (...range) =>
      isOpening ? places.readFrom(first, ...range) : places.read(...range)
    try {
      const tail = await openArchiveTail(read, sizeBytes)
      checkSame(archive, tail, first.label)
      // Read here, because what is wrong with them is a reason to take another copy.
      await tail.frames()
      await tail.directory()
      isOpening = false
      await bind(tail, archive, () =>
        places.warn(
          first,
          'its list of checksums is damaged: what is read is not proven to be whole',
        ),
      )
      for (const { place, error } of damaged) places.markDown(place, error)
      return tail
    } catch (error) {
      if (!(error instanceof SpillwayError) || isFailure(error, 'INTERRUPTED')) throw error
      if (isOfTheServer(error)) places.markDown(first, error)
      else damaged.push({ place: first, error })
    }
  }
  const [any] = damaged
  if (any === undefined) throw places.noneReadable()
  // One place that says so may lie, or be damaged; of all that answer it is the truth.
  if (damaged.every(({ error }) => isVerdict(error))) throw any.error
  for (const { place, error } of damaged)
    places.warn(place, `its index is damaged (${messageOf(error)}): read from the first byte`)
  return undefined
}

/** No archive that could be read from its first byte: another one, or one that this version cannot read. */
function isVerdict(error: SpillwayError): boolean {
  return error.facts['isOther'] === true || isFailure(error, 'ARCHIVE_REFUSED')
}

/** To the checksum in the catalog: a part of an archive is then as sure as the whole. */
async function bind(
  tail: ArchiveTail,
  { sha256, file }: ArchiveWithCopies,
  onUnprovable: () => void,
): Promise<void> {
  if (sha256 === undefined) return
  let isBound: boolean
  try {
    isBound = await tail.bindTo(sha256)
  } catch (error) {
    // Nothing is lost for that: checksums of frames are in the seek table, too.
    if (!isFailure(error, 'ARCHIVE_CORRUPT')) throw error
    return onUnprovable()
  }
  if (isBound) return
  throw new SpillwayError(
    'ARCHIVE_CORRUPT',
    `the checksums in the index of ${file} are not those of what was archived`,
    { facts: { isOther: true } },
  )
}

/** Of what is stored there nothing is known then. */
function isOfTheServer(error: SpillwayError): boolean {
  const { server } = error.failure as { readonly server?: string }
  const isDown = server === 'dead' || server === 'misconfigured'
  return isDown || isFailure(error, 'ARCHIVE_MISSING', 'ARCHIVE_FROZEN')
}

function checkSame(archive: ArchiveWithCopies, { manifest }: ArchiveTail, label: string): void {
  const isSame =
    manifest.archiveId === archive.id &&
    (archive.sha256 === undefined || manifest.sha256 === archive.sha256)
  for (const fact of ['memberCount', 'sourceBytes'] as const)
    if (isSame && archive[fact] !== undefined && archive[fact] !== manifest[fact])
      throw new SpillwayError(
        'ARCHIVE_CORRUPT',
        `its manifest has ${fact} ${manifest[fact]}, the catalog ${archive[fact]}`,
      )
  if (isSame) return
  throw new SpillwayError(
    'ARCHIVE_CORRUPT',
    `what ${label} holds of ${archive.file} is not what was archived: it is the archive ` +
      `${manifest.archiveId} of "${manifest.source.name}"`,
    { facts: { isOther: true } },
  )
}
