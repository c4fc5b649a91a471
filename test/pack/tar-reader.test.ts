// The two readers of tar, the plain one of a restore and the one that has tar-stream read again: what comes
// out of headers of every kind, in whatever pieces they arrive, and that they see the same. What they
// refuse is tried out in extract-evil.test.ts, through the whole way of a restore.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { describe, expect, it, onTestFinished } from 'vitest'
import fc from 'fast-check'
import { parseNumber } from '../../src/pack/tar-fields.ts'
import { TarGuard } from '../../src/pack/tar-guard.ts'
import { microsecondsOf, parsePaxRecords, parsePaxTime } from '../../src/pack/pax-records.ts'
import { TarCrossReader } from '../../src/pack/tar-cross-reader.ts'
import { TarReader } from '../../src/pack/tar-reader.ts'
import { SpillwayError } from '../../src/domain/errors.ts'
import { gnuTarOf } from '../support/make-archive.ts'
import {
  base256,
  END,
  evilCases,
  folderMember,
  gnuLong,
  hardLinkMember,
  member,
  pax,
  paxBody,
  symlinkMember,
  tarOf,
} from '../support/evil-tar.ts'
import { file, makeTree, removeTree } from '../support/tree.ts'
import type { ReadMember } from '../../src/pack/tar-reader.ts'

const GiB = 1024 ** 3
// Not on every machine; ours need no such program.
const hasBsdtar = spawnSync('bsdtar', ['--version']).status === 0

const READERS = [
  ['TarReader', TarReader],
  ['TarCrossReader', TarCrossReader],
] as const

