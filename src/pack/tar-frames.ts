// Blocks of the tar stream become zstd frames in the archive file: compressed several at a time in
// the thread pool, written in order.

import { createHash } from 'node:crypto'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { framesAhead } from './frames-ahead.ts'
import { giveBack } from './give-back.ts'
import { checksumOf } from './seek-table.ts'
import type { SeekEntry } from './seek-table.ts'
import type { SpoolFile } from './spool-file.ts'
import { compressFrame, decompressFrame } from './zstd.ts'

export type WrittenFrame = SeekEntry & { readonly sha256: Buffer }

type PackedFrame = { readonly frame: WrittenFrame; readonly bytes: Buffer }

type Input = {
  readonly file: SpoolFile
  readonly zstdLevel: number
  readonly verifies: boolean
  readonly onWritten: (frame: WrittenFrame) => void
}

export class TarFrames {
  readonly #input: Input
  readonly #ahead: number
  readonly #begun: { packed: Promise<PackedFrame>; release: () => void }[] = []
  #number = 0

  constructor(input: Input) {
    this.#input = input
    this.#ahead = framesAhead(input.zstdLevel, input.verifies)
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

  async finish(): Promise<void> {
    while (this.#begun.length > 0) await this.#writeNext()
  }

  /** After a failure: resolves when no thread works on a block any more. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#begun.map(({ packed }) => packed))
  }

  async #writeNext(): Promise<void> {
    const { packed, release } = this.#begun[0]!
    const { frame, bytes } = await packed
    this.#begun.shift()
    release()
    this.#input.file.append(bytes)
    this.#input.onWritten(frame)
    giveBack(bytes)
  }

  async #pack(block: Buffer, number: number): Promise<PackedFrame> {
    const bytes = await compressFrame(block, this.#input.zstdLevel)
    if (this.#input.verifies) await verify(block, bytes, number)
    const frame: WrittenFrame = {
      storedBytes: bytes.length,
      rawBytes: block.length,
      checksum: checksumOf(block),
      sha256: createHash('sha256').update(bytes).digest(),
    }
    return { frame, bytes }
  }
}

/** Compressors have had faults, and memory has. Better now than on the day of the restore. */
async function verify(block: Buffer, frame: Buffer, number: number): Promise<void> {
  let cause: unknown
  try {
    const again = await decompressFrame(frame)
    const isEqual = again.equals(block)
    giveBack(again)
    if (isEqual) return
  } catch (error) {
    cause = error
  }
  const why = cause === undefined ? 'it gave other bytes' : messageOf(cause)
  throw new SpillwayError(
    'SPOOL_FAILED',
    `frame ${number} could not be decompressed again as it was compressed: ${why}`,
    { cause, hint: "test this machine's memory; if it is well, please report this" },
  )
}
