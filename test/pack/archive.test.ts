// Whole archives: read by the tools that people have, by a seek table reader made here from the
// format's description alone, and by our own reader of the tail.

import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import type { ArchiveTail } from '../../src/pack/archive-tail.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { DIRECTORY_BLOCKS_MAX, decodeDirectory } from '../../src/pack/index-directory.ts'
import { FIRST_PATH_BYTES_MAX } from '../../src/pack/index-directory.ts'
import { encodeManifest, MANIFEST_PAYLOAD_MAX, parseManifest } from '../../src/pack/manifest.ts'
import { DIRECTORY_PIECES_MAX } from '../../src/pack/manifest.ts'
import type { Manifest } from '../../src/pack/manifest.ts'
import { comparePaths, INDEX_BLOCK_BYTES, IndexEncoder } from '../../src/pack/member-record.ts'
import type { RawIndexBlock } from '../../src/pack/member-record.ts'
import type { TarMember } from '../../src/pack/tar-header.ts'
import { writeVarint } from '../../src/pack/varint.ts'
import { skippableHeader } from '../../src/pack/skippable-frame.ts'
import { SpoolFile } from '../../src/pack/spool-file.ts'
import { TarFrames } from '../../src/pack/tar-frames.ts'
import { describeTree, file, folder, hardlink, makeTree, symlink } from '../support/tree.ts'
import { hasTool, outputOf, temporaryFolders, walkToTar, writeArchive } from './in-process.ts'
import type { Walked } from './in-process.ts'

const newFolder = temporaryFolders()

describe('an archive', () => {
  it('is an ordinary .tar.zst: GNU tar extracts it', async () => {
    const { source, path } = await archived()
    const target = newFolder()

    outputOf('tar', ['--zstd', '-xpf', path, '-C', target])

    expect(describeTree(target)).toEqual(describeTree(source))
  })

  it.skipIf(!hasTool('zstd'))('is whole for zstd, which gives back the tar', async () => {
    const { path, walked } = await archived()

    outputOf('zstd', ['-tq', path])

    expect(outputOf('zstd', ['-dcq', path]).equals(walked.tar)).toBe(true)
  })

  it.skipIf(!hasTool('bsdtar'))('is listed by bsdtar', async () => {
    const { path, walked } = await archived()

    const names = outputOf('bsdtar', ['-tf', path]).toString().trimEnd().split('\n')

    expect(names).toHaveLength(walked.memberCount)
  })

  it.each([1, 9, 15, 16, 19])('of level %i has frames that its readers take', async (zstdLevel) => {
    const { tail, walked } = await archived({ zstdLevel })

    const tar = await tarOf(tail, 0, walked.tar.length)
    expect(tar.equals(walked.tar)).toBe(true)
  })

  it('says what was written: sizes, members and the hash over the hashes of its frames', async () => {
    const { path, walked, result } = await archived()
    const bytes = readFileSync(path)

    const hash = createHash('sha256')
    for (const frame of seekTableOf(bytes).filter(({ raw }) => raw > 0)) {
      const stored = bytes.subarray(frame.offset, frame.offset + frame.stored)
      hash.update(createHash('sha256').update(stored).digest())
    }

    const { memberCount, sourceBytes } = walked
    expect(result).toMatchObject({ memberCount, sourceBytes, outputBytes: bytes.length })
    expect(result.sha256).toBe(hash.digest('hex'))
  })
})

describe('the seek table', () => {
  it('is that of the seekable format, and leads to every block', async () => {
    const { path, walked } = await archived()
    const bytes = readFileSync(path)

    const entries = seekTableOf(bytes)

    const blocks = entries.filter(({ raw }) => raw > 0)
    expect(blocks.map(({ raw }) => raw)).toEqual(walked.blocks.map(({ length }) => length))
    for (const [number, { offset, stored, checksum }] of blocks.entries()) {
      const block = await decompress(bytes.subarray(offset, offset + stored))
      expect(block.equals(walked.blocks[number]!)).toBe(true)
      expect(checksum).toBe(Number(xxh64(block) & 0xffff_ffffn))
    }
    // Index, its directory, and the manifest, with the checksum of nothing.
    const others = entries.filter(({ raw }) => raw === 0)
    expect(others.map(({ checksum }) => checksum)).toEqual([0x51d8e999, 0x51d8e999, 0x51d8e999])
    expect(xxh64(Buffer.alloc(0))).toBe(0xef46db3751d8e999n)
  })
})

