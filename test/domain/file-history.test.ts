import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FILE_KINDS, VersionEncoder, VersionReader } from '../../src/domain/file-history.ts'
import { printableTime } from '../../src/domain/file-history-time.ts'
import type { FileVersion, RawVersionBlock } from '../../src/domain/file-history.ts'

const bytes = fc.uint8Array({ maxLength: 40 }).map((path) => Buffer.from(path).toString('latin1'))

const version: fc.Arbitrary<FileVersion> = fc
  .record({
    path: fc.oneof(bytes, fc.constantFrom('', 'etc', 'etc/nginx', 'x'.repeat(5_000))),
    kind: fc.constantFrom(...FILE_KINDS),
    sizeBytes: fc.maxSafeNat(),
    mtimeSeconds: fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 51), 2 ** 51)),
    mtimeNanos: fc.nat(999_999_999),
    mode: fc.nat(0o7777),
    firstSerial: fc.integer({ min: 1, max: 1_000_000 }),
    length: fc.option(fc.nat(1_000), { nil: undefined }),
  })
  .map(({ length, ...rest }) => ({
    ...rest,
    lastSerial: length === undefined ? undefined : rest.firstSerial + length,
  }))

it('gives back every version that was encoded, whatever its numbers and bytes', () => {
  fc.assert(
    fc.property(fc.array(version), (versions) => {
      const blocks = encode(versions, 1_024)
      expect(blocks.flatMap(decode)).toEqual(versions)
      expect(blocks.map(({ versionCount }) => versionCount)).toEqual(
        blocks.map((block) => decode(block).length),
      )
      for (const block of blocks) expect(decode(block)[0]?.path).toBe(block.firstPath)
    }),
  )
})

it('says when a path is the one before, and never of the first one of a block', () => {
  const at = (path: string): FileVersion => ({ ...plain, path })
  const [block] = encode([at(''), at(''), at('a'), at('ab'), at('ab')])
  const reader = new VersionReader(block!.bytes)
  const same: boolean[] = []
  while (reader.next()) same.push(reader.isSamePath)
  expect(same).toEqual([false, true, false, false, true])
})

it('notices every changed bit', () => {
  const [block] = encode([plain, { ...plain, path: 'b', lastSerial: 7 }])
  for (let bit = 0; bit < block!.bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(block!.bytes)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    expect(() => new VersionReader(damaged)).toThrow(
      'the history of files in the catalog is damaged',
    )
  }
  expect(() => new VersionReader(Buffer.alloc(0))).toThrow('is damaged')
})

it('takes some 30 bytes for a file before compression', () => {
  const versions = Array.from({ length: 1_000 }, (_, number) => ({
    ...plain,
    path: `usr/share/doc/package-${String(number >> 5).padStart(3, '0')}/file-${number}.html`,
    mtimeNanos: number * 999_983,
  }))
  const sizeBytes = encode(versions).reduce((sum, block) => sum + block.bytes.length, 0)
  expect(sizeBytes / versions.length).toBeLessThan(30)
})

it.each([
  [0, 0, '1970-01-01T00:00:00.000000000Z'],
  [-1, 999_999_999, '1969-12-31T23:59:59.999999999Z'],
  [1_772_332_205, 120, '2026-03-01T02:30:05.000000120Z'],
  // A damaged file system, or a joke: no calendar has this year.
  [9e15, 5, '@9000000000000000.000000005'],
])('writes %d s and %d ns in full', (mtimeSeconds, mtimeNanos, text) => {
  expect(printableTime({ mtimeSeconds, mtimeNanos })).toBe(text)
})

const plain: FileVersion = {
  path: 'a',
  kind: 'file',
  sizeBytes: 300,
  mtimeSeconds: 1_772_332_205,
  mtimeNanos: 0,
  mode: 0o644,
  firstSerial: 3,
  lastSerial: undefined,
}

function encode(versions: readonly FileVersion[], blockBytes?: number): RawVersionBlock[] {
  const blocks: RawVersionBlock[] = []
  const encoder = new VersionEncoder((block) => void blocks.push(block), blockBytes)
  for (const each of versions) encoder.add(each)
  encoder.flush()
  return blocks
}

function decode({ bytes }: RawVersionBlock): FileVersion[] {
  const reader = new VersionReader(bytes)
  const found: FileVersion[] = []
  while (reader.next()) found.push(reader.version())
  return found
}
