// Frames by position: those that are asked for, in ascending order, neighbours joined into one read, several
// reads at once. A frame that no copy has whole comes out as damaged, and the rest goes on.

import { createHash } from 'node:crypto'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { mapAhead } from '../lib/map-ahead.ts'
import type { ArchiveTail } from './archive-tail.ts'
import type { FramePlace } from './frame-table.ts'

export type FrameWish = { readonly place: FramePlace }

export type FetchedFrame<Wish> = {
  readonly wish: Wish
  /** Of the tar, checked; undefined: damaged. */
  readonly bytes: Buffer | undefined
  /** Of the stored bytes. */
  readonly sha256: Buffer
}

// Larger reads are no faster over 100 Mbit/s and a round trip of 100 ms (1.2 MB on the way), and four of
// them at once are the memory that a restore needs: 32 MiB.
const READ_BYTES_MAX = 8 * 1024 * 1024
const READS_AHEAD = 4
// Frames of zeros have some hundred bytes each.
const READ_FRAMES_MAX = 256
// One is taken while the next is decompressed.
const FRAMES_AHEAD = 2

type Stored<Wish> = { readonly wish: Wish; readonly stored: Buffer }

/** Rejects when no copy can be read any more; with INTERRUPTED as the reads do. */
export async function* fetchFrames<Wish extends FrameWish>(
  tail: ArchiveTail,
  wishes: AsyncIterable<Wish>,
): AsyncGenerator<FetchedFrame<Wish>> {
  const reads = mapAhead(joined(wishes), (group) => readGroup(tail, group), READS_AHEAD)
  yield* mapAhead(flattened(reads), (frame) => decode(tail, frame), FRAMES_AHEAD)
}

/** How the same frames are read: for plans. */
export async function countReads<Wish extends FrameWish>(
  wishes: AsyncIterable<Wish>,
): Promise<{ readonly reads: number; readonly readBytes: number }> {
  let [reads, readBytes] = [0, 0]
  for await (const group of joined(wishes)) {
    reads += 1
    for (const { place } of group) readBytes += place.storedBytes
  }
  return { reads, readBytes }
}

async function* joined<Wish extends FrameWish>(
  wishes: AsyncIterable<Wish>,
): AsyncGenerator<readonly Wish[]> {
  let group: Wish[] = []
  let [endBytes, sizeBytes] = [0, 0]
  for await (const wish of wishes) {
    const { fileOffsetBytes, storedBytes } = wish.place
    const fits =
      fileOffsetBytes === endBytes &&
      sizeBytes + storedBytes <= READ_BYTES_MAX &&
      group.length < READ_FRAMES_MAX
    if (group.length > 0 && !fits) {
      yield group
      group = []
      sizeBytes = 0
    }
    group.push(wish)
    sizeBytes += storedBytes
    endBytes = fileOffsetBytes + storedBytes
  }
  if (group.length > 0) yield group
}

async function readGroup<Wish extends FrameWish>(
  tail: ArchiveTail,
  group: readonly Wish[],
): Promise<readonly Stored<Wish>[]> {
  const start = group[0]!.place.fileOffsetBytes
  const last = group.at(-1)!.place
  const end = last.fileOffsetBytes + last.storedBytes
  // One frame alone may be larger than a read ever is only in an archive that is not ours.
  if (end - start > READ_BYTES_MAX)
    throw new SpillwayError('ARCHIVE_REFUSED', `frame ${last.number} of the archive is too large`)
  const bytes = await tail.readStored(start, end - start)
  return group.map((wish) => {
    const at = wish.place.fileOffsetBytes - start
    return { wish, stored: bytes.subarray(at, at + wish.place.storedBytes) }
  })
}

async function* flattened<Item>(groups: AsyncIterable<readonly Item[]>): AsyncGenerator<Item> {
  for await (const group of groups) yield* group
}

async function decode<Wish extends FrameWish>(
  tail: ArchiveTail,
  { wish, stored }: Stored<Wish>,
): Promise<FetchedFrame<Wish>> {
  const { place } = wish
  // Here and now, while the pool decompresses: 1 ms for a frame.
  const decoded = tail.decodeFrame(place, stored)
  const sha256 = sha256Of(stored)
  try {
    return { wish, bytes: await decoded, sha256 }
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  try {
    // From another copy, if there is one that has it whole.
    const whole = await tail.readWholeFrame(place)
    return { wish, bytes: whole.bytes, sha256: sha256Of(whole.stored) }
  } catch (error) {
    if (!isDamage(error)) throw error
    return { wish, bytes: undefined, sha256 }
  }
}

/** Of the frame, or of a server that will not give it again. */
function isDamage(error: unknown): boolean {
  return error instanceof SpillwayError && !isFailure(error, 'INTERRUPTED')
}

function sha256Of(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
