// Numbers in the index: seven bits a byte, the lowest first, the high bit set on all but the last
// (LEB128). Up to 2^53 - 1, what a number of JavaScript holds exactly.

import { SpillwayError } from '../domain/errors.ts'

/** Most bytes of one number: 53 bits by 7. */
export const VARINT_BYTES_MAX = 8

/** Writes at `at`; returns the place behind. */
export function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value
  let place = at
  while (rest > 0x7f) {
    out[place] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
    place += 1
  }
  out[place] = rest
  return place + 1
}

/** Signed numbers by turns: 0, -1, 1, -2, ... */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

/** Reads what the functions above wrote; throws ARCHIVE_CORRUPT where it cannot be that. */
export class VarintReader {
  readonly bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.bytes.length
  }

  number(): number {
    let value = 0
    for (let place = 0, weight = 1; place < VARINT_BYTES_MAX; place += 1, weight *= 128) {
      const byte = this.bytes[this.#at]
      if (byte === undefined) throw corrupt()
      this.#at += 1
      value += (byte & 0x7f) * weight
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw corrupt()
        return value
      }
    }
    throw corrupt()
  }

  signed(): number {
    const value = this.number()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  slice(length: number): Buffer {
    const end = this.#take(length)
    return this.bytes.subarray(end - length, end)
  }

  /** One character per byte. */
  text(length: number): string {
    const end = this.#take(length)
    return this.bytes.toString('latin1', end - length, end)
  }

  /** Where they end. */
  #take(length: number): number {
    const end = this.#at + length
    if (end > this.bytes.length) throw corrupt()
    this.#at = end
    return end
  }
}

function corrupt(): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', "the archive's index is damaged")
}
