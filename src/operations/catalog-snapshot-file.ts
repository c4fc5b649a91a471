// The file of a catalog snapshot: zstd frames of at most 4 MiB, and a skippable frame with the SHA-256 of
// what they hold. `zstd -d` makes an ordinary SQLite database of it.

import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { FRAME_BYTES_MAX } from '../pack/frame-bounds.ts'
import { SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { readTarBlocks } from '../pack/frame-reader.ts'
import { compressFrame } from '../pack/zstd.ts'
import {
  SKIPPABLE_HEADER_BYTES,
  skippableHeader,
  skippablePayload,
} from '../pack/skippable-frame.ts'

const LEVEL = 3

// One of the sixteen magic numbers of skippable frames; the ones in archives are others.
const CHECK_MAGIC = 0x184d2a5d
const SHA256_BYTES = 32
const CHECK_BYTES = SKIPPABLE_HEADER_BYTES + SHA256_BYTES

// SQLite's pages come down to a fifth, empty ones to nothing. More than this is no catalog of ours, and
// could fill a disk.
const GROWTH_MAX = 200

/** Block by block, so with bounded memory. Resolves with the size of the packed file. */
export async function packSnapshot(path: string, packedPath: string): Promise<number> {
  return withFile(path, 'r', (from) =>
    withFile(packedPath, 'w', async (to) => {
      const hash = createHash('sha256')
      let sizeBytes = 0
      for (;;) {
        const block = Buffer.allocUnsafe(FRAME_BYTES_MAX)
        const { bytesRead } = await from.read(block, 0, block.length)
        if (bytesRead === 0) break
        const bytes = block.subarray(0, bytesRead)
        hash.update(bytes)
        const frame = await compressFrame(bytes, LEVEL)
        await to.writeFile(frame)
        sizeBytes += frame.length
      }
      await to.writeFile(skippableHeader(CHECK_MAGIC, SHA256_BYTES))
      await to.writeFile(hash.digest())
      return sizeBytes + CHECK_BYTES
    }),
  )
}

/** Rejects with ARCHIVE_CORRUPT or ARCHIVE_REFUSED for what is damaged, or grows beyond reason or room. */
export async function unpackSnapshot(
  packedPath: string,
  path: string,
  roomBytes: number,
): Promise<void> {
  const { size } = await stat(packedPath)
  const bytesMax = Math.min(size * GROWTH_MAX + FRAME_BYTES_MAX, roomBytes)
  const expected = await readCheck(packedPath, size)
  const hash = createHash('sha256')
  let sizeBytes = 0
  await withFile(packedPath, 'r', (from) =>
    withFile(path, 'w', async (to) => {
      for await (const { bytes } of readTarBlocks(from.createReadStream({ autoClose: false }))
        .blocks) {
        sizeBytes += bytes.length
        if (sizeBytes > bytesMax)
          throw new SpillwayError('ARCHIVE_REFUSED', `it grows beyond ${formatBytes(bytesMax)}`)
        hash.update(bytes)
        await to.writeFile(bytes)
      }
    }),
  )
  if (!hash.digest().equals(expected)) throw damaged('its content has another checksum')
}

async function readCheck(packedPath: string, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes < CHECK_BYTES) throw damaged('it is too short')
  const check = Buffer.alloc(CHECK_BYTES)
  await withFile(packedPath, 'r', (file) =>
    file.read(check, 0, CHECK_BYTES, sizeBytes - CHECK_BYTES),
  )
  const sha256 = skippablePayload(CHECK_MAGIC, check)
  if (sha256 === undefined) throw damaged('it has no checksum at its end')
  return sha256
}

async function withFile<Result>(
  path: string,
  flags: 'r' | 'w',
  work: (file: FileHandle) => Promise<Result>,
): Promise<Result> {
  const file = await open(path, flags, 0o600)
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

function damaged(what: string): SpillwayError {
  return new SpillwayError('ARCHIVE_CORRUPT', `the copy of the catalog is damaged: ${what}`)
}
