// The seek table of zstd's seekable format (contrib/seekable_format in zstd's sources): the last
// skippable frame of an archive. For each frame its two sizes and a checksum, so that other tools of
// that format can read an archive by position too. The only file that knows the XXH64 package.

import xxhash from 'xxhash-wasm'
import { SpillwayError } from '../domain/errors.ts'
import { SEEK_TABLE_MAGIC, SKIPPABLE_HEADER_BYTES, skippableHeader } from './skippable-frame.ts'

export type SeekEntry = {
  /** Of the frame, header and all. */
  readonly storedBytes: number
  /** Once decompressed; 0 for skippable frames. */
  readonly rawBytes: number
  /** The low 32 bits of the XXH64 of the decompressed bytes. */
  readonly checksum: number
}

const SEEKABLE_MAGIC = 0x8f92eab1
/** Number of frames (u32), descriptor, magic. */
export const SEEK_FOOTER_BYTES = 9
export const SEEK_ENTRY_BYTES = 12
// Bit 7: entries have checksums. The others are reserved and zero.
const HAS_CHECKSUMS = 0x80

const hasher = await xxhash()

// What is hashed is copied into the package's memory first, which is never given back.
const HASH_STEP_BYTES = 256 * 1024

/** As the seekable format wants it: the low half of XXH64. */
export function checksumOf(bytes: Uint8Array): number {
  const hash = hasher.create64()
  for (let at = 0; at < bytes.length; at += HASH_STEP_BYTES)
    hash.update(bytes.subarray(at, at + HASH_STEP_BYTES))
  return Number(hash.digest() & 0xffff_ffffn)
}

export function encodeSeekEntry(out: Buffer, at: number, entry: SeekEntry): void {
  out.writeUInt32LE(entry.storedBytes, at)
  out.writeUInt32LE(entry.rawBytes, at + 4)
  out.writeUInt32LE(entry.checksum, at + 8)
}

/** Before the entries. */
export function seekTableHeader(frameCount: number): Buffer {
  return skippableHeader(SEEK_TABLE_MAGIC, frameCount * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES)
}

/** Behind the entries. */
export function seekTableFooter(frameCount: number): Buffer {
  const footer = Buffer.alloc(SEEK_FOOTER_BYTES)
  footer.writeUInt32LE(frameCount, 0)
  footer[4] = HAS_CHECKSUMS
  footer.writeUInt32LE(SEEKABLE_MAGIC, 5)
  return footer
}

export function seekTableBytes(frameCount: number): number {
  return SKIPPABLE_HEADER_BYTES + frameCount * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES
}

/** How many frames the table at the end of these bytes lists. Throws ARCHIVE_CORRUPT. */
export function parseSeekFooter(tail: Buffer): number {
  const at = tail.length - SEEK_FOOTER_BYTES
  if (at < 0 || tail.readUInt32LE(at + 5) !== SEEKABLE_MAGIC)
    throw corrupt('it has no seek table at its end: it is cut off, or no archive of Spillway')
  if (tail[at + 4] !== HAS_CHECKSUMS) throw corrupt('its seek table is of another kind')
  return tail.readUInt32LE(at)
}

export function parseSeekEntry(bytes: Buffer, at: number): SeekEntry {
  return {
    storedBytes: bytes.readUInt32LE(at),
    rawBytes: bytes.readUInt32LE(at + 4),
    checksum: bytes.readUInt32LE(at + 8),
  }
}

function corrupt(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the archive cannot be read: ${what}`)
}
