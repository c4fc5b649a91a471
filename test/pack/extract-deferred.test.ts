// The list of what a restore does last: in memory while it is short, on disk beyond that, the same both
// ways, forwards and backwards.

import { mkdtempSync, openSync, rmSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { DeferredList } from '../../src/pack/extract-deferred.ts'
import type { Deferred } from '../../src/pack/extract-deferred.ts'

let base: string
let spillsOpened: number
let list: DeferredList

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'spillway-deferred-'))
  spillsOpened = 0
  list = new DeferredList(() => {
    spillsOpened += 1
    const path = join(base, 'spill')
    const fd = openSync(path, 'wx+')
    unlinkSync(path)
    return fd
  })
})

afterEach(() => {
  list.close()
  rmSync(base, { recursive: true })
})

const item = (at: number, pathBytes = 10): Deferred => ({
  path: `${at}-`.padEnd(pathBytes, '\xff'),
  target: at % 2 === 0 ? '' : `target ${at}`,
  mode: at & 0o7777,
  uid: 4_000_000_000 - at,
  gid: at,
  mtimeSeconds: -1_700_000_000 + at,
  mtimeNanos: (at * 7_919) % 1_000_000_000,
  attributes: at % 3 === 0 ? [] : [{ name: `user.${at}\xff`, value: Buffer.from([at & 0xff, 0]) }],
})

it('gives back what it was given, both ways, from memory', () => {
  const items = Array.from({ length: 1_000 }, (_, at) => item(at))
  for (const one of items) list.add(one)
  expect([...list.forwards()]).toEqual(items)
  expect([...list.backwards()]).toEqual(items.toReversed())
  expect(spillsOpened).toBe(0)
})

it('gives back what it was given, both ways, from disk', () => {
  const count = 300_000
  for (let at = 0; at < count; at += 1) list.add(item(at))
  expect(spillsOpened).toBe(1)

  let next = 0
  for (const one of list.forwards())
    if (one.path !== item(next++).path) expect(one).toEqual(item(next - 1))
  expect(next).toBe(count)
  for (const one of list.backwards())
    if (one.path !== item(--next).path) expect(one).toEqual(item(next))
  expect(next).toBe(0)
})

it('takes paths that are longer than a chunk', () => {
  const items = [item(1), item(2, 3_000_000), item(3), item(4, 1_048_576), item(5)]
  for (const one of items) list.add(one)
  expect([...list.forwards()]).toEqual(items)
  expect([...list.backwards()]).toEqual(items.toReversed())
})

it('is empty when nothing was added', () => {
  expect([...list.forwards(), ...list.backwards()]).toEqual([])
})
