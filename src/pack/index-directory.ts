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

/**
 * An entry takes 600 bytes of memory and, in a directory that lies, 36 of file. So many blocks list 200
 * million members with the longest of names, and some thousand million with usual ones.
 */
export const DIRECTORY_BLOCKS_MAX = 65_536

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

/** `said` is what the manifest counts: no block is empty, and all together have no more than that. */
export function decodeDirectory(
  bytes: Buffer,
  said: { readonly memberCount: number; readonly frameCount: number },
): IndexDirectory {
  const reader = new VarintReader(bytes)
  const members = readList(reader, said.memberCount, () => {
    const block = { ...readStored(reader), memberCount: reader.number() }
    const firstOffsetBytes = reader.number()
    const firstPath = reader.text(reader.number())
    return { count: block.memberCount, block: { ...block, firstOffsetBytes, firstPath } }
  })
  const hashes = readList(reader, said.frameCount, () => {
    const block = { ...readStored(reader), frameCount: reader.number() }
    return { count: block.frameCount, block }
  })
  if (!reader.isAtEnd) throw damaged('its directory is too long')
  return { members, hashes }
}

function readList<Block>(
  reader: VarintReader,
  countMax: number,
  read: () => { readonly count: number; readonly block: Block },
): Block[] {
  const length = reader.number()
  if (length > DIRECTORY_BLOCKS_MAX) {
    const what = `the archive's index has ${length} blocks, at most ${DIRECTORY_BLOCKS_MAX} are read`
    throw new SpillwayError('ARCHIVE_REFUSED', what)
  }
  // Not an array of the length that the bytes claim: they may claim anything.
  const blocks: Block[] = []
  let counted = 0
  while (blocks.length < length) {
    const { count, block } = read()
    counted += count
    if (count === 0 || counted > countMax) throw damaged('its directory counts what is not there')
    blocks.push(block)
  }
  return blocks
}

function damaged(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the archive's index is damaged: ${what}`)
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
