// Blocks of the index, read by position: checked against what the directory has of them, a few kept, the
// next ones of a long walk read ahead.

import { createHash } from 'node:crypto'
import { SpillwayError } from '../domain/errors.ts'
import { FRAME_BYTES_MAX, FRAME_COMPRESSED_MAX } from './frame-bounds.ts'
import { FIRST_PATH_BYTES_MAX } from './index-directory.ts'
import type { MemberBlock, StoredBlock } from './index-directory.ts'
import { isBelow } from './extract-patterns.ts'
import { comparePaths, decodeMembers } from './member-record.ts'
import type { IndexedMember } from './member-record.ts'
import type { ByteString } from './tar-header.ts'
import { decompressFrame } from './zstd.ts'

/**
 * Exactly `sizeBytes` bytes from there; rejects with a SpillwayError of its own when it cannot. Where there
 * are several copies, bytes that `check` throws at are asked for from the next one; whoever has one copy
 * only may leave it out.
 */
export type ReadRange = (
  offsetBytes: number,
  sizeBytes: number,
  check?: (bytes: Buffer) => void | Promise<void>,
) => Promise<Uint8Array>

export type LoadedBlock = { readonly block: MemberBlock; readonly bytes: Buffer }

// Blocks that are looked at again soon: the folders above one path lie in front of it.
const BLOCKS_KEPT = 4
// Read while the members of the one before are looked at.
const BLOCKS_AHEAD = 3
// All paths of a block together: of its 100 000 members at most, each may have 2 600 bytes. An index can say
// that each of them has half a megabyte of path in common with the one before it.
const BLOCK_PATH_BYTES_MAX = 256 * 1024 * 1024

export class IndexBlocks {
  readonly #read: ReadRange
  readonly #fileBytes: number
  readonly #kept = new Map<number, Promise<Buffer>>()

  constructor(read: ReadRange, fileBytes: number) {
    this.#read = read
    this.#fileBytes = fileBytes
  }

  /** Its raw bytes. Rejects with ARCHIVE_CORRUPT. */
  async load(block: StoredBlock): Promise<Buffer> {
    const key = block.fileOffsetBytes
    const bytes = this.#kept.get(key) ?? this.readBlock(block)
    // Again at the end of the row: the first one is the one that was not asked for longest.
    this.#kept.delete(key)
    this.#kept.set(key, bytes)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > BLOCKS_KEPT && oldest !== undefined) this.#kept.delete(oldest)
    try {
      return await bytes
    } catch (error) {
      // A read that failed may work when it is asked for again.
      this.#kept.delete(key)
      throw error
    }
  }

  /** All of these will be needed. */
  async *loadAll(blocks: readonly MemberBlock[]): AsyncGenerator<LoadedBlock> {
    const begun: (Promise<Buffer> | undefined)[] = []
    for (const [at, block] of blocks.entries()) {
      while (begun.length < Math.min(blocks.length, at + 1 + BLOCKS_AHEAD)) {
        const bytes = this.load(blocks[begun.length]!)
        // Its turn to be awaited comes later; until then a rejection is not unhandled.
        bytes.catch(() => undefined)
        begun.push(bytes)
      }
      const bytes = await begun[at]!
      begun[at] = undefined
      yield { block, bytes }
    }
  }

  /** Without keeping it. */
  async readBlock({
    fileOffsetBytes,
    storedBytes,
    rawBytes,
    sha256,
  }: StoredBlock): Promise<Buffer> {
    if (rawBytes > FRAME_BYTES_MAX || storedBytes > FRAME_COMPRESSED_MAX)
      throw corrupt('a block of its index is too large')
    if (fileOffsetBytes + storedBytes > this.#fileBytes)
      throw corrupt('a block of its index lies outside of it')
    const check = (stored: Buffer): void => {
      if (!createHash('sha256').update(stored).digest().equals(sha256))
        throw corrupt('a block of its index is damaged')
    }
    const stored = asBuffer(await this.#read(fileOffsetBytes, storedBytes, check))
    check(stored)
    const bytes = await decompressFrame(stored)
    if (bytes.length !== rawBytes) throw corrupt('a block of its index has another size')
    return bytes
  }
}

/** The members of a block, in their order. Throws ARCHIVE_CORRUPT or ARCHIVE_REFUSED, also half way. */
export function* membersIn({ block, bytes }: LoadedBlock): Generator<IndexedMember> {
  let [memberCount, pathBytes] = [0, 0]
  for (const member of decodeMembers({ bytes, firstOffsetBytes: block.firstOffsetBytes })) {
    memberCount += 1
    pathBytes += member.path.length
    if (pathBytes > BLOCK_PATH_BYTES_MAX)
      throw new SpillwayError('ARCHIVE_REFUSED', 'the index of the archive has endless paths')
    yield member
  }
  if (memberCount !== block.memberCount) throw corrupt('its index is damaged')
}

/** The block in which a path lies if it is there, or the one before where first paths were cut. */
export function firstBlockFor(blocks: readonly MemberBlock[], path: ByteString): number {
  let [low, high] = [0, blocks.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (comparePaths(blocks[middle]!.firstPath, path) <= 0) low = middle + 1
    else high = middle
  }
  let number = Math.max(0, low - 1)
  // A cut path compares lower than the whole one, so the real place may be further in front.
  while (number > 0 && blocks[number]!.firstPath.length >= FIRST_PATH_BYTES_MAX) number -= 1
  return number
}

/** The blocks in which the path and all that is below it lie. */
export function blocksUnder(
  blocks: readonly MemberBlock[],
  path: ByteString,
): readonly MemberBlock[] {
  const first = firstBlockFor(blocks, path)
  let end = first
  while (end < blocks.length && mayHold(blocks[end]!, path)) end += 1
  return blocks.slice(first, end)
}

/** Whether the path or anything below it may lie in a block with this first path, or behind it. */
function mayHold({ firstPath }: MemberBlock, path: ByteString): boolean {
  if (isBelow(firstPath, path) || comparePaths(firstPath, path) <= 0) return true
  return firstPath.length >= FIRST_PATH_BYTES_MAX && `${path}/`.startsWith(firstPath)
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

export function corrupt(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the archive cannot be read: ${what}`)
}
