// A zstd frame of one raw block: its length is known before its content is, so a place can be kept for
// it (FORMAT.md, "late header").

import { assert } from '../lib/assert.ts'
import { ZSTD_MAGIC } from './frame-bounds.ts'

// Magic number, descriptor, window, header of the block.
const OVERHEAD_BYTES = 4 + 1 + 1 + 3

/** 2 KiB: 2^(10 + exponent), the exponent in the upper five bits. */
const WINDOW_DESCRIPTOR = 0x08
const WINDOW_BYTES = 2_048

export function rawFrameBytes(contentBytes: number): number {
  return OVERHEAD_BYTES + contentBytes
}

/** Neither content size nor checksum, as in all frames of an archive. */
export function encodeRawFrame(content: Uint8Array): Buffer {
  // No block is larger than its window.
  assert(content.length <= WINDOW_BYTES, `${content.length} bytes are no late header`)
  const frame = Buffer.alloc(rawFrameBytes(content.length))
  frame.writeUInt32LE(ZSTD_MAGIC, 0)
  frame[4] = 0
  frame[5] = WINDOW_DESCRIPTOR
  // The last block (1), of the raw kind (0 << 1), and its size.
  frame.writeUIntLE((content.length << 3) | 1, 6, 3)
  frame.set(content, OVERHEAD_BYTES)
  return frame
}
