// Maps of sparse files: what is written is read, in any pieces, and what Spillway would not write is refused.

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EXTENTS_MAX } from '../../src/domain/sparse-map.ts'
import { encodeSparseMap, SparseReader } from '../../src/pack/tar-sparse.ts'

type Stretch = { readonly hole: number; readonly data: number }
const anyStretches = fc.array(
  fc.record({ hole: fc.integer({ min: 0, max: 3_000 }), data: fc.integer({ min: 1, max: 3_000 }) }),
  { maxLength: 40 },
)

function fileOf(stretches: readonly Stretch[], holeAtEnd: number) {
  const numbers: number[] = []
  const data: Buffer[] = []
  const whole: Buffer[] = []
  let at = 0
  for (const [index, { hole, data: length }] of stretches.entries()) {
    numbers.push(at + hole, length)
    data.push(Buffer.alloc(length, (index % 255) + 1))
    whole.push(Buffer.alloc(hole), data.at(-1)!)
    at += hole + length
  }
  const dataBytes = data.reduce((sum, { length }) => sum + length, 0)
  const sizeBytes = at + holeAtEnd
  const map = encodeSparseMap({ extents: Float64Array.from(numbers), dataBytes }, sizeBytes)
  const content = Buffer.concat([...whole, Buffer.alloc(holeAtEnd)])
  return { sizeBytes, content, stored: Buffer.concat([map, ...data]) }
}

function readBack(stored: Buffer, sizeBytes: number, pieceBytes = 512): Buffer {
  const pieces: Buffer[] = []
  const reader = new SparseReader(
    { sizeBytes, storedBytes: stored.length, offsetBytes: 0 },
    {
      content: (bytes) => void pieces.push(Buffer.from(bytes)),
      hole: (bytes) => void pieces.push(Buffer.alloc(bytes)),
    },
  )
  for (let at = 0; at < stored.length; at += pieceBytes)
    reader.take(stored.subarray(at, at + pieceBytes))
  reader.end()
  return Buffer.concat(pieces)
}

it('is read as it was written, in pieces of any size', () => {
  fc.assert(
    fc.property(
      anyStretches,
      fc.integer({ min: 0, max: 5_000 }),
      fc.integer({ min: 1, max: 2_000 }),
      (stretches, holeAtEnd, pieceBytes) => {
        const { sizeBytes, content, stored } = fileOf(stretches, holeAtEnd)
        expect(readBack(stored, sizeBytes, pieceBytes).equals(content)).toBe(true)
      },
    ),
  )
})

it('costs nothing for a hole of a petabyte', () => {
  const map = encodeSparseMap({ extents: new Float64Array(0), dataBytes: 0 }, 1e15)
  expect(map.toString().replace(/\0+$/, '')).toBe('1\n1000000000000000\n0\n')
  const holes: number[] = []
  const reader = new SparseReader(
    { sizeBytes: 1e15, storedBytes: map.length, offsetBytes: 0 },
    { content: () => {}, hole: (bytes) => void holes.push(bytes) },
  )
  reader.take(map)
  reader.end()
  expect(holes).toEqual([1e15])
})

describe('a map is refused', () => {
  const mapOf = (text: string, dataBytes = 0) =>
    Buffer.concat([
      Buffer.from(text),
      Buffer.alloc(-text.length & 511),
      Buffer.alloc(dataBytes, 'x'),
    ])

  it.each([
    ['that overlaps', mapOf('2\n0\n600\n599\n424\n', 1_024), 'overlaps'],
    ['out of order', mapOf('2\n1000\n512\n0\n512\n', 1_024), 'overlaps'],
    ['with data beyond the size', mapOf('1\n9999\n512\n', 512), 'beyond its size'],
    ['with a negative offset', mapOf('1\n-512\n512\n', 512), 'no number'],
    ['with a sign', mapOf('1\n+0\n512\n', 512), 'no number'],
    ['with an empty line', mapOf('1\n\n0\n512\n', 512), 'no number'],
    ['with spaces', mapOf('1\n 0\n512\n', 512), 'no number'],
    ['with less data than it says', mapOf('1\n0\n1024\n', 512), 'amount of data'],
    ['with more data than it says', mapOf('1\n0\n512\n', 1_024), 'amount of data'],
    ['with millions of entries', mapOf(`${EXTENTS_MAX + 2}\n`), 'stretches'],
    ['with a number above 2^53', mapOf('1\n9007199254740993\n0\n'), 'too large'],
    ['with a number of many digits', mapOf(`1\n${'0'.repeat(17)}\n0\n`), 'too large'],
    ['whose sum is above 2^53', mapOf('1\n9007199254740991\n9007199254740991\n'), 'beyond'],
    ['that does not end', mapOf('3\n0\n512\n'), 'no number'],
    ['that is cut off', Buffer.from('1\n0\n5'), 'ends in its map'],
    ['that is not there', Buffer.alloc(0), 'ends in its map'],
  ])('%s', (_, stored, why) => {
    expect(() => readBack(stored, 10_000)).toThrow(
      expect.objectContaining({
        code: 'ARCHIVE_REFUSED',
        message: expect.stringContaining(why) as string,
      }),
    )
  })

  it('whatever bytes it is, nothing but ARCHIVE_REFUSED is thrown', () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789\n\0x'), maxLength: 1_500 })
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 1e6 }), (text, sizeBytes) => {
        try {
          expect(readBack(Buffer.from(text), sizeBytes)).toHaveLength(sizeBytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED' })
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
