// Blocks of the tar stream become zstd frames in the archive file: compressed several at a time in
// the thread pool, written in order.

import { assert } from '../lib/assert.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { sha256Of } from '../lib/sha256.ts'
import { FRAME_BYTES_MAX } from './frame-bounds.ts'
import { framesAhead } from './frames-ahead.ts'
import { encodeRawFrame, rawFrameBytes } from './raw-frame.ts'
import { checksumOf } from './seek-table.ts'
import type { SeekEntry } from './seek-table.ts'
import type { ArchiveFile } from './part-memory.ts'
import { checksumInFrame, decompressFrame, openCompressor } from './zstd.ts'
import type { CompressedFrame, FrameCompressor } from './zstd.ts'

export type WrittenFrame = SeekEntry & { readonly sha256: Buffer }

type PackedFrame = CompressedFrame & { readonly frame: WrittenFrame }

/** A place in the file that is written last. */
export type KeptPlace = {
  /** Of the frame. */
  readonly number: number
  readonly offsetBytes: number
  readonly storedBytes: number
}

type Input = {
  readonly file: ArchiveFile
  readonly zstdLevel: number
  readonly verifies: boolean
  readonly onWritten: (frame: WrittenFrame) => void
}

type Begun = {
  readonly packed: Promise<PackedFrame>
  readonly release: () => void
  /** Set for a place that is kept. */
  readonly keptNumber?: number
}

export class TarFrames {
  readonly #input: Input
  readonly #ahead: number
  readonly #compressor: FrameCompressor
  readonly #begun: Begun[] = []
  /** What frames are decompressed into to verify them; used again. */
  readonly #rooms: Buffer[] = []
  #number = 0
  #kept: KeptPlace | undefined

  constructor(input: Input) {
    this.#input = input
    this.#ahead = framesAhead(input.zstdLevel, input.verifies)
    this.#compressor = openCompressor(input.zstdLevel)
  }

  /** Resolves when the next block may come; `release` is called when `block` is needed no more. */
  async add(block: Buffer, release: () => void): Promise<void> {
    const packed = this.#pack(block, this.#number)
    this.#number += 1
    // Its turn to be awaited comes later; until then a rejection is not unhandled.
    packed.catch(() => undefined)
    this.#begun.push({ packed, release })
    while (this.#begun.length >= this.#ahead) await this.#writeNext()
  }

  /** The place that is still to be written, once it lies in the file. */
  get kept(): KeptPlace | undefined {
    return this.#kept
  }

  /** Keeps the place of a frame of so many raw bytes, which `fill` writes later. One at a time. */
  async keep(rawBytes: number): Promise<void> {
    const bytes = Buffer.alloc(rawFrameBytes(rawBytes))
    const frame = { storedBytes: bytes.length, rawBytes, checksum: 0, sha256: NO_HASH }
    const packed = Promise.resolve({ frame, bytes, release: () => undefined })
    this.#begun.push({ packed, release: () => undefined, keptNumber: this.#number })
    this.#number += 1
    while (this.#begun.length >= this.#ahead) await this.#writeNext()
  }

  /** Writes the frame that a place is kept for. */
  async fill(content: Buffer): Promise<{ readonly number: number; readonly frame: WrittenFrame }> {
    await this.finish()
    const kept = this.#kept
    assert(kept !== undefined, 'no place is kept')
    const bytes = encodeRawFrame(content)
    assert(bytes.length === kept.storedBytes, 'the place that is kept has another size')
    if (this.#input.verifies) await this.#verify(content, bytes, kept.number)
    this.#input.file.overwrite(kept.offsetBytes, bytes)
    this.#kept = undefined
    return { number: kept.number, frame: await writtenFrame(content, bytes) }
  }

  async finish(): Promise<void> {
    while (this.#begun.length > 0) await this.#writeNext()
  }

  /** After a failure, or the end: resolves when no thread works on a block any more. */
  async close(): Promise<void> {
    const ended = await Promise.allSettled(this.#begun.splice(0).map(({ packed }) => packed))
    for (const each of ended) if (each.status === 'fulfilled') each.value.release()
    this.#compressor.close()
  }

  async #writeNext(): Promise<void> {
    const { packed, release, keptNumber } = this.#begun[0]!
    const { frame, bytes, release: releaseFrame } = await packed
    this.#begun.shift()
    release()
    const { file } = this.#input
    if (keptNumber !== undefined) {
      const { storedBytes } = frame
      this.#kept = { number: keptNumber, offsetBytes: file.bytes, storedBytes }
    }
    file.append(bytes)
    this.#input.onWritten(frame)
    releaseFrame()
  }

  async #pack(block: Buffer, number: number): Promise<PackedFrame> {
    const { bytes, release } = await this.#compressor.compress(block)
    try {
      if (this.#input.verifies) await this.#verify(block, bytes, number)
      return { frame: await writtenFrame(block, bytes), bytes, release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** Compressors have had faults, and memory has. Better now than on the day of the restore. */
  async #verify(block: Buffer, frame: Buffer, number: number): Promise<void> {
    const room = this.#rooms.pop() ?? Buffer.allocUnsafeSlow(FRAME_BYTES_MAX)
    let cause: unknown
    try {
      const again = await decompressFrame(frame, undefined, room)
      if (again.equals(block)) return
    } catch (error) {
      cause = error
    } finally {
      this.#rooms.push(room)
    }
    const why = cause === undefined ? 'it gave other bytes' : messageOf(cause)
    throw new SpillwayError(
      'SPOOL_FAILED',
      `frame ${number} could not be decompressed again as it was compressed: ${why}`,
      { cause, hint: "test this machine's memory; if it is well, please report this" },
    )
  }
}

const NO_HASH = Buffer.alloc(32)

async function writtenFrame(block: Buffer, bytes: Buffer): Promise<WrittenFrame> {
  return {
    storedBytes: bytes.length,
    rawBytes: block.length,
    checksum: checksumInFrame(bytes) ?? checksumOf(block),
    sha256: await sha256Of(bytes),
  }
}
