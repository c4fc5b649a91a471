// Parts in shared memory: what is written is what is read, a place may lie across a border, and nobody waits for
// ever.

import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import {
  createPartMemory,
  freePart,
  MemoryFile,
  partIn,
  stopPartMemory,
} from '../../src/pack/part-memory.ts'

const PART_BYTES = 1_000

function make(onFull: () => void = () => expect.unreachable()) {
  const memory = createPartMemory(PART_BYTES)
  return { memory, file: new MemoryFile(memory, onFull) }
}

it('gives back what was written, however it was cut', () => {
  const { memory, file } = make()
  const content = randomBytes(4_321)
  for (const [from, to] of [
    [0, 1],
    [1, 999],
    [999, 1_000],
    [1_000, 4_321],
  ] as const)
    file.append(content.subarray(from, to))
  expect(file.bytes).toBe(4_321)
  const parts = [1, 2, 3, 4].map((number) => Buffer.from(partIn(memory, number, PART_BYTES)))
  expect(Buffer.concat([...parts, Buffer.from(partIn(memory, 5, 321))]).equals(content)).toBe(true)
})

it('takes a place that lies across two parts, written last', () => {
  const { memory, file } = make()
  file.append(Buffer.alloc(2_500, 1))
  file.overwrite(900, Buffer.alloc(200, 2))
  expect(file.bytes).toBe(2_500)
  expect(partIn(memory, 1, PART_BYTES).slice(898, 902)).toEqual(Uint8Array.of(1, 1, 2, 2))
  expect(partIn(memory, 2, PART_BYTES).slice(98, 102)).toEqual(Uint8Array.of(2, 2, 1, 1))
  freePart(memory, 2)
  expect(() => file.overwrite(900, Buffer.alloc(200))).toThrow(/part 2 was sent with a place/)
})

it('tells how far it is before it waits, and uses what was freed, in any order', () => {
  const { memory, file } = make(() => {
    told.push(file.bytes)
    freePart(memory, free.shift()!)
  })
  const told: number[] = []
  // The first one is held, as the part with a header is.
  const free = [3, 2, 5, 4, 6]
  file.append(Buffer.alloc(9_999, 7))
  expect(told).toEqual([5_000, 6_000, 7_000, 8_000, 9_000])
  expect(partIn(memory, 10, 999)).toEqual(new Uint8Array(999).fill(7))
  expect(partIn(memory, 1, PART_BYTES)).toEqual(new Uint8Array(PART_BYTES).fill(7))
  expect(() => partIn(memory, 2, PART_BYTES)).toThrow(/part 2 is not in memory/)
})

it('is ended while it waits', () => {
  const { memory, file } = make(() => stopPartMemory(memory))
  expect(() => file.append(Buffer.alloc(6_000))).toThrow(/packing was stopped/)
})
