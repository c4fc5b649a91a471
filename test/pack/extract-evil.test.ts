// Hostile archives (F90, F92): refused or contained, with the tree around the target unchanged.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createUnpackerWith } from '../../src/pack/extract-archive.ts'
import { openTreeSink } from '../../src/pack/extract-sink.ts'
import { createUnpacker } from '../../src/compose-unpacker.ts'
import { compressFrame } from '../../src/pack/zstd.ts'
import { failureOf, SpillwayError } from '../../src/domain/errors.ts'
import { archiveOf, inChunks, skippableFrame } from '../support/make-archive.ts'
import { END, evilCases, folderMember, member, tarOf } from '../support/evil-tar.ts'
import { describeTree, removeTree } from '../support/tree.ts'
import type { Unpacker, UnpackResult } from '../../src/pack/unpacker.ts'

const never = new AbortController().signal
const unpackers: readonly [string, () => Unpacker][] = [
  ['in this thread', () => createUnpackerWith(openTreeSink)],
  ['in a worker', () => createUnpacker()],
]

let base: string
let target: string

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'spillway-evil-'))
  target = join(base, 'restored')
  mkdirSync(join(base, 'outside'))
  writeFileSync(join(base, 'outside/canary'), 'must not change')
  mkdirSync(join(base, 'restored-evil'))
  mkdirSync(target)
})

afterEach(() => removeTree(base))

describe.each(unpackers)('a hostile archive %s [F90 F92]', (_, open) => {
  // The real folder is only known later; every path to it is as long as this one.
  const cases = evilCases('/placeholder')

  it.each(cases.map(({ name }) => name))('is harmless: %s', async (name) => {
    const evil = evilCases(join(base, 'outside')).find((one) => one.name === name)!

    const { outcome, aroundBefore, aroundAfter } = await unpackInto(
      open(),
      await archiveOf(evil.tar()),
    )

    expect(aroundAfter).toEqual(aroundBefore)
    if (evil.ends === 'contained') {
      if (outcome instanceof Error) expect(failureOf(outcome).exit).toBeGreaterThanOrEqual(30)
    } else {
      expect(outcome).toMatchObject({ code: evil.ends })
      expect(failureOf(outcome).exit).toSatisfy((exit: number) => exit >= 30 && exit <= 39)
    }
  })
})

