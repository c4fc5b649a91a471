// What every Catalog must do. A new implementation calls this once and inherits the tests.

import { describe, expect, it, onTestFinished } from 'vitest'
import { newArchiveId } from '../../src/domain/archive.ts'
import type { ArchiveState } from '../../src/domain/archive.ts'
import { describeArchives } from './catalog-archives-contract.ts'
import { describeLedger } from './catalog-ledger-contract.ts'
import { opened, withServers } from '../catalog/catalog-store.ts'
import type { CatalogStore } from '../catalog/catalog-store.ts'
import { NIGHT, begin, minutesAfter, ready, reserved, server, stored } from '../catalog/fixtures.ts'

export function describeCatalog(name: string, create: () => CatalogStore): void {
  describe(`${name} keeps the Catalog contract`, () => {
    describeServers(create)
    describeArchives(create)
    describeLedger(create)
    describeFinding(create)
    describeJournal(create)
  })
}

function describeServers(create: () => CatalogStore): void {
  it('shows a server that was never asked as unknown and empty', async () => {
    const { catalog, near } = await withServers(create)

    expect((await catalog.servers())[0]).toEqual({
      identity: near.identity,
      label: near.label,
      endpoint: near.endpoint,
      bucket: 'night',
      prefix: '',
      usedBytes: 0,
      reservedBytes: 0,
      catalogBytes: 0,
      otherBytes: 0,
      listedAt: undefined,
      archives: 0,
      health: 'unknown',
      healthReason: undefined,
      checkedAt: undefined,
    })
  })

  it('keeps the bytes of a server that is renumbered, moved to https, taken out and put back', async () => {
    const catalog = await opened(create)
    const before = server(1, { endpoint: 'http://s1.example.com' })
    await catalog.registerServers([before])
    await stored(catalog, await ready(catalog), before)

    await catalog.registerServers([server(2)])
    await catalog.registerServers([server(2), server(7, { endpoint: 'https://S1.example.com' })])

    const rows = await catalog.servers()
    expect(rows.map(({ endpoint, usedBytes }) => [endpoint, usedBytes])).toEqual([
      ['https://S1.example.com', 100],
      ['https://s2.example.com', 0],
    ])
  })

  it('keeps the last health and its reason', async () => {
    const { catalog, near } = await withServers(create)

    await catalog.setHealth(near.identity, 'dead', 'no answer', NIGHT)
    await catalog.setHealth(near.identity, 'full', 'no room', minutesAfter(1))

    expect((await catalog.servers())[0]).toMatchObject({
      health: 'full',
      healthReason: 'no room',
      checkedAt: minutesAfter(1),
    })
  })

  it('counts what others put there against the limit', async () => {
    const { catalog, near } = await withServers(create)

    await catalog.setOtherBytes(near.identity, 950, NIGHT)

    expect((await catalog.servers())[0]).toMatchObject({ otherBytes: 950, listedAt: NIGHT })
    await expect(reserved(catalog, await ready(catalog), near, 51)).rejects.toThrow('no room')
    await reserved(catalog, await ready(catalog), near, 50)
  })

  it('refuses a server that was never registered, as a bug', async () => {
    const catalog = await opened(create)
    const stranger = server(9).identity
    await expect(catalog.setOtherBytes(stranger, 1, NIGHT)).rejects.toThrow('not registered')
    await expect(catalog.setHealth(stranger, 'dead', '', NIGHT)).rejects.toThrow('not registered')
    await expect(catalog.keysOn(stranger)).rejects.toThrow('not registered')
  })
}