describe('the tail', () => {
  it('is bound to the checksum of what was archived, and to no other', async () => {
    const { path, result } = await archived()
    const tail = await openTail(path)
    expect(await tail.bindTo(result.sha256)).toBe(true)
    expect(await tail.bindTo('0'.repeat(64))).toBe(false)
  })

  it('gives the manifest with one read of the end', async () => {
    const { path, result, walked } = await archived()
    const reads: number[][] = []

    const { manifest } = await openTail(path, (offset, size) => reads.push([offset, size]))

    expect(reads).toHaveLength(1)
    expect(manifest).toMatchObject({
      format: 'spillway',
      version: 1,
      archiveId: '01234567-89ab-7def-8123-456789abcdef',
      host: 'test-host',
      source: { name: 'tree', kind: 'folder' },
      startedAt: '2026-03-01T02:30:00.000Z',
      endedAt: result.endedAt.toISOString(),
      encryption: 'none',
      memberCount: walked.memberCount,
      sourceBytes: walked.sourceBytes,
      tarBytes: walked.tar.length,
      frameCount: walked.blocks.length,
      sha256: result.sha256,
      warningCount: 0,
      warnings: [],
    })
  })

  it('lists every member as it is, in the order of the archive', async () => {
    const { tail, walked } = await archived()

    const members = await all(tail.membersFrom(''))

    expect(
      members.map(({ path, kind, sizeBytes, mode, mtimeSeconds, mtimeNanos }) => ({
        path,
        kind,
        sizeBytes,
        mode,
        mtimeSeconds,
        mtimeNanos,
      })),
    ).toEqual(
      walked.members.map(({ path, kind, sizeBytes, mode, mtimeSeconds, mtimeNanos }) => ({
        path,
        kind,
        sizeBytes,
        mode,
        mtimeSeconds,
        mtimeNanos,
      })),
    )
    const sorted = members.toSorted((a, b) => comparePaths(a.path, b.path))
    expect(members).toEqual(sorted)
  })

  // Small blocks: a directory of many entries, for paths in every place of it.
  it.each([120, 1_000, 1_048_576])(
    'finds each member, in index blocks of %i bytes',
    async (size) => {
      const { tail, walked } = await archived({ indexBlockBytes: size })

      for (const member of walked.members) {
        const found = await tail.findMember(member.path)
        expect(found).toMatchObject({ path: member.path, sizeBytes: member.sizeBytes })
      }
      for (const path of ['nowhere', 'a/', '\xff\xff', 'd0/f0x', '0', 'd0/'])
        expect(await tail.findMember(path)).toBeUndefined()
    },
  )

  it('lists a folder with what is in it, and not its neighbours', async () => {
    const { tail } = await archived({ indexBlockBytes: 300 })

    const paths = (await all(tail.membersUnder('d1'))).map(({ path }) => path)

    expect(paths).toHaveLength(31)
    expect(paths[0]).toBe('d1')
    expect(paths.every((path) => path === 'd1' || path.startsWith('d1/'))).toBe(true)
  })

  it('finds members whose paths the directory had to cut', async () => {
    const source = newFolder()
    const deep = Array.from({ length: 8 }, () => 'p'.repeat(200)).join('/')
    makeTree(source, [
      ...Array.from({ length: 40 }, (_, n) => file(`${deep}/f${String(n).padStart(2, '0')}`)),
      file('zz'),
    ])
    const { tail, walked } = await archived({ source, indexBlockBytes: 2_000 })

    for (const { path } of walked.members)
      expect(await tail.findMember(path)).toMatchObject({ path })
    expect(await tail.findMember(`${deep}/f40`)).toBeUndefined()
  })

  it('restores one file with a few reads of the right places', async () => {
    const { path, source } = await archived()
    const reads: number[][] = []
    const tail = await openTail(path, (offset, size) => reads.push([offset, size]))

    const member = await tail.findMember('big')
    const tar = await tarOf(tail, member!.offsetBytes, member!.spanBytes)

    // The member alone is a tar that GNU tar takes; only the end marker is missing.
    const content = outputOf('tar', ['-xOf', '-', 'big'], Buffer.concat([tar, Buffer.alloc(1024)]))
    expect(content.equals(readFileSync(join(source, 'big')))).toBe(true)
    // The end, then the two or three frames that hold it.
    expect(reads.length).toBeLessThanOrEqual(5)
  })

  it('gives the hash of each frame', async () => {
    const { path, tail } = await archived()
    const bytes = readFileSync(path)

    const hashes = (await all(tail.frameHashes())).map((hash) => hash.toString('hex'))

    const frames = seekTableOf(bytes).filter(({ raw }) => raw > 0)
    expect(hashes).toEqual(
      frames.map(({ offset, stored }) =>
        createHash('sha256')
          .update(bytes.subarray(offset, offset + stored))
          .digest('hex'),
      ),
    )
  })

  it('may spread an index over several skippable frames, where one cannot hold it', async () => {
    const { path, tail, walked } = await archived({ indexBlockBytes: 500, indexPayloadMax: 400 })

    expect((await all(tail.membersFrom(''))).length).toBe(walked.memberCount)
    expect(seekTableOf(readFileSync(path)).filter(({ raw }) => raw === 0).length).toBeGreaterThan(4)
    expect(outputOf('tar', ['--zstd', '-tf', path]).toString().split('\n').length).toBe(
      walked.memberCount + 1,
    )
  })
})

