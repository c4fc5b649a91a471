// What every Catalog must do. A new implementation calls this once and inherits the tests.

import { describe, expect, it, onTestFinished } from 'vitest'
import { newArchiveId } from '../../src/domain/archive.ts'
import type { ArchiveState } from '../../src/domain/archive.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import {
  NIGHT,
  begin,
  minutesAfter,
  proof,
  ready,
  reserved,
  server,
  stored,
} from '../catalog/fixtures.ts'

/** An empty catalog; `open` again gives another handle on the same one, for the same or another host. */
export type CatalogStore = {
  readonly open: (host: string) => Promise<Catalog>
  /** Whether `open` may be called more than once. */
  readonly isShared: boolean
}

export function describeCatalog(name: string, create: () => CatalogStore): void {
  describe(`${name} keeps the Catalog contract`, () => {
    describeServers(create)
    describeArchives(create)
    describeLedger(create)
    describeFinding(create)
    describeJournal(create)
  })
}

async function opened(create: () => CatalogStore, host = 'alpha'): Promise<Catalog> {
  const catalog = await create().open(host)
  onTestFinished(() => catalog.close())
  return catalog
}

async function withServers(create: () => CatalogStore) {
  const catalog = await opened(create)
  const [near, far] = [server(1), server(2)]
  await catalog.registerServers([near, far])
  return { catalog, near, far }
}

