// One server that tells nonsense about itself takes only itself out of the run.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { World } from '../support/world.ts'
import type { ServerRow } from '../../src/catalog/catalog.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'

let world: World
let proxy: FaultProxy
beforeEach(async () => {
  world = await World.make([{}, {}])
  await world.noise('file', 5_000)
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.env['S3_SERVER_1_ENDPOINT'] = proxy.endpoint
})
afterEach(async () => {
  await proxy.close()
  await world.close()
})

it('sizes that no sum can hold are a failure of that server, and the next one is sent the archive [F93a]', async () => {
  answerLists(
    '<IsTruncated>false</IsTruncated>' +
      object('others/1', Number.MAX_SAFE_INTEGER) +
      object('others/2', Number.MAX_SAFE_INTEGER),
  )

  const { archives, exit } = await world.run()

  proxy.assertFired()
  expect(archives.map(({ state }) => state)).toEqual(['stored'])
  expect([exit, world.models.map((model) => model.objects().length)]).toEqual([3, [0, 2]])
  const [first] = await world.withCatalog((catalog) => catalog.servers())
  expect(first?.health).toBe('misconfigured')
})

it('others’ bytes are counted to the last page, also where a page does not tell how to ask for the next', async () => {
  for (const number of [1, 2, 3, 4, 5])
    world.models[0]!.seed(`others/${number}`, Buffer.alloc(1_000))
  world.models[0]!.change({ pageEntries: 2, listPages: 'no-token' })

  expect((await world.run()).exit).toBe(0)

  const [first] = await world.withCatalog((catalog) => catalog.servers())
  expect(first?.otherBytes).toBe(5_000)
})

it('a server that shows the same page again and again is passed by, not taken for nearly empty', async () => {
  for (const number of [1, 2, 3, 4, 5])
    world.models[0]!.seed(`others/${number}`, Buffer.alloc(1_000))
  world.models[0]!.change({ pageEntries: 2, listPages: 'v1' })

  const { archives, exit } = await world.run()

  expect([exit, archives.map(({ state }) => state)]).toEqual([3, ['stored']])
  expect(world.models[1]!.objects()).toHaveLength(2)
  const [first] = await world.withCatalog((catalog) => catalog.servers())
  expect(first?.health).toBe('misconfigured')
})

it('a server that refuses to be listed for once is still as full as it was, and is told by every run until it is listed', async () => {
  for (const number of [1, 2, 3, 4, 5])
    world.models[0]!.seed(`others/${number}`, Buffer.alloc(1_000))
  await world.run()
  const listedAt = new Date(Date.now() - 21 * 3_600_000)
  await setListed(5_000, listedAt)
  world.models[0]!.change({ denies: ['List'] })

  for (const night of [1, 2]) {
    const { exit, warnings } = await world.run()
    expect([night, exit, warnings]).toEqual([
      ...[night, 3],
      [expect.stringMatching(/^1: .* may not be listed .* counts .* with 5\.00 kB/)],
    ])
    expect(await firstServer()).toMatchObject({ otherBytes: 5_000, listedAt })
  }

  world.models[0]!.change({ denies: [] })
  expect((await world.run()).exit).toBe(0)
})

it('a listing that is refused half way counts for what it showed, if that is more', async () => {
  for (const number of [1, 2, 3, 4, 5])
    world.models[0]!.seed(`others/${number}`, Buffer.alloc(1_000))
  world.models[0]!.change({ pageEntries: 3 })
  await world.run()
  await setListed(1_000, new Date(Date.now() - 21 * 3_600_000))
  proxy.add({
    operation: 'List',
    nth: 2,
    fault: { kind: 'answer', status: 403, code: 'AccessDenied' },
  })

  expect((await world.run()).exit).toBe(3)

  proxy.assertFired()
  expect((await firstServer()).otherBytes).toBe(2_000)
})

it('what somebody wrote over an archive counts beyond what its row counts', async () => {
  const [archive] = (await world.run()).archives
  world.models[0]!.seed(archive!.key, Buffer.alloc(archive!.sizeBytes + 7_000))
  await setListed(0, new Date(Date.now() - 21 * 3_600_000))
  await world.run()
  expect((await firstServer()).otherBytes).toBe(7_000)
})

it('a listing from a time to come is none', async () => {
  await world.run()
  await setListed(0, new Date(Date.now() + 400 * 86_400_000))
  world.models[0]!.seed('others/1', Buffer.alloc(1_000))

  expect((await world.run()).exit).toBe(0)

  const { otherBytes, listedAt } = await firstServer()
  expect(otherBytes).toBe(1_000)
  expect(listedAt!.getTime()).toBeLessThanOrEqual(Date.now())
})

async function firstServer(): Promise<ServerRow> {
  return (await world.withCatalog((catalog) => catalog.servers()))[0]!
}

async function setListed(otherBytes: number, at: Date): Promise<void> {
  const { identity } = await firstServer()
  await world.withCatalog((catalog) => catalog.setOtherBytes(identity, otherBytes, at))
}

function object(key: string, sizeBytes: number): string {
  return `<Contents><Key>${key}</Key><Size>${sizeBytes}</Size></Contents>`
}

function answerLists(content: string): void {
  const body = `<ListBucketResult>${content}</ListBucketResult>`
  const headers = { 'content-type': 'application/xml' }
  proxy.add({ operation: 'List', times: 99, fault: { kind: 'answer', status: 200, body, headers } })
}
