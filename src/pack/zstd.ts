// Blocks to zstd frames and back, in the thread pool: by the library of this machine where it has one
// (zstd-library.ts), else by the binding, which comes with the package. Either reads what the other wrote.
//
// The binding's public compress() ignores its level; the native one underneath takes it.

import { createRequire } from 'node:module'
import {
  FRAME_BOUND_MAX,
  FRAME_BYTES_MAX,
  frameBound,
  frameContentBytes,
  hasFrameChecksum,
} from './frame-bounds.ts'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import { giveBack, shrink } from './give-back.ts'
import { zstdLibrary } from './zstd-library.ts'
import type { ZstdLibrary } from './zstd-library.ts'

/** The two functions that we use of it. */
type Binding = {
  readonly compress: (data: Buffer, level: number) => Promise<Buffer>
  readonly decompress: (data: Buffer) => Promise<Buffer>
}

let loaded: Binding | undefined

// It has no declarations of its own.
function binding(): Binding {
  return (loaded ??= createRequire(import.meta.url)('@mongodb-js/zstd/bindings.js') as Binding)
}

/** `bytes` are good until `release` is called. */
export type CompressedFrame = { readonly bytes: Buffer; readonly release: () => void }

/** Compresses many blocks of 4 MiB at most, several at a time. */
export interface FrameCompressor {
  compress(block: Buffer): Promise<CompressedFrame>
  /** Once no frame is at work any more. */
  close(): void
}

/** `library`: another than this machine's, for tests; null: the binding. */
export function openCompressor(
  level: number,
  library: ZstdLibrary | null = zstdLibrary() ?? null,
): FrameCompressor {
  return library === null ? new BindingCompressor(level) : new LibraryCompressor(library, level)
}

class LibraryCompressor implements FrameCompressor {
  readonly #library: ZstdLibrary
  readonly #level: number
  readonly #free: ReturnType<ZstdLibrary['open']>[] = []

  constructor(library: ZstdLibrary, level: number) {
    this.#library = library
    this.#level = level
  }

  async compress(block: Buffer): Promise<CompressedFrame> {
    const context = this.#free.pop() ?? this.#library.open(this.#level, FRAME_BYTES_MAX)
    const release = () => void this.#free.push(context)
    try {
      return { bytes: await this.#library.compress(context, block), release }
    } catch (error) {
      release()
      throw error
    }
  }

  close(): void {
    for (const context of this.#free.splice(0)) this.#library.close(context)
  }
}

class BindingCompressor implements FrameCompressor {
  readonly #level: number

  constructor(level: number) {
    this.#level = level
  }

  async compress(block: Buffer): Promise<CompressedFrame> {
    const bytes = await binding().compress(block, this.#level)
    return { bytes, release: () => giveBack(bytes) }
  }

  close(): void {}
}

/** The low half of the block's XXH64, where the frame carries it. */
export function checksumInFrame(frame: Buffer): number | undefined {
  return hasFrameChecksum(frame) ? frame.readUInt32LE(frame.length - 4) : undefined
}

/** One block; who has many opens a compressor. */
export async function compressFrame(block: Buffer, level: number): Promise<Buffer> {
  const library = zstdLibrary()
  if (library === undefined) return binding().compress(block, level)
  const context = library.open(level, block.length)
  try {
    const { length } = await library.compress(context, block)
    return shrink(context.out, length)
  } finally {
    library.close(context)
  }
}

/**
 * Rejects with ARCHIVE_REFUSED for more than 4 MiB, with ARCHIVE_CORRUPT for what is no frame, or yields more than it
 * promises: damage makes some of our own do so. `room`: 4 MiB that it
 * is put into, which are then part of the answer; else it comes in memory of its own.
 */
export async function decompressFrame(
  frame: Buffer,
  library: ZstdLibrary | null = zstdLibrary() ?? null,
  room?: Buffer,
): Promise<Buffer> {
  const bound = frameBound(frame)
  if (bound > FRAME_BOUND_MAX) throw tooLarge()
  let bytes: Buffer | undefined
  try {
    bytes = await (library === null
      ? binding().decompress(frame)
      : decompressByLibrary(library, frame, bound, room))
  } catch (cause) {
    throw damaged(messageOf(cause), cause)
  }
  if (bytes === undefined || bytes.length > FRAME_BYTES_MAX) {
    const promised = frameContentBytes(frame) ?? Number.POSITIVE_INFINITY
    throw promised > FRAME_BYTES_MAX ? tooLarge() : damaged(`it yields more than ${promised} bytes`)
  }
  return room === undefined || bytes.buffer === room.buffer ? bytes : movedInto(room, bytes)
}

/** The binding gives memory of its own. */
function movedInto(room: Buffer, bytes: Buffer): Buffer {
  room.set(bytes)
  const moved = room.subarray(0, bytes.length)
  giveBack(bytes)
  return moved
}

/** undefined: more than 4 MiB. */
async function decompressByLibrary(
  library: ZstdLibrary,
  frame: Buffer,
  bound: number,
  room: Buffer | undefined,
): Promise<Buffer | undefined> {
  if (room !== undefined) {
    const length = await library.decompress(frame, room)
    return length === undefined ? undefined : room.subarray(0, length)
  }
  const promised = frameContentBytes(frame) ?? bound
  const out = Buffer.allocUnsafeSlow(Math.max(1, Math.min(promised, FRAME_BYTES_MAX)))
  const length = await library.decompress(frame, out)
  return length === undefined ? undefined : shrink(out, length)
}

function damaged(why: string, cause?: unknown): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `a zstd frame is damaged: ${why}`, { cause })
}

function tooLarge(): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', 'a zstd frame yields more than 4 MiB')
}
