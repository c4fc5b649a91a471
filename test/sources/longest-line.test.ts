import { expect, it } from 'vitest'
import { LongestLine } from '../../src/sources/longest-line.ts'

const KIB = 1024

it.each([
  ['nothing', [], undefined],
  ['short lines', [10, 0, 64 * KIB, 20], undefined],
  ['one that is a byte longer', [10, 64 * KIB + 1, 20], 64 * KIB + 1],
  ['the first, the last, one between', [70 * KIB, 3, 80 * KIB, 0, 0, 75 * KIB], 80 * KIB],
  [
    'many short ones',
    [...Array<number>(5000).fill(99), 65 * KIB, ...Array<number>(5000).fill(7)],
    65 * KIB,
  ],
])('finds the longest of %s, however the text is cut', (_what, lengths, expected) => {
  for (const hasEnd of [true, false])
    for (const piece of [1_000_000, 4 * KIB + 1, 64 * KIB, 1013]) {
      const text = lengths.map((length) => 'x'.repeat(length)).join('\n') + (hasEnd ? '\n' : '')
      const bytes = Buffer.from(text)
      const line = new LongestLine()
      for (let at = 0; at < bytes.length; at += piece) line.see(bytes.subarray(at, at + piece))
      expect(line.bytes, `pieces of ${piece}`).toBe(expected)
    }
})

it('finds what a plain way finds', () => {
  // A sequence without a pattern, and always the same.
  let state = 1
  const next = (below: number): number =>
    (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) % below
  for (let round = 0; round < 50; round += 1) {
    const lengths = Array.from({ length: 20 }, () => next(next(3) === 0 ? 200 * KIB : 300))
    const bytes = Buffer.from(lengths.map((length) => 'x'.repeat(length)).join('\n'))
    const line = new LongestLine()
    for (let at = 0; at < bytes.length;) {
      const piece = 1 + next(90 * KIB)
      line.see(bytes.subarray(at, at + piece))
      at += piece
    }
    const longest = Math.max(...lengths)
    expect(line.bytes).toBe(longest > 64 * KIB ? longest : undefined)
  }
})