describe('an archive that was cut or changed', () => {
  it('is refused wherever it is cut [F07a]', async () => {
    const { path } = await archived()
    const bytes = readFileSync(path)

    for (const length of [0, 5, 100, bytes.length - 200, bytes.length - 9, bytes.length - 1])
      await expect(openBytes(bytes.subarray(0, length))).rejects.toMatchObject({
        code: 'ARCHIVE_CORRUPT',
      })
  })

  it('is never read as anything but what it was, whichever byte is another', async () => {
    const source = newFolder()
    makeTree(source, [file('a', 'content'), file('b')])
    const { path, walked } = await archived({ source })
    const bytes = readFileSync(path)
    const whole = await readAll(bytes)
    let refused = 0

    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 0x10
      const read = await readAll(changed).catch((error: unknown) => error)
      if (read instanceof SpillwayError && read.code.startsWith('ARCHIVE_')) refused += 1
      else expect(read).toEqual(whole)
    }

    expect(whole.members).toHaveLength(walked.memberCount)
    // Some bytes say nothing to us: a window larger than needed, headers for other tools.
    expect(refused).toBeGreaterThan(bytes.length - 50)
  })

  it.each([
    ['another format version', { version: 2 }, /format version 2/],
    ['encryption', { encryption: 'age' }, /encrypted \(age\)/],
  ])('is refused for %s, with a word of what to do', async (_, change, message) => {
    const { tail } = await archived()

    expect(() =>
      parseManifest(encodeManifest({ ...tail.manifest, ...change } as Manifest)),
    ).toThrow(
      expect.objectContaining({
        code: 'ARCHIVE_REFUSED',
        message: expect.stringMatching(message) as string,
        hint: expect.stringContaining('version of Spillway') as string,
      }),
    )
  })

  it.each([
    ['memberCount', -1],
    ['memberCount', 1.5],
    ['sourceBytes', '1'],
    ['source', null],
    ['startedAt', 'yesterday'],
    ['warnings', [{ path: 1 }]],
    ['directory', [{ fileOffsetBytes: 0 }]],
    [
      'directory',
      Array.from({ length: 65 }, () => ({
        fileOffsetBytes: 0,
        storedBytes: 0,
        rawBytes: 0,
        sha256: '',
      })),
    ],
  ])('is refused for a manifest with %s = %j', async (key, value) => {
    const { tail } = await archived()

    expect(() => parseManifest(encodeManifest({ ...tail.manifest, [key]: value }))).toThrow(
      expect.objectContaining({ code: 'ARCHIVE_CORRUPT' }),
    )
  })

  it('is refused when a block of its index would become too large, or lies outside', async () => {
    const { tail } = await archived()
    const [piece] = tail.manifest.directory

    for (const change of [
      { rawBytes: 5 * 1024 ** 2 },
      { rawBytes: 1024 ** 2 + 1 },
      { storedBytes: 1e12 },
      { fileOffsetBytes: 1e12 },
      { rawBytes: 1 },
      { fileOffsetBytes: 0 },
    ]) {
      const bytes = withManifest({ ...tail.manifest, directory: [{ ...piece!, ...change }] })
      const changed = await openBytes(bytes)
      await expect(changed.directory()).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' })
    }
  })
})

