// The body of a pax extended header, read byte by byte: `LENGTH KEY=VALUE\n`, LENGTH counting itself.
//
// Values stay bytes: POSIX says UTF-8, but GNU tar writes a name's bytes as they are.

import { SpillwayError } from '../domain/errors.ts'

/** What a member takes from its records; the others are times and names that a restore does not set. */
const KEYS: ReadonlySet<string> = new Set(['path', 'linkpath', 'size', 'mtime', 'uid', 'gid'])

// A key, then "=": extended attributes are named by at most 255 bytes, behind a prefix of ours.
const KEY_BYTES_MAX = 512

export function parsePaxRecords(body: Buffer, offset: number): ReadonlyMap<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < body.length;) {
    const { end, valueAt, key } = recordAt(body, at, offset)
    if (key.startsWith('GNU.sparse.'))
      throw refused(offset, 'holds a sparse file, which this version cannot restore')
    if (KEYS.has(key)) {
      const value = body.subarray(valueAt, end - 1)
      if (records.has(key)) throw refused(offset, `gives "${key}" twice for one member`)
      if (value.length === 0 || value.includes(0))
        throw refused(offset, `has an empty "${key}", or one with a NUL`)
      // A copy: the block behind it is used again before the member is.
      records.set(key, Buffer.from(value))
    }
    at = end
  }
  return records
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

/** Seconds with decimals as microseconds, cut towards zero; undefined: no such number. */
export function parsePaxTime(text: string): number | undefined {
  const [, sign, seconds, decimals = ''] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text) ?? []
  if (seconds === undefined) return undefined
  const us = Number(seconds) * 1e6 + Number(decimals.slice(0, 6).padEnd(6, '0'))
  return sign === '-' ? -us : us
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function refused(offset: number, what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', `the tar ${what} (at byte ${offset} of it)`)
}
