// Reads an archive from its end: what it is, where a member lies, and single frames, with a few reads
// by position. What a catalog row is made again from, and how one file is restored from a terabyte.
//
// Nothing that it reads is trusted: every block is checked against the hash that its directory, its
// manifest or its seek table has of it, and sizes are bounded before anything is decompressed.

import { createHash } from 'node:crypto'
import { SpillwayError } from '../domain/errors.ts'
import { FRAME_BYTES_MAX, FRAME_COMPRESSED_MAX } from './frame-bounds.ts'
import { FrameTable } from './frame-table.ts'
import type { FramePlace } from './frame-table.ts'
import { decodeDirectory, FIRST_PATH_BYTES_MAX } from './index-directory.ts'
import type { IndexDirectory, MemberBlock } from './index-directory.ts'
import { MANIFEST_PAYLOAD_MAX, parseManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { comparePaths, decodeMembers } from './member-record.ts'
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
import { decompressFrame } from './zstd.ts'

/** Exactly `sizeBytes` bytes from there; rejects with a SpillwayError of its own when it cannot. */
export type ReadRange = (offsetBytes: number, sizeBytes: number) => Promise<Uint8Array>

// One read holds the manifest (64 KiB at most) and a seek table of 5 000 frames, so 20 GB of tar.
const TAIL_BYTES = 128 * 1024

/** One read, or three where the seek table is long. Rejects with ARCHIVE_CORRUPT or ARCHIVE_REFUSED. */
export async function openArchiveTail(
  readRange: ReadRange,
  fileBytes: number,
): Promise<ArchiveTail> {
  const at = Math.max(0, fileBytes - TAIL_BYTES)
  const tail = await readExactly(readRange, at, fileBytes - at)
  const read: ReadRange = async (offsetBytes, sizeBytes) =>
    offsetBytes >= at
      ? tail.subarray(offsetBytes - at, offsetBytes - at + sizeBytes)
      : readExactly(readRange, offsetBytes, sizeBytes)
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

export class ArchiveTail {
  readonly manifest: Manifest
  readonly #read: ReadRange
  readonly #fileBytes: number
  #directory: Promise<IndexDirectory> | undefined
  #frames: Promise<FrameTable> | undefined

  constructor(read: ReadRange, fileBytes: number, manifest: Manifest) {
    this.manifest = manifest
    this.#read = read
    this.#fileBytes = fileBytes
  }

  /** By its path without a slash at its end; '' is the archived folder. undefined: not there. */
  async findMember(path: ByteString): Promise<IndexedMember | undefined> {
    for await (const member of this.membersFrom(path))
      return member.path === path ? member : undefined
    return undefined
  }

  /** The member and, where it is a folder, everything below it, in the order of the archive. */
  async *membersUnder(path: ByteString): AsyncGenerator<IndexedMember> {
    const prefix = path === '' ? '' : `${path}/`
    for await (const member of this.membersFrom(path)) {
      if (member.path !== path && !member.path.startsWith(prefix)) return
      yield member
    }
  }

  /** All members from this path on, whether it is there or not; from '' on: all. */
  async *membersFrom(path: ByteString): AsyncGenerator<IndexedMember> {
    const { members } = await this.directory()
    for (const block of members.slice(firstBlockFor(members, path))) {
      for (const member of await this.#membersOf(block))
        if (comparePaths(member.path, path) >= 0) yield member
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
      const bytes = await this.#readBlock(block)
      if (bytes.length !== block.frameCount * 32) throw corrupt('its frame hashes are damaged')
      for (let at = 0; at < bytes.length; at += 32) yield bytes.subarray(at, at + 32)
    }
  }

  /** The tar bytes of one frame, checked against its entry in the seek table. */
  async readFrame(place: FramePlace): Promise<Buffer> {
    const { fileOffsetBytes, storedBytes, rawBytes, checksum, number } = place
    if (storedBytes > FRAME_COMPRESSED_MAX) throw corrupt(`frame ${number} is too large`)
    const bytes = await decompressFrame(asBuffer(await this.#read(fileOffsetBytes, storedBytes)))
    if (bytes.length !== rawBytes || checksumOf(bytes) !== checksum)
      throw corrupt(`frame ${number} is damaged`)
    return bytes
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
    for (const { sha256, ...piece } of this.manifest.directory)
      pieces.push(await this.#readBlock({ ...piece, sha256: Buffer.from(sha256, 'hex') }))
    return decodeDirectory(Buffer.concat(pieces))
  }

  async #membersOf(block: MemberBlock): Promise<IndexedMember[]> {
    const bytes = await this.#readBlock(block)
    const members = [...decodeMembers({ bytes, firstOffsetBytes: block.firstOffsetBytes })]
    if (members.length !== block.memberCount) throw corrupt('its index is damaged')
    return members
  }

  async #readBlock(block: {
    readonly fileOffsetBytes: number
    readonly storedBytes: number
    readonly rawBytes: number
    readonly sha256: Buffer
  }): Promise<Buffer> {
    const { fileOffsetBytes, storedBytes, rawBytes, sha256 } = block
    if (rawBytes > FRAME_BYTES_MAX || storedBytes > FRAME_COMPRESSED_MAX)
      throw corrupt('a block of its index is too large')
    if (fileOffsetBytes + storedBytes > this.#fileBytes)
      throw corrupt('a block of its index lies outside of it')
    const stored = asBuffer(await this.#read(fileOffsetBytes, storedBytes))
    if (!createHash('sha256').update(stored).digest().equals(sha256))
      throw corrupt('a block of its index is damaged')
    const bytes = await decompressFrame(stored)
    if (bytes.length !== rawBytes) throw corrupt('a block of its index has another size')
    return bytes
  }

  async #readFrameTable(): Promise<FrameTable> {
    const footer = await this.#read(this.#fileBytes - SEEK_FOOTER_BYTES, SEEK_FOOTER_BYTES)
    const sizeBytes = seekTableBytes(parseSeekFooter(asBuffer(footer)))
    const table = asBuffer(await this.#read(this.#fileBytes - sizeBytes, sizeBytes))
    return new FrameTable(table, this.#fileBytes, this.manifest)
  }
}

/** The block in which a path lies if it is there, or the one before where first paths were cut. */
function firstBlockFor(blocks: readonly MemberBlock[], path: ByteString): number {
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

async function readExactly(read: ReadRange, offset: number, size: number): Promise<Buffer> {
  const bytes = asBuffer(await read(offset, size))
  if (bytes.length !== size)
    throw corrupt(`${size} bytes were asked for at ${offset}, and ${bytes.length} came`)
  return bytes
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function corrupt(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the archive cannot be read: ${what}`)
}
