// The history of files: which versions of each path the archives of one source hold, as records that
// are small enough to keep for years.
//
// A version is a path with its type, size, time and mode, and the stretch of archives that hold it:
// archives of a source are numbered in the order in which they were recorded (the serial). A file that
// stays the same for a year is one record, however many archives hold it. Each record stands for
// itself, so archives may be deleted, or recorded late, without touching the records of others.
//
// Records are packed into blocks, in the order of paths. Nothing here knows where blocks are kept.

import { crc32 } from 'node:zlib'
import { SpillwayError } from './errors.ts'
import { writeLatin1 } from '../lib/latin1.ts'

/** As in the index of an archive; the order is part of the format. */
export const FILE_KINDS = [
  'file',
  'hard-link',
  'symlink',
  'character-device',
  'block-device',
  'directory',
  'fifo',
] as const

export type FileKind = (typeof FILE_KINDS)[number]

/** What makes a version: when one of these differs it is another one. */
export type FileState = {
  readonly kind: FileKind
  readonly sizeBytes: number
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
  readonly mode: number
}

export type FileVersion = FileState & {
  /** Bytes, one character each (latin1), without a slash at its end; '' is the archived folder. */
  readonly path: string
  readonly firstSerial: number
  /** undefined: up to the archive recorded last. */
  readonly lastSerial: number | undefined
}

/** Versions of one stretch of paths, not yet compressed. */
export type RawVersionBlock = {
  readonly bytes: Buffer
  readonly versionCount: number
  readonly firstPath: string
}

/** Some 2 000 versions: large enough to compress well, small enough that one path costs little. */
export const VERSION_BLOCK_BYTES = 64 * 1024

export function isSameState(a: FileState, b: FileState): boolean {
  return (
    a.sizeBytes === b.sizeBytes &&
    a.mtimeSeconds === b.mtimeSeconds &&
    a.mtimeNanos === b.mtimeNanos &&
    a.mode === b.mode &&
    a.kind === b.kind
  )
}

// Seven bits a byte: 2^53 - 1 takes 8 bytes. Eight numbers, and a byte of flags.
const NUMBER_BYTES_MAX = 8
const RECORD_BYTES_MAX = 8 * NUMBER_BYTES_MAX + 1
const CHECKSUM_BYTES = 4

const KIND_MASK = 0x07
const HAS_MODE = 0x08
const HAS_NANOS = 0x10
const IS_CLOSED = 0x20
const HAS_FIRST = 0x40

const KIND_NUMBERS: Readonly<Record<FileKind, number>> = Object.fromEntries(
  FILE_KINDS.map((kind, number) => [kind, number]),
) as Record<FileKind, number>

/** Versions must come in the order of their paths. */
export class VersionEncoder {
  readonly #onBlock: (block: RawVersionBlock) => void
  readonly #blockBytes: number
  #bytes: Buffer
  #at = CHECKSUM_BYTES
  #count = 0
  #firstPath = ''
  #path = ''
  #mode = 0
  #firstSerial = 0

  constructor(onBlock: (block: RawVersionBlock) => void, blockBytes = VERSION_BLOCK_BYTES) {
    this.#onBlock = onBlock
    this.#blockBytes = blockBytes
    this.#bytes = Buffer.allocUnsafeSlow(blockBytes)
  }

  /** Of the block that is being filled. */
  get pendingBytes(): number {
    return this.#count === 0 ? 0 : this.#at
  }

