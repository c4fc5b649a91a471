// Reads an archive from its end: what it is, where a member lies, and single frames, with a few reads
// by position. What a catalog row is made again from, and how one file is restored from a terabyte.
//
// Nothing that it reads is trusted: every block is checked against the hash that its directory, its
// manifest or its seek table has of it, and sizes are bounded before anything is decompressed.

import { sha256Of } from '../lib/sha256.ts'
import { FRAME_COMPRESSED_MAX } from './frame-bounds.ts'
import { FrameTable } from './frame-table.ts'
import type { FramePlace } from './frame-table.ts'
import { asBuffer, blocksUnder, corrupt, firstBlockFor } from './index-blocks.ts'
import { IndexBlocks, membersIn } from './index-blocks.ts'
import type { ReadRange } from './index-blocks.ts'
import { decodeDirectory } from './index-directory.ts'
import type { IndexDirectory } from './index-directory.ts'
import { MANIFEST_PAYLOAD_MAX, parseManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { isBelow } from './extract-patterns.ts'
import { comparePaths, INDEX_BLOCK_BYTES } from './member-record.ts'
import type { IndexedMember } from './member-record.ts'
import {
  checksumOf,
  parseSeekEntry,
  parseSeekFooter,
  SEEK_ENTRY_BYTES,
  SEEK_FOOTER_BYTES,
  seekTableBytes,
} from './seek-table.ts'
import { MANIFEST_MAGIC, SKIPPABLE_HEADER_BYTES, skippablePayload } from './skippable-frame.ts'
import type { ByteString } from './tar-header.ts'
import { checksumInFrame, decompressFrame } from './zstd.ts'

export type { ReadRange } from './index-blocks.ts'

// One read holds the manifest (64 KiB at most) and a seek table of 5 000 frames, so 20 GB of tar.
const TAIL_BYTES = 128 * 1024

/** One read, or three where the seek table is long. Rejects with ARCHIVE_CORRUPT or ARCHIVE_REFUSED. */
export async function openArchiveTail(
  readRange: ReadRange,
  fileBytes: number,
): Promise<ArchiveTail> {
  const at = Math.max(0, fileBytes - TAIL_BYTES)
  const tail = await readExactly(readRange, at, fileBytes - at)
  const read: ReadRange = async (offsetBytes, sizeBytes, check) => {
    if (offsetBytes < at) return readExactly(readRange, offsetBytes, sizeBytes, check)
    const bytes = tail.subarray(offsetBytes - at, offsetBytes - at + sizeBytes)
    try {
      await check?.(bytes)
    } catch {
      // Another copy may have these bytes as they should be; whoever asked looks at them again.
      return readExactly(readRange, offsetBytes, sizeBytes, check)
    }
    return bytes
  }
  const seekAt = fileBytes - seekTableBytes(parseSeekFooter(tail))
  // The last frame before the seek table is the manifest, so the table's last entry is its size.
  const last = await read(fileBytes - SEEK_FOOTER_BYTES - SEEK_ENTRY_BYTES, SEEK_ENTRY_BYTES)
  const { storedBytes } = parseSeekEntry(asBuffer(last), 0)
  const isPossible =
    seekAt - storedBytes >= 0 && storedBytes <= MANIFEST_PAYLOAD_MAX + SKIPPABLE_HEADER_BYTES
  const payload = isPossible
    ? skippablePayload(MANIFEST_MAGIC, asBuffer(await read(seekAt - storedBytes, storedBytes)))
    : undefined
  if (payload === undefined) throw corrupt('it has no manifest where the seek table says')
  return new ArchiveTail(read, fileBytes, parseManifest(payload))
}

export type DecodedFrame = {
  /** Of the tar, checked. */
  readonly bytes: Buffer
  /** Of the frame as it is stored. */
  readonly sha256: Buffer
}

export class ArchiveTail {
  readonly manifest: Manifest
  readonly #read: ReadRange
  readonly #fileBytes: number
  readonly #blocks: IndexBlocks
  #directory: Promise<IndexDirectory> | undefined
  #frames: Promise<FrameTable> | undefined
  /** SHA-256 of every tar frame, known to be those of what was archived. */
  #proof: Buffer | undefined

  constructor(read: ReadRange, fileBytes: number, manifest: Manifest) {
    this.manifest = manifest
    this.#read = read
    this.#fileBytes = fileBytes
    this.#blocks = new IndexBlocks(read, fileBytes)
  }

  /** By its path without a slash at its end; '' is the archived folder. undefined: not there. */
  async findMember(path: ByteString): Promise<IndexedMember | undefined> {
    for await (const member of this.membersFrom(path))
      return member.path === path ? member : undefined
    return undefined
  }

  /** The member and, where it is a folder, everything below it, in the order of the archive. */
  async *membersUnder(path: ByteString): AsyncGenerator<IndexedMember> {
    const blocks = blocksUnder((await this.directory()).members, path)
    for await (const block of this.#blocks.loadAll(blocks)) {
      for (const member of membersIn(block)) {
        if (member.path === path || isBelow(member.path, path)) yield member
        else if (comparePaths(member.path, path) > 0) return
      }
    }
  }

  /** All members from this path on, whether it is there or not; from '' on: all. */
  async *membersFrom(path: ByteString): AsyncGenerator<IndexedMember> {
    const { members } = await this.directory()
    for (const block of members.slice(firstBlockFor(members, path))) {
      const bytes = await this.#blocks.load(block)
      for (const member of membersIn({ block, bytes }))
        if (comparePaths(member.path, path) >= 0) yield member
    }
  }

  /** Members with bytes in this stretch of the tar. */
  async *membersBetween(fromBytes: number, toBytes: number): AsyncGenerator<IndexedMember> {
    const { members } = await this.directory()
    const after = members.findIndex(({ firstOffsetBytes }) => firstOffsetBytes > fromBytes)
    const first = Math.max(0, (after === -1 ? members.length : after) - 1)
    for (const block of members.slice(first)) {
      if (block.firstOffsetBytes >= toBytes) return
      const bytes = await this.#blocks.load(block)
      for (const member of membersIn({ block, bytes })) {
        if (member.offsetBytes >= toBytes) return
        if (member.offsetBytes + member.spanBytes > fromBytes) yield member
      }
    }
  }

  /** Positions of all frames. */
  async frames(): Promise<FrameTable> {
    this.#frames ??= this.#readFrameTable().catch((error: unknown) => {
      // A read that failed may work when it is asked for again.
      this.#frames = undefined
      throw error
    })
    return this.#frames
  }

  /** The SHA-256 of tar frames, in order. */
  async *frameHashes(): AsyncGenerator<Buffer> {
    for (const block of (await this.directory()).hashes) {
      const bytes = await this.#blocks.load(block)
      if (bytes.length !== block.frameCount * 32) throw corrupt('its frame hashes are damaged')
      for (let at = 0; at < bytes.length; at += 32) yield bytes.subarray(at, at + 32)
    }
  }

  /**
   * From now on no frame passes that is not, bit for bit, what was archived: `sha256` is the archive's own,
   * kept elsewhere. The checksums of the seek table alone find damage, but nobody who means harm. It costs
   * 32 bytes for every frame, 152 kB for 20 GB of tar. Resolves with false when the list is another's.
   */
  async bindTo(sha256: string): Promise<boolean> {
    const hashes: Buffer[] = []
    for await (const hash of this.frameHashes()) hashes.push(hash)
    const list = Buffer.concat(hashes)
    if ((await sha256Of(list)).toString('hex') !== sha256) return false
    this.#proof = list
    return true
  }

  /** Stored bytes of frames, as they are: `decodeFrame` checks them. */
  async readStored(offsetBytes: number, sizeBytes: number): Promise<Buffer> {
    return asBuffer(await this.#read(offsetBytes, sizeBytes))
  }

  /** The tar bytes of one frame, checked. */
  async readFrame(place: FramePlace): Promise<Buffer> {
    return (await this.readWholeFrame(place)).bytes
  }

  /** One frame as it is stored and as tar, checked; from another copy where one has it damaged. */
  async readWholeFrame(place: FramePlace, room?: Buffer): Promise<DecodedFrame> {
    const { fileOffsetBytes, storedBytes, number } = place
    if (storedBytes > FRAME_COMPRESSED_MAX) throw corrupt(`frame ${number} is too large`)
    let checked: DecodedFrame | undefined
    const read = await this.#read(fileOffsetBytes, storedBytes, async (bytes) => {
      checked = undefined
      checked = await this.decodeFrame(place, bytes, room)
    })
    return checked ?? (await this.decodeFrame(place, asBuffer(read), room))
  }

  /**
   * The tar bytes of one frame, checked against `bindTo`, or else its entry in the seek table. Where that entry itself may be
   * damaged the index decides, which has a hash of every frame. `room`: where it is to be put (decompressFrame).
   */
  async decodeFrame(place: FramePlace, stored: Buffer, room?: Buffer): Promise<DecodedFrame> {
    const { storedBytes, rawBytes, checksum, number } = place
    if (storedBytes > FRAME_COMPRESSED_MAX || stored.length !== storedBytes)
      throw corrupt(`frame ${number} has another size`)
    const proof = this.#proof?.subarray(32 * number, 32 * number + 32)
    const sha256 = await sha256Of(stored)
    if (proof !== undefined && !sha256.equals(proof)) throw corrupt(`frame ${number} is damaged`)
    const bytes = await decompressFrame(stored, undefined, room)
    const isWhole =
      bytes.length === rawBytes &&
      (proof !== undefined ||
        (checksumInFrame(stored) ?? checksumOf(bytes)) === checksum ||
        (await this.#hasHash(number, sha256)))
    if (!isWhole) throw corrupt(`frame ${number} is damaged`)
    return { bytes, sha256 }
  }

  /** The tar bytes of a stretch, frame by frame; of a member: `offsetBytes` and `spanBytes`. */
  async *readTar(offsetBytes: number, sizeBytes: number): AsyncGenerator<Buffer> {
    const frames = await this.frames()
    const end = offsetBytes + sizeBytes
    for (let at = offsetBytes; at < end;) {
      const place = frames.frameAt(at)
      const bytes = await this.readFrame(place)
      const from = at - place.tarOffsetBytes
      const piece = bytes.subarray(from, Math.min(bytes.length, from + end - at))
      yield piece
      at += piece.length
    }
  }

  async directory(): Promise<IndexDirectory> {
    this.#directory ??= this.#readDirectory().catch((error: unknown) => {
      this.#directory = undefined
      throw error
    })
    return this.#directory
  }

  async #readDirectory(): Promise<IndexDirectory> {
    const pieces: Buffer[] = []
    for (const { sha256, ...piece } of this.manifest.directory) {
      if (piece.rawBytes > INDEX_BLOCK_BYTES) throw corrupt('a piece of its directory is too large')
      pieces.push(await this.#blocks.readBlock({ ...piece, sha256: Buffer.from(sha256, 'hex') }))
    }
    return decodeDirectory(Buffer.concat(pieces), this.manifest)
  }

  async #hasHash(number: number, sha256: Buffer): Promise<boolean> {
    let first = 0
    for (const block of (await this.directory()).hashes) {
      if (number < first + block.frameCount) {
        const at = 32 * (number - first)
        const hashes = await this.#blocks.load(block)
        return sha256.equals(hashes.subarray(at, at + 32))
      }
      first += block.frameCount
    }
    return false
  }

  async #readFrameTable(): Promise<FrameTable> {
    const footer = await this.#read(this.#fileBytes - SEEK_FOOTER_BYTES, SEEK_FOOTER_BYTES)
    const sizeBytes = seekTableBytes(parseSeekFooter(asBuffer(footer)))
    const parse = (table: Buffer) => new FrameTable(table, this.#fileBytes, this.manifest)
    const check = (table: Buffer): void => void parse(table)
    return parse(asBuffer(await this.#read(this.#fileBytes - sizeBytes, sizeBytes, check)))
  }
}

async function readExactly(
  read: ReadRange,
  offset: number,
  size: number,
  check?: (bytes: Buffer) => void | Promise<void>,
): Promise<Buffer> {
  const bytes = asBuffer(await read(offset, size, check))
  if (bytes.length !== size)
    throw corrupt(`${size} bytes were asked for at ${offset}, and ${bytes.length} came`)
  return bytes
}
