// A path as one line of a report, the same everywhere: text stays as it is; bytes that are no UTF-8, and
// characters that would break the line, hide text or move the cursor, become \xNN byte by byte; a backslash
// is doubled. Nothing is ambiguous, and what is printed can be given to `restore`, `find` and `history`.

import { isUtf8 } from 'node:buffer'

/** `path` has one character per byte. '' (the source's own folder) is shown as ".". */
export function printablePath(path: string): string {
  if (path === '') return '.'
  if (PLAIN.test(path)) return path
  const bytes = Buffer.from(path, 'latin1')
  return isUtf8(bytes) ? escaped(bytes.toString('utf8')) : withBadBytes(bytes)
}

/** The bytes that such a line stands for, one character each; of other text its UTF-8. */
export function pathOfPrinted(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(PRINTED, (_whole, byte?: string) =>
      byte === undefined ? '\\' : String.fromCharCode(parseInt(byte, 16)),
    )
}

const PLAIN = /^[\x20-\x5b\x5d-\x7e]+$/
const PRINTED = /\\(?:x([0-9a-f]{2})|\\)/g

// Control, format (text direction, zero width), line and paragraph separators, unassigned.
const UNSAFE = /[\\\p{C}\u2028\u2029]/gu

function escaped(text: string): string {
  return text.replace(UNSAFE, (character) =>
    character === '\\' ? '\\\\' : [...Buffer.from(character)].map(escapedByte).join(''),
  )
}

function withBadBytes(bytes: Buffer): string {
  let text = ''
  let at = 0
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at)
    text +=
      length === 0 ? escapedByte(bytes[at]!) : escaped(bytes.toString('utf8', at, at + length))
    at += length || 1
  }
  return text
}

/** Bytes of the whole UTF-8 sequence at `at`; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  const sequence = bytes.subarray(at, at + length)
  return sequence.length === length && isUtf8(sequence) ? length : 0
}

function escapedByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