describe('the directory', () => {
  const entryBytes = 38

  /** Of this many member blocks that are all zeros but for their count, as zstd makes kilobytes of. */
  function directoryOf(blocks: number, memberCount: number): Buffer {
    const bytes = Buffer.alloc(8 + blocks * entryBytes + 1)
    const at = writeVarint(bytes, 0, blocks)
    for (let block = 0; block < blocks; block += 1)
      bytes[at + block * entryBytes + 35] = memberCount
    return bytes.subarray(0, at + blocks * entryBytes + 1)
  }

  it('is read as far as the manifest counts members', () => {
    const said = { memberCount: 60, frameCount: 1 }
    expect(decodeDirectory(directoryOf(30, 2), said).members).toHaveLength(30)
    for (const lie of [directoryOf(31, 2), directoryOf(30, 0), directoryOf(61, 1)])
      expect(() => decodeDirectory(lie, said)).toThrow(
        expect.objectContaining({ code: 'ARCHIVE_CORRUPT' }),
      )
  })

  it('is refused before it fills the memory, whatever the manifest says', () => {
    const said = { memberCount: Number.MAX_SAFE_INTEGER, frameCount: Number.MAX_SAFE_INTEGER }
    const before = process.memoryUsage().heapUsed
    expect(() => decodeDirectory(directoryOf(1_766_000, 1), said)).toThrow(
      expect.objectContaining({ code: 'ARCHIVE_REFUSED' }),
    )
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 ** 2)
  })

  it('has room for ten million members with the longest names, three times over', () => {
    const blocks: RawIndexBlock[] = []
    const encoder = new IndexEncoder((block) => void blocks.push(block))
    const parent = `${'p'.repeat(255)}/`.repeat(5)
    for (let number = 0; blocks.length === 0; number += 1) {
      const path = `${parent}${String(number).padStart(8, '0')}${'n'.repeat(247)}`
      const times = { mtimeSeconds: 2 ** 33, mtimeNanos: 999_999_999 }
      const member = { path, kind: 'file', mode: 0o777, sizeBytes: 2 ** 40, ...times } as const
      encoder.add(member as TarMember, { offsetBytes: 0, spanBytes: 2 ** 40 })
    }
    const needed = Math.ceil(10_000_000 / blocks[0]!.memberCount)
    const directoryBytes = needed * (FIRST_PATH_BYTES_MAX + 32 + 6 * 8)
    expect(3 * needed).toBeLessThan(DIRECTORY_BLOCKS_MAX)
    expect(3 * directoryBytes).toBeLessThan(DIRECTORY_PIECES_MAX * INDEX_BLOCK_BYTES)
  })
})

describe('the manifest', () => {
  it('has the warnings of the walk', async () => {
    const walked = walkToTar(sampleTree())
    walked.findings.warn('a\nb', 'vanished')
    const path = join(newFolder(), 'archive.tar.zst')

    const result = await writeArchive(walked, path)

    const { manifest } = await openTail(path)
    expect(manifest.warningCount).toBe(1)
    expect(manifest.warnings).toEqual([{ path: 'a\\x0ab', reason: 'vanished' }])
    expect(result.warnings).toEqual(manifest.warnings)
  })

  it('has at most 64 KiB: warnings that do not fit are counted only', async () => {
    const { tail } = await archived()
    const warnings = Array.from({ length: 1_000 }, (_, number) => ({
      path: `ü${number}`.padEnd(200, 'x'),
      reason: 'y',
    }))

    const payload = encodeManifest({ ...tail.manifest, warningCount: 5_000, warnings })

    expect(payload.length).toBeLessThanOrEqual(MANIFEST_PAYLOAD_MAX)
    const parsed = parseManifest(payload)
    expect(parsed.warningCount).toBe(5_000)
    expect(parsed.warnings.length).toBeGreaterThan(200)
    expect(parsed.warnings).toEqual(warnings.slice(0, parsed.warnings.length))
  })
})

