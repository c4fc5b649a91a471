// Headers that are written last: what every reader of tar takes from them, below and above 8 GiB.

import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DirectWriter } from '../../src/pack/direct-writer.ts'
import { FrameLedger } from '../../src/pack/frame-ledger.ts'
import { encodeLateHeader, LATE_HEADER_BYTES } from '../../src/pack/late-header.ts'
import { encodeRawFrame, rawFrameBytes } from '../../src/pack/raw-frame.ts'
import { encodeSeekEntry, SEEK_ENTRY_BYTES } from '../../src/pack/seek-table.ts'
import { SpoolFile } from '../../src/pack/spool-file.ts'
import { TarGuard } from '../../src/pack/tar-guard.ts'
import type { GuardedHeader } from '../../src/pack/tar-guard.ts'
import { decompressFrame } from '../../src/pack/zstd.ts'
import { outputMember } from '../../src/sources/command-output.ts'
import { hasTool, outputOf, temporaryFolders } from './in-process.ts'

const newFolder = temporaryFolders()
const GiB = 1024 ** 3
const NAMES = { users: new Map([[process.getuid!(), 'näme']]), groups: new Map<number, string>() }

const SIZES = [0, 1, 511, 8 * GiB - 1, 8 * GiB, 8 * GiB + 1, 11 * 1024 * GiB, 2 ** 53 - 1]

function headerOf(sizeBytes: number, name = 'app.dump'): Buffer {
  const endedAt = new Date('2026-03-01T02:30:00.123Z')
  return encodeLateHeader({ ...outputMember(name, endedAt, NAMES), sizeBytes })
}

describe('a late header', () => {
  it.each(SIZES)('of %d bytes is 1536 bytes long, and gives that size', (sizeBytes) => {
    const bytes = headerOf(sizeBytes)
    const seen: GuardedHeader[] = []
    new TarGuard((header) => seen.push(header)).scan(bytes)

    expect(bytes.length).toBe(LATE_HEADER_BYTES)
    expect(seen).toMatchObject([
      { kind: 'file', sizeBytes, offsetBytes: 0, mode: 0o600, mtimeUs: 1_772_332_200_123_000 },
    ])
  })

  it('holds the longest name, and no longer one', () => {
    expect(headerOf(2 ** 53 - 1, 'x'.repeat(100)).length).toBe(LATE_HEADER_BYTES)
    expect(() => headerOf(1, 'x'.repeat(101))).toThrow('no late header')
  })

  // 16 TiB is more than ext4 takes for one file.
  it.each(SIZES.filter((size) => size < 10 * GiB))(
    'of %d bytes is read by GNU tar and bsdtar',
    (sizeBytes) => {
      const path = join(newFolder(), 'sparse.tar')
      const fd = openSync(path, 'w')
      writeSync(fd, headerOf(sizeBytes))
      // Content without blocks on the disk, and the end of the tar.
      ftruncateSync(fd, LATE_HEADER_BYTES + Math.ceil(sizeBytes / 512) * 512 + 1_024)
      closeSync(fd)

      for (const tool of ['tar', 'bsdtar'].filter(hasTool)) {
        const [line, more] = outputOf(tool, ['-tvf', path]).toString().trim().split('\n')
        expect(line?.split(/\s+/), tool).toContain(String(sizeBytes))
        expect(line, tool).toMatch(/app\.dump$/)
        expect(more, tool).toBeUndefined()
      }
    },
  )
})

describe('a frame of one raw block', () => {
  it('has a length that is known before, and is read by zstd and by us', async () => {
    const content = headerOf(12_345)
    const frame = encodeRawFrame(content)

    expect([rawFrameBytes(LATE_HEADER_BYTES), frame.length]).toEqual([1_545, 1_545])
    expect(frame.subarray(0, 9).toString('hex')).toBe('28b52ffd0008013000')
    expect(await decompressFrame(frame)).toEqual(content)
    if (hasTool('zstd')) expect(outputOf('zstd', ['-dc'], frame)).toEqual(content)
  })
})

describe('what is written over a file that grows', () => {
  it('is there at its end, wherever it lies', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3 * 1024 * 1024 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        fc.nat(),
        fc.integer({ min: 1, max: 1_545 }),
        (lengths, bypasses, seed, count) => {
          const path = join(newFolder(), 'file')
          const file = SpoolFile.create(path)
          if (bypasses) file.bypassCache()
          const pieces = lengths.map((length, at) => Buffer.alloc(length, at + 1))
          for (const piece of pieces) file.append(piece)
          const expected = Buffer.concat(pieces)
          const bytes = Buffer.alloc(Math.min(count, expected.length), 0xff)
          const offset = seed % (expected.length - bytes.length + 1)
          file.overwrite(offset, bytes)
          bytes.copy(expected, offset)
          file.append(Buffer.alloc(100, 7))
          file.sync()
          const found = file.read(0, expected.length + 100)
          file.close()
          expect(found.equals(Buffer.concat([expected, Buffer.alloc(100, 7)]))).toBe(true)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('may lie half on the disk and half in memory', () => {
    const path = join(newFolder(), 'file')
    writeFileSync(path, '')
    const fd = openSync(path, 'r+')
    const writer = new DirectWriter(fd)
    writer.append(Buffer.alloc(2 * 1024 * 1024 + 10, 1))
    expect(writer.writtenBytes).toBe(2 * 1024 * 1024)
    writer.overwrite(2 * 1024 * 1024 + 2, Buffer.from([2, 3]))
    writer.finish()
    closeSync(fd)
    expect([...outputOf('tail', ['-c', '10', path])]).toEqual([1, 1, 2, 3, 1, 1, 1, 1, 1, 1])
  })
})

describe('the ledger of frames', () => {
  it('gives back what was added and set, however much of it lies on disk', () => {
    fc.assert(
      fc.property(fc.nat({ max: 40 }), fc.nat(), (count, place) => {
        const spill = SpoolFile.createUnnamed(newFolder())
        const ledger = new FrameLedger(spill, 8)
        const rows = Array.from({ length: count }, (_, at) => rowOf(at))
        for (const { entry, sha256 } of rows) ledger.add(entry, sha256)
        if (count > 0) {
          rows[place % count] = rowOf(1_000)
          ledger.set(place % count, rowOf(1_000).entry, rowOf(1_000).sha256)
        }
        const hashes = [...ledger.hashes()].map((hash) => Buffer.from(hash))
        const entries = Buffer.concat([...ledger.seekEntries()])
        spill.close()
        expect(ledger.count).toBe(count)
        expect(hashes).toEqual(rows.map(({ sha256 }) => sha256))
        expect(entries).toEqual(Buffer.concat(rows.map(({ entry }) => encoded(entry))))
      }),
    )
  })
})

function rowOf(at: number) {
  const entry = { storedBytes: at + 1, rawBytes: at + 2, checksum: at + 3 }
  return { entry, sha256: Buffer.alloc(32, at % 251) }
}

function encoded(entry: ReturnType<typeof rowOf>['entry']): Buffer {
  const bytes = Buffer.alloc(SEEK_ENTRY_BYTES)
  encodeSeekEntry(bytes, 0, entry)
  return bytes
}