async function ledger(catalog: Catalog, number = 0) {
  const { usedBytes, reservedBytes, archives } = (await catalog.servers())[number]!
  return { usedBytes, reservedBytes, archives }
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

function describeArchives(create: () => CatalogStore): void {
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
    const waiting = async (wanted: number) =>
      (await catalog.waitingArchives(wanted)).map(({ id }) => id)

    expect(await waiting(1)).toEqual([early.id, late.id])
    await stored(catalog, early, near)
    expect(await waiting(1)).toEqual([late.id])
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

function describeLedger(create: () => CatalogStore): void {
  it('moves bytes from reserved to used when a copy is stored', async () => {
    const { catalog, near } = await withServers(create)
    const archive = await ready(catalog)

    const copyId = await reserved(catalog, archive, near, 120)
    expect(await ledger(catalog)).toEqual({ usedBytes: 0, reservedBytes: 120, archives: 0 })
    await catalog.setUploadId(copyId, 'upload-1')
    await catalog.markStored(copyId, { ...proof(100), versionId: 'v1' })

    expect(await ledger(catalog)).toEqual({ usedBytes: 100, reservedBytes: 0, archives: 1 })
    expect((await catalog.findArchive(archive.id)).copies).toEqual([
      {
        id: copyId,
        archiveId: archive.id,
        identity: near.identity,
        state: 'stored',
        key: archive.key,
        token: `token-${archive.id}`,
        uploadId: 'upload-1',
        sizeBytes: 100,
        reservedBytes: 0,
        etag: 'e-1',
        versionId: 'v1',
        storedAt: NIGHT,
        reason: undefined,
      },
    ])
  })

  it('gives the reservation back when a copy failed', async () => {
    const { catalog, near } = await withServers(create)
    const copyId = await reserved(catalog, await ready(catalog), near)

    await catalog.markCopyFailed(copyId, 'the server said no')

    expect(await ledger(catalog)).toEqual({ usedBytes: 0, reservedBytes: 0, archives: 0 })
    expect(await catalog.unsettledCopies()).toEqual([])
  })

  it('keeps the reservation while nobody knows what the server holds', async () => {
    const { catalog, near, far } = await withServers(create)
    const archive = await ready(catalog)
    const [found, lost] = [
      await reserved(catalog, archive, near),
      await reserved(catalog, archive, far),
    ]

    await catalog.markUncertain(found, 'the answer was lost')
    await catalog.markUncertain(lost, 'the answer was lost')
    expect(await ledger(catalog)).toMatchObject({ reservedBytes: 100 })
    expect((await catalog.unsettledCopies()).map(({ id, state }) => [id, state])).toEqual([
      [found, 'uncertain'],
      [lost, 'uncertain'],
    ])

    await catalog.markStored(found, proof(100))
    await catalog.markCopyFailed(lost, 'it is not there')
    expect(await ledger(catalog, 0)).toEqual({ usedBytes: 100, reservedBytes: 0, archives: 1 })
    expect(await ledger(catalog, 1)).toEqual({ usedBytes: 0, reservedBytes: 0, archives: 0 })
  })

  // The edges are where the arithmetic goes wrong, so they are listed one by one.
  it.each([
    { bytes: 0, limitBytes: 0, fits: true, why: 'nothing fits into nothing' },
    { bytes: 1, limitBytes: 0, fits: false, why: 'a byte does not' },
    { bytes: 600, limitBytes: 1_000, fits: true, why: 'exactly the spare bytes fit' },
    { bytes: 601, limitBytes: 1_000, fits: false, why: 'one byte more does not' },
    { bytes: 5_000_000_000, limitBytes: 5_000_000_400, fits: true, why: 'more than 32 bits fit' },
    { bytes: 5_000_000_001, limitBytes: 5_000_000_400, fits: false, why: 'and are counted' },
    {
      bytes: Number.MAX_SAFE_INTEGER,
      limitBytes: Number.MAX_SAFE_INTEGER,
      fits: false,
      why: 'a sum beyond the safe integers does not wrap',
    },
  ])('$why', async ({ bytes, limitBytes, fits }) => {
    const { catalog, near } = await withServers(create)
    if (limitBytes > 0) await reserved(catalog, await ready(catalog), near, 400)
    const before = await ledger(catalog)
    const archive = await ready(catalog)

    const copyId = await catalog.reserve({
      archiveId: archive.id,
      identity: near.identity,
      key: archive.key,
      token: 't',
      bytes,
      limitBytes,
    })

    expect(copyId !== undefined).toBe(fits)
    const reservedBytes = before.reservedBytes + (fits ? bytes : 0)
    expect(await ledger(catalog)).toEqual({ ...before, reservedBytes })
    expect((await catalog.findArchive(archive.id)).copies.length).toBe(fits ? 1 : 0)
  })

  it('grows a reservation if there is room, and shrinks it always', async () => {
    const { catalog, near } = await withServers(create)
    const copyId = await reserved(catalog, await ready(catalog), near, 100)
    const { reservedBytes } = { reservedBytes: async () => (await ledger(catalog)).reservedBytes }

    expect(await catalog.resizeReservation(copyId, 1_000, 1_000)).toBe(true)
    expect(await catalog.resizeReservation(copyId, 1_001, 1_000)).toBe(false)
    expect(await reservedBytes()).toBe(1_000)
    expect(await catalog.resizeReservation(copyId, 1_000, 10)).toBe(true)
    expect(await catalog.resizeReservation(copyId, 500, 10)).toBe(true)
    expect(await reservedBytes()).toBe(500)
    expect(await catalog.resizeReservation(copyId, 501, 10)).toBe(false)
    expect(await reservedBytes()).toBe(500)
    await catalog.markStored(copyId, proof(500))
    expect(await ledger(catalog)).toEqual({ usedBytes: 500, reservedBytes: 0, archives: 1 })
  })

  it('refuses a call for a copy in another state, and changes nothing', async () => {
    const { catalog, near } = await withServers(create)
    const [done, failed, uncertain] = [
      await stored(catalog, await ready(catalog), near),
      await reserved(catalog, await ready(catalog), near),
      await reserved(catalog, await ready(catalog), near),
    ]
    await catalog.markCopyFailed(failed, 'no')
    await catalog.markUncertain(uncertain, 'lost')
    const before = await ledger(catalog)

    for (const copyId of [done, failed, 999]) {
      const bug = /^copy \d+ is (stored|failed|unknown), not uploading/
      await expect(catalog.markStored(copyId, proof(1))).rejects.toThrow(bug)
      await expect(catalog.markCopyFailed(copyId, 'no')).rejects.toThrow(bug)
      await expect(catalog.markUncertain(copyId, 'no')).rejects.toThrow(bug)
      await expect(catalog.setUploadId(copyId, 'u')).rejects.toThrow(bug)
      await expect(catalog.resizeReservation(copyId, 1, 1_000)).rejects.toThrow(bug)
    }
    await expect(catalog.markUncertain(uncertain, 'twice')).rejects.toThrow('is uncertain')
    await expect(catalog.resizeReservation(uncertain, 1, 1_000)).rejects.toThrow('is uncertain')
    expect(await ledger(catalog)).toEqual(before)
  })

  it('refuses to store more than was promised, as a bug', async () => {
    const { catalog, near } = await withServers(create)
    const copyId = await reserved(catalog, await ready(catalog), near, 100)

    await expect(catalog.markStored(copyId, proof(101))).rejects.toThrow('100 were reserved')

    expect(await ledger(catalog)).toEqual({ usedBytes: 0, reservedBytes: 100, archives: 0 })
  })

  it.each([-1, 0.5, NaN, 2 ** 53])('refuses %d bytes, as a bug', async (bytes) => {
    const { catalog, near } = await withServers(create)
    const archive = await ready(catalog)
    const copyId = await reserved(catalog, archive, near)

    await expect(reserved(catalog, await ready(catalog), near, bytes)).rejects.toThrow('bytes is')
    await expect(catalog.resizeReservation(copyId, bytes, 1_000)).rejects.toThrow('bytes is')
    await expect(catalog.markStored(copyId, proof(bytes))).rejects.toThrow('sizeBytes is')
    await expect(catalog.setOtherBytes(near.identity, bytes, NIGHT)).rejects.toThrow('is')
    expect(await ledger(catalog)).toMatchObject({ reservedBytes: 100 })
  })

  it('lets one copy at a time claim a key, and the next one after that failed', async () => {
    const { catalog, near, far } = await withServers(create)
    const archive = await ready(catalog)
    const first = await reserved(catalog, archive, near)

    await expect(reserved(catalog, archive, near)).rejects.toThrow()
    expect(await ledger(catalog)).toMatchObject({ reservedBytes: 100 })

    await reserved(catalog, archive, far)
    await catalog.markCopyFailed(first, 'no')
    await reserved(catalog, archive, near)
  })

  it('sends only archives that have bytes to send', async () => {
    const { catalog, near } = await withServers(create)
    const failed = await begin(catalog)
    await catalog.markArchiveFailed(failed.id, 'no', NIGHT)

    await expect(reserved(catalog, failed, near)).rejects.toThrow('is failed')
    await expect(reserved(catalog, { id: 'nobody', key: 'k' }, near)).rejects.toThrow('is unknown')
    await reserved(catalog, await begin(catalog), near)
  })

  it('knows the keys that may lie on a server', async () => {
    const { catalog, near, far } = await withServers(create)
    const [done, underWay, lost, failed] = [
      await ready(catalog),
      await ready(catalog),
      await ready(catalog),
      await ready(catalog),
    ]
    await stored(catalog, done, near)
    await reserved(catalog, underWay, near)
    await catalog.markUncertain(await reserved(catalog, lost, near), 'lost')
    await catalog.markCopyFailed(await reserved(catalog, failed, near), 'no')

    expect(await catalog.keysOn(near.identity)).toEqual(new Set([done.key, underWay.key, lost.key]))
    expect(await catalog.keysOn(far.identity)).toEqual(new Set())
  })

  it('does many things at once without mixing them up', async () => {
    const { catalog, near } = await withServers(create)
    const archives = await Promise.all(Array.from({ length: 20 }, () => ready(catalog)))

    const results = await Promise.allSettled(
      archives.map((archive) => reserved(catalog, archive, near, 100)),
    )

    expect(new Set(archives.map(({ key }) => key)).size).toBe(20)
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(10)
    expect(await ledger(catalog)).toMatchObject({ reservedBytes: 1_000 })
    await catalog.check()
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
    expect(await beta.waitingArchives(1)).toEqual([])
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