describe.each(READERS)('%s', (_, Reader) => {
  const read = (tar: Buffer) => readWith(Reader, tar)

  const tar = tarOf(
    folderMember('./'),
    member({
      name: 'a',
      content: 'x'.repeat(1_500),
      mode: 0o4751,
      uid: 1234,
      mtime: 1_600_000_000,
    }),
    pax({ path: `long-${'ü'.repeat(100)}`, mtime: '-1.500001234', uid: '3000000000' }),
    member({ name: 'short', content: 'y' }),
    gnuLong('L', Buffer.alloc(120, 0xff)),
    gnuLong('K', Buffer.alloc(130, 0xfe)),
    symlinkMember('short', 'short'),
    hardLinkMember('h', 'a'),
    member({ name: 'n', type: '3', major: 1, minor: 3 }),
    member({ name: 'empty' }),
  )
  const expected = [
    { kind: 'directory', path: './' },
    {
      kind: 'file',
      path: 'a',
      mode: 0o4751,
      uid: 1234,
      mtimeUs: 1.6e15,
      content: 'x'.repeat(1_500),
    },
    {
      kind: 'file',
      path: Buffer.from(`long-${'ü'.repeat(100)}`).toString('latin1'),
      mtimeUs: -1_500_001,
      uid: 3_000_000_000,
      content: 'y',
    },
    { kind: 'symlink', path: '\xff'.repeat(120), linkTarget: '\xfe'.repeat(130) },
    { kind: 'hard-link', path: 'h', linkTarget: 'a' },
    { kind: 'character-device', path: 'n', deviceMajor: 1, deviceMinor: 3 },
    { kind: 'file', path: 'empty', content: '' },
  ]

  it('reads every kind of member', async () => {
    expect(await read(tar)).toMatchObject(expected)
  })

  it('says where each member begins, extensions included', async () => {
    const offsets = (await read(tar)).map(({ offsetBytes }) => offsetBytes)
    expect(offsets).toEqual([0, 512, 2_560, 4_608, 7_168, 7_680, 8_192])
  })

  it.each([1, 100, 511, 512, 513, 1_024, 4_096])(
    'reads the same in pieces of %d bytes, from memory that is used again',
    async (pieceBytes) => {
      const members: Read[] = []
      const reader = new Reader(collector(members))
      const place = Buffer.alloc(pieceBytes)
      for (let at = 0; at < tar.length; at += pieceBytes) {
        const piece = tar.subarray(at, at + pieceBytes)
        piece.copy(place)
        await reader.write(place.subarray(0, piece.length))
        place.fill(0xaa)
      }
      await reader.finish()
      expect(members).toMatchObject(expected)
    },
  )

  it('reads 20 000 members without content in one piece', async () => {
    const row = Buffer.concat(Array.from({ length: 20_000 }, () => member({ name: 'x' })))
    expect(await read(Buffer.concat([row, END]))).toHaveLength(20_000)
  })

  it('reads files beyond 8 GiB, whichever way their size is written', async () => {
    for (const headers of [
      [member({ size: base256(BigInt(9 * GiB)) })],
      [pax({ size: String(9 * GiB) }), member({ size: 0 })],
    ]) {
      let contentBytes = 0
      const reader = new Reader({
        begin: ({ sizeBytes }) => expect(sizeBytes).toBe(9 * GiB),
        content: (bytes) => (contentBytes += bytes.length),
        hole: () => {},
        end: () => {},
      })
      await reader.write(Buffer.concat(headers))
      const piece = Buffer.alloc(64 * 1024 * 1024)
      for (let at = 0; at < 9 * GiB; at += piece.length) await reader.write(piece)
      await reader.write(END)
      await reader.finish()
      expect(contentBytes).toBe(9 * GiB)
    }
  })

  it('ends with what its handler throws, and stays ended', async () => {
    const broken = new SpillwayError('RESTORE_FAILED', 'the disk is full')
    const reader = new Reader({
      begin: () => {},
      content: () => {
        throw broken
      },
      hole: () => {},
      end: () => {},
    })
    await expect((async () => reader.write(tar))()).rejects.toBe(broken)
    await expect((async () => reader.write(END))()).rejects.toBe(broken)
    await expect((async () => reader.finish())()).rejects.toBe(broken)
  })

  it.each(['gnu', 'pax', 'ustar', 'oldgnu'])('reads what GNU tar writes as %s', async (format) => {
    const base = mkdtempSync(join(tmpdir(), 'spillway-tar-'))
    onTestFinished(() => removeTree(base))
    const names = ['a', 'b'.repeat(90), `${'dir/'.repeat(20)}c`]
    makeTree(
      base,
      names.map((name) => file(name, name, { mtimeUs: -86_400_000_000 })),
    )

    const files = (await read(gnuTarOf(base, [`--format=${format}`, '--mtime=@0']))).filter(
      ({ kind }) => kind === 'file',
    )

    expect(files.map(({ path }) => path).toSorted()).toEqual(
      names.map((name) => `./${name}`).toSorted(),
    )
    for (const { path, content, mtimeUs } of files) {
      expect(`./${content}`).toBe(path)
      expect(mtimeUs).toBe(0)
    }
  })

  it.runIf(hasBsdtar).each(['pax', 'gnutar', 'ustar'])(
    'reads what bsdtar writes as %s',
    async (format) => {
      const base = mkdtempSync(join(tmpdir(), 'spillway-tar-'))
      onTestFinished(() => removeTree(base))
      makeTree(base, [file('a', 'content', { mtimeUs: 1_700_000_000_000_000 })])
      const tar = execFileSync('bsdtar', [`--format=${format}`, '-C', base, '-cf', '-', '.'])
      expect((await read(tar)).at(-1)).toMatchObject({
        path: './a',
        content: 'content',
        mtimeUs: 1.7e15,
      })
    },
  )
})

describe('what tar-stream does not see as we do', () => {
  const evil = evilCases('/placeholder').map(({ name, tar }) => [name, tar] as const)

  it.each(evil)('comes out of both readers alike, or is refused: %s', async (_, tar) => {
    const outcomes = await Promise.all(
      READERS.map(([, Reader]) => readWith(Reader, tar()).catch((error: unknown) => error)),
    )
    const [plain, crossed] = outcomes
    // What tar-stream alone stumbles over is no member that a restore would make of it.
    if (crossed instanceof Error) expect(crossed).toBeInstanceOf(SpillwayError)
    else expect(plain).toEqual(crossed)
  })
})