  add(version: FileVersion): void {
    const { path, mode, mtimeNanos, firstSerial, lastSerial } = version
    const needed = RECORD_BYTES_MAX + path.length
    if (this.#at + needed > this.#bytes.length) this.#makeRoom(needed)
    if (this.#count === 0) this.#firstPath = path
    const bytes = this.#bytes
    const shared = sharedLength(this.#path, path)
    const hasMode = mode !== this.#mode
    const hasFirst = firstSerial !== this.#firstSerial
    let at = this.#at
    bytes[at] =
      KIND_NUMBERS[version.kind] |
      (hasMode ? HAS_MODE : 0) |
      (mtimeNanos === 0 ? 0 : HAS_NANOS) |
      (lastSerial === undefined ? 0 : IS_CLOSED) |
      (hasFirst ? HAS_FIRST : 0)
    at = writeNumber(bytes, at + 1, shared)
    at = writeNumber(bytes, at, path.length - shared)
    if (shared < path.length) at += writeLatin1(bytes, path.slice(shared), at)
    at = writeNumber(bytes, at, version.sizeBytes)
    at = writeNumber(bytes, at, zigzag(version.mtimeSeconds))
    if (mtimeNanos !== 0) at = writeNumber(bytes, at, mtimeNanos)
    if (hasMode) at = writeNumber(bytes, at, mode)
    if (hasFirst) at = writeNumber(bytes, at, firstSerial)
    if (lastSerial !== undefined) at = writeNumber(bytes, at, lastSerial - firstSerial)
    this.#at = at
    this.#path = path
    this.#mode = mode
    this.#firstSerial = firstSerial
    this.#count += 1
  }

  flush(): void {
    if (this.#count === 0) return
    const bytes = this.#bytes.subarray(0, this.#at)
    bytes.writeUInt32LE(crc32(bytes.subarray(CHECKSUM_BYTES)), 0)
    this.#onBlock({ bytes, versionCount: this.#count, firstPath: this.#firstPath })
    // The receiver keeps the old one.
    this.#bytes = Buffer.allocUnsafeSlow(this.#blockBytes)
    this.#at = CHECKSUM_BYTES
    this.#count = 0
    this.#path = ''
    this.#mode = 0
    this.#firstSerial = 0
  }

  #makeRoom(needed: number): void {
    this.flush()
    // A path may be longer than a block.
    const bytes = CHECKSUM_BYTES + needed
    if (bytes > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(bytes)
  }
}

/**
 * Goes through the versions of one block without making an object of each: most of them are only
 * looked at. Throws CATALOG_CORRUPT for what is no such block.
 */
export class VersionReader {
  path = ''
  kind: FileKind = 'file'
  sizeBytes = 0
  mtimeSeconds = 0
  mtimeNanos = 0
  mode = 0
  firstSerial = 0
  lastSerial: number | undefined
  /** The path is the one of the version before, in this block. */
  isSamePath = false
  readonly #bytes: Buffer
  #at = CHECKSUM_BYTES
  #isFirst = true

  constructor(bytes: Buffer) {
    const isWhole =
      bytes.length > CHECKSUM_BYTES &&
      crc32(bytes.subarray(CHECKSUM_BYTES)) === bytes.readUInt32LE(0)
    if (!isWhole) throw damagedHistory()
    this.#bytes = bytes
  }

  /** false: there are no more. */
  next(): boolean {
    const bytes = this.#bytes
    if (this.#at >= bytes.length) return false
    const flags = bytes[this.#at]!
    this.#at += 1
    const kind = FILE_KINDS[flags & KIND_MASK]
    if (kind === undefined) throw damagedHistory()
    this.kind = kind
    this.#readPath()
    this.sizeBytes = this.#number()
    const time = this.#number()
    this.mtimeSeconds = time % 2 === 0 ? time / 2 : -(time + 1) / 2
    this.mtimeNanos = (flags & HAS_NANOS) === 0 ? 0 : this.#number()
    if ((flags & HAS_MODE) !== 0) this.mode = this.#number()
    if ((flags & HAS_FIRST) !== 0) this.firstSerial = this.#number()
    this.lastSerial = (flags & IS_CLOSED) === 0 ? undefined : this.firstSerial + this.#number()
    return true
  }

  /** From the first one on, once more. */
  again(): VersionReader {
    return new VersionReader(this.#bytes)
  }

  version(): FileVersion {
    const { path, kind, sizeBytes, mtimeSeconds, mtimeNanos, mode, firstSerial, lastSerial } = this
    return { path, kind, sizeBytes, mtimeSeconds, mtimeNanos, mode, firstSerial, lastSerial }
  }

  #readPath(): void {
    const shared = this.#number()
    const length = this.#number()
    const end = this.#at + length
    if (shared > this.path.length || end > this.#bytes.length) throw damagedHistory()
    this.isSamePath = length === 0 && shared === this.path.length && !this.#isFirst
    this.#isFirst = false
    if (length === 0 && shared === this.path.length) return
    this.path = this.path.slice(0, shared) + this.#bytes.toString('latin1', this.#at, end)
    this.#at = end
  }

  #number(): number {
    const bytes = this.#bytes
    const first = bytes[this.#at]
    if (first === undefined) throw damagedHistory()
    this.#at += 1
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let factor = 128, place = 1; place < NUMBER_BYTES_MAX; place += 1, factor *= 128) {
      const byte = bytes[this.#at]
      if (byte === undefined) break
      this.#at += 1
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    throw damagedHistory()
  }
}

function writeNumber(out: Buffer, at: number, value: number): number {
  let rest = value
  let place = at
  while (rest > 0x7f) {
    out[place] = (rest % 128) | 0x80
    rest = rest > 0x7fffffff ? Math.floor(rest / 128) : rest >>> 7
    place += 1
  }
  out[place] = rest
  return place + 1
}

/** Signed numbers by turns: 0, -1, 1, -2, ... */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function sharedLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length)
  let at = 0
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at += 1
  return at
}

/** Of what we keep in a healthy database: it can be made again from the archives. */
export function damagedHistory(cause?: unknown): SpillwayError {
  return new SpillwayError('CATALOG_CORRUPT', 'the history of files in the catalog is damaged', {
    cause,
    facts: { isHistory: true },
    hint: 'the next run fills it again from the indexes of the archives, which are not touched',
  })
}

export function isDamagedHistory(error: unknown): boolean {
  return error instanceof SpillwayError && error.facts['isHistory'] === true
}
