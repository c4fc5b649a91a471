// The fields of a tar header, as bytes lie in a block at `at`: nothing is copied to look at them.

import { TAR_RECORD_BYTES } from './tar-header.ts'
import type { ByteString } from './tar-header.ts'

const POSIX_MAGIC = Buffer.from('ustar\x0000', 'latin1')
const GNU_MAGIC = Buffer.from('ustar  \0', 'latin1')

export function isUstarOrGnu(bytes: Buffer, at: number): boolean {
  return isMagic(bytes, at, POSIX_MAGIC) || isMagic(bytes, at, GNU_MAGIC)
}

/** The sum of all its bytes is what the header says; its own field counts as blanks. */
export function hasChecksum(bytes: Buffer, at: number): boolean {
  let sum = 8 * 0x20
  for (let place = at; place < at + 148; place += 1) sum += bytes[place]!
  for (let place = at + 156; place < at + TAR_RECORD_BYTES; place += 1) sum += bytes[place]!
  return sum === parseNumber(bytes, at + 148, 8)
}

export function isZero(bytes: Buffer, at: number): boolean {
  for (let place = at; place < at + TAR_RECORD_BYTES; place += 1)
    if (bytes[place] !== 0) return false
  return true
}

/** Of POSIX headers the first part of a long name may stand behind everything else. */
export function nameOf(bytes: Buffer, at: number): ByteString {
  const name = textOf(bytes, at, at + 100)
  if (bytes[at + 345] === 0 || !isMagic(bytes, at, POSIX_MAGIC)) return name
  return `${textOf(bytes, at + 345, at + 500)}/${name}`
}

export function linkTargetOf(bytes: Buffer, at: number): ByteString {
  return textOf(bytes, at + 157, at + 257)
}

/** Up to a NUL, if there is one. */
function textOf(bytes: Buffer, from: number, to: number): ByteString {
  let end = from
  while (end < to && bytes[end] !== 0) end += 1
  return end === from ? '' : bytes.toString('latin1', from, end)
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

function isMagic(bytes: Buffer, at: number, magic: Buffer): boolean {
  for (let place = 0; place < magic.length; place += 1)
    if (bytes[at + 257 + place] !== magic[place]) return false
  return true
}
