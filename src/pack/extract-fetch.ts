// Frames by position: those that are asked for, in ascending order, neighbours joined into one read, several
// reads at once. A frame that no copy has whole comes out as damaged, and the rest goes on.

import { isFailure, SpillwayError } from '../domain/errors.ts'
import { giveBack } from './give-back.ts'
import { mapAhead } from '../lib/map-ahead.ts'
import type { ArchiveTail } from './archive-tail.ts'
import type { BlockRooms } from './block-rooms.ts'
import type { FramePlace } from './frame-table.ts'

export type FrameWish = { readonly place: FramePlace }

export type FetchedFrame<Wish> = {
  readonly wish: Wish
  /** Of the tar, checked, in a room that is the taker's now; undefined: damaged. */
  readonly bytes: Buffer | undefined
  /** Of the stored bytes; undefined with them. */
  readonly sha256: Buffer | undefined
}

// Larger reads are no faster over 100 Mbit/s and a round trip of 100 ms (1.2 MB on the way), and four of
// them at once are the memory that a restore needs: 32 MiB.
const READ_BYTES_MAX = 8 * 1024 * 1024
const READS_AHEAD = 4
// Frames of zeros have some hundred bytes each.
const READ_FRAMES_MAX = 256
// One is taken while the next is decompressed.
const FRAMES_AHEAD = 2

type Stored<Wish> = {
  readonly wish: Wish
  readonly stored: Buffer
  /** Called when its bytes are needed no more. */
  readonly release: () => void
}

/** Rejects when no copy can be read any more; with INTERRUPTED as the reads do. */
export async function* fetchFrames<Wish extends FrameWish>(
  tail: ArchiveTail,
  wishes: AsyncIterable<Wish>,
  rooms: BlockRooms,
): AsyncGenerator<FetchedFrame<Wish>> {
  const reads = mapAhead(joined(wishes), (group) => readGroup(tail, group), READS_AHEAD)
  const decoded = async (frame: Stored<Wish>): Promise<FetchedFrame<Wish>> => {
    try {
      return await decode(tail, frame, rooms)
    } finally {
      frame.release()
    }
  }
  yield* mapAhead(flattened(reads), decoded, FRAMES_AHEAD)
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
  // Of a small archive all may lie in what was read of its end.
  const isOwn = bytes.length === bytes.buffer.byteLength
  let left = group.length
  const release = (): void => {
    left -= 1
    if (left === 0 && isOwn) giveBack(bytes)
  }
  return group.map((wish) => {
    const at = wish.place.fileOffsetBytes - start
    return { wish, stored: bytes.subarray(at, at + wish.place.storedBytes), release }
  })
}

async function* flattened<Item>(groups: AsyncIterable<readonly Item[]>): AsyncGenerator<Item> {
  for await (const group of groups) yield* group
}

async function decode<Wish extends FrameWish>(
  tail: ArchiveTail,
  { wish, stored }: Stored<Wish>,
  rooms: BlockRooms,
): Promise<FetchedFrame<Wish>> {
  const { place } = wish
  const room = await rooms.room()
  try {
    return { wish, ...(await tail.decodeFrame(place, stored, room)) }
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  try {
    // From another copy, if there is one that has it whole.
    return { wish, ...(await tail.readWholeFrame(place, room)) }
  } catch (error) {
    if (!isDamage(error)) throw error
    rooms.leave(room)
    return { wish, bytes: undefined, sha256: undefined }
  }
}

/** Of the frame, or of a server that will not give it again. */
function isDamage(error: unknown): boolean {
  return error instanceof SpillwayError && !isFailure(error, 'INTERRUPTED')
}
