// The bytes of a stored archive come back: the row knows the file from before its first byte on.

import { onTestFinished, expect, it } from 'vitest'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { NIGHT, begin, ready, server } from './fixtures.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'

const PARTIAL = '/spool/back.tar.zst.partial'

it('is gone with a path while it is fetched, and ready once it is proven', async () => {
  const { catalog, id } = await goneArchive()

  await catalog.beginFetch(id, PARTIAL)
  expect(await catalog.openFetches()).toMatchObject([{ id, state: 'gone', localPath: PARTIAL }])
  await expect(reserve(catalog, id)).rejects.toThrow('no bytes to send')

  await catalog.markFetched(id, '/spool/back.tar.zst')
  expect(await catalog.openFetches()).toEqual([])
  expect(await catalog.findArchive(id)).toMatchObject({
    state: 'ready',
    localPath: '/spool/back.tar.zst',
  })
  expect(await reserve(catalog, id)).toEqual(expect.any(Number))

  await catalog.markLocalGone(id)
  expect(await catalog.findArchive(id)).toMatchObject({ state: 'gone', localPath: undefined })
  await catalog.check()
})

it('is gone as before when the fetch was given up', async () => {
  const { catalog, id } = await goneArchive()
  const before = await catalog.findArchive(id)
  await catalog.beginFetch(id, PARTIAL)
  await catalog.endFetch(id)
  await catalog.endFetch(id)
  expect(await catalog.findArchive(id)).toEqual(before)
})

it('refuses to fetch what lies in the spool, and forgets no file that is being written', async () => {
  const { catalog, id } = await goneArchive()
  const waiting = await ready(catalog)
  await expect(catalog.beginFetch(waiting.id, PARTIAL)).rejects.toThrow('is not gone')
  await expect(catalog.markFetched(waiting.id, PARTIAL)).rejects.toThrow('is not gone')
  await catalog.beginFetch(id, PARTIAL)
  await expect(catalog.beginFetch(id, '/spool/other.partial')).rejects.toThrow('already')
  expect(await catalog.openFetches()).toMatchObject([{ localPath: PARTIAL }])
})

async function goneArchive() {
  const catalog = await openCatalog({ path: ':memory:', host: 'alpha' })
  onTestFinished(() => catalog.close())
  await catalog.registerServers([server(1), server(2)])
  const { id } = await begin(catalog, 'gone')
  await catalog.markReady(id, {
    localPath: '/spool/gone.tar.zst',
    sizeBytes: 100,
    sourceBytes: 100,
    memberCount: 1,
    sha256: 'ab'.repeat(32),
    endedAt: NIGHT,
    warningCount: 0,
    warnings: [],
  })
  const copyId = await reserve(catalog, id, 1)
  await catalog.markStored(copyId!, {
    sizeBytes: 100,
    etag: undefined,
    versionId: undefined,
    at: NIGHT,
  })
  await catalog.markLocalGone(id)
  return { catalog, id }
}

function reserve(catalog: Catalog, archiveId: string, number = 2) {
  const { identity } = server(number)
  return catalog.reserve({
    archiveId,
    identity,
    key: `key-${number}`,
    token: 'token',
    bytes: 100,
    limitBytes: 1_000,
  })
}
