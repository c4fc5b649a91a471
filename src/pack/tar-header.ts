// One member's headers as tar bytes: a POSIX ustar header, with whatever must stand in front of it.
//
// Names are bytes. Up to 100 of them stand raw in the header. Longer ones need an extension, and the
// two that exist disagree: pax records are UTF-8 by definition, so bsdtar and Python refuse or bend
// other bytes there; GNU's "L" and "K" members hold any bytes. Each is used where it is right, which
// GNU tar, bsdtar and Python's tarfile all read without a word (test/pack/tar-writer.test.ts).

import { isUtf8 } from 'node:buffer'
import type { SparseMap } from '../domain/sparse-map.ts'

/** One character per byte (latin1). */
export type ByteString = string

export type TarKind =
  'file' | 'hard-link' | 'symlink' | 'character-device' | 'block-device' | 'directory' | 'fifo'

export type TarMember = {
  readonly kind: TarKind
  /** Without a slash at its end; '' is the archived folder itself. */
  readonly path: ByteString
  readonly linkTarget: ByteString
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly userName: ByteString
  readonly groupName: ByteString
  /** Since 1970, rounded down. */
  readonly mtimeSeconds: number
  /** 0 to 999 999 999, after those seconds. */
  readonly mtimeNanos: number
  readonly sizeBytes: number
  /** Where the data lies in a file with holes; undefined: everywhere. */
  readonly sparse?: SparseMap | undefined
  readonly deviceMajor: number
  readonly deviceMinor: number
  /** Further pax records. */
  readonly records: readonly (readonly [key: ByteString, value: ByteString])[] | undefined
}

/** What stands in front of a header: a member of its own, of type "x" (pax), "L" or "K" (GNU). */
export type TarExtension = { readonly type: 'x' | 'L' | 'K'; readonly body: ByteString }

export const TAR_RECORD_BYTES = 512

export const TYPE_FLAGS: Readonly<Record<TarKind, string>> = {
  file: '0',
  'hard-link': '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
}

/**
 * Longest path of a member. A path and a link to such a path must fit into the 1 MiB that readers
 * grant one extension (bsdtar's limit, and ours).
 */
export const PATH_BYTES_MAX = 500_000

const NAME_BYTES_MAX = 100
// 32 with the NUL that some readers want.
const OWNER_NAME_BYTES_MAX = 31
// Seven and eleven octal digits; the field's last byte is a NUL.
const ID_MAX = 0o7777777
const NUMBER_MAX = 0o77777777777
// Stands where an id does not fit, for readers that ignore pax: nobody, and never root.
const ID_TOO_LARGE = 65_534

/** The member's name as tar writes it: folders end with a slash, the archived folder is "./". */
export function tarNameOf({ kind, path }: Pick<TarMember, 'kind' | 'path'>): ByteString {
  if (path === '') return './'
  return kind === 'directory' ? `${path}/` : path
}

/** What the header alone cannot say, in the order in which it stands in front of it. */
export function extensionsOf(
  member: TarMember,
  name: ByteString,
  storedBytes = member.sizeBytes,
): readonly TarExtension[] {
  const { mtimeSeconds, mtimeNanos } = member
  const hasPlainTime = mtimeNanos === 0 && mtimeSeconds >= 0 && mtimeSeconds <= NUMBER_MAX
  // What nearly every file is.
  if (
    name.length <= NAME_BYTES_MAX &&
    member.linkTarget.length <= NAME_BYTES_MAX &&
    member.sizeBytes <= NUMBER_MAX &&
    member.uid <= ID_MAX &&
    member.gid <= ID_MAX &&
    isPlainName(member.userName) &&
    isPlainName(member.groupName) &&
    member.records === undefined &&
    member.sparse === undefined
  ) {
    if (hasPlainTime) return NONE
    return [{ type: 'x', body: paxRecord('mtime', paxTime(mtimeSeconds, mtimeNanos)) }]
  }
  return extensionsFor(member, { name, hasPlainTime, storedBytes })
}

const NONE: readonly TarExtension[] = []

