// Collects the index while the tar is written, puts it aside on disk, and appends it to the archive
// at the end: ten million members, and the hashes of a million frames, fit in a few MiB of memory.

import { createHash } from 'node:crypto'
import { assert } from '../lib/assert.ts'
import { DIRECTORY_BLOCKS_MAX, encodeDirectory } from './index-directory.ts'
import type { HashBlock, MemberBlock, StoredBlock } from './index-directory.ts'
import { DIRECTORY_PIECES_MAX } from './manifest.ts'
import type { ManifestBlock } from './manifest.ts'
import { INDEX_BLOCK_BYTES } from './member-record.ts'
import type { RawIndexBlock } from './member-record.ts'
import {
  INDEX_MAGIC,
  SKIPPABLE_HEADER_BYTES,
  SKIPPABLE_PAYLOAD_MAX,
  skippableHeader,
} from './skippable-frame.ts'
import type { ArchiveFile } from './part-memory.ts'
import type { SpoolFile } from './spool-file.ts'
import { compressFrame } from './zstd.ts'

const SHA256_BYTES = 32

// Paths compress eightfold at this level; a higher one wins a tenth and takes three times as long.
const INDEX_LEVEL = 3

type SpilledBlock = Omit<StoredBlock, 'fileOffsetBytes'> & { readonly spillOffsetBytes: number }

export class IndexWriter {
  readonly #spill: SpoolFile
  readonly #payloadMax: number
  readonly #hashesPerBlock: number
  readonly #members: (SpilledBlock & Omit<MemberBlock, keyof StoredBlock>)[] = []
  readonly #hashes: (SpilledBlock & Omit<HashBlock, keyof StoredBlock>)[] = []
  #hashBytes: Buffer
  #hashCount = 0

  /** `payloadMax` and `hashesPerBlock` are smaller in tests only. */
  constructor(
    spill: SpoolFile,
    payloadMax = SKIPPABLE_PAYLOAD_MAX,
    hashesPerBlock = INDEX_BLOCK_BYTES / SHA256_BYTES,
  ) {
    this.#spill = spill
    this.#payloadMax = payloadMax
    this.#hashesPerBlock = hashesPerBlock
    this.#hashBytes = Buffer.alloc(hashesPerBlock * SHA256_BYTES)
  }

  async addMembers({ bytes, ...facts }: RawIndexBlock): Promise<void> {
    this.#members.push({ ...(await this.#spillBlock(bytes)), ...facts })
  }

  async addFrameHash(sha256: Buffer): Promise<void> {
    sha256.copy(this.#hashBytes, this.#hashCount * SHA256_BYTES)
    this.#hashCount += 1
    if (this.#hashCount === this.#hashesPerBlock) await this.#flushHashes()
  }

  /** Appends the index; `onFrame` hears the length of each skippable frame. */
  async appendTo(
    file: ArchiveFile,
    onFrame: (storedBytes: number) => void,
  ): Promise<readonly ManifestBlock[]> {
    await this.#flushHashes()
    const blocks = [...this.#members, ...this.#hashes]
    const offsets = new Map<SpilledBlock, number>()
    for (const group of this.#groupsOf(blocks)) {
      const payloadBytes = group.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
      file.append(skippableHeader(INDEX_MAGIC, payloadBytes))
      for (const block of group) {
        offsets.set(block, file.bytes)
        file.append(this.#spill.read(block.spillOffsetBytes, block.storedBytes))
      }
      onFrame(SKIPPABLE_HEADER_BYTES + payloadBytes)
    }
    assert(blocks.length <= DIRECTORY_BLOCKS_MAX, `the index has ${blocks.length} blocks`)
    const placed = <Block extends SpilledBlock>(
      { spillOffsetBytes: _, ...block }: Block,
      fileOffsetBytes: number,
    ) => ({ ...block, fileOffsetBytes })
    const directory = encodeDirectory({
      members: this.#members.map((block) => placed(block, offsets.get(block)!)),
      hashes: this.#hashes.map((block) => placed(block, offsets.get(block)!)),
    })
    return this.#appendDirectory(file, directory, onFrame)
  }

  /** In one skippable frame of its own, in zstd frames of 1 MiB each. */
  async #appendDirectory(
    file: ArchiveFile,
    directory: Buffer,
    onFrame: (storedBytes: number) => void,
  ): Promise<readonly ManifestBlock[]> {
    const pieces: { raw: Buffer; stored: Buffer }[] = []
    for (let at = 0; at < directory.length; at += INDEX_BLOCK_BYTES) {
      const raw = directory.subarray(at, at + INDEX_BLOCK_BYTES)
      pieces.push({ raw, stored: await compressFrame(raw, INDEX_LEVEL) })
    }
    assert(pieces.length <= DIRECTORY_PIECES_MAX, `the index has ${pieces.length} directory pieces`)
    const payloadBytes = pieces.reduce((sum, { stored }) => sum + stored.length, 0)
    file.append(skippableHeader(INDEX_MAGIC, payloadBytes))
    const placed = pieces.map(({ raw, stored }) => {
      const fileOffsetBytes = file.bytes
      file.append(stored)
      const sha256 = createHash('sha256').update(stored).digest('hex')
      return { fileOffsetBytes, storedBytes: stored.length, rawBytes: raw.length, sha256 }
    })
    onFrame(SKIPPABLE_HEADER_BYTES + payloadBytes)
    return placed
  }

  async #flushHashes(): Promise<void> {
    if (this.#hashCount === 0) return
    const bytes = this.#hashBytes.subarray(0, this.#hashCount * SHA256_BYTES)
    const frameCount = this.#hashCount
    this.#hashBytes = Buffer.alloc(this.#hashBytes.length)
    this.#hashCount = 0
    this.#hashes.push({ ...(await this.#spillBlock(bytes)), frameCount })
  }

  async #spillBlock(bytes: Buffer): Promise<SpilledBlock> {
    const stored = await compressFrame(bytes, INDEX_LEVEL)
    const spillOffsetBytes = this.#spill.bytes
    this.#spill.append(stored)
    const sha256 = createHash('sha256').update(stored).digest()
    return { spillOffsetBytes, storedBytes: stored.length, rawBytes: bytes.length, sha256 }
  }

  /** As many blocks into one skippable frame as its 32-bit size allows. */
  #groupsOf<Block extends SpilledBlock>(blocks: readonly Block[]): Block[][] {
    const groups: Block[][] = []
    let groupBytes = 0
    for (const block of blocks) {
      const group = groups.at(-1)
      groupBytes += block.storedBytes
      if (group !== undefined && groupBytes <= this.#payloadMax) group.push(block)
      else {
        groups.push([block])
        groupBytes = block.storedBytes
      }
    }
    return groups
  }
}