describe('frames that Spillway would not write', () => {
  const tar = tarOf(folderMember('./'), member({ name: 'f', content: 'content' }))

  it.each([
    ['4 GB of zeros in one frame', 'ARCHIVE_REFUSED', () => zeroFrame(32 * 1024)],
    [
      '8 MiB of zeros in one frame',
      'ARCHIVE_REFUSED',
      () => compressFrame(Buffer.alloc(8 * 1024 * 1024), 3),
    ],
    ['a window of 2 GB', 'ARCHIVE_REFUSED', () => frameHeader(0x00, [21 << 3])],
    ['a dictionary', 'ARCHIVE_REFUSED', () => frameHeader(0x01, [0, 7])],
    [
      'a block of the reserved kind',
      'ARCHIVE_CORRUPT',
      () => Buffer.concat([frameHeader(0, [0]), Buffer.from([7, 0, 0])]),
    ],
    ['noise', 'ARCHIVE_CORRUPT', () => Buffer.from('this is no zstd frame at all')],
    ['three bytes', 'ARCHIVE_CORRUPT', () => Buffer.from([0x28, 0xb5, 0x2f])],
    ['nothing', 'ARCHIVE_CORRUPT', () => Buffer.alloc(0)],
  ] as const)('are not unpacked: %s [F90]', async (_, code, bytes) => {
    const { outcome } = await unpackInto(createUnpackerWith(openTreeSink), await bytes())
    expect(outcome).toMatchObject({ code })
  })

  it('may not go on behind the index', async () => {
    const archive = Buffer.concat([await archiveOf(tar), await compressFrame(END, 3)])
    const { outcome } = await unpackInto(createUnpackerWith(openTreeSink), archive)
    expect(outcome).toMatchObject({ code: 'ARCHIVE_REFUSED' })
  })

  it('may not be followed by anything else', async () => {
    const archive = Buffer.concat([await archiveOf(tar), Buffer.from('garbage')])
    const { outcome } = await unpackInto(createUnpackerWith(openTreeSink), archive)
    expect(outcome).toMatchObject({
      code: 'ARCHIVE_CORRUPT',
      message: `no zstd frame begins at byte ${archive.length - 7}`,
    })
  })

  it('never pass as whole when they are cut off, at any byte [F07a]', async () => {
    const archive = await archiveOf(tar, {
      frameBytes: 1024,
      tail: skippableFrame(Buffer.alloc(20)),
    })
    const afterTar = archive.length - 28
    for (let bytes = 0; bytes < archive.length; bytes += 1) {
      // Without its index alone the archive has lost no member.
      if (bytes === afterTar) continue
      rmSync(target, { recursive: true })
      mkdirSync(target)
      const { outcome } = await unpackInto(
        createUnpackerWith(openTreeSink),
        archive.subarray(0, bytes),
      )
      expect(outcome, `cut at ${bytes}`).toMatchObject({ code: 'ARCHIVE_CORRUPT' })
    }
  })

  it('are found damaged, byte by byte, or give the same files', async () => {
    const archive = await archiveOf(tar, { tail: Buffer.alloc(0) })
    const whole = (await unpackInto(createUnpackerWith(openTreeSink), archive))
      .outcome as UnpackResult
    for (let at = 0; at < archive.length; at += 1) {
      rmSync(target, { recursive: true })
      mkdirSync(target)
      const damaged = Buffer.from(archive)
      damaged[at]! ^= 0x10
      const { outcome } = await unpackInto(createUnpackerWith(openTreeSink), damaged)
      if (outcome instanceof Error) {
        const { exit } = failureOf(outcome)
        expect(exit, `byte ${at}: ${outcome.message}`).toSatisfy(
          (code: number) => code >= 30 && code <= 39,
        )
      } else {
        // What zstd and tar cannot see, the checksum does: nothing that was changed keeps it.
        expect(outcome.sha256, `byte ${at}`).not.toBe(whole.sha256)
      }
    }
  })

  it('holds no more memory for an index of 256 MiB than for none', async () => {
    const head = await archiveOf(tar, { tail: Buffer.alloc(0) })
    const size = Buffer.alloc(4)
    size.writeUInt32LE(256 * 1024 * 1024)
    async function* archive() {
      yield head
      yield Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18]), size])
      const chunk = Buffer.alloc(1024 * 1024)
      for (let count = 0; count < 256; count += 1) yield chunk
    }
    const before = process.memoryUsage().arrayBuffers

    const result = await createUnpackerWith(openTreeSink).unpack(
      { archive: archive(), directory: target },
      never,
    )

    expect(result.memberCount).toBe(2)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  })
})

/** Restores, and describes everything around the target before and after. */
async function unpackInto(unpacker: Unpacker, archive: Buffer) {
  const aroundBefore = around()
  const outcome: UnpackResult | Error = await unpacker
    .unpack({ archive: inChunks(archive), directory: target }, never)
    .catch((error: unknown) =>
      error instanceof SpillwayError ? error : Promise.reject(error as Error),
    )
  return { outcome, aroundBefore, aroundAfter: around() }
}

function around(): readonly string[] {
  return describeTree(base).filter((line) => !/^restored[ /]/.test(line))
}

/** Frames that say: `count` blocks of 128 KiB, all zero. Eight bytes for a megabyte. */
function zeroFrame(count: number): Buffer {
  const blocks = Array.from({ length: count }, (_, at) => {
    const word = (131_072 << 3) | (1 << 1) | (at === count - 1 ? 1 : 0)
    return Buffer.from([word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, 0])
  })
  return Buffer.concat([frameHeader(0, [11 << 3]), ...blocks])
}

function frameHeader(descriptor: number, rest: readonly number[]): Buffer {
  return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest])
}