function extensionsFor(
  member: TarMember,
  input: {
    readonly name: ByteString
    readonly hasPlainTime: boolean
    readonly storedBytes: number
  },
): readonly TarExtension[] {
  const { name, hasPlainTime, storedBytes } = input
  const extensions: TarExtension[] = []
  let records = ''
  const nameIt = (type: 'L' | 'K', key: string, value: ByteString) => {
    if (value.length <= NAME_BYTES_MAX) return
    if (isUtf8Bytes(value)) records += paxRecord(key, value)
    else extensions.push({ type, body: `${value}\0` })
  }
  nameIt('K', 'linkpath', member.linkTarget)
  if (member.sparse !== undefined) records += sparseRecords(member.sizeBytes, name)
  if (!isNamedSparse(member, name)) nameIt('L', 'path', name)
  if (storedBytes > NUMBER_MAX) records += paxRecord('size', String(storedBytes))
  if (!hasPlainTime) records += paxRecord('mtime', paxTime(member.mtimeSeconds, member.mtimeNanos))
  if (member.uid > ID_MAX) records += paxRecord('uid', String(member.uid))
  if (member.gid > ID_MAX) records += paxRecord('gid', String(member.gid))
  for (const [key, value] of [
    ['uname', member.userName],
    ['gname', member.groupName],
  ] as const) {
    // A name that is no UTF-8 has no place in pax; the number says the same.
    if (!isPlainName(value) && isUtf8Bytes(value)) records += paxRecord(key, value)
  }
  for (const [key, value] of member.records ?? []) records += paxRecord(key, value)
  if (records !== '') extensions.push({ type: 'x', body: records })
  return extensions
}

// What a tar that does not know sparse files makes of one: map and data, where they are in nobody's way.
const SPARSE_NAME = 'GNUSparseFile.0/file'

/** GNU's sparse format 1.0: the map stands in front of the data (tar-sparse.ts). */
function sparseRecords(sizeBytes: number, name: ByteString): ByteString {
  const named = isUtf8Bytes(name) ? paxRecord('GNU.sparse.name', name) : ''
  return (
    paxRecord('GNU.sparse.major', '1') +
    paxRecord('GNU.sparse.minor', '0') +
    named +
    paxRecord('GNU.sparse.realsize', String(sizeBytes))
  )
}

