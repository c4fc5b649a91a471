// The directory of the index: where its blocks lie and what the first member of each is. It is what
// is read to find one path, so it is small: some 100 bytes for 15 000 members.

import { SpillwayError } from '../domain/errors.ts'
import type { ByteString } from './tar-header.ts'
import { VARINT_BYTES_MAX, VarintReader, writeVarint } from './varint.ts'

/** A zstd frame inside the index. */
export type StoredBlock = {
  /** In the archive. */
  readonly fileOffsetBytes: number
  readonly storedBytes: number
  /** Once decompressed. */
  readonly rawBytes: number
  /** Of the stored bytes. */
  readonly sha256: Buffer
}

export type MemberBlock = StoredBlock & {
  readonly memberCount: number
  readonly firstOffsetBytes: number
  /** Cut at FIRST_PATH_BYTES_MAX. */
  readonly firstPath: ByteString
}

/** SHA-256 of tar frames, 32 bytes each. */
export type HashBlock = StoredBlock & { readonly frameCount: number }

export type IndexDirectory = {
  readonly members: readonly MemberBlock[]
  readonly hashes: readonly HashBlock[]
}

/** Longer ones would let the directory grow beyond reason; a search copes with cut ones. */
export const FIRST_PATH_BYTES_MAX = 1_024

const SHA256_BYTES = 32
const ENTRY_BYTES_MAX = 6 * VARINT_BYTES_MAX + SHA256_BYTES + FIRST_PATH_BYTES_MAX

export function encodeDirectory({ members, hashes }: IndexDirectory): Buffer {
  const bytes = Buffer.alloc(
    2 * VARINT_BYTES_MAX + (members.length + hashes.length) * ENTRY_BYTES_MAX,
  )
  let at = writeVarint(bytes, 0, members.length)
  for (const block of members) {
    at = writeStored(bytes, at, block)
    at = writeVarint(bytes, at, block.memberCount)
    at = writeVarint(bytes, at, block.firstOffsetBytes)
    const path = block.firstPath.slice(0, FIRST_PATH_BYTES_MAX)
    at = writeVarint(bytes, at, path.length)
    at += bytes.write(path, at, 'latin1')
  }
  at = writeVarint(bytes, at, hashes.length)
  for (const block of hashes) {
    at = writeStored(bytes, at, block)
    at = writeVarint(bytes, at, block.frameCount)
  }
  return bytes.subarray(0, at)
}

export function decodeDirectory(bytes: Buffer): IndexDirectory {
  const reader = new VarintReader(bytes)
  const members = readList(reader, () => ({
    ...readStored(reader),
    memberCount: reader.number(),
    firstOffsetBytes: reader.number(),
    firstPath: reader.slice(reader.number()).toString('latin1'),
  }))
  const hashes = readList(reader, () => ({ ...readStored(reader), frameCount: reader.number() }))
  if (!reader.isAtEnd)
    throw new SpillwayError(
      'ARCHIVE_CORRUPT',
      "the archive's index is damaged: its directory is too long",
    )
  return { members, hashes }
}

function readList<Entry>(reader: VarintReader, read: () => Entry): Entry[] {
  const entries: Entry[] = []
  // Not an array of the length that the bytes claim: they may claim anything.
  for (let left = reader.number(); left > 0; left -= 1) entries.push(read())
  return entries
}

function writeStored(bytes: Buffer, at: number, block: StoredBlock): number {
  const offset = writeVarint(bytes, at, block.fileOffsetBytes)
  const stored = writeVarint(bytes, offset, block.storedBytes)
  const raw = writeVarint(bytes, stored, block.rawBytes)
  return raw + block.sha256.copy(bytes, raw)
}

function readStored(reader: VarintReader): StoredBlock {
  return {
    fileOffsetBytes: reader.number(),
    storedBytes: reader.number(),
    rawBytes: reader.number(),
    sha256: reader.slice(SHA256_BYTES),
  }
}
