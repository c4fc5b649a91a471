// The same hash, whichever way it is made: in this thread for what is small, in the pool for what is large, and in this
// thread again where the pool cannot do it.

import { createHash, randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { sha256Of } from '../../src/lib/sha256.ts'

const here = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

it.each([0, 1, 65_535, 65_536, 4 * 1024 * 1024])('SHA-256 of %d bytes', async (count) => {
  const bytes = randomBytes(count)
  expect(await sha256Of(bytes)).toEqual(here(bytes))
})

it.each([
  ['there is no way to the pool', null],
  ['OpenSSL has no memory for it', async () => null],
])('is made here where %s', async (_why, job) => {
  const bytes = randomBytes(100_000)
  expect(await sha256Of(bytes, job)).toEqual(here(bytes))
})

it('is made in the pool where it is large', async () => {
  const asked: unknown[] = []
  const job = async (...parameters: unknown[]) => asked.push(parameters[1])
  for (const count of [65_535, 65_536]) await sha256Of(randomBytes(count), job)
  expect(asked).toEqual([65_536])
})

it('many at once do not disturb each other, and a part of a buffer is hashed alone', async () => {
  const all = randomBytes(8 * 1024 * 1024)
  const parts = Array.from({ length: 8 }, (_, at) => all.subarray(at << 20, (at << 20) + 100_000))
  expect(await Promise.all(parts.map((part) => sha256Of(part)))).toEqual(parts.map(here))
})
