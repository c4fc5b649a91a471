// A path as one line of a report: bytes that are no UTF-8 become \xNN, and whatever would break the
// line, hide text or move the cursor is escaped too. A backslash is doubled, so nothing is ambiguous.

import { isUtf8 } from 'node:buffer'
import type { ByteString } from './member.ts'

/** '' (the source's own folder) is shown as ".". */
export function printablePath(path: ByteString): string {
  if (path === '') return '.'
  if (PLAIN.test(path)) return path
  const bytes = Buffer.from(path, 'latin1')
  return isUtf8(bytes) ? escaped(bytes.toString('utf8')) : withBadBytes(bytes)
}

const PLAIN = /^[\x20-\x5b\x5d-\x7e]+$/

// Control, format (text direction, zero width), line and paragraph separators, unassigned.
const UNSAFE = /[\\\p{C}\u2028\u2029]/gu

function escaped(text: string): string {
  return text.replace(UNSAFE, (character) => {
    if (character === '\\') return '\\\\'
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    const code = character.codePointAt(0)!
    return code < 0x80 ? `\\x${hex(code)}` : `\\u{${hex(code)}}`
  })
}

function withBadBytes(bytes: Buffer): string {
  let text = ''
  let at = 0
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at)
    text +=
      length === 0 ? `\\x${hex(bytes[at]!)}` : escaped(bytes.toString('utf8', at, at + length))
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

function hex(code: number): string {
  return code.toString(16).padStart(2, '0')
}
