// CRC-64 in the two ways that dumps have it: Redis' and the one of ECMA-182, in which Go's library, and with it
// mongodump, adds up an archive. Both are reflected; eight bytes at a time ("slicing by 8"), in halves of 32
// bits, since big integers are slow.

export type Crc64Kind = 'jones' | 'ecma'

type Variant = {
  readonly polynomial: readonly [high: number, low: number]
  /** What it begins with, and what its result is combined with. */
  readonly mask: number
}

const VARIANTS: Readonly<Record<Crc64Kind, Variant>> = {
  jones: { polynomial: [0x95ac9329, 0xac4bc9b5], mask: 0 },
  ecma: { polynomial: [0xc96c5795, 0xd7870f42], mask: -1 },
}

// So many bytes at once: 8 tables of 256.
const SLICES = 8
const DIGITS = 16

type Tables = readonly [highs: Int32Array, lows: Int32Array]

export class Crc64 {
  readonly #tables: Tables
  readonly #mask: number
  #high: number
  #low: number

  constructor(kind: Crc64Kind) {
    this.#tables = tablesOf(kind)
    this.#mask = VARIANTS[kind].mask
    this.#high = this.#mask
    this.#low = this.#mask
  }

  update(bytes: Uint8Array): void {
    const [highs, lows] = this.#tables
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
    const half = (bits: number): bigint => BigInt((bits ^ this.#mask) >>> 0)
    return (half(this.#high) << 32n) | half(this.#low)
  }
}

/** A checksum for a person. */
export function crcText(value: bigint): string {
  return value.toString(16).padStart(DIGITS, '0')
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

const made = new Map<Crc64Kind, Tables>()

function tablesOf(kind: Crc64Kind): Tables {
  const tables = made.get(kind) ?? makeTables(VARIANTS[kind])
  made.set(kind, tables)
  return tables
}

/** Table N is at N * 256, and N bytes of zero behind table 0. */
function makeTables({ polynomial }: Variant): Tables {
  const highs = new Int32Array(SLICES * 256)
  const lows = new Int32Array(SLICES * 256)
  for (let index = 0; index < 256; index += 1) {
    let [high, low] = [0, index]
    for (let bit = 0; bit < 8; bit += 1) {
      const isOdd = (low & 1) === 1
      low = (low >>> 1) | (high << 31)
      high >>>= 1
      if (isOdd) [high, low] = [high ^ polynomial[0], low ^ polynomial[1]]
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
