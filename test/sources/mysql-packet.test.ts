import { expect, it } from 'vitest'
import { tooLargeFor } from '../../src/sources/mysql-packet.ts'

const MIB = 1024 ** 2

it.each([
  ['small rows', { dumpBytes: 900 * MIB }, 16 * MIB, undefined],
  ['a row that fits', { dumpBytes: 900 * MIB, longestLineBytes: 15 * MIB }, 16 * MIB, undefined],
  // With the words before it.
  [
    'a row that just does not',
    { dumpBytes: 17 * MIB, longestLineBytes: 16 * MIB - 9 },
    16 * MIB,
    /= 16793600$/,
  ],
  ['a server of small statements', { dumpBytes: 900 * MIB }, 64 * 1024, /= 1046528$/],
  ['a small dump for it', { dumpBytes: 60 * 1024 }, 64 * 1024, undefined],
  [
    'what no server takes',
    { dumpBytes: 2000 * MIB, longestLineBytes: 1100 * MIB },
    1024 * MIB,
    /^no server takes/,
  ],
] as const)('%s', (_what, dumped, packetBytes, hint) => {
  const found = tooLargeFor(dumped, packetBytes)
  if (hint === undefined) expect(found).toBeUndefined()
  else expect(found?.hint).toMatch(hint)
})
