// Files with holes in a tar: GNU's sparse format 1.0, which GNU tar and bsdtar give back with their holes.
//
// The member's content is a map and the data, one stretch behind the other. The map is decimal numbers, a
// line each: how many stretches, then offset and length of each; filled up with zeros to 512 bytes. The
// last stretch, where the file ends in a hole, is empty and lies at the file's end.

import { EXTENTS_MAX } from '../domain/sparse-map.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { SparseMap } from '../domain/sparse-map.ts'

const RECORD_BYTES = 512

export function encodeSparseMap({ extents }: SparseMap, sizeBytes: number): Buffer {
  const lines: string[] = []
  let end = 0
  for (let at = 0; at < extents.length; at += 2) {
    end = extents[at]! + extents[at + 1]!
    lines.push(`${extents[at]}\n${extents[at + 1]}\n`)
  }
  if (end < sizeBytes) lines.push(`${sizeBytes}\n0\n`)
  const text = `${lines.length}\n${lines.join('')}`
  const bytes = Buffer.alloc(Math.ceil(text.length / RECORD_BYTES) * RECORD_BYTES)
  bytes.write(text, 'latin1')
  return bytes
}

export type SparseFile = {
  /** With its holes. */
  readonly sizeBytes: number
  /** Of the member's content in the tar: map and data. */
  readonly storedBytes: number
  readonly offsetBytes: number
}

export type SparseSink = {
  content(bytes: Buffer): void
  hole(sizeBytes: number): void
}

// With the empty one at the end.
const ENTRIES_MAX = EXTENTS_MAX + 1
// 2^53 has sixteen digits.
const DIGITS_MAX = 16

/** Takes such content piece by piece, and gives the file: data and holes, in order. */
export class SparseReader {
  readonly #file: SparseFile
  readonly #sink: SparseSink
  /** Offset and length of each stretch, once there is a number of them. */
  #map: Float64Array | undefined
  #numbers = 0
  #digits = 0
  #value = 0
  #mapBytes = 0
  #isMapWhole = false
  // Where we are: in which stretch, and where in the file.
  #entry = 0
  #at = 0

  constructor(file: SparseFile, sink: SparseSink) {
    this.#file = file
    this.#sink = sink
  }

  take(bytes: Buffer): void {
    let from = 0
    while (from < bytes.length && !this.#isMapWhole) {
      this.#takeMapByte(bytes[from]!)
      from += 1
    }
    while (from < bytes.length) from += this.#takeData(bytes.subarray(from))
  }

  end(): void {
    if (!this.#isMapWhole) throw this.#refused('ends in its map')
    this.#skipTo(this.#file.sizeBytes)
  }

  #takeMapByte(byte: number): void {
    this.#mapBytes += 1
    if (this.#map !== undefined && this.#numbers === this.#map.length) {
      // The rest of the map's last record.
    } else if (byte >= 0x30 && byte <= 0x39) {
      this.#value = 10 * this.#value + (byte - 0x30)
      this.#digits += 1
      if (this.#digits > DIGITS_MAX) throw this.#refused('has a number that is too large')
    } else if (byte === 0x0a && this.#digits > 0) this.#takeNumber(this.#value)
    else throw this.#refused('has something in its map that is no number')
    const hasAll = this.#map !== undefined && this.#numbers === this.#map.length
    if (hasAll && this.#mapBytes % RECORD_BYTES === 0) this.#checkMap()
  }

  #takeNumber(value: number): void {
    this.#digits = 0
    this.#value = 0
    if (this.#map === undefined) {
      if (value > ENTRIES_MAX) throw this.#refused(`has ${value} stretches of data`)
      this.#map = new Float64Array(2 * value)
      return
    }
    if (!Number.isSafeInteger(value)) throw this.#refused('has a number that is too large')
    this.#map[this.#numbers] = value
    this.#numbers += 1
  }

  #checkMap(): void {
    const map = this.#map!
    const { sizeBytes, storedBytes } = this.#file
    let end = 0
    let dataBytes = 0
    for (let at = 0; at < map.length; at += 2) {
      if (map[at]! < end) throw this.#refused('has data that overlaps')
      end = map[at]! + map[at + 1]!
      dataBytes += map[at + 1]!
      if (end > sizeBytes) throw this.#refused('has data beyond its size')
    }
    if (this.#mapBytes + dataBytes !== storedBytes)
      throw this.#refused('has another amount of data than its map says')
    this.#isMapWhole = true
  }

  /** Returns how many bytes it took. */
  #takeData(bytes: Buffer): number {
    const map = this.#map!
    while (this.#entry < map.length && this.#at >= map[this.#entry]! + map[this.#entry + 1]!)
      this.#entry += 2
    // More than the map promised never comes: it was compared with the member's size.
    const offset = map[this.#entry]!
    this.#skipTo(offset)
    const left = offset + map[this.#entry + 1]! - this.#at
    const length = Math.min(left, bytes.length)
    this.#sink.content(bytes.subarray(0, length))
    this.#at += length
    return length
  }

  #skipTo(offset: number): void {
    if (offset <= this.#at) return
    this.#sink.hole(offset - this.#at)
    this.#at = offset
  }

  #refused(what: string): SpillwayError {
    return new SpillwayError(
      'ARCHIVE_REFUSED',
      `the tar has a sparse file that ${what} (at byte ${this.#file.offsetBytes} of it)`,
    )
  }
}
