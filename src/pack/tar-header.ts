// One member's headers as tar bytes: a POSIX ustar header, with whatever must stand in front of it.
//
// Names are bytes. Up to 100 of them stand raw in the header. Longer ones need an extension, and the
// two that exist disagree: pax records are UTF-8 by definition, so bsdtar and Python refuse or bend
// other bytes there; GNU's "L" and "K" members hold any bytes. Each is used where it is right, which
// GNU tar, bsdtar and Python's tarfile all read without a word (test/pack/tar-writer.test.ts).

import { isUtf8 } from 'node:buffer'

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
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  readonly deviceMajor: number
  readonly deviceMinor: number
  readonly records?: readonly (readonly [key: ByteString, value: ByteString])[]
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
export function extensionsOf(member: TarMember, name: ByteString): readonly TarExtension[] {
  const seconds = secondsOf(member.mtimeNs)
  const hasPlainTime = member.mtimeNs === BigInt(seconds) * NS && seconds >= 0
  if (
    hasPlainTime &&
    name.length <= NAME_BYTES_MAX &&
    member.linkTarget.length <= NAME_BYTES_MAX &&
    member.sizeBytes <= NUMBER_MAX &&
    member.uid <= ID_MAX &&
    member.gid <= ID_MAX &&
    seconds <= NUMBER_MAX &&
    isPlainName(member.userName) &&
    isPlainName(member.groupName) &&
    member.records === undefined
  )
    return NONE
  return extensionsFor(member, name, hasPlainTime && seconds <= NUMBER_MAX)
}

const NONE: readonly TarExtension[] = []
const NS = 1_000_000_000n

function extensionsFor(
  member: TarMember,
  name: ByteString,
  hasPlainTime: boolean,
): readonly TarExtension[] {
  const extensions: TarExtension[] = []
  let records = ''
  const nameIt = (type: 'L' | 'K', key: string, value: ByteString) => {
    if (value.length <= NAME_BYTES_MAX) return
    if (isUtf8Bytes(value)) records += paxRecord(key, value)
    else extensions.push({ type, body: `${value}\0` })
  }
  nameIt('K', 'linkpath', member.linkTarget)
  nameIt('L', 'path', name)
  if (member.sizeBytes > NUMBER_MAX) records += paxRecord('size', String(member.sizeBytes))
  if (!hasPlainTime) records += paxRecord('mtime', paxTime(member.mtimeNs))
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

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
export function paxRecord(key: ByteString, value: ByteString): ByteString {
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

/** Seconds with as many decimals as it takes: `-1.5`, `1700000000.000000001`. */
export function paxTime(ns: bigint): string {
  const [sign, size] = ns < 0n ? ['-', -ns] : ['', ns]
  const decimals = String(size % NS)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${sign}${size / NS}${decimals === '' ? '' : `.${decimals}`}`
}

/** Fills 512 bytes of `out` at `at`. */
export function writeHeader(out: Buffer, at: number, member: TarMember, name: ByteString): void {
  const seconds = secondsOf(member.mtimeNs)
  out.fill(0, at, at + TAR_RECORD_BYTES)
  out.write(name, at, NAME_BYTES_MAX, 'latin1')
  writeOctal(out, at + 100, 7, member.mode)
  writeOctal(out, at + 108, 7, member.uid <= ID_MAX ? member.uid : ID_TOO_LARGE)
  writeOctal(out, at + 116, 7, member.gid <= ID_MAX ? member.gid : ID_TOO_LARGE)
  writeOctal(out, at + 124, 11, member.sizeBytes <= NUMBER_MAX ? member.sizeBytes : 0)
  writeOctal(out, at + 136, 11, seconds >= 0 && seconds <= NUMBER_MAX ? seconds : 0)
  out.write(TYPE_FLAGS[member.kind], at + 156, 1, 'latin1')
  if (member.linkTarget !== '') out.write(member.linkTarget, at + 157, NAME_BYTES_MAX, 'latin1')
  out.write('ustar\x0000', at + 257, 8, 'latin1')
  if (isPlainName(member.userName)) out.write(member.userName, at + 265, 32, 'latin1')
  if (isPlainName(member.groupName)) out.write(member.groupName, at + 297, 32, 'latin1')
  writeOctal(out, at + 329, 7, member.deviceMajor)
  writeOctal(out, at + 337, 7, member.deviceMinor)
  writeChecksum(out, at)
}

/** The header of an extension. It says as little as possible, so that it compresses well. */
export function writeExtensionHeader(out: Buffer, at: number, extension: TarExtension): void {
  out.fill(0, at, at + TAR_RECORD_BYTES)
  out.write(extension.type === 'x' ? 'PaxHeader' : '././@LongLink', at, 'latin1')
  writeOctal(out, at + 100, 7, 0o644)
  writeOctal(out, at + 108, 7, 0)
  writeOctal(out, at + 116, 7, 0)
  writeOctal(out, at + 124, 11, extension.body.length)
  writeOctal(out, at + 136, 11, 0)
  out.write(extension.type, at + 156, 1, 'latin1')
  out.write('ustar\x0000', at + 257, 8, 'latin1')
  writeChecksum(out, at)
}

/** Whole seconds, rounded down: -0.5 s is in second -1. */
export function secondsOf(ns: bigint): number {
  const seconds = ns / NS
  return Number(ns < 0n && seconds * NS !== ns ? seconds - 1n : seconds)
}

function writeOctal(out: Buffer, at: number, digits: number, value: number): void {
  let rest = value
  for (let place = at + digits - 1; place >= at; place -= 1) {
    out[place] = 0x30 + (rest % 8)
    rest = Math.floor(rest / 8)
  }
}

/** The sum of all bytes, with the field itself counted as spaces. */
function writeChecksum(out: Buffer, at: number): void {
  let sum = 8 * 0x20
  const end = at + TAR_RECORD_BYTES
  for (let place = at; place < end; place += 1) sum += out[place]!
  writeOctal(out, at + 148, 6, sum)
  out[at + 154] = 0
  out[at + 155] = 0x20
}

function isPlainName(name: ByteString): boolean {
  return name.length <= OWNER_NAME_BYTES_MAX && PRINTABLE_ASCII.test(name)
}

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/

function isUtf8Bytes(text: ByteString): boolean {
  return isUtf8(Buffer.from(text, 'latin1'))
}
