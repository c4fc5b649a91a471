// Where the frames of an archive lie, from its seek table: by position in the file and in the tar.

import { SpillwayError } from '../domain/errors.ts'
import {
  parseSeekEntry,
  parseSeekFooter,
  SEEK_ENTRY_BYTES,
  seekTableBytes,
  seekTableHeader,
} from './seek-table.ts'
import { SKIPPABLE_HEADER_BYTES } from './skippable-frame.ts'

export type FramePlace = {
  /** From 0, in the order of the tar. */
  readonly number: number
  /** In the archive. */
  readonly fileOffsetBytes: number
  readonly storedBytes: number
  /** In the tar stream. */
  readonly tarOffsetBytes: number
  readonly rawBytes: number
  readonly checksum: number
}

export class FrameTable {
  readonly #table: Buffer
  // Ends of the frames: a terabyte has 250 000 of them, so numbers and not objects.
  readonly #fileEnds: Float64Array
  readonly #tarEnds: Float64Array
  readonly tarFrameCount: number

  /** `table` is the whole seek table; `manifest` is what the archive says of itself. */
  constructor(
    table: Buffer,
    fileBytes: number,
    manifest: { readonly frameCount: number; readonly tarBytes: number },
  ) {
    const count = parseSeekFooter(table)
    const isWhole =
      table.length === seekTableBytes(count) &&
      table.subarray(0, SKIPPABLE_HEADER_BYTES).equals(seekTableHeader(count))
    if (!isWhole || manifest.frameCount > count) throw damaged()
    this.#table = table
    this.#fileEnds = new Float64Array(count)
    this.#tarEnds = new Float64Array(count)
    let [fileEnd, tarEnd] = [0, 0]
    for (let number = 0; number < count; number += 1) {
      const entry = this.#entry(number)
      this.#fileEnds[number] = fileEnd += entry.storedBytes
      this.#tarEnds[number] = tarEnd += entry.rawBytes
      if (entry.rawBytes > 0 !== number < manifest.frameCount) throw damaged()
    }
    // The sizes of all frames must give the file, and those of the tar the tar.
    if (fileEnd + table.length !== fileBytes || tarEnd !== manifest.tarBytes) throw damaged()
    this.tarFrameCount = manifest.frameCount
  }

  /** The frame that holds this byte of the tar stream. */
  frameAt(tarOffsetBytes: number): FramePlace {
    // The first frame that ends behind it.
    let [low, high] = [0, this.tarFrameCount]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#tarEnds[middle]! > tarOffsetBytes) high = middle
      else low = middle + 1
    }
    if (low === this.tarFrameCount)
      throw new SpillwayError('ARCHIVE_CORRUPT', `the archive has no byte ${tarOffsetBytes} of tar`)
    return this.frame(low)
  }

  frame(number: number): FramePlace {
    return {
      number,
      fileOffsetBytes: number === 0 ? 0 : this.#fileEnds[number - 1]!,
      tarOffsetBytes: number === 0 ? 0 : this.#tarEnds[number - 1]!,
      ...this.#entry(number),
    }
  }

  #entry(number: number) {
    return parseSeekEntry(this.#table, SKIPPABLE_HEADER_BYTES + number * SEEK_ENTRY_BYTES)
  }
}

function damaged(): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', "the archive's seek table is damaged")
}
