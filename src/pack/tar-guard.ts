// A strict look at every tar header before tar-stream sees it.
//
// tar-stream decodes and streams well, but it trusts: a negative length in a pax record keeps it in a
// loop for ever, a negative size of an extension hides a header in another one's body, pax bytes that
// are no UTF-8 are bent, content of a folder is read as headers, negative numbers are off by one, and
// neither a missing end nor what comes after it is noticed. So this guard walks the same bytes first,
// takes numbers and extension records itself, and refuses whatever Spillway never writes; tar-reader.ts
// then refuses an archive whose members the two do not see alike (size smuggling lives from that).

import { isPaxNumber, microsecondsOf, parsePaxRecords, parsePaxTime } from './pax-records.ts'
import { TAR_RECORD_BYTES } from './tar-header.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { PaxRecords, PaxTime, ReadAttribute } from './pax-records.ts'
import type { ByteString, TarKind } from './tar-header.ts'

/** What a member's headers say; names only where an extension gave them. */
export type GuardedHeader = {
  /** In the tar stream, of the first of its headers. */
  readonly offsetBytes: number
  readonly kind: TarKind
  readonly path: ByteString | undefined
  readonly linkTarget: ByteString | undefined
  readonly sizeBytes: number
  /** Of its content in the tar: of a file with holes map and data, otherwise its size. */
  readonly storedBytes: number
  /** Its content is a map and data (tar-sparse.ts). */
  readonly isSparse: boolean
  /** Of a file with holes that is not named by its header. */
  readonly sparseName: ByteString | undefined
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
  /** The same, cut towards zero: what every Node can set. */
  readonly mtimeUs: number
  readonly attributes: readonly ReadAttribute[]
  readonly deviceMajor: number
  readonly deviceMinor: number
}

/** Bytes of one extension (pax records, a GNU long name): no real path or attribute comes near it. */
export const EXTENSION_BYTES_MAX = 1024 * 1024

// Below the 2^32 inodes of ext4: more members than that cannot be restored there anyway.
const MEMBERS_MAX = 2 ** 32

const KINDS: Readonly<Record<number, TarKind>> = {
  0x00: 'file',
  0x30: 'file',
  0x31: 'hard-link',
  0x32: 'symlink',
  0x33: 'character-device',
  0x34: 'block-device',
  0x35: 'directory',
  0x36: 'fifo',
  0x37: 'file',
}

const PAX = 0x78
const GNU_NAME = 0x4c
const GNU_LINK = 0x4b

type Extensions = {
  readonly offsetBytes: number
  pax: PaxRecords | undefined
  path: ByteString | undefined
  linkTarget: ByteString | undefined
}

export class TarGuard {
  readonly #onHeader: (header: GuardedHeader) => void
  #offsetBytes = 0
  #contentLeft = 0
  #extensions: Extensions | undefined
  #zeroRecords = 0
  #memberCount = 0

  constructor(onHeader: (header: GuardedHeader) => void) {
    this.#onHeader = onHeader
  }

