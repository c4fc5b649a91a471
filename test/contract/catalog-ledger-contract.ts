// The part of the Catalog contract that is about bytes: promised, used, given back.

import { expect, it } from 'vitest'
import { ledger, withServers } from '../catalog/catalog-store.ts'
import type { CatalogStore } from '../catalog/catalog-store.ts'
import { NIGHT, begin, proof, ready, reserved, stored } from '../catalog/fixtures.ts'

export function describeLedger(create: () => CatalogStore): void {
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
        isCompleting: false,
        completingAt: undefined,
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

  it('counts a damaged object as used until the server confirmed that it is gone', async () => {
    const { catalog, near } = await withServers(create)
    const copyId = await reserved(catalog, await ready(catalog), near)

    await catalog.markDamaged(copyId, 'it is not what was sent')
    expect(await ledger(catalog)).toEqual({ usedBytes: 100, reservedBytes: 0, archives: 1 })
    expect((await catalog.unsettledCopies()).map(({ id, state }) => [id, state])).toEqual([
      [copyId, 'deleting'],
    ])
    await expect(catalog.markStored(copyId, proof(100))).rejects.toThrow('is deleting')

    await catalog.markDeleted(copyId)
    expect(await ledger(catalog)).toEqual({ usedBytes: 0, reservedBytes: 0, archives: 0 })
    expect(await catalog.unsettledCopies()).toEqual([])
    await catalog.check()
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

    expect(await catalog.keysOn(near.identity)).toEqual(
      new Map([
        [done.key, 100],
        [underWay.key, undefined],
        [lost.key, undefined],
      ]),
    )
    expect(await catalog.keysOn(far.identity)).toEqual(new Map())
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
