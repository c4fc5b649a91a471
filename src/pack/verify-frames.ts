// Frames read back: each against its SHA-256 in the index, and what comes out of it against its size
// and XXH64 in the seek table.
//
// A few frames are in memory at a time, in buffers that are used again; the next ones arrive and are
// decompressed while the caller looks at one.

import { sha256Of } from '../lib/sha256.ts'
import type { FramePlace } from './frame-table.ts'
import { checksumOf } from './seek-table.ts'
import type { ArchiveLayout } from './verify-layout.ts'
import { corrupt, isDamage } from './verify-source.ts'
import type { VerifySource } from './verify-source.ts'
import { checksumInFrame, decompressFrame } from './zstd.ts'

export type CheckedFrame = {
  readonly place: FramePlace
  /** The tar in it; undefined where `what` says that the frame itself is damaged. */
  readonly bytes: Buffer | undefined
  /** undefined: it is what was stored. */
  readonly what: string | undefined
  /** The frame is whole, and only its entry in the seek table is wrong. */
  readonly isEntryAtFault: boolean
}

// One arrives, one is decompressed, one is looked at.
const FRAMES_AHEAD = 2

// One request reads so much: enough that its delay does not count, and little enough that a budget is
// used to its end.
const REQUEST_BYTES = 128 * 1024 * 1024

/**
 * Frames of the tar, in order; fewer than asked for when the budget ends. `bytes` are the caller's, to
 * be given back. `extraBytes`: what the caller will read besides for this frame.
 */
export async function* checkFrames(input: {
  readonly source: VerifySource
  readonly layout: ArchiveLayout
  readonly firstFrame: number
  readonly endFrame: number
  readonly extraBytes: (place: FramePlace) => number
}): AsyncGenerator<CheckedFrame> {
  const { layout } = input
  const ring = new Ring()
  const begun: Promise<CheckedFrame>[] = []
  try {
    for await (const { place, stored } of storedFrames(input, ring)) {
      const checked = checkFrame(layout, place, stored)
      // Its turn to be awaited comes later; until then a rejection is not unhandled.
      checked.catch(() => undefined)
      begun.push(checked)
      if (begun.length >= FRAMES_AHEAD) yield await begun.shift()!
    }
    while (begun.length > 0) yield await begun.shift()!
  } finally {
    await Promise.allSettled(begun)
  }
}

type StoredFrame = { readonly place: FramePlace; readonly stored: Buffer }

/** The stored bytes, request by request. Each is valid until FRAMES_AHEAD more were taken. */
async function* storedFrames(
  input: Parameters<typeof checkFrames>[0],
  ring: Ring,
): AsyncGenerator<StoredFrame> {
  const { source, endFrame } = input
  for (let at = input.firstFrame; at < endFrame;) {
    const places = nextRequest(input, at)
    const [first] = places
    if (first === undefined) return
    at += places.length
    const sizeBytes = places.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
    const chunks = source.read(first.fileOffsetBytes, sizeBytes)[Symbol.asyncIterator]()
    const feed = new Feed(chunks)
    try {
      for (const place of places) {
        const stored = ring.next(place.storedBytes)
        await feed.fill(stored)
        yield { place, stored }
      }
    } finally {
      await chunks.return?.()
    }
  }
}

/** The frames of one request; none when the budget has no room for the next one. */
function nextRequest(
  { source, layout, endFrame, extraBytes }: Parameters<typeof checkFrames>[0],
  first: number,
): FramePlace[] {
  const roomBytes = Math.min(REQUEST_BYTES, source.leftBytes())
  const places: FramePlace[] = []
  let bytes = 0
  for (let number = first; number < endFrame; number += 1) {
    const place = layout.frames.frame(number)
    bytes += place.storedBytes + extraBytes(place)
    if (bytes > roomBytes) break
    places.push(place)
  }
  return places
}

async function checkFrame(
  layout: ArchiveLayout,
  place: FramePlace,
  stored: Buffer,
): Promise<CheckedFrame> {
  const wrong = (what: string): CheckedFrame => ({
    place,
    bytes: undefined,
    what,
    isEntryAtFault: false,
  })
  const expected = layout.hashOf(place.number)
  const sha256 = await sha256Of(stored)
  if (expected !== undefined && !sha256.equals(expected))
    return wrong('its bytes do not have the SHA-256 that the index says')
  let bytes: Buffer
  try {
    bytes = await decompressFrame(stored)
  } catch (error) {
    if (!isDamage(error)) throw error
    return wrong(error.message)
  }
  // What came out was compared with the checksum in the frame, where it has one, as it came.
  const checksum = checksumInFrame(stored) ?? checksumOf(bytes)
  const isListed = bytes.length === place.rawBytes && checksum === place.checksum
  if (isListed) return { place, bytes, what: undefined, isEntryAtFault: false }
  if (expected === undefined) return wrong('its content does not have the XXH64 of the seek table')
  const what = 'its entry in the seek table is damaged; the frame itself is whole'
  return { place, bytes, what, isEntryAtFault: true }
}

/** Buffers that come round again once the frames ahead of them are done. */
class Ring {
  readonly #buffers: (Buffer | undefined)[] = []
  #turn = 0

  next(sizeBytes: number): Buffer {
    this.#turn = (this.#turn + 1) % (FRAMES_AHEAD + 1)
    const held = this.#buffers[this.#turn]
    const buffer =
      held !== undefined && held.length >= sizeBytes ? held : Buffer.allocUnsafeSlow(sizeBytes)
    this.#buffers[this.#turn] = buffer
    return buffer.subarray(0, sizeBytes)
  }
}

/** Fills buffers from chunks of any size. */
class Feed {
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)

  constructor(chunks: AsyncIterator<Uint8Array>) {
    this.#chunks = chunks
  }

  async fill(buffer: Buffer): Promise<void> {
    let at = 0
    while (at < buffer.length) {
      if (this.#chunk.length === 0) {
        const next = await this.#chunks.next()
        if (next.done === true) throw corrupt('the object is shorter than what was stored')
        this.#chunk = next.value
      }
      const piece = this.#chunk.subarray(0, buffer.length - at)
      buffer.set(piece, at)
      this.#chunk = this.#chunk.subarray(piece.length)
      at += piece.length
    }
  }
}
