// Frames and their bounds: what Spillway writes is taken at every level, what could fill memory is not.

import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { FRAME_BOUND_MAX, FRAME_BYTES_MAX, frameBound } from '../../src/pack/frame-bounds.ts'
import { compressFrame, decompressFrame } from '../../src/pack/zstd.ts'
import { readFrames } from '../../src/pack/frame-reader.ts'
import { inChunks, skippableFrame } from '../support/make-archive.ts'

// Not on every machine; ours need no such program.
const hasZstd = spawnSync('zstd', ['--version']).status === 0

/** Compresses about as well as program text does; from level 16 on, zstd splits its blocks. */
function textOf(bytes: number): Buffer {
  let seed = 12_345
  const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31)
  const words = Array.from({ length: 3_000 }, () => randomWord(next))
  let text = ''
  while (text.length < bytes)
    text += `${words[next() % words.length]!}${next() % 11 === 0 ? '\n' : ' '}`
  return Buffer.from(text.slice(0, bytes), 'latin1')
}

function randomWord(next: () => number): string {
  return Array.from({ length: 2 + (next() % 9) }, () =>
    String.fromCharCode(97 + (next() % 26)),
  ).join('')
}

describe('a frame', () => {
  const blocks = {
    'of text': textOf(FRAME_BYTES_MAX),
    'of noise': randomBytes(FRAME_BYTES_MAX),
    'of zeros': Buffer.alloc(FRAME_BYTES_MAX),
    'of one byte': Buffer.from([7]),
    'of nothing': Buffer.alloc(0),
  }
  const cases = Object.keys(blocks).flatMap((name) =>
    [1, 3, 16, 19].map((level) => [name, level] as const),
  )

  it.each(cases)(
    '%s comes back at level %d, and is no larger than its bound',
    async (name, level) => {
      const block = blocks[name as keyof typeof blocks]

      const frame = await compressFrame(block, level)

      expect((await decompressFrame(frame)).equals(block)).toBe(true)
      expect(frameBound(frame)).toBeGreaterThanOrEqual(block.length)
      expect(frameBound(frame)).toBeLessThanOrEqual(FRAME_BOUND_MAX)
    },
  )

  it('of more than 4 MiB is refused, though its bound would allow it', async () => {
    const frame = await compressFrame(Buffer.alloc(FRAME_BYTES_MAX + 1), 3)
    await expect(decompressFrame(frame)).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' })
  })

  it('of more than its bound allows is refused before it is decompressed', async () => {
    const frame = await compressFrame(Buffer.alloc(FRAME_BOUND_MAX + 1), 3)
    await expect(decompressFrame(frame)).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' })
  })

  it('is corrupt with a byte less or a byte more', async () => {
    const frame = await compressFrame(Buffer.from('content'), 3)
    for (const damaged of [
      frame.subarray(0, -1),
      Buffer.concat([frame, Buffer.alloc(1)]),
      frame.subarray(0, 3),
    ])
      await expect(decompressFrame(damaged)).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' })
  })

  it.runIf(hasZstd)(
    'is read as the zstd program writes it, with size and checksum in it',
    async () => {
      const frame = execFileSync('zstd', ['-q', '-c', '-3', '--check'], { input: textOf(300_000) })
      expect((await decompressFrame(frame)).equals(textOf(300_000))).toBe(true)
    },
  )
})

describe('readFrames', () => {
  it.each([1, 7, 1_000, 1_000_000])(
    'finds every frame in chunks of %d bytes',
    async (chunkBytes) => {
      const blocks = [textOf(10_000), randomBytes(10_000), Buffer.alloc(10_000)]
      const frames = await Promise.all(blocks.map((block) => compressFrame(block, 3)))
      const archive = Buffer.concat([
        ...frames,
        skippableFrame(randomBytes(50)),
        skippableFrame(Buffer.alloc(0), 0x184d2a5e),
      ])

      const found: Buffer[] = []
      const offsets: number[] = []
      for await (const { bytes, offsetBytes } of readFrames(inChunks(archive, chunkBytes))) {
        found.push(bytes)
        offsets.push(offsetBytes)
      }

      expect(found).toEqual(frames)
      expect(offsets).toEqual([0, frames[0]!.length, frames[0]!.length + frames[1]!.length])
    },
  )

  it('lets go of its source when nobody wants more', async () => {
    let isClosed = false
    const frame = await compressFrame(Buffer.from('x'), 3)
    async function* endless() {
      try {
        for (;;) yield frame
      } finally {
        isClosed = true
      }
    }
    for await (const { offsetBytes } of readFrames(endless())) {
      expect(offsetBytes).toBe(0)
      break
    }
    expect(isClosed).toBe(true)
  })
})
