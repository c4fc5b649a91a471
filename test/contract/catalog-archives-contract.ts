// The part of the Catalog contract that is about archives: their names, states and order.

import { expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { opened, withServers } from '../catalog/catalog-store.ts'
import type { CatalogStore } from '../catalog/catalog-store.ts'
import { NIGHT, begin, minutesAfter, ready, stored } from '../catalog/fixtures.ts'

export function describeArchives(create: () => CatalogStore): void {
  it('begins an archive with its names, and a file that is not yet whole', async () => {
    const catalog = await opened(create)

    const archive = await begin(catalog, 'home')

    expect(archive).toMatchObject({
      host: 'alpha',
      source: 'home',
      state: 'packing',
      file: 'home-20260301-023000.tar.zst',
      key: 'alpha/2026/03/01/home-20260301-023000.tar.zst',
      localPath: '/spool/home-20260301-023000.tar.zst.partial',
      sizeBytes: undefined,
      warnings: [],
      isPinned: false,
    })
    expect(await catalog.interruptedArchives()).toEqual([archive])
  })

  it('never gives a key twice, also not that of an archive that failed', async () => {
    const catalog = await opened(create)
    const first = await begin(catalog, 'my docs')
    await catalog.markArchiveFailed(first.id, 'killed', NIGHT)

    const files = [(await begin(catalog, 'my docs')).file, (await begin(catalog, 'my-docs')).file]

    expect(files).toEqual([
      'my-docs-20260301-023000-2.tar.zst',
      'my-docs-20260301-023000-3.tar.zst',
    ])
  })

  it('gives back what an archive was marked ready with', async () => {
    const catalog = await opened(create)
    const { id } = await begin(catalog)
    const facts = {
      localPath: '/spool/whole.tar.zst',
      sizeBytes: Number.MAX_SAFE_INTEGER,
      sourceBytes: 5_000_000_000,
      memberCount: 3,
      sha256: 'cd'.repeat(32),
      endedAt: minutesAfter(2),
      warningCount: 2_000,
      warnings: [{ path: 'a"\u0000\nb/\ud800ü', reason: 'vanished' }],
    }

    await catalog.markReady(id, facts)

    expect(await catalog.findArchive(id)).toMatchObject({ ...facts, state: 'ready', copies: [] })
  })

  it('moves an archive only along its states', async () => {
    const { catalog, near } = await withServers(create)
    const packing = await begin(catalog)
    const whole = await ready(catalog)

    await expect(catalog.markLocalGone(packing.id)).rejects.toThrow('cannot become gone')
    // The only copy of an archive is never given up.
    await expect(catalog.markLocalGone(whole.id)).rejects.toThrow('cannot become gone')
    await expect(catalog.markReady(whole.id, { ...readyFacts, localPath: '/x' })).rejects.toThrow(
      'cannot become ready',
    )

    await stored(catalog, whole, near)
    await catalog.markLocalGone(whole.id)
    expect(await catalog.findArchive(whole.id)).toMatchObject({
      state: 'gone',
      localPath: undefined,
    })
    await expect(catalog.markArchiveFailed(whole.id, 'no', NIGHT)).rejects.toThrow('cannot become')
    await expect(catalog.markLocalGone('nobody')).rejects.toThrow('unknown')

    await catalog.markArchiveFailed(packing.id, 'the process died', minutesAfter(9))
    expect(await catalog.findArchive(packing.id)).toMatchObject({
      state: 'failed',
      reason: 'the process died',
      localPath: undefined,
      endedAt: minutesAfter(9),
    })
    expect(await catalog.interruptedArchives()).toEqual([])
  })

  it('lists the newest first, by source, host, state and number', async () => {
    const { catalog, near } = await withServers(create)
    const first = await ready(catalog, 'home', minutesAfter(1))
    const second = await begin(catalog, 'etc', minutesAfter(2))
    const third = await begin(catalog, 'home', minutesAfter(3))
    await catalog.markArchiveFailed(third.id, 'no', NIGHT)
    const copyId = await stored(catalog, first, near)

    const ids = async (filter?: Parameters<Catalog['archives']>[0]) =>
      (await catalog.archives(filter)).map(({ id }) => id)

    expect(await ids()).toEqual([third.id, second.id, first.id])
    expect(await ids({ limit: 2 })).toEqual([third.id, second.id])
    expect(await ids({ limit: 0 })).toEqual([])
    expect(await ids({ source: 'home' })).toEqual([third.id, first.id])
    expect(await ids({ source: 'home', limit: 1 })).toEqual([third.id])
    expect(await ids({ states: ['ready', 'packing'] })).toEqual([second.id, first.id])
    expect(await ids({ states: ['ready', 'ready'] })).toEqual([first.id])
    expect(await ids({ states: [] })).toEqual([])
    expect(await ids({ host: 'beta' })).toEqual([])
    expect((await catalog.archives({ states: ['ready'] }))[0]!.copies).toMatchObject([
      { id: copyId, state: 'stored', identity: near.identity, key: first.key },
    ])
  })

  it('waits with an archive until it has as many copies as wanted, oldest first', async () => {
    const { catalog, near, far } = await withServers(create)
    await begin(catalog)
    const late = await ready(catalog, 'home', minutesAfter(5))
    const early = await ready(catalog, 'home', minutesAfter(1))
    const waiting = async (copies: number, servers = [near, far]) =>
      (await catalog.waitingArchives({ copies, servers })).map(({ id }) => id)

    expect(await waiting(1)).toEqual([early.id, late.id])
    await stored(catalog, early, near)
    expect(await waiting(1)).toEqual([late.id])
    expect(await waiting(1, [far])).toEqual([early.id, late.id])
    expect(await waiting(2)).toEqual([early.id, late.id])
    await stored(catalog, early, far)
    expect(await waiting(2)).toEqual([late.id])
  })

  it('remembers the last good archive of a source, and not those that only exist here', async () => {
    const { catalog, near } = await withServers(create)
    const good = await ready(catalog, 'home', minutesAfter(1))
    await stored(catalog, await ready(catalog, 'home', NIGHT), near)
    await stored(catalog, good, near)
    await ready(catalog, 'home', minutesAfter(2))
    await stored(catalog, await ready(catalog, 'etc', minutesAfter(3)), near)

    expect(await catalog.lastGood('home')).toMatchObject({ id: good.id })
    expect(await catalog.lastGood('var')).toBeUndefined()
  })

  it('takes for the last good archive none of which a server has lost or spoiled the last copy', async () => {
    const { catalog, near, far } = await withServers(create)
    const [first, damaged, lost] = [
      await ready(catalog, 'home', minutesAfter(1)),
      await ready(catalog, 'home', minutesAfter(2)),
      await ready(catalog, 'home', minutesAfter(3)),
    ]
    await stored(catalog, first, near)
    const damagedCopy = await stored(catalog, damaged, near)
    const lostCopies = [await stored(catalog, lost, near), await stored(catalog, lost, far)]
    const last = async () => (await catalog.lastGood('home'))?.id

    await catalog.markMissing(lostCopies[0]!, 'not there')
    expect(await last()).toBe(lost.id)
    await catalog.markMissing(lostCopies[1]!, 'not there')
    expect(await last()).toBe(damaged.id)
    const tail = { place: 'tail', frame: null, fromByte: 0, toByte: 9, what: 'cut off' } as const
    await catalog.setProblems(
      damagedCopy,
      'tail',
      [{ ...tail, memberCount: null, members: [] }],
      NIGHT,
    )
    expect(await last()).toBe(first.id)
  })
}

const readyFacts = {
  localPath: '/spool/x',
  sizeBytes: 1,
  sourceBytes: 1,
  memberCount: 1,
  sha256: 'ef'.repeat(32),
  endedAt: NIGHT,
  warningCount: 0,
  warnings: [],
}
