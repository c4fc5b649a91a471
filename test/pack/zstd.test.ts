// Frames and their bounds: what Spillway writes is taken at every level, what could fill memory is not.

import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { SpillwayError } from '../../src/domain/errors.ts'
import { openNativeLibrary } from '../../src/lib/native-library.ts'
import {
  BLOCK_BYTES_MAX,
  FRAME_BOUND_MAX,
  FRAME_BYTES_MAX,
  frameBound,
  frameContentBytes,
  frameHeaderBytes,
} from '../../src/pack/frame-bounds.ts'
import { checksumOf } from '../../src/pack/seek-table.ts'
import { whyNoZstdLibrary, ZstdLibrary, zstdLibrary } from '../../src/pack/zstd-library.ts'
import {
  checksumInFrame,
  compressFrame,
  decompressFrame,
  openCompressor,
} from '../../src/pack/zstd.ts'
import { readFrames } from '../../src/pack/frame-reader.ts'
import { Random } from '../soak/random.ts'
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

const libraries = [
  ['by the library of this machine', zstdLibrary()],
  ['by the binding', null],
] as const

describe.each(libraries)('a frame %s', (_title, library) => {
  if (library === undefined) {
    it.skip(`which is not here: ${whyNoZstdLibrary()}`, () => undefined)
    return
  }
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
  const compress = async (block: Buffer, level = 3): Promise<Buffer> => {
    const compressor = openCompressor(level, library)
    const { bytes, release } = await compressor.compress(block)
    const frame = Buffer.from(bytes)
    release()
    compressor.close()
    return frame
  }
  const decompress = async (frame: Buffer) => decompressFrame(frame, library)

  it.each(cases)(
    '%s comes back at level %d, either way, and is no larger than its bound',
    async (name, level) => {
      const block = blocks[name as keyof typeof blocks]

      const frame = await compress(block, level)

      for (const [, other] of libraries)
        expect((await decompressFrame(frame, other)).equals(block)).toBe(true)
      expect(frameBound(frame)).toBeGreaterThanOrEqual(block.length)
      expect(frameBound(frame)).toBeLessThanOrEqual(FRAME_BOUND_MAX)
      expect(checksumInFrame(frame) ?? checksumOf(block)).toBe(checksumOf(block))
    },
  )

  it('comes back in the room that is given, also where threads share it', async () => {
    const room = Buffer.from(new SharedArrayBuffer(2 * FRAME_BYTES_MAX), FRAME_BYTES_MAX)
    for (const block of Object.values(blocks)) {
      const bytes = await decompressFrame(await compress(block), library, room)
      expect(bytes.equals(block)).toBe(true)
      expect([bytes.buffer === room.buffer, bytes.byteOffset]).toEqual([true, FRAME_BYTES_MAX])
    }
    const larger = await compress(Buffer.alloc(FRAME_BYTES_MAX + 1))
    await expect(decompressFrame(larger, library, room)).rejects.toMatchObject({
      code: 'ARCHIVE_REFUSED',
    })
  })

  it('is made of several blocks at once, with memory that is used again', async () => {
    const compressor = openCompressor(3, library)
    for (let round = 0; round < 3; round += 1) {
      const given = [textOf(1_000_000), randomBytes(500_000), Buffer.alloc(2_000_000, round)]
      const frames = await Promise.all(given.map(async (block) => compressor.compress(block)))
      for (const [at, { bytes }] of frames.entries())
        expect((await decompress(bytes)).equals(given[at]!)).toBe(true)
      for (const { release } of frames) release()
    }
    compressor.close()
  })

  it('of more than 4 MiB is refused, though its bound would allow it', async () => {
    const frame = await compressFrame(Buffer.alloc(FRAME_BYTES_MAX + 1), 3)
    await expect(decompress(frame)).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' })
  })

  it('of more than its bound allows is refused before it is decompressed', async () => {
    // 16 kB of blocks that are one byte, 128 KiB times: 512 MiB.
    const blocks = Array.from({ length: 4_096 }, (_, at) => {
      const word = (BLOCK_BYTES_MAX << 3) | (1 << 1) | (at === 4_095 ? 1 : 0)
      return Buffer.from([word & 0xff, (word >> 8) & 0xff, word >> 16, 0])
    })
    // Magic number; neither size nor checksum; a window of 2 MiB.
    const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])
    const bomb = Buffer.concat([header, ...blocks])
    const peakKib = process.resourceUsage().maxRSS

    await expect(decompress(bomb)).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' })

    expect(process.resourceUsage().maxRSS - peakKib).toBeLessThan(64 * 1_024)
  })

  it.runIf(hasZstd)(
    'that promises less than it yields is refused, and one that promises more',
    async () => {
      const frame = execFileSync('zstd', ['-q', '-c', '-3', '--stream-size=300000'], {
        input: textOf(300_000),
      })
      expect(frameContentBytes(frame)).toBe(300_000)
      for (const promised of [299_999, 300_001, 2 ** 32 - 1]) {
        const lying = Buffer.from(frame)
        lying.writeUInt32LE(promised, frameHeaderBytes(frame[4]!) - 4)
        await expect(decompress(lying)).rejects.toMatchObject({ name: 'SpillwayError' })
      }
    },
  )

  it('is corrupt with a byte less or a byte more', async () => {
    const frame = await compress(Buffer.from('content'))
    for (const damaged of [
      frame.subarray(0, -1),
      Buffer.concat([frame, Buffer.alloc(1)]),
      frame.subarray(0, 3),
    ])
      await expect(decompress(damaged)).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' })
  })

  it('is never taken for whole with a bit changed, or gives the same bytes', async () => {
    const block = textOf(3_000)
    const frame = await compress(block)
    for (let at = 0; at < frame.length; at += 1) {
      const damaged = Buffer.from(frame)
      damaged[at]! ^= 1 << (at % 8)
      const result = await decompress(damaged).catch((error: unknown) => error)
      if (result instanceof SpillwayError) continue
      // Without a checksum of its own, the seek table's tells.
      const isRight = checksumOf(result as Buffer) === checksumOf(block)
      expect(isRight).toBe(block.equals(result as Buffer))
    }
  })

  it('with damage behind its header is damaged, not refused, also where it would yield more than 4 MiB', async () => {
    const seed = randomInt(2 ** 31)
    const random = new Random(seed)
    const frame = await compress(textOf(FRAME_BYTES_MAX))
    const header = frameHeaderBytes(frame[4]!)
    const told = new Set<string>()
    for (let round = 0; round < 150; round += 1) {
      const damaged = Buffer.from(frame)
      const at = random.between(header, frame.length - 2)
      damaged[at]! ^= random.between(1, 255)
      damaged[at + 1]! ^= random.between(1, 255)
      const result = await decompress(damaged).catch((error: unknown) => error)
      // Without a checksum of its own, the seek table's tells.
      if (result instanceof SpillwayError) told.add(`${result.code}, seed ${seed}`)
    }
    expect([...told]).toEqual([`ARCHIVE_CORRUPT, seed ${seed}`])
  })

  it.runIf(hasZstd)(
    'is read as the zstd program writes it, with size and checksum in it',
    async () => {
      const frame = execFileSync('zstd', ['-q', '-c', '-3', '--check'], { input: textOf(300_000) })
      expect((await decompress(frame)).equals(textOf(300_000))).toBe(true)
    },
  )

  it.runIf(hasZstd)('is read by the zstd program', async () => {
    const frame = await compress(textOf(300_000))
    const output = execFileSync('zstd', ['-q', '-d', '-c'], { input: frame })
    expect(output.equals(textOf(300_000))).toBe(true)
  })
})

it('the library says what is wrong with it, and is done without', () => {
  expect(() => new ZstdLibrary(openNativeLibrary(null))).toThrow(/ZSTD/)
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
