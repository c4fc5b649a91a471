// Sizes of parts, for archives of any size on servers of any limits.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { choosePartBytes, expectedBytes, spareBytesOf } from '../../src/domain/placement.ts'

const MIB = 1024 * 1024
const TIB = 1024 ** 4

const servers = fc.record({
  partsMax: fc.constantFrom(10, 1_000, 9_500),
  partBytesDefault: fc.constantFrom(5 * MIB, 16 * MIB, 64 * MIB),
})

it('an archive of a known size has at most as many parts as the server takes [F54a]', () => {
  fc.assert(
    fc.property(servers, fc.integer({ min: 0, max: 50 * TIB }), (limits, sizeBytes) => {
      const partBytes = choosePartBytes(limits, { sizeBytes, isExact: true })
      expect(Math.ceil(sizeBytes / partBytes)).toBeLessThanOrEqual(limits.partsMax)
      expect(partBytes).toBeGreaterThanOrEqual(limits.partBytesDefault)
      expect(partBytes % MIB).toBe(0)
    }),
  )
})

it('one of an expected size may become twice as large [F54a]', () => {
  fc.assert(
    fc.property(servers, fc.integer({ min: 0, max: 5 * TIB }), (limits, lastBytes) => {
      const sizeBytes = expectedBytes(lastBytes)!
      const partBytes = choosePartBytes(limits, { sizeBytes, isExact: false })
      expect(Math.ceil((2 * sizeBytes) / partBytes)).toBeLessThanOrEqual(limits.partsMax)
    }),
  )
})

it('there is no less than no room, whatever a limit was lowered to [F73]', () => {
  const bytes = fc.integer({ min: 0, max: TIB })
  const usage = fc.record({
    ...{ usedBytes: bytes, reservedBytes: bytes, catalogBytes: bytes, otherBytes: bytes },
  })
  fc.assert(
    fc.property(bytes, usage, (limitBytes, taken) => {
      expect(spareBytesOf(limitBytes, taken)).toBeGreaterThanOrEqual(0)
    }),
  )
})
