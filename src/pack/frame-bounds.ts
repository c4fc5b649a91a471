// How large a zstd frame can become, found without decompressing it.
//
// The binding has no limit of its own (47 kB became 1.5 GB) and a frame need not carry its content size, so the
// block headers are walked first: 3 bytes each, and a block yields at most 128 KiB. From level 16 on
// zstd splits a block of 128 KiB into several small ones, which all count with 128 KiB here: 4 MiB of
// /usr/share came to 31 MiB at level 19. The bound is therefore a limit for memory, not the exact
// size; that no frame is larger than 4 MiB is checked once it is decompressed.

import { SpillwayError } from '../domain/errors.ts'

export const FRAME_BYTES_MAX = 4 * 1024 * 1024

/** Twice the most that was seen at level 19, the highest one that ZSTD_LEVEL takes. */
export const FRAME_BOUND_MAX = 64 * 1024 * 1024

/** A raw block grows by 3 bytes per 128 KiB, and no frame is worth more than its content. */
export const FRAME_COMPRESSED_MAX = FRAME_BYTES_MAX + 64 * 1024

/** 8 MiB is what level 19 asks for; a larger window is memory that a hostile frame asks for. */
export const WINDOW_BYTES_MAX = 8 * 1024 * 1024

export const BLOCK_BYTES_MAX = 128 * 1024

export const ZSTD_MAGIC = 0xfd2fb528

export type FrameHeader = {
  readonly headerBytes: number
  readonly windowBytes: number
  readonly hasChecksum: boolean
  readonly hasDictionary: boolean
}

/** Length of the header, from its fifth byte (the descriptor). */
export function frameHeaderBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag
  return 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes
}

/** `header` holds at least frameHeaderBytes. */
export function parseFrameHeader(header: Uint8Array): FrameHeader {
  const descriptor = header[4]!
  const headerBytes = frameHeaderBytes(descriptor)
  return {
    headerBytes,
    windowBytes: windowBytes(header, descriptor, headerBytes),
    hasChecksum: hasFrameChecksum(header),
    hasDictionary: (descriptor & 0x03) !== 0,
  }
}

/** As the frame promises it; undefined: it does not. */
export function frameContentBytes(frame: Uint8Array): number | undefined {
  const descriptor = frame[4]!
  if (descriptor >> 6 === 0 && (descriptor & 0x20) === 0) return undefined
  return contentBytes(frame, descriptor, frameHeaderBytes(descriptor))
}

export function hasFrameChecksum(frame: Uint8Array): boolean {
  return (frame[4]! & 0x04) !== 0
}

function windowBytes(header: Uint8Array, descriptor: number, headerBytes: number): number {
  if ((descriptor & 0x20) === 0) {
    const base = 2 ** (10 + (header[5]! >> 3))
    return base + (base / 8) * (header[5]! & 7)
  }
  // A single segment: the window is the content.
  return contentBytes(header, descriptor, headerBytes)
}

/** It ends the header. */
function contentBytes(header: Uint8Array, descriptor: number, headerBytes: number): number {
  const sizeBytes = descriptor >> 6 === 0 ? 1 : 2 ** (descriptor >> 6)
  let value = 0
  for (let at = headerBytes - 1; at >= headerBytes - sizeBytes; at -= 1)
    value = value * 256 + header[at]!
  return sizeBytes === 2 ? value + 256 : value
}

export type BlockHeader = {
  readonly isLast: boolean
  /** Bytes that follow the header. */
  readonly bodyBytes: number
  /** Most bytes that it yields. */
  readonly boundBytes: number
}

/** undefined: no block of format 1 looks like this. */
export function parseBlockHeader(bytes: Uint8Array): BlockHeader | undefined {
  const word = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16)
  const kind = (word >> 1) & 3
  const size = word >> 3
  if (kind === 3 || size > BLOCK_BYTES_MAX) return undefined
  return {
    isLast: (word & 1) === 1,
    bodyBytes: kind === 1 ? 1 : size,
    boundBytes: kind === 2 ? BLOCK_BYTES_MAX : size,
  }
}

/** Most bytes that a whole frame can yield. Throws ARCHIVE_CORRUPT when it is no whole frame. */
export function frameBound(frame: Uint8Array): number {
  const isFrame =
    frame.length >= 6 && Buffer.from(frame.buffer, frame.byteOffset).readUInt32LE() === ZSTD_MAGIC
  if (!isFrame) throw new SpillwayError('ARCHIVE_CORRUPT', 'no zstd frame')
  const header = parseFrameHeader(frame)
  let at = header.headerBytes
  let bound = 0
  for (;;) {
    const block = at + 3 <= frame.length ? parseBlockHeader(frame.subarray(at, at + 3)) : undefined
    if (block === undefined) throw new SpillwayError('ARCHIVE_CORRUPT', 'a zstd frame is damaged')
    at += 3 + block.bodyBytes
    bound += block.boundBytes
    if (block.isLast) break
  }
  if (at + (header.hasChecksum ? 4 : 0) !== frame.length)
    throw new SpillwayError('ARCHIVE_CORRUPT', 'a zstd frame is cut off')
  return bound
}
