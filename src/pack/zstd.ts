// The only file that knows the zstd binding: blocks to frames and back, in its own thread pool.
//
// The package's public compress() ignores its level; the native binding underneath takes it.

import { createRequire } from 'node:module'
import { FRAME_BOUND_MAX, FRAME_BYTES_MAX, frameBound } from './frame-bounds.ts'
import { SpillwayError, messageOf } from '../domain/errors.ts'

/** The two functions that we use of it. */
type Binding = {
  readonly compress: (data: Buffer, level: number) => Promise<Buffer>
  readonly decompress: (data: Buffer) => Promise<Buffer>
}

// It has no declarations of its own.
const binding = createRequire(import.meta.url)('@mongodb-js/zstd/bindings.js') as Binding

export async function compressFrame(block: Buffer, level: number): Promise<Buffer> {
  return binding.compress(block, level)
}

/** Rejects with ARCHIVE_REFUSED for more than 4 MiB, with ARCHIVE_CORRUPT for what is no frame. */
export async function decompressFrame(frame: Buffer): Promise<Buffer> {
  if (frameBound(frame) > FRAME_BOUND_MAX) throw tooLarge()
  let bytes: Buffer
  try {
    bytes = await binding.decompress(frame)
  } catch (cause) {
    throw new SpillwayError('ARCHIVE_CORRUPT', `a zstd frame is damaged: ${messageOf(cause)}`, {
      cause,
    })
  }
  if (bytes.length > FRAME_BYTES_MAX) throw tooLarge()
  return bytes
}

function tooLarge(): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', 'a zstd frame yields more than 4 MiB')
}