describe('the spool', () => {
  it('is full when the disk is', () => {
    const full = SpoolFile.adopt('/spool/x.partial', openSync('/dev/full', 'w'))

    expect(() => full.append(Buffer.alloc(10))).toThrow(
      expect.objectContaining({
        code: 'SPOOL_FULL',
        message: 'Not enough space on the disk of /spool/x.partial (ENOSPC)',
      }),
    )
    full.close()
  })

  it('is full when the file would have more than it may', async () => {
    const path = join(newFolder(), 'a')
    const file = SpoolFile.create(path, 100)
    file.append(Buffer.alloc(100))

    expect(() => file.append(Buffer.alloc(1))).toThrow(
      expect.objectContaining({
        code: 'SPOOL_FULL',
        message: expect.stringContaining(path) as string,
      }),
    )
    file.close()
    expect(readFileSync(path).length).toBe(100)
  })

  it('is not whole while it cannot be brought to the disk', () => {
    const path = join(newFolder(), 'pipe')
    execFileSync('mkfifo', [path])
    // A pipe takes bytes like a file, and can no more be synced than a disk that has failed.
    const file = SpoolFile.adopt(path, openSync(path, 'r+'))
    file.append(Buffer.alloc(10))

    expect(() => file.sync()).toThrow(
      expect.objectContaining({
        code: 'SPOOL_FAILED',
        message: `could not sync ${path}: EINVAL`,
      }),
    )
    file.close()
  })

  it.each([
    ['its folder is not there', '/nowhere/x', 'could not create /nowhere/x: ENOENT'],
    ['the file is there already', '/etc/passwd', 'could not create /etc/passwd: EEXIST'],
  ])('fails when %s', (_, path, message) => {
    expect(() => SpoolFile.create(path)).toThrow(
      expect.objectContaining({ code: 'SPOOL_FAILED', message }),
    )
  })
})

it('a block whose memory changes under the compressor is not archived', async () => {
  const path = join(newFolder(), 'a')
  const spool = SpoolFile.create(path)
  const frames = new TarFrames({
    file: spool,
    zstdLevel: 3,
    verifies: true,
    onWritten: () => {},
  })
  const block = randomBytes(4 * 1024 * 1024)
  let [turn, isOver] = [0, false]
  const rot = (): void => {
    block.writeUInt32LE((turn += 1))
    if (!isOver) setImmediate(rot)
  }

  await frames.add(block, () => {})
  rot()

  const failure = await frames.finish().then(
    () => undefined,
    (error: unknown) => error,
  )
  isOver = true
  await frames.close()
  spool.close()

  expect(failure).toMatchObject({
    code: 'SPOOL_FAILED',
    // What sees it is a matter of time: the frame's own checksum where the memory changed while it was
    // compressed, the comparison where it changed after that.
    message: expect.stringContaining(
      'frame 0 could not be decompressed again as it was compressed: ',
    ) as string,
  })
  expect(readFileSync(path)).toHaveLength(0)
})

type Options = {
  readonly source?: string
  readonly zstdLevel?: number
  readonly indexBlockBytes?: number
  readonly indexPayloadMax?: number
}

async function archived({ source = sampleTree(), indexBlockBytes, ...more }: Options = {}) {
  const walked: Walked = walkToTar(source, {}, indexBlockBytes)
  const path = join(newFolder(), 'archive.tar.zst')
  const result = await writeArchive(walked, path, more)
  return { source, walked, path, result, tail: await openTail(path) }
}

/** Three frames, a file over two of them, and folders with neighbours of nearly the same name. */
function sampleTree(): string {
  const source = newFolder()
  const folders = ['d0', 'd1', 'd1-', 'd10', 'd1.x']
  makeTree(source, [
    file('big', Buffer.concat([randomBytes(1_000_000), Buffer.alloc(8_000_000, 'text ')])),
    ...folders.flatMap((name) =>
      Array.from({ length: 30 }, (_, n) => file(`${name}/f${n}`, `${name}${n}`)),
    ),
    file(Buffer.from('\xff-bytes', 'latin1'), 'x', { mtimeUs: 1_600_000_000_123_456 }),
    folder('empty', { mode: 0o700 }),
    symlink('link', 'big'),
    hardlink('z-hard', 'big'),
  ])
  return source
}

async function openTail(
  path: string,
  onRead: (offset: number, size: number) => void = () => undefined,
): Promise<ArchiveTail> {
  const bytes = readFileSync(path)
  return openArchiveTail(async (offset, size) => {
    onRead(offset, size)
    return bytes.subarray(offset, offset + size)
  }, bytes.length)
}

async function openBytes(bytes: Buffer): Promise<ArchiveTail> {
  return openArchiveTail(
    async (offset, size) => bytes.subarray(offset, offset + size),
    bytes.length,
  )
}

async function readAll(bytes: Buffer) {
  const tail = await openBytes(bytes)
  const members = await all(tail.membersFrom(''))
  const hashes = await all(tail.frameHashes())
  const tar = await tarOf(tail, 0, tail.manifest.tarBytes)
  // As text: comparing buffers byte by byte takes a second per megabyte.
  const sha256 = createHash('sha256').update(tar).digest('hex')
  return { manifest: tail.manifest, members, hashes: hashes.map(String), sha256 }
}

