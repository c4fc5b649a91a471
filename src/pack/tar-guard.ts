// A strict look at every tar header: what tar-reader.ts makes members of.
//
// Libraries that read tar trust: in tar-stream a negative length in a pax record is a loop for ever, a
// negative size of an extension hides a header in another one's body, pax bytes that are no UTF-8 are
// bent, content of a folder is read as headers, negative numbers are off by one, and neither a missing
// end nor what comes after it is noticed. This guard refuses whatever Spillway never writes. Where time
// allows, tar-stream reads the same bytes after it, and must see the same members (tar-cross-reader.ts).

import { isPaxNumber, microsecondsOf, parsePaxRecords, parsePaxTime } from './pax-records.ts'
import {
  hasChecksum,
  isUstarOrGnu,
  isZero,
  linkTargetOf,
  nameOf,
  parseNumber,
} from './tar-fields.ts'
import { TAR_RECORD_BYTES } from './tar-header.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { PaxRecords, PaxTime, ReadAttribute } from './pax-records.ts'
import type { ByteString, TarKind } from './tar-header.ts'

/** What a member's headers say, as it stands in the archive: nothing about the path is checked here. */
export type GuardedHeader = {
  /** In the tar stream, of the first of its headers. */
  readonly offsetBytes: number
  readonly kind: TarKind
  readonly path: ByteString
  /** Of symlinks their text, of hard links a path; '' otherwise. */
  readonly linkTarget: ByteString
  readonly sizeBytes: number
  /** Of its content in the tar: of a file with holes map and data, otherwise its size. */
  readonly storedBytes: number
  /** Its content is a map and data (tar-sparse.ts). */
  readonly isSparse: boolean
  /** What its header calls it; of a file with holes that may be another name than its own. */
  readonly headerName: ByteString
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
  readonly #onContent: (bytes: Buffer, from: number, to: number) => void
  #offsetBytes = 0
  #contentLeft = 0
  #extensions: Extensions | undefined
  #zeroRecords = 0
  #memberCount = 0

  /** `onContent`: these bytes are a member's, and where it ends what fills up its last record. */
  constructor(
    onHeader: (header: GuardedHeader) => void,
    onContent: (bytes: Buffer, from: number, to: number) => void = () => {},
  ) {
    this.#onHeader = onHeader
    this.#onContent = onContent
  }

  /**
   * Looks at the next bytes of the stream and returns how many of them are settled. The rest is the
   * beginning of a header or an extension: it must come again, with more behind it.
   */
  scan(bytes: Buffer): number {
    let at = 0
    for (;;) {
      const content = Math.min(this.#contentLeft, bytes.length - at)
      if (content > 0) this.#onContent(bytes, at, at + content)
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
    const offset = this.#offsetBytes + at
    if (bytes[at] === 0 && isZero(bytes, at)) {
      if (this.#extensions !== undefined) throw corrupt(offset, 'ends after an extension')
      this.#zeroRecords += 1
      return TAR_RECORD_BYTES
    }
    if (this.#zeroRecords > 0) throw refused(offset, 'goes on after its end marker')
    checkMagic(bytes, at, offset)
    const type = bytes[at + 156]!
    if (type === PAX || type === GNU_NAME || type === GNU_LINK)
      return this.#scanExtension(bytes, at, offset)
    this.#scanMember(bytes, at, offset)
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

  #scanMember(bytes: Buffer, at: number, offset: number): void {
    const kind = KINDS[bytes[at + 156]!]
    if (kind === undefined)
      throw refused(offset, `has a member of type ${typeText(bytes[at + 156]!)}`)
    const held = this.#extensions ?? NO_EXTENSIONS
    const pax = held.pax?.values
    if (held.path !== undefined && pax?.has('path') === true)
      throw refused(offset, 'names a member in two ways')
    if (held.linkTarget !== undefined && pax?.has('linkpath') === true)
      throw refused(offset, 'names a link target in two ways')

    const storedBytes = numberOf(pax, 'size', offset) ?? sizeOf(bytes, at, offset)
    // Other readers of tar skip such content, or do not: there lies a second list of members.
    if (kind !== 'file' && storedBytes > 0) throw refused(offset, `gives content to a ${kind}`)
    const isNamed = held.path !== undefined || pax?.has('path') === true
    const sparse = sparseOf({ pax, kind, storedBytes, isNamed }, offset)
    const headerName = pax?.get('path')?.toString('latin1') ?? held.path ?? nameOf(bytes, at)
    const time = timeOf(pax, bytes, at, offset)
    this.#onHeader({
      offsetBytes: this.#extensions === undefined ? offset : held.offsetBytes,
      kind,
      path: sparse?.name ?? headerName,
      headerName,
      linkTarget:
        pax?.get('linkpath')?.toString('latin1') ?? held.linkTarget ?? linkTargetOf(bytes, at),
      sizeBytes: sparse?.sizeBytes ?? storedBytes,
      isSparse: sparse !== undefined,
      storedBytes,
      mode: unsigned(bytes, at + 100, 8, offset) & 0o7777,
      uid: numberOf(pax, 'uid', offset) ?? unsigned(bytes, at + 108, 8, offset),
      gid: numberOf(pax, 'gid', offset) ?? unsigned(bytes, at + 116, 8, offset),
      mtimeSeconds: time.mtimeSeconds,
      mtimeNanos: time.mtimeNanos,
      mtimeUs: microsecondsOf(time),
      attributes: held.pax?.attributes ?? NO_ATTRIBUTES,
      deviceMajor: unsigned(bytes, at + 329, 8, offset),
      deviceMinor: unsigned(bytes, at + 337, 8, offset),
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

function checkMagic(bytes: Buffer, at: number, offset: number): void {
  if (!hasChecksum(bytes, at)) throw corrupt(offset, 'has a damaged header')
  if (!isUstarOrGnu(bytes, at)) throw refused(offset, 'has a header that is neither ustar nor GNU')
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

/** GNU's format 1.0 and no other: it is what this version writes. undefined: not such a file. */
function sparseOf(
  member: {
    readonly pax: ReadonlyMap<string, Buffer> | undefined
    readonly kind: TarKind
    readonly storedBytes: number
    readonly isNamed: boolean
  },
  offset: number,
): { readonly sizeBytes: number; readonly name: ByteString | undefined } | undefined {
  const { pax, kind, storedBytes, isNamed } = member
  if (pax === undefined || !SPARSE_KEYS.some((key) => pax.has(key))) return undefined
  const version = `${pax.get('GNU.sparse.major')?.toString()}.${pax.get('GNU.sparse.minor')?.toString()}`
  const sizeBytes = numberOf(pax, 'GNU.sparse.realsize', offset)
  if (version !== '1.0' || sizeBytes === undefined || kind !== 'file' || storedBytes === 0)
    throw refused(offset, 'holds a sparse file of a kind that this version cannot restore')
  const name = pax.get('GNU.sparse.name')?.toString('latin1')
  if (name !== undefined && isNamed) throw refused(offset, 'names a member in two ways')
  return { sizeBytes, name }
}

function timeOf(
  pax: ReadonlyMap<string, Buffer> | undefined,
  bytes: Buffer,
  at: number,
  offset: number,
): PaxTime {
  const text = pax?.get('mtime')?.toString('latin1')
  const time = text === undefined ? undefined : parsePaxTime(text)
  if (time !== undefined) return time
  const seconds = text === undefined ? parseNumber(bytes, at + 136, 12) : undefined
  if (seconds === undefined) throw refused(offset, 'has a time that is no number')
  return { mtimeSeconds: seconds, mtimeNanos: 0 }
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

function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_RECORD_BYTES) * TAR_RECORD_BYTES
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
