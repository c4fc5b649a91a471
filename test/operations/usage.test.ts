// Usage day by day, from a catalog that was written day by day: what came, what went, what was damaged.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { proof, ready, reserved, server } from '../catalog/fixtures.ts'
import { usageOver } from '../../src/operations/usage.ts'
import type { Config } from '../../src/domain/config.ts'

const near = server(1, { limitBytes: 1e9 })
const far = server(2, { limitBytes: 1e9 })
const config = { servers: [near] } as unknown as Config

const at = (day: number, hour = 3): Date => new Date(Date.UTC(2026, 2, day, hour))

let catalog: Catalog
beforeEach(async () => {
  catalog = await openCatalog({ path: ':memory:', host: 'alpha' })
  await catalog.registerServers([near, far])
})
afterEach(() => catalog.close())

async function store(day: number, to = near, bytes = 100): Promise<number> {
  const archive = await ready(catalog, 'home', at(day))
  const copyId = await reserved(catalog, archive, to, bytes)
  await catalog.markStored(copyId, { ...proof(bytes), at: at(day) })
  return copyId
}

async function remove(copyId: number, day: number): Promise<void> {
  await catalog.markDeleting(copyId, 'retention')
  await catalog.markDeleted(copyId, at(day))
}

const totals = async (days: number, now: Date) => {
  const usage = await usageOver({ config, catalog }, days, now)
  return Object.fromEntries(
    usage.days.map(({ date, servers }) => [date.slice(8), servers.map((each) => each.usedBytes)]),
  )
}

it('is true of each day, across deletes', async () => {
  const first = await store(1)
  await store(2, near, 50)
  const third = await store(3, far, 30)
  await remove(first, 4)
  // Came and went on one day.
  await remove(await store(5, near, 1_000), 5)
  await remove(third, 6)
  await store(6, far, 7)

  const expected = {
    ...{ '01': [100, 0], '02': [150, 0], '03': [150, 30], '04': [50, 30] },
    ...{ '05': [50, 30], '06': [50, 7], '07': [50, 7] },
  }
  expect(await totals(7, at(7))).toEqual(expected)
  // A window that begins later says the same of its days.
  const later = Object.fromEntries(Object.entries(expected).filter(([day]) => day > '02'))
  expect(await totals(5, at(7, 0))).toEqual(later)
  const usage = await usageOver({ config, catalog }, 1, at(7))
  expect(usage).toEqual({
    days: [
      {
        date: '2026-03-07',
        servers: [
          { number: 1, label: near.label, usedBytes: 50 },
          { number: null, label: far.label, usedBytes: 7 },
        ],
        totalBytes: 57,
      },
    ],
    exactSince: null,
  })
})

it('counts what is to be deleted until it is gone, also what never was whole', async () => {
  const copyId = await store(1)
  await catalog.markDeleting(copyId, 'retention')
  const archive = await ready(catalog, 'home', at(2))
  const damaged = await reserved(catalog, archive, near, 40)
  await catalog.markDamaged(damaged, 'it is something else')
  expect(await totals(3, at(3))).toEqual({ '01': [100, 0], '02': [140, 0], '03': [140, 0] })
  await catalog.markDeleted(damaged, at(4))
  await catalog.markDeleted(copyId, at(5))
  expect(await totals(5, at(5))).toEqual({
    ...{ '01': [100, 0], '02': [140, 0], '03': [140, 0], '04': [100, 0], '05': [0, 0] },
  })
})

it('says nothing where there is no catalog, and of what it cannot know says so', async () => {
  const nothing = await usageOver({ config, catalog: undefined }, 2, at(2))
  expect(nothing.days.map(({ totalBytes }) => totalBytes)).toEqual([0, 0])
})