async function tarOf(tail: ArchiveTail, offset: number, size: number): Promise<Buffer> {
  return Buffer.concat(await all(tail.readTar(offset, size)))
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

/** An archive without tar and index: a manifest and the seek table that leads to it. */
function withManifest(manifest: Manifest): Buffer {
  const payload = encodeManifest({ ...manifest, frameCount: 0, tarBytes: 0 })
  const entry = Buffer.alloc(12)
  entry.writeUInt32LE(payload.length + 8, 0)
  const footer = Buffer.from('0100000080b1ea928f', 'hex')
  return Buffer.concat([
    skippableHeader(0x184d2a5c, payload.length),
    payload,
    skippableHeader(0x184d2a5e, 12 + 9),
    entry,
    footer,
  ])
}

/** zstd's contrib/seekable_format/zstd_seekable_compression_format.md, and nothing of ours. */
function seekTableOf(bytes: Buffer) {
  const end = bytes.length
  expect(bytes.readUInt32LE(end - 4)).toBe(0x8f92eab1)
  const hasChecksums = (bytes[end - 5]! & 0x80) !== 0
  expect(bytes[end - 5]! & 0x7c).toBe(0)
  const count = bytes.readUInt32LE(end - 9)
  const entrySize = hasChecksums ? 12 : 8
  const start = end - 9 - count * entrySize - 8
  expect(bytes.readUInt32LE(start)).toBe(0x184d2a5e)
  expect(bytes.readUInt32LE(start + 4)).toBe(count * entrySize + 9)
  let offset = 0
  const entries = Array.from({ length: count }, (_, number) => {
    const at = start + 8 + number * entrySize
    const [stored, raw, checksum] = [0, 4, 8].map((field) => bytes.readUInt32LE(at + field))
    const entry = { offset, stored: stored!, raw: raw!, checksum: checksum! }
    offset += entry.stored
    return entry
  })
  expect(offset).toBe(start)
  return entries
}

async function decompress(frame: Buffer): Promise<Buffer> {
  const { decompress } = createRequire(import.meta.url)('@mongodb-js/zstd') as {
    decompress: (frame: Buffer) => Promise<Buffer>
  }
  return decompress(frame)
}

/** XXH64 as its specification says, with big integers: slow, and no part of the package. */
function xxh64(bytes: Buffer): bigint {
  const P1 = 0x9e3779b185ebca87n
  const P2 = 0xc2b2ae3d27d4eb4fn
  const P3 = 0x165667b19e3779f9n
  const P4 = 0x85ebca77c2b2ae63n
  const P5 = 0x27d4eb2f165667c5n
  const u64 = (value: bigint) => BigInt.asUintN(64, value)
  const rotl = (value: bigint, by: bigint) => u64((value << by) | (value >> (64n - by)))
  const round = (acc: bigint, lane: bigint) => u64(rotl(u64(acc + lane * P2), 31n) * P1)
  let at = 0
  let hash = P5
  if (bytes.length >= 32) {
    const acc = [u64(P1 + P2), P2, 0n, u64(-P1)]
    for (; at + 32 <= bytes.length; at += 32)
      for (let lane = 0; lane < 4; lane += 1)
        acc[lane] = round(acc[lane]!, bytes.readBigUInt64LE(at + 8 * lane))
    hash = u64(rotl(acc[0]!, 1n) + rotl(acc[1]!, 7n) + rotl(acc[2]!, 12n) + rotl(acc[3]!, 18n))
    for (const lane of acc) hash = u64((hash ^ round(0n, lane)) * P1 + P4)
  }
  hash = u64(hash + BigInt(bytes.length))
  for (; at + 8 <= bytes.length; at += 8)
    hash = u64(rotl(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4)
  for (; at + 4 <= bytes.length; at += 4)
    hash = u64(rotl(u64(hash ^ (BigInt(bytes.readUInt32LE(at)) * P1)), 23n) * P2 + P3)
  for (; at < bytes.length; at += 1) hash = u64(rotl(hash ^ u64(BigInt(bytes[at]!) * P5), 11n) * P1)
  hash = u64((hash ^ (hash >> 33n)) * P2)
  hash = u64((hash ^ (hash >> 29n)) * P3)
  return hash ^ (hash >> 32n)
}