function describeFinding(create: () => CatalogStore): void {
  it('finds an archive by its id, a beginning of it, its file name and its key', async () => {
    const catalog = await opened(create)
    const archive = await ready(catalog)

    for (const name of [
      archive.id,
      archive.id.toUpperCase(),
      archive.id.slice(0, 8),
      archive.id.slice(0, 20),
      archive.file,
      archive.key,
      'latest:home',
    ])
      expect(await catalog.findArchive(name)).toMatchObject({ id: archive.id, copies: [] })
  })

  it('names the candidates when a beginning fits several', async () => {
    const catalog = await opened(create)
    const ids: string[] = []
    for (let count = 0; count < 8; count += 1) ids.push((await begin(catalog)).id)

    const error: unknown = await catalog.findArchive(ids[0]!.slice(0, 8)).catch((e: unknown) => e)

    expect(error).toMatchObject({ code: 'ARCHIVE_MISSING' })
    const named = ids.filter((id) => (error as Error).message.includes(id))
    expect(named.length).toBe(5)
    expect((error as Error).message).toMatch(
      /^"\w{8}" may be any of several archives: .* and more$/,
    )
  })

  it.each(['', 'nothing', 'latest:', 'latest:home', '019', '%', 'a/b', "x' or 1=1 --", '~', '-'])(
    'finds nothing by "%s" in an empty catalog',
    async (name) => {
      const catalog = await opened(create)
      await expect(catalog.findArchive(name)).rejects.toMatchObject({ code: 'ARCHIVE_MISSING' })
    },
  )

  it('takes as latest the newest that can be restored: stored or whole in the spool', async () => {
    const { catalog, near } = await withServers(create)
    const old = await ready(catalog, 'a: b', minutesAfter(1))
    await stored(catalog, old, near)
    await catalog.markLocalGone(old.id)
    await begin(catalog, 'a: b', minutesAfter(4))
    const failed = await begin(catalog, 'a: b', minutesAfter(5))
    await catalog.markArchiveFailed(failed.id, 'no', NIGHT)

    expect(await catalog.findArchive('latest:a: b')).toMatchObject({ id: old.id })
    const waiting = await ready(catalog, 'a: b', minutesAfter(2))
    expect(await catalog.findArchive('latest:a: b')).toMatchObject({ id: waiting.id })
  })

  it.runIf(create().isShared)('keeps the hosts of one catalog apart', async () => {
    const store = create()
    const [alpha, beta] = [await store.open('alpha'), await store.open('beta')]
    onTestFinished(() => alpha.close())
    onTestFinished(() => beta.close())
    const near = server(1)
    await alpha.registerServers([near])
    const own = await ready(alpha)
    await reserved(alpha, own, near)
    await begin(alpha, 'var')
    await alpha.setHealth(near.identity, 'dead', 'no answer', NIGHT)

    expect(await beta.interruptedArchives()).toEqual([])
    expect(await beta.waitingArchives({ copies: 1, servers: [near] })).toEqual([])
    expect(await beta.unsettledCopies()).toEqual([])
    expect(await beta.servers()).toMatchObject([{ health: 'unknown', reservedBytes: 100 }])
    expect(await beta.archives({ host: 'beta' })).toEqual([])
    // A machine that was set up anew under another name can still restore.
    expect(await beta.findArchive('latest:home')).toMatchObject({ id: own.id })
    expect(await beta.findArchive(own.file)).toMatchObject({ id: own.id })

    const theirs = await ready(beta)
    expect(theirs.file).toBe(own.file)
    expect(await beta.findArchive('latest:home')).toMatchObject({ id: theirs.id })
    expect(await alpha.findArchive(own.file)).toMatchObject({ id: own.id })
    expect(await alpha.findArchive(theirs.key)).toMatchObject({ id: theirs.id })

    const gamma = await store.open('gamma')
    onTestFinished(() => gamma.close())
    for (const name of ['latest:home', own.file])
      await expect(gamma.findArchive(name)).rejects.toThrow(theirs.id)
  })
}

function describeJournal(create: () => CatalogStore): void {
  it('keeps every attempt, in order', async () => {
    const { catalog, near, far } = await withServers(create)
    const { id } = await ready(catalog)
    const first = {
      archiveId: id,
      identity: near.identity,
      serverNumber: 1,
      outcome: 'full' as const,
      code: 'QuotaExceeded',
      message: 'no more',
      bytesSent: 5_000_000_000,
      seconds: 1.25,
      at: NIGHT,
    }
    const second = {
      ...first,
      identity: far.identity,
      serverNumber: 2,
      outcome: 'stored' as const,
      code: undefined,
      message: undefined,
    }

    await catalog.addAttempt(first)
    await catalog.addAttempt(second)

    expect(await catalog.attempts(id)).toEqual([first, second])
    expect(await catalog.attempts(newArchiveId(0))).toEqual([])
  })

  it('is sound after all states have been passed through', async () => {
    const { catalog, near, far } = await withServers(create)
    const archive = await ready(catalog)
    await stored(catalog, archive, near)
    await catalog.markUncertain(await reserved(catalog, archive, far), 'lost')
    const states: ArchiveState[] = ['packing', 'ready', 'gone', 'failed']

    await catalog.markLocalGone(archive.id)
    await begin(catalog)

    expect((await catalog.archives({ states })).length).toBe(2)
    await catalog.check()
  })
}
