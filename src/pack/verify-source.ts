// What verifying reads from, and how much it may still read.

import { createHash } from 'node:crypto'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { FRAME_BYTES_MAX, FRAME_COMPRESSED_MAX } from './frame-bounds.ts'
import type { StoredBlock } from './index-directory.ts'
import { decompressFrame } from './zstd.ts'
import type { ReadRange } from './archive-tail.ts'

/** One object. Every read is counted, and refused with BudgetSpent when it would be too much. */
export type VerifySource = {
  readonly fileBytes: number
  /** Pieces that fit in memory. */
  readonly readRange: ReadRange
  /** Any length, as a stream. */
  readonly read: (offsetBytes: number, sizeBytes: number) => AsyncIterable<Uint8Array>
  /** What may still be read; Infinity without a budget. */
  readonly leftBytes: () => number
}

/** Not a failure: verifying goes on where it stopped when there is a budget again. */
export class BudgetSpent extends Error {
  override readonly name = 'BudgetSpent'
}

/** Whether the bytes are wrong, and not the way to them. */
export function isDamage(error: unknown): error is SpillwayError {
  return isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED')
}

/** A block of the index, decompressed. Rejects with ARCHIVE_CORRUPT or ARCHIVE_REFUSED. */
export async function readIndexBlock(source: VerifySource, block: StoredBlock): Promise<Buffer> {
  const { fileOffsetBytes, storedBytes, rawBytes, sha256 } = block
  const isPossible =
    rawBytes <= FRAME_BYTES_MAX &&
    storedBytes <= FRAME_COMPRESSED_MAX &&
    fileOffsetBytes + storedBytes <= source.fileBytes
  if (!isPossible) throw corrupt('a block of the index cannot be where its directory says')
  const stored = asBuffer(await source.readRange(fileOffsetBytes, storedBytes))
  if (stored.length !== storedBytes || !createHash('sha256').update(stored).digest().equals(sha256))
    throw corrupt('a block of the index does not have its SHA-256')
  const bytes = await decompressFrame(stored)
  if (bytes.length !== rawBytes) throw corrupt('a block of the index has another size')
  return bytes
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

export function corrupt(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', what)
}
