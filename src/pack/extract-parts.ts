// A restore by position: which frames are asked for, and what of them goes to the tree.
//
// Of a whole archive that is every frame, and the index is not needed, until a frame turns out damaged:
// then it tells whose bytes those are, and where the next member begins. Of a part it is the frames of
// the members that are wanted and of the folders above them, and each member must be the one that the
// index has named.

import { SpillwayError } from '../domain/errors.ts'
import { comparePaths } from './member-record.ts'
import { fetchFrames } from './extract-fetch.ts'
import { TAR_RECORD_BYTES } from './tar-header.ts'
import type { ArchiveTail } from './archive-tail.ts'
import type { FramePlace, FrameTable } from './frame-table.ts'
import type { IndexedMember } from './member-record.ts'
import type { LostMember } from './extract-input.ts'
import type { TreeSink } from './extract-sink.ts'

/** The end of a tar, for a reader that was given members only. */
export const TAR_END = Buffer.alloc(2 * TAR_RECORD_BYTES)

/** A frame, and the wanted members that begin in it. */
export type PartFrame = { readonly place: FramePlace; readonly members: readonly IndexedMember[] }

export async function* allFrames(
  frames: FrameTable,
): AsyncGenerator<{ readonly place: FramePlace }> {
  for (let number = 0; number < frames.tarFrameCount; number += 1)
    yield { place: frames.frame(number) }
}

/** `members` in the order of the archive. Rejects with ARCHIVE_REFUSED where the index lies. */
export async function* framesOf(
  members: AsyncIterable<IndexedMember>,
  { frames, tarBytes }: { readonly frames: FrameTable; readonly tarBytes: number },
): AsyncGenerator<PartFrame> {
  let current: { place: FramePlace; members: IndexedMember[] } | undefined
  let before: IndexedMember | undefined
  for await (const member of members) {
    checkPlace(member, before, tarBytes)
    before = member
    const place = frames.frameAt(member.offsetBytes)
    if (current?.place.number === place.number) current.members.push(member)
    else {
      if (current !== undefined) yield current
      current = { place, members: [member] }
    }
    while (endOf(current.place) < endOfMember(member)) {
      yield current
      current = { place: frames.frame(current.place.number + 1), members: [] }
    }
  }
  if (current !== undefined) yield current
}

/** What frames are fed to. */
type FrameSink = Pick<TreeSink, 'write' | 'lose' | 'room' | 'leave'>

/** Feeds the whole tar. Returns the SHA-256 of its frames, one after the other; undefined: damaged ones. */
export async function feedWhole(
  tail: ArchiveTail,
  frames: FrameTable,
  sink: FrameSink,
  onFrame: (sha256: Buffer) => void,
): Promise<{ readonly isWhole: boolean }> {
  let resumeAt = 0
  let isWhole = true
  for await (const { wish, bytes, sha256 } of fetchFrames(tail, allFrames(frames), sink)) {
    const { place } = wish
    if (sha256 !== undefined) onFrame(sha256)
    const from = Math.max(0, resumeAt - place.tarOffsetBytes)
    if (bytes !== undefined) {
      if (from < bytes.length) await sink.write(bytes.subarray(from))
      else sink.leave(bytes)
    } else if (from < place.rawBytes) {
      isWhole = false
      const lost: IndexedMember[] = []
      const fromBytes = place.tarOffsetBytes + from
      for await (const member of tail.membersBetween(fromBytes, endOf(place))) lost.push(member)
      resumeAt = lost.length === 0 ? endOf(place) : endOfMember(lost.at(-1)!)
      await sink.lose(lost.map(lostMember))
    }
  }
  // The end itself may have been lost; more zeros behind it mean nothing.
  if (!isWhole) await sink.write(TAR_END)
  return { isWhole }
}

/** Feeds the members of these frames, and nothing else of them. */
export async function feedParts(
  tail: ArchiveTail,
  parts: AsyncIterable<PartFrame>,
  sink: FrameSink,
): Promise<void> {
  // The member that goes on in the next frame.
  let open: IndexedMember | undefined
  for await (const { wish, bytes } of fetchFrames(tail, parts, sink)) {
    const { place, members } = wish
    if (bytes === undefined) {
      await sink.lose([...(open === undefined ? [] : [open]), ...members].map(lostMember))
      open = undefined
      continue
    }
    const piece = pieceOf(bytes, place, open === undefined ? members : [open, ...members])
    if (piece.length > 0) await sink.write(piece, members)
    else sink.leave(bytes)
    const last = members.at(-1) ?? open
    open = last !== undefined && endOfMember(last) > endOf(place) ? last : undefined
  }
  await sink.write(TAR_END, [])
}

/** What these members have in this frame, without what lies between them: in the same room. */
function pieceOf(bytes: Buffer, place: FramePlace, members: readonly IndexedMember[]): Buffer {
  const ranges: [from: number, to: number][] = []
  for (const member of members) {
    const from = Math.max(0, member.offsetBytes - place.tarOffsetBytes)
    const to = Math.min(bytes.length, endOfMember(member) - place.tarOffsetBytes)
    const last = ranges.at(-1)
    if (last?.[1] === from) last[1] = to
    else ranges.push([from, to])
  }
  if (ranges.length === 1) return bytes.subarray(...ranges[0]!)
  let sizeBytes = 0
  for (const [from, to] of ranges) {
    bytes.copyWithin(sizeBytes, from, to)
    sizeBytes += Math.max(0, to - from)
  }
  return bytes.subarray(0, sizeBytes)
}

function checkPlace(
  member: IndexedMember,
  before: IndexedMember | undefined,
  tarBytes: number,
): void {
  const isPossible =
    Number.isSafeInteger(endOfMember(member)) &&
    member.spanBytes >= TAR_RECORD_BYTES &&
    endOfMember(member) <= tarBytes &&
    (before === undefined ||
      (endOfMember(before) <= member.offsetBytes && comparePaths(before.path, member.path) < 0))
  if (!isPossible)
    throw new SpillwayError('ARCHIVE_REFUSED', 'the index of the archive does not fit its tar')
}

function endOfMember({ offsetBytes, spanBytes }: IndexedMember): number {
  return offsetBytes + spanBytes
}

function endOf({ tarOffsetBytes, rawBytes }: FramePlace): number {
  return tarOffsetBytes + rawBytes
}

function lostMember({ path, kind, mode, mtimeSeconds, mtimeNanos }: IndexedMember): LostMember {
  return { path, kind, mode, mtimeSeconds, mtimeNanos }
}
