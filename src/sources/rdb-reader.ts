// Reads a Redis snapshot (RDB) as it passes: that it begins like one, that its last byte before the checksum
// is the mark of the end, and that the CRC-64 over all of it is right, which the server's own loader
// asks as well.

import { Crc64, crcText } from './crc64.ts'
import type { FoundInOutput, OutputReader } from './output-format.ts'

// "REDIS0011", and "VALKEY080" of Valkey 9: a word and the version, nine bytes either way.
const HEADER = /^(?:REDIS(\d{4})|VALKEY(\d{3}))$/
const HEADER_BYTES = 9
const CHECKSUM_BYTES = 8
const END_MARK = 0xff
/** Older ones have no checksum. */
const CHECKSUM_SINCE = 5

export class RdbReader implements OutputReader {
  readonly #crc = new Crc64('jones')
  #header = Buffer.alloc(0)
  /** The last bytes, which may be mark and checksum. */
  #tail = Buffer.alloc(0)
  #totalBytes = 0

  see(piece: Buffer): void {
    this.#totalBytes += piece.length
    const missing = HEADER_BYTES - this.#header.length
    if (missing > 0) this.#header = Buffer.concat([this.#header, piece.subarray(0, missing)])
    // Everything but the checksum is summed; it is known to be that only at the end.
    const held = this.#tail
    if (piece.length >= CHECKSUM_BYTES) {
      this.#crc.update(held)
      this.#crc.update(piece.subarray(0, -CHECKSUM_BYTES))
      this.#lastByte(held, piece.subarray(0, -CHECKSUM_BYTES))
      this.#tail = Buffer.from(piece.subarray(-CHECKSUM_BYTES))
      return
    }
    const joined = Buffer.concat([held, piece])
    const passed = joined.subarray(0, Math.max(0, joined.length - CHECKSUM_BYTES))
    this.#crc.update(passed)
    this.#lastByte(passed)
    this.#tail = Buffer.from(joined.subarray(passed.length))
  }

  end(): FoundInOutput {
    const header = this.#header.toString('latin1')
    const [isOne, redis, valkey] = HEADER.exec(header) ?? []
    if (isOne === undefined)
      return { problem: `does not begin like a snapshot, but with ${JSON.stringify(header)}` }
    if (Number(redis ?? valkey) < CHECKSUM_SINCE)
      return { problem: `is of version ${Number(redis)}, which has no checksum` }
    const cut = `ends in the middle, after ${this.#totalBytes} bytes`
    if (this.#beforeTail !== END_MARK) return { problem: cut }
    const given = this.#tail.readBigUInt64LE()
    if (given === 0n) return { unchecked: 'the server writes no checksum (rdbchecksum no)' }
    const computed = this.#crc.value()
    if (given === computed) return {}
    return { problem: `has the checksum ${crcText(given)}, and its content ${crcText(computed)}` }
  }

  #beforeTail = -1

  #lastByte(...passed: readonly Buffer[]): void {
    const last = passed.findLast(({ length }) => length > 0)
    if (last !== undefined) this.#beforeTail = last[last.length - 1]!
  }
}