/** bsdtar complains about a record that is no UTF-8: such names stay where those of other files are. */
function isNamedSparse({ sparse }: TarMember, name: ByteString): boolean {
  return sparse !== undefined && isUtf8Bytes(name)
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
export function paxRecord(key: ByteString, value: ByteString): ByteString {
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

/** Seconds with as many decimals as it takes: `-0.5`, `1700000000.000000001`. */
export function paxTime(seconds: number, nanos: number): string {
  // Before 1970 the decimals count the other way: half a second before it is -1 s and 0.5 s.
  const isBefore = seconds < 0 && nanos > 0
  const whole = isBefore ? seconds + 1 : seconds
  const padded = String(isBefore ? 1_000_000_000 - nanos : nanos).padStart(9, '0')
  const decimals = padded.endsWith('0') ? padded.replace(/0+$/, '') : padded
  const sign = isBefore && whole === 0 ? '-' : ''
  return `${sign}${whole}${decimals === '' ? '' : `.${decimals}`}`
}

/** Fills 512 bytes of `out` at `at`. */
export function writeHeader(
  out: Buffer,
  at: number,
  member: TarMember,
  name: ByteString,
  storedBytes = member.sizeBytes,
): void {
  const { mtimeSeconds, uid, gid } = member
  const time = mtimeSeconds >= 0 && mtimeSeconds <= NUMBER_MAX ? mtimeSeconds : 0
  out.set(EMPTY_HEADER, at)
  let sum = EMPTY_HEADER_SUM
  sum += writeText(out, at, isNamedSparse(member, name) ? SPARSE_NAME : name)
  sum += writeOctal(out, at + 100, 7, member.mode)
  sum += writeOctal(out, at + 108, 7, uid <= ID_MAX ? uid : ID_TOO_LARGE)
  sum += writeOctal(out, at + 116, 7, gid <= ID_MAX ? gid : ID_TOO_LARGE)
  sum += writeOctal(out, at + 124, 11, storedBytes <= NUMBER_MAX ? storedBytes : 0)
  sum += writeOctal(out, at + 136, 11, time)
  sum += writeText(out, at + 156, TYPE_FLAGS[member.kind])
  sum += writeText(out, at + 157, member.linkTarget)
  if (isPlainName(member.userName)) sum += writeText(out, at + 265, member.userName)
  if (isPlainName(member.groupName)) sum += writeText(out, at + 297, member.groupName)
  if (member.deviceMajor > 0) sum += writeOctal(out, at + 329, 7, member.deviceMajor)
  if (member.deviceMinor > 0) sum += writeOctal(out, at + 337, 7, member.deviceMinor)
  writeChecksum(out, at, sum)
}

/** The header of an extension. It says as little as possible, so that it compresses well. */
export function writeExtensionHeader(out: Buffer, at: number, extension: TarExtension): void {
  const { type, body } = extension
  if (type !== 'x' || body.length >= PAX_HEADERS_KEPT) {
    makeExtensionHeader(out, at, extension)
    return
  }
  let header = paxHeaders[body.length]
  if (header === undefined) {
    header = Buffer.alloc(TAR_RECORD_BYTES)
    makeExtensionHeader(header, 0, extension)
    paxHeaders[body.length] = header
  }
  out.set(header, at)
}

// Nearly every file has one, for its time to the nanosecond: one record of 20 to 32 bytes, so they are the same but
// for that length.
const PAX_HEADERS_KEPT = 64
const paxHeaders: (Buffer | undefined)[] = []

function makeExtensionHeader(out: Buffer, at: number, { type, body }: TarExtension): void {
  out.set(EMPTY_HEADER, at)
  let sum = EMPTY_HEADER_SUM
  sum += writeText(out, at, type === 'x' ? 'PaxHeader' : '././@LongLink')
  sum += writeOctal(out, at + 100, 7, 0o644)
  sum += writeOctal(out, at + 124, 11, body.length)
  sum += writeText(out, at + 156, type)
  writeChecksum(out, at, sum)
}

// Zeros in all numbers, and the magic of POSIX.
const EMPTY_HEADER = Buffer.alloc(TAR_RECORD_BYTES)
for (const at of [100, 108, 116, 329, 337]) EMPTY_HEADER.write('0000000', at, 'latin1')
for (const at of [124, 136]) EMPTY_HEADER.write('00000000000', at, 'latin1')
EMPTY_HEADER.write('ustar\x0000', 257, 'latin1')

// The field of the checksum counts as spaces. Whatever writes into a header says how much more that makes its sum:
// adding up 512 bytes at the end took a twelfth of the time of tiny files.
const EMPTY_HEADER_SUM = EMPTY_HEADER.reduce((sum, byte) => sum + byte, 8 * 0x20)

/** Over zeros, NAME_BYTES_MAX of it at most. Returns the sum of its bytes. */
function writeText(out: Buffer, at: number, text: ByteString): number {
  const length = Math.min(text.length, NAME_BYTES_MAX)
  let sum = 0
  for (let place = 0; place < length; place += 1) {
    // As it lies there, should a character ever be none of a byte.
    const byte = text.charCodeAt(place) & 0xff
    out[at + place] = byte
    sum += byte
  }
  return sum
}

/** Over digits that are "0". Returns by how much they are more. */
function writeOctal(out: Buffer, at: number, digits: number, value: number): number {
  const last = at + digits - 1
  // Operators on bits are the fast ones, and see 32 bits: ten digits have 30.
  const middle = Math.max(at, last - 9)
  const sum = writeDigits(out, middle, last, value % 2 ** 30)
  if (middle === at) return sum
  return sum + writeDigits(out, at, middle - 1, Math.floor(value / 2 ** 30))
}

function writeDigits(out: Buffer, first: number, last: number, value: number): number {
  let rest = value
  let sum = 0
  for (let place = last; place >= first; place -= 1) {
    const digit = rest & 7
    out[place] = 0x30 | digit
    sum += digit
    rest >>= 3
  }
  return sum
}

function writeChecksum(out: Buffer, at: number, sum: number): void {
  writeOctal(out, at + 148, 6, sum)
  out[at + 155] = 0x20
}

function isPlainName(name: ByteString): boolean {
  if (name.length > OWNER_NAME_BYTES_MAX) return false
  for (let place = 0; place < name.length; place += 1) {
    const byte = name.charCodeAt(place)
    if (byte < 0x20 || byte > 0x7e) return false
  }
  return true
}

function isUtf8Bytes(text: ByteString): boolean {
  return isUtf8(Buffer.from(text, 'latin1'))
}