describe('TarGuard', () => {
  it('lets nothing through but failures of ours, whatever the bytes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ minLength: 512, maxLength: 512 }).map((bytes) => Buffer.from(bytes)),
      fc
        .record({
          name: fc.string(),
          type: fc.constantFrom(...'0123456xLKgSQ'),
          content: fc.string(),
        })
        .map(member),
      fc.dictionary(fc.string({ minLength: 1 }), fc.string()).map((records) => pax(records)),
      fc.uint8Array({ maxLength: 200 }).map((body) => member({ type: 'x', content: body })),
      fc
        .bigInt({ min: -(2n ** 80n), max: 2n ** 80n })
        .map((size) => member({ size: base256(size) })),
      fc.constant(END),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const guard = new TarGuard(() => {})
        const bytes = Buffer.concat(pieces)
        try {
          const settled = guard.scan(bytes)
          expect(settled).toBeLessThanOrEqual(bytes.length)
          guard.finish(bytes.length - settled)
        } catch (error) {
          expect(error).toBeInstanceOf(SpillwayError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('pax records', () => {
  it('keep bytes, newlines and equals signs', () => {
    const value = Buffer.from([0xff, 0x0a, 0x3d, 0x20, 0x0a])
    expect(parsePaxRecords(paxBody({ path: value, comment: 'x=y' }), 0).values.get('path')).toEqual(
      value,
    )
  })

  it.each([
    ['0', 0],
    ['1700000000', 1.7e15],
    ['1700000000.123456789', 1_700_000_000_123_456],
    ['1700000000.1', 1_700_000_000_100_000],
    ['5.', 5_000_000],
    ['-1.5', -1_500_000],
    ['-0.000001', -1],
    ['1e5', undefined],
    ['', undefined],
    ['+1', undefined],
    ['0x10', undefined],
    [' 1', undefined],
  ])('read the time %j as %j microseconds', (text, us) => {
    const time = parsePaxTime(text)
    expect(time === undefined ? undefined : microsecondsOf(time)).toBe(us)
  })
})

describe('numbers in headers', () => {
  it.each([
    ['00000644\0', 0o644],
    ['   644 \0\0', 0o644],
    ['644\0\0\0\0\0', 0o644],
    ['\0\0\0\0\0\0\0\0', 0],
    ['77777777', 0o77777777],
    ['00000648', undefined],
    ['-0000001', undefined],
    ['0x100000', undefined],
    ['12 34\0\0\0', undefined],
    ['\x80\0\0\0\0\0\x01\0', 256],
    ['\xff'.repeat(8), -1],
    ['\xff'.repeat(7) + '\0', -256],
    ['\x80' + '\xff'.repeat(7), undefined],
    ['\x81' + '\0'.repeat(7), undefined],
  ])('read %j as %j', (text, value) => {
    expect(parseNumber(Buffer.from(text.slice(0, 8), 'latin1'), 0, 8)).toBe(value)
  })
})

type Read = ReadMember & { content: string }

async function readWith(Reader: typeof TarReader | typeof TarCrossReader, tar: Buffer) {
  const members: Read[] = []
  const reader = new Reader(collector(members))
  await reader.write(tar)
  await reader.finish()
  return members
}

function collector(members: Read[]) {
  return {
    begin: (one: ReadMember) => void members.push({ ...one, content: '' }),
    content: (bytes: Buffer) => void (members.at(-1)!.content += bytes.toString('latin1')),
    hole: (sizeBytes: number) => void (members.at(-1)!.content += '\0'.repeat(sizeBytes)),
    end: () => {},
  }
}
