// The body of a pax extended header, read byte by byte: `LENGTH KEY=VALUE\n`, LENGTH counting itself.
//
// Values stay bytes: POSIX says UTF-8, but GNU tar writes a name's bytes as they are.

import { SpillwayError } from '../domain/errors.ts'
import type { ByteString } from './tar-header.ts'

/** What a member takes from its records, besides its attributes; the others say the same in other words. */
const KEYS: ReadonlySet<string> = new Set([
  ...['path', 'linkpath', 'size', 'mtime', 'uid', 'gid'],
  ...['GNU.sparse.major', 'GNU.sparse.minor', 'GNU.sparse.name', 'GNU.sparse.realsize'],
])

const ATTRIBUTE_PREFIX = 'SCHILY.xattr.'

// A key, then "=": extended attributes are named by at most 255 bytes, each of which may be written as
// three, behind a prefix of ours.
const KEY_BYTES_MAX = 1024

/** An extended attribute; nothing about its name or value is checked. */
export type ReadAttribute = { readonly name: ByteString; readonly value: Buffer }

export type PaxRecords = {
  readonly values: ReadonlyMap<string, Buffer>
  readonly attributes: readonly ReadAttribute[]
}

export function parsePaxRecords(body: Buffer, offset: number): PaxRecords {
  const values = new Map<string, Buffer>()
  const attributes = new Map<string, Buffer>()
  for (let at = 0; at < body.length;) {
    const { end, valueAt, key } = recordAt(body, at, offset)
    at = end
    const isAttribute = key.startsWith(ATTRIBUTE_PREFIX)
    if (!isAttribute && !KEYS.has(key)) {
      if (key.startsWith('GNU.sparse.'))
        throw refused(offset, 'holds a sparse file of a kind that this version cannot restore')
      continue
    }
    // A copy: the block behind it is used again before the member is.
    const value = Buffer.from(body.subarray(valueAt, end - 1))
    const [into, name] = isAttribute ? [attributes, attributeName(key)] : [values, key]
    if (into.has(name)) throw refused(offset, `gives "${key}" twice for one member`)
    if (!isAttribute && (value.length === 0 || value.includes(0)))
      throw refused(offset, `has an empty "${key}", or one with a NUL`)
    into.set(name, value)
  }
  return { values, attributes: [...attributes].map(([name, value]) => ({ name, value })) }
}

/** As GNU tar writes them: these two characters alone are encoded. */
function attributeName(key: string): ByteString {
  return key
    .slice(ATTRIBUTE_PREFIX.length)
    .replace(/%(3D|25)/gi, (_, code: string) => (code === '25' ? '%' : '='))
}

function recordAt(
  body: Buffer,
  at: number,
  offset: number,
): { readonly end: number; readonly valueAt: number; readonly key: string } {
  let place = at
  let length = 0
  // Seven digits hold the largest extension.
  while (place < at + 7 && isDigit(body[place])) length = length * 10 + body[place++]! - 0x30
  const end = at + length
  const isFramed = place > at && body[place] === 0x20 && end > place + 1 && end <= body.length
  if (!isFramed || body[end - 1] !== 0x0a) throw refused(offset, 'has a damaged pax record')
  const equals = body.subarray(place + 1, Math.min(end, place + 1 + KEY_BYTES_MAX)).indexOf(0x3d)
  if (equals < 1) throw refused(offset, 'has a pax record without a key')
  const valueAt = place + 1 + equals + 1
  return { end, valueAt, key: body.toString('latin1', place + 1, valueAt - 1) }
}

/** Whole numbers that JavaScript keeps exactly: 9 PB, and every id there is. */
export function isPaxNumber(text: string): boolean {
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))
}

/** Since 1970: whole seconds, rounded down, and 0 to 999 999 999 nanoseconds after them. */
export type PaxTime = { readonly mtimeSeconds: number; readonly mtimeNanos: number }

/** Seconds with decimals, cut towards zero behind the ninth; undefined: no such number. */
export function parsePaxTime(text: string): PaxTime | undefined {
  const [, sign, whole, decimals = ''] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text) ?? []
  if (whole === undefined) return undefined
  const nanos = Number(decimals.slice(0, 9).padEnd(9, '0'))
  if (sign !== '-') return { mtimeSeconds: Number(whole), mtimeNanos: nanos }
  if (nanos === 0) return { mtimeSeconds: 0 - Number(whole), mtimeNanos: 0 }
  return { mtimeSeconds: -Number(whole) - 1, mtimeNanos: 1_000_000_000 - nanos }
}

/** Cut towards zero. */
export function microsecondsOf({ mtimeSeconds, mtimeNanos }: PaxTime): number {
  const rest = mtimeNanos / 1_000
  return mtimeSeconds * 1e6 + (mtimeSeconds < 0 ? Math.ceil(rest) : Math.floor(rest))
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function refused(offset: number, what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', `the tar ${what} (at byte ${offset} of it)`)
}
