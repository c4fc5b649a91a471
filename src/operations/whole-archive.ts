// An archive as it is, from its first byte to its last, and nothing of it that is not what was archived: each
// frame is held back until its hash is the one in the list of hashes, which is the catalog's own. What
// one copy has damaged is taken from another.

import { createHash } from 'node:crypto'
import { FRAME_COMPRESSED_MAX } from '../pack/frame-bounds.ts'
import { openArchiveBytes } from './archive-bytes.ts'
import { SpillwayError } from '../domain/errors.ts'
import { withArchiveInUse } from './archive-in-use.ts'
import type { ArchiveBytes, ArchiveBytesServices } from './archive-bytes.ts'
import type { ArchiveInUseServices } from './archive-in-use.ts'
import type { ArchiveTail } from '../pack/archive-tail.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'

/**
 * Rejects with ARCHIVE_MISSING, ARCHIVE_CORRUPT (what was whole in front of the damage is written), or as a restore
 * does.
 */
export async function copyArchive(
  services: ArchiveBytesServices & ArchiveInUseServices,
  { archive: name, write }: { archive: string; write: (bytes: Uint8Array) => Promise<void> },
  signal: AbortSignal,
): Promise<void> {
  await withArchiveInUse(services, name, async (archive) => {
    const bytes = await openArchiveBytes(services, archive, signal)
    try {
      const tail = await bytes.openTail()
      if (tail === undefined) throw unprovable(archive)
      for await (const piece of provenBytes(bytes, tail, archive)) {
        signal.throwIfAborted()
        await write(piece)
      }
      signal.throwIfAborted()
    } finally {
      bytes.close()
    }
  })
}

async function* provenBytes(
  bytes: ArchiveBytes,
  tail: ArchiveTail,
  archive: ArchiveWithCopies,
): AsyncGenerator<Uint8Array> {
  const hashes = await hashesOf(tail, archive)
  const frames = await tail.frames()
  let number = 0
  let frame = new HeldFrame()
  for await (const chunk of bytes.stream()) {
    let rest = chunk
    while (rest.length > 0 && number < frames.tarFrameCount) {
      const { storedBytes, fileOffsetBytes } = frames.frame(number)
      // Nobody's seek table decides how much memory is taken.
      if (storedBytes > FRAME_COMPRESSED_MAX) throw unprovable(archive)
      rest = frame.add(rest, storedBytes)
      if (frame.sizeBytes < storedBytes) break
      const hash = hashes.subarray(32 * number, 32 * number + 32)
      if (frame.hasHash(hash)) yield* frame.pieces
      else yield await elsewhere(bytes, { fileOffsetBytes, storedBytes, number, hash })
      frame = new HeldFrame()
      number += 1
    }
    // Behind the frames: the index, which was read and checked as far as it is needed.
    if (rest.length > 0) yield rest
  }
}

class HeldFrame {
  readonly pieces: Uint8Array[] = []
  readonly #hash = createHash('sha256')
  sizeBytes = 0

  /** Returns what belongs to the next one. */
  add(chunk: Uint8Array, storedBytes: number): Uint8Array {
    const own = chunk.subarray(0, storedBytes - this.sizeBytes)
    this.pieces.push(own)
    this.#hash.update(own)
    this.sizeBytes += own.length
    return chunk.subarray(own.length)
  }

  hasHash(hash: Buffer): boolean {
    return this.#hash.digest().equals(hash)
  }
}

async function elsewhere(
  bytes: ArchiveBytes,
  {
    fileOffsetBytes,
    storedBytes,
    number,
    hash,
  }: {
    readonly fileOffsetBytes: number
    readonly storedBytes: number
    readonly number: number
    readonly hash: Buffer
  },
): Promise<Buffer> {
  const read = await bytes.read(fileOffsetBytes, storedBytes, (found) => {
    if (createHash('sha256').update(found).digest().equals(hash)) return
    throw new SpillwayError('ARCHIVE_CORRUPT', `frame ${number} is damaged`)
  })
  return Buffer.from(read)
}

/** Of all tar frames, 32 bytes each; they are those of what was archived, or nothing is handed out. */
async function hashesOf(tail: ArchiveTail, archive: ArchiveWithCopies): Promise<Buffer> {
  const hashes: Buffer[] = []
  for await (const hash of tail.frameHashes()) hashes.push(hash)
  const list = Buffer.concat(hashes)
  const found = createHash('sha256').update(list).digest('hex')
  if (found === (archive.sha256 ?? tail.manifest.sha256)) return list
  throw unprovable(archive)
}

function unprovable({ file }: ArchiveWithCopies): SpillwayError {
  return new SpillwayError(
    'ARCHIVE_CORRUPT',
    `the index of ${file} is damaged on every copy, so its bytes cannot be proven`,
    { hint: 'restore it, which gives back everything that is whole: spillway restore' },
  )
}
