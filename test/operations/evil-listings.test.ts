// Listings by a server that means harm, under the command that believes listings most: nothing is deleted or adopted,
// nothing that a name holds reaches the terminal, and no other server suffers.

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { World } from '../support/world.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'

let world: World
let proxy: FaultProxy
beforeAll(async () => {
  world = await World.make([{}, {}])
  await world.noise('file', 20_000)
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.configure(1, proxy.endpoint, world.models[0]!)
  expect((await world.run()).exit).toBe(0)
})
afterEach(() => proxy.clear())
afterAll(async () => {
  await proxy.close()
  await world.close()
})

const object = (key: string, size: string | number = 1_000): string =>
  `<Contents><Key>${key}</Key><Size>${size}</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`

const ENTITIES = Array.from(
  { length: 9 },
  (_, level) => `<!ENTITY e${level + 1} "${`&e${level};`.repeat(10)}">`,
)

it.each([
  [
    'keys that climb',
    object('host/../../etc/passwd') + object('../host/x') + object('/etc/passwd'),
  ],
  [
    'keys of control characters',
    object('host/2026/&#10;fake&#27;[31m.tar.zst') + object('host/&#13;'),
  ],
  ['keys of script', object('host/&lt;script&gt;alert(1)&lt;/script&gt;.tar.zst')],
  ['a negative size', object('host/2026/01/01/docs-20260101-000000.tar.zst', -5)],
  ['a size of 2^60', object('host/2026/01/01/docs-20260101-000000.tar.zst', 2 ** 60)],
  ['a size that is no number', object('host/2026/01/01/docs-20260101-000000.tar.zst', 'NaN')],
  ['keys of others', object('other/2026/01/01/docs-20260101-000000.tar.zst') + object('x')],
  ['an empty key', object('')],
  ['entities of entities', object('host/&e9;')],
])(
  '%s are told on one line, or are that server’s failure [F93b]',
  async (what, content) => {
    const head = what.startsWith('entities')
      ? `<!DOCTYPE x [<!ENTITY e0 "ha">${ENTITIES.join('')}]>`
      : ''
    const body = `<?xml version="1.0"?>${head}<ListBucketResult><IsTruncated>false</IsTruncated>${content}</ListBucketResult>`
    const before = world.models.map((model) => model.objects().map(({ key }) => key))
    const rows = await world.withCatalog((catalog) => catalog.archives())
    const headers = { 'content-type': 'application/xml' }
    proxy.add({ operation: 'List', fault: { kind: 'answer', status: 200, body, headers } })
    const config = ['--config', await world.writeEnv()]

    const begun = performance.now()
    const { exit, out, err } = await spillway(['reconcile', '--adopt', ...config])
    const text = out.toString() + err
    // 1 is a bug of ours.
    expect(exit, text).not.toBe(1)
    // eslint-disable-next-line no-control-regex -- control characters must not be there
    expect(text).not.toMatch(/\x1b|^fake/m)
    expect(text.length).toBeLessThan(20_000)

    proxy.assertFired()
    expect(performance.now() - begun).toBeLessThan(25_000)
    expect(world.models.map((model) => model.objects().map(({ key }) => key))).toEqual(before)
    const after = await world.withCatalog((catalog) => catalog.archives())
    expect(
      after.map(({ id, state, copies }) => [id, state, copies.map((copy) => copy.state)]),
    ).toEqual(rows.map(({ id, state, copies }) => [id, state, copies.map((copy) => copy.state)]))
  },
  60_000,
)
