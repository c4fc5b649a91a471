// Reads a Redis snapshot (RDB) as it passes: that it begins like one, that its last byte before the checksum
// is the mark of the end, and that the CRC-64 over all of it is right, which the server's own loader
// asks as well.

import type { FoundInOutput, OutputReader } from './output-format.ts'

// "REDIS0011", and "VALKEY080" of Valkey 9: a word and the version, nine bytes either way.
const HEADER = /^(?:REDIS(\d{4})|VALKEY(\d{3}))$/
const HEADER_BYTES = 9
const CHECKSUM_BYTES = 8
const END_MARK = 0xff
/** Older ones have no checksum. */
const CHECKSUM_SINCE = 5

// The polynomial of Jones, reflected, as in crc64.c; as halves of 32 bits, since big integers are slow.
const POLYNOMIAL_HIGH = 0x95ac9329
const POLYNOMIAL_LOW = 0xac4bc9b5
// So many bytes at once: 8 tables of 256.
const SLICES = 8

export class RdbReader implements OutputReader {
  readonly #crc = new Crc64()
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
    return { problem: `has the checksum ${hex(given)}, and its content ${hex(computed)}` }
  }

  #beforeTail = -1

  #lastByte(...passed: readonly Buffer[]): void {
    const last = passed.findLast(({ length }) => length > 0)
    if (last !== undefined) this.#beforeTail = last[last.length - 1]!
  }
}

/** Eight bytes at a time ("slicing by 8"). */
export class Crc64 {
  #high = 0
  #low = 0

  update(bytes: Uint8Array): void {
    const [highs, lows] = TABLES
    let high = this.#high
    let low = this.#low
    let at = 0
    for (const whole = bytes.length - (bytes.length % SLICES); at < whole; at += SLICES) {
      const a = low ^ word(bytes, at)
      const b = high ^ word(bytes, at + 4)
      const i0 = 0x700 | (a & 255)
      const i1 = 0x600 | ((a >>> 8) & 255)
      const i2 = 0x500 | ((a >>> 16) & 255)
      const i3 = 0x400 | (a >>> 24)
      const i4 = 0x300 | (b & 255)
      const i5 = 0x200 | ((b >>> 8) & 255)
      const i6 = 0x100 | ((b >>> 16) & 255)
      const i7 = b >>> 24
      high = highs[i0]! ^ highs[i1]! ^ highs[i2]! ^ highs[i3]!
      high ^= highs[i4]! ^ highs[i5]! ^ highs[i6]! ^ highs[i7]!
      low = lows[i0]! ^ lows[i1]! ^ lows[i2]! ^ lows[i3]!
      low ^= lows[i4]! ^ lows[i5]! ^ lows[i6]! ^ lows[i7]!
    }
    for (; at < bytes.length; at += 1) {
      const index = (low ^ bytes[at]!) & 255
      low = ((low >>> 8) | (high << 24)) ^ lows[index]!
      high = (high >>> 8) ^ highs[index]!
    }
    this.#high = high
    this.#low = low
  }

  value(): bigint {
    return (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0)
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

const TABLES = makeTables()

/** [upper halves, lower halves]; table N is at N * 256, and N bytes of zero behind table 0. */
function makeTables(): readonly [Int32Array, Int32Array] {
  const highs = new Int32Array(SLICES * 256)
  const lows = new Int32Array(SLICES * 256)
  for (let index = 0; index < 256; index += 1) {
    let [high, low] = [0, index]
    for (let bit = 0; bit < 8; bit += 1) {
      const isOdd = (low & 1) === 1
      low = (low >>> 1) | (high << 31)
      high >>>= 1
      if (isOdd) [high, low] = [high ^ POLYNOMIAL_HIGH, low ^ POLYNOMIAL_LOW]
    }
    highs[index] = high
    lows[index] = low
  }
  for (let at = 256; at < SLICES * 256; at += 1) {
    const [high, low] = [highs[at - 256]!, lows[at - 256]!]
    lows[at] = ((low >>> 8) | (high << 24)) ^ lows[low & 255]!
    highs[at] = (high >>> 8) ^ highs[low & 255]!
  }
  return [highs, lows]
}

function hex(value: bigint): string {
  return value.toString(16).padStart(CHECKSUM_BYTES * 2, '0')
}
