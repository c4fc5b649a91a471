// The bytes of an archive -> its zstd frames -> blocks of tar.
//
// Nothing in the bytes is trusted: frames are found by walking their own headers, none is taken that
// Spillway would not have written, and what is no tar (index, manifest, seek table: skippable frames,
// which may be large) is counted past and never held in memory.

import { createHash } from 'node:crypto'
import {
  FRAME_COMPRESSED_MAX,
  frameHeaderBytes,
  parseBlockHeader,
  parseFrameHeader,
  WINDOW_BYTES_MAX,
  ZSTD_MAGIC,
} from './frame-bounds.ts'
import { ByteCursor } from './byte-cursor.ts'
import { decompressFrame } from './zstd.ts'
import { giveBack } from './give-back.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { mapAhead } from '../lib/map-ahead.ts'
import { sha256Of } from '../lib/sha256.ts'
import type { FailureCode } from '../domain/errors.ts'

export type Frame = {
  /** In the archive. */
  readonly offsetBytes: number
  readonly bytes: Buffer
}

export type TarBlock = {
  /** Of its frame, in the archive. */
  readonly offsetBytes: number
  readonly bytes: Buffer
}

// One is taken while the next is decompressed, at about 900 MB of tar a second. A third would gain
// nothing where a disk is written.
const FRAMES_AHEAD = 2

/**
 * The tar frames of an archive, in order. Rejects with ARCHIVE_CORRUPT or ARCHIVE_REFUSED. `isTailDamaged`:
 * what follows the tar is known to be damaged, and ends it in peace; a frame as none of ours is then damaged, too.
 */
export async function* readFrames(
  archive: AsyncIterable<Uint8Array>,
  { isTailDamaged = false } = {},
): AsyncGenerator<Frame> {
  const cursor = new ByteCursor(archive)
  let isPastTar = false
  try {
    for (;;) {
      const offsetBytes = cursor.offsetBytes
      const magic = await cursor.take(4)
      if (magic.length === 0) return
      if (magic.length === 4 && isSkippable(magic.readUInt32LE())) {
        isPastTar = true
        await skipFrame(cursor, offsetBytes)
        continue
      }
      if (magic.length < 4 || magic.readUInt32LE() !== ZSTD_MAGIC)
        throw failure('ARCHIVE_CORRUPT', `no zstd frame begins at byte ${offsetBytes}`)
      if (isPastTar)
        throw failure('ARCHIVE_REFUSED', `more content follows the index at byte ${offsetBytes}`)
      yield { offsetBytes, bytes: await readFrame(cursor, offsetBytes, magic) }
    }
  } catch (error) {
    if (!isTailDamaged) throw error
    if (!isPastTar) throw asDamage(error)
    if (!isFailure(error, 'ARCHIVE_CORRUPT')) throw error
  } finally {
    await cursor.close()
  }
}

/**
 * The tar of an archive, decompressed ahead of whoever takes it. `sha256` is the archive's own, as in
 * its manifest and in the catalog; complete when the last block was taken.
 */
export function readTarBlocks(
  archive: AsyncIterable<Uint8Array>,
  options: { readonly isTailDamaged?: boolean } = {},
): { readonly blocks: AsyncGenerator<TarBlock>; readonly sha256: () => string } {
  const hash = createHash('sha256')
  const decompress = async (frame: Frame) =>
    hashAndDecompress(frame).catch((error: unknown) => {
      throw options.isTailDamaged === true ? asDamage(error) : error
    })
  const hashed = mapAhead(readFrames(archive, options), decompress, FRAMES_AHEAD)
  async function* blocks(): AsyncGenerator<TarBlock> {
    for await (const { frameSha256, ...block } of hashed) {
      hash.update(frameSha256)
      yield block
      // Whoever took it is done with it.
      giveBack(block.bytes)
    }
  }
  return { blocks: blocks(), sha256: () => hash.copy().digest('hex') }
}

async function hashAndDecompress(
  frame: Frame,
): Promise<TarBlock & { readonly frameSha256: Buffer }> {
  const { offsetBytes } = frame
  try {
    const [bytes, frameSha256] = await Promise.all([
      decompressFrame(frame.bytes),
      sha256Of(frame.bytes),
    ])
    return { offsetBytes, bytes, frameSha256 }
  } catch (cause) {
    const code = cause instanceof SpillwayError ? cause.code : 'ARCHIVE_CORRUPT'
    throw failure(code, `${messageOf(cause)} (at byte ${offsetBytes})`, cause)
  }
}

/** What has one damaged place may have more: nobody else is to be blamed, and what is in front is sound. */
function asDamage(error: unknown): unknown {
  if (!isFailure(error, 'ARCHIVE_REFUSED')) return error
  return failure('ARCHIVE_CORRUPT', messageOf(error), error)
}

async function readFrame(cursor: ByteCursor, offset: number, magic: Buffer): Promise<Buffer> {
  const descriptor = await take(cursor, 1, offset)
  const rest = await take(cursor, frameHeaderBytes(descriptor[0]!) - 5, offset)
  const header = Buffer.concat([magic, descriptor, rest])
  const { windowBytes, hasChecksum, hasDictionary } = parseFrameHeader(header)
  if (hasDictionary)
    throw failure('ARCHIVE_REFUSED', `the frame at byte ${offset} needs a dictionary`)
  if (windowBytes > WINDOW_BYTES_MAX)
    throw foreign(offset, `asks for a window of ${windowBytes} bytes`)

  const pieces: Buffer[] = [header]
  let sizeBytes = header.length
  for (;;) {
    const blockHeader = await take(cursor, 3, offset)
    const block = parseBlockHeader(blockHeader)
    if (block === undefined)
      throw failure('ARCHIVE_CORRUPT', `the frame at byte ${offset} is damaged`)
    sizeBytes += 3 + block.bodyBytes
    if (sizeBytes > FRAME_COMPRESSED_MAX) throw foreign(offset, 'is larger than 4 MiB')
    pieces.push(blockHeader, await take(cursor, block.bodyBytes, offset))
    if (block.isLast) break
  }
  if (hasChecksum) pieces.push(await take(cursor, 4, offset))
  return Buffer.concat(pieces)
}

async function skipFrame(cursor: ByteCursor, offset: number): Promise<void> {
  const sizeBytes = (await take(cursor, 4, offset)).readUInt32LE()
  if ((await cursor.skip(sizeBytes)) < sizeBytes) throw cutOff(cursor, offset)
}

async function take(cursor: ByteCursor, count: number, frameOffset: number): Promise<Buffer> {
  const bytes = await cursor.take(count)
  if (bytes.length < count) throw cutOff(cursor, frameOffset)
  return bytes
}

/** Magic numbers of skippable frames: 0x184D2A50 to 0x184D2A5F. */
function isSkippable(magic: number): boolean {
  return magic >>> 4 === 0x184d2a5
}

function cutOff(cursor: ByteCursor, frameOffset: number): SpillwayError {
  return failure(
    'ARCHIVE_CORRUPT',
    `the archive is cut off at byte ${cursor.offsetBytes}, inside the frame that begins at byte ${frameOffset}`,
  )
}

function foreign(offset: number, what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', `the zstd frame at byte ${offset} ${what}`, {
    facts: { offset },
    hint: 'Spillway did not write this archive; to look at it use: tar --zstd -tf FILE',
  })
}

function failure(code: FailureCode, message: string, cause?: unknown): SpillwayError {
  return new SpillwayError(code, message, cause === undefined ? {} : { cause })
}