  /**
   * Looks at the next bytes of the stream and returns how many of them are settled. The rest is the
   * beginning of a header or an extension: it must come again, with more behind it.
   */
  scan(bytes: Buffer): number {
    let at = 0
    for (;;) {
      const content = Math.min(this.#contentLeft, bytes.length - at)
      this.#contentLeft -= content
      at += content
      if (at + TAR_RECORD_BYTES > bytes.length) break
      const used = this.#scanRecord(bytes, at)
      if (used === 0) break
      at += used
    }
    this.#offsetBytes += at
    return at
  }

  /** At the end of the stream; `leftBytes` are those that scan did not settle. */
  finish(leftBytes: number): void {
    if (this.#contentLeft > 0 || leftBytes > 0 || this.#extensions !== undefined)
      throw corrupt(this.#offsetBytes + leftBytes, 'ends in the middle of a member')
    // Two records of zeros; what follows them to the end of the stream is zeros too.
    if (this.#zeroRecords < 2) throw corrupt(this.#offsetBytes, "ends before the tar's end marker")
  }

  /** Returns the bytes used; 0 when the extension that begins here is not whole yet. */
  #scanRecord(bytes: Buffer, at: number): number {
    const record = bytes.subarray(at, at + TAR_RECORD_BYTES)
    const offset = this.#offsetBytes + at
    if (record[0] === 0 && isZero(record)) {
      if (this.#extensions !== undefined) throw corrupt(offset, 'ends after an extension')
      this.#zeroRecords += 1
      return TAR_RECORD_BYTES
    }
    if (this.#zeroRecords > 0) throw refused(offset, 'goes on after its end marker')
    checkMagic(record, offset)
    const type = record[156]!
    if (type === PAX || type === GNU_NAME || type === GNU_LINK)
      return this.#scanExtension(bytes, at, offset)
    this.#scanMember(record, offset)
    return TAR_RECORD_BYTES
  }

  #scanExtension(bytes: Buffer, at: number, offset: number): number {
    const sizeBytes = sizeOf(bytes, at, offset)
    if (sizeBytes > EXTENSION_BYTES_MAX)
      throw refused(offset, `has an extension of ${sizeBytes} bytes`)
    const begin = at + TAR_RECORD_BYTES
    const spanBytes = TAR_RECORD_BYTES + padded(sizeBytes)
    if (at + spanBytes > bytes.length) return 0

    const body = bytes.subarray(begin, begin + sizeBytes)
    const type = bytes[at + 156]!
    const held = (this.#extensions ??= {
      offsetBytes: offset,
      pax: undefined,
      path: undefined,
      linkTarget: undefined,
    })
    const isRepeated =
      (type === PAX && held.pax !== undefined) ||
      (type === GNU_NAME && held.path !== undefined) ||
      (type === GNU_LINK && held.linkTarget !== undefined)
    if (isRepeated) throw refused(offset, 'has two extensions of a kind for one member')
    if (type === PAX) held.pax = parsePaxRecords(body, offset)
    else if (type === GNU_NAME) held.path = gnuName(body, offset)
    else held.linkTarget = gnuName(body, offset)
    return spanBytes
  }

  #scanMember(record: Buffer, offset: number): void {
    const kind = KINDS[record[156]!]
    if (kind === undefined) throw refused(offset, `has a member of type ${typeText(record[156]!)}`)
    const { path, linkTarget, offsetBytes, ...extensions } = this.#extensions ?? NO_EXTENSIONS
    const pax = extensions.pax?.values
    if (path !== undefined && pax?.has('path') === true)
      throw refused(offset, 'names a member in two ways')
    if (linkTarget !== undefined && pax?.has('linkpath') === true)
      throw refused(offset, 'names a link target in two ways')

    const storedBytes = numberOf(pax, 'size', offset) ?? sizeOf(record, 0, offset)
    // Other readers of tar skip such content, or do not: there lies a second list of members.
    if (kind !== 'file' && storedBytes > 0) throw refused(offset, `gives content to a ${kind}`)
    this.#onHeader({
      offsetBytes: this.#extensions === undefined ? offset : offsetBytes,
      kind,
      path: pax?.get('path')?.toString('latin1') ?? path,
      linkTarget: pax?.get('linkpath')?.toString('latin1') ?? linkTarget,
      ...sparseOf({ pax, kind, storedBytes, isNamed: path !== undefined }, offset),
      storedBytes,
      mode: unsigned(record, 100, 8, offset) & 0o7777,
      uid: numberOf(pax, 'uid', offset) ?? unsigned(record, 108, 8, offset),
      gid: numberOf(pax, 'gid', offset) ?? unsigned(record, 116, 8, offset),
      ...timesOf(pax, record, offset),
      attributes: extensions.pax?.attributes ?? NO_ATTRIBUTES,
      deviceMajor: unsigned(record, 329, 8, offset),
      deviceMinor: unsigned(record, 337, 8, offset),
    })
    this.#extensions = undefined
    this.#contentLeft = padded(storedBytes)
    this.#memberCount += 1
    if (this.#memberCount > MEMBERS_MAX) throw refused(offset, 'has too many members')
  }
}

const NO_EXTENSIONS: Extensions = {
  offsetBytes: 0,
  pax: undefined,
  path: undefined,
  linkTarget: undefined,
}

function checkMagic(record: Buffer, offset: number): void {
  let sum = 8 * 0x20
  for (let at = 0; at < 148; at += 1) sum += record[at]!
  for (let at = 156; at < TAR_RECORD_BYTES; at += 1) sum += record[at]!
  if (sum !== parseNumber(record, 148, 8)) throw corrupt(offset, 'has a damaged header')
  const magic = record.toString('latin1', 257, 265)
  if (magic !== 'ustar\x0000' && magic !== 'ustar  \0')
    throw refused(offset, 'has a header that is neither ustar nor GNU')
}

function gnuName(body: Buffer, offset: number): ByteString {
  const end = body.at(-1) === 0 ? body.length - 1 : body.length
  const name = body.toString('latin1', 0, end)
  if (name === '' || name.includes('\0')) throw refused(offset, 'has a NUL in a name')
  return name
}

function sizeOf(bytes: Buffer, at: number, offset: number): number {
  return unsigned(bytes, at + 124, 12, offset)
}

const NO_ATTRIBUTES: readonly ReadAttribute[] = []

const SPARSE_KEYS = [
  'GNU.sparse.major',
  'GNU.sparse.minor',
  'GNU.sparse.realsize',
  'GNU.sparse.name',
]

/** GNU's format 1.0 and no other: it is what this version writes. */
function sparseOf(
  member: {
    readonly pax: ReadonlyMap<string, Buffer> | undefined
    readonly kind: TarKind
    readonly storedBytes: number
    readonly isNamed: boolean
  },
  offset: number,
): Pick<GuardedHeader, 'sizeBytes' | 'isSparse' | 'sparseName'> {
  const { pax, kind, storedBytes, isNamed } = member
  if (pax === undefined || !SPARSE_KEYS.some((key) => pax.has(key)))
    return { sizeBytes: storedBytes, isSparse: false, sparseName: undefined }
  const version = `${pax.get('GNU.sparse.major')?.toString()}.${pax.get('GNU.sparse.minor')?.toString()}`
  const sizeBytes = numberOf(pax, 'GNU.sparse.realsize', offset)
  if (version !== '1.0' || sizeBytes === undefined || kind !== 'file' || storedBytes === 0)
    throw refused(offset, 'holds a sparse file of a kind that this version cannot restore')
  const sparseName = pax.get('GNU.sparse.name')?.toString('latin1')
  if (sparseName !== undefined && (isNamed || pax.has('path')))
    throw refused(offset, 'names a member in two ways')
  return { sizeBytes, isSparse: true, sparseName }
}

function timesOf(
  pax: ReadonlyMap<string, Buffer> | undefined,
  record: Buffer,
  offset: number,
): PaxTime & { readonly mtimeUs: number } {
  const text = pax?.get('mtime')?.toString('latin1')
  const time = text === undefined ? undefined : parsePaxTime(text)
  if (time !== undefined) return { ...time, mtimeUs: microsecondsOf(time) }
  const seconds = text === undefined ? parseNumber(record, 136, 12) : undefined
  if (seconds === undefined) throw refused(offset, 'has a time that is no number')
  return { mtimeSeconds: seconds, mtimeNanos: 0, mtimeUs: seconds * 1e6 }
}

function numberOf(
  pax: ReadonlyMap<string, Buffer> | undefined,
  key: 'size' | 'uid' | 'gid' | 'GNU.sparse.realsize',
  offset: number,
): number | undefined {
  const text = pax?.get(key)?.toString('latin1')
  if (text === undefined) return undefined
  if (!isPaxNumber(text)) throw refused(offset, `has the ${key} "${text.slice(0, 40)}"`)
  return Number(text)
}

function unsigned(bytes: Buffer, at: number, width: number, offset: number): number {
  const value = parseNumber(bytes, at, width)
  if (value === undefined || value < 0)
    throw refused(offset, 'has a number in a header that is none, or below zero')
  return value
}

/** Octal text, or GNU's base 256 for what is too large or below zero. undefined: neither. */
export function parseNumber(bytes: Buffer, at: number, width: number): number | undefined {
  const first = bytes[at]!
  if (first === 0x80 || first === 0xff) {
    let value = first === 0xff ? -1n : 0n
    for (let place = at + 1; place < at + width; place += 1)
      value = (value << 8n) | BigInt(bytes[place]!)
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : undefined
  }
  let place = at
  const end = at + width
  while (place < end && bytes[place] === 0x20) place += 1
  let value = 0
  while (place < end && bytes[place]! >= 0x30 && bytes[place]! <= 0x37) {
    value = value * 8 + bytes[place]! - 0x30
    place += 1
  }
  // Ended by spaces and NULs, or by the field itself.
  for (; place < end; place += 1) if (bytes[place] !== 0 && bytes[place] !== 0x20) return undefined
  return value
}

function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_RECORD_BYTES) * TAR_RECORD_BYTES
}

function isZero(record: Buffer): boolean {
  return record.every((byte) => byte === 0)
}

function typeText(type: number): string {
  return type > 0x20 && type < 0x7f ? `"${String.fromCharCode(type)}"` : `0x${type.toString(16)}`
}

function refused(offset: number, what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', `the tar ${what} (at byte ${offset} of it)`)
}

function corrupt(offset: number, what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the tar ${what} (at byte ${offset} of it)`)
}
