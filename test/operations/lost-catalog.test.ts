// A catalog that is lost is not noticed by the next run's archives: they are stored as ever. What lies on
// the servers already tells, and the copies of the lost one must stay the newest.

import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openServices } from '../../src/compose.ts'
import { rebuild } from '../../src/operations/rebuild.ts'
import { startRebuild } from '../../src/operations/rebuild-snapshot.ts'
import { addNights, lastNights } from '../support/past-nights.ts'
import { QUICK, World } from '../support/world.ts'
import type { Rebuilt } from '../../src/operations/rebuild.ts'

const never = new AbortController().signal

let world: World
beforeEach(async () => {
  world = await World.make([{}, {}])
  await world.noise('one', 5_000)
})
afterEach(async () => {
  await world.close()
})

it('is a warning of every run, and its copies are left the newest [F78b]', async () => {
  await world.run()
  const copiesBefore = catalogCopies()
  moveCatalogAway('lost')

  const { exit, warnings, archives } = await world.run()

  expect(exit).toBe(3)
  expect(archives).toMatchObject([{ state: 'stored' }])
  expect(warnings).toEqual([
    expect.stringMatching(
      /^1: .* holds 1 archive of host that this catalog does not know: .*move the new catalog away first .*then "spillway reconcile --rebuild"/,
    ),
  ])
  expect(catalogCopies()).toEqual(copiesBefore)
  // What nobody knows still takes room.
  const servers = await world.withCatalog((catalog) => catalog.servers())
  const counted = servers.map(({ usedBytes, otherBytes }) => usedBytes + otherBytes)
  expect(counted).toEqual(world.models.map((model) => sum(model.objects())))
})

it('is noticed before the first copy of a new one, wherever the archives lie', async () => {
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  await world.run()
  world.env['S3_SERVER_1_ENABLED'] = 'true'
  moveCatalogAway('lost')
  const copiesBefore = catalogCopies()

  const { exit, warnings } = await world.run()

  expect([exit, warnings]).toEqual([3, [expect.stringMatching(/^2: .* holds 1 archive of host/)]])
  expect(catalogCopies()).toEqual(copiesBefore)
})

it('is no less of a warning when another run follows at once, and pins outlive it all', async () => {
  world.env['KEEP_LAST'] = '2'
  const [oldest] = await addNights(world, lastNights(3))
  await world.withCatalog((catalog) => catalog.setPinned(oldest!, true))
  await world.run()
  const copiesBefore = catalogCopies()
  await nextSecond()
  moveCatalogAway('lost')
  world.env['SOURCE_1_NAME'] = 'docs'
  const first = await world.run()

  const second = await world.run()

  expect([second.exit, second.warnings]).toEqual([3, first.warnings])
  expect(catalogCopies()).toEqual(copiesBefore)
  await nextSecond()
  moveCatalogAway('new')
  world.env['SOURCE_1_NAME'] = 'docs'
  await rebuilding()
  const after = await world.run()
  expect(after.retention.held).toEqual([])
  expect(after.retention.deleted.length).toBeGreaterThan(0)
  expect(after.retention.deleted.map(({ id }) => id)).not.toContain(oldest)
  expect(await world.audit()).toEqual([])
})

it('comes back with its pins from the copy that was left alone, and the archives of both [F78b]', async () => {
  const first = await world.run()
  await world.withCatalog((catalog) => catalog.setPinned(first.archives[0]!.id, true))
  await world.run()
  moveCatalogAway('lost')
  const third = await world.run()
  moveCatalogAway('new')

  await rebuilding()

  const rows = await world.withCatalog((catalog) => catalog.archives())
  expect(rows.find(({ id }) => id === first.archives[0]!.id)?.isPinned).toBe(true)
  expect(rows.map(({ id }) => id)).toContain(third.archives[0]!.id)
  const after = await world.run()
  expect([after.exit, after.warnings]).toEqual([0, []])
  expect(await world.audit()).toEqual([])
})

it('comes back from a copy of a nearly empty one: what that does not know may have been pinned, and stays', async () => {
  world.env['KEEP_LAST'] = '1'
  const pinned = (await world.run()).archives[0]!
  await world.withCatalog((catalog) => catalog.setPinned(pinned.id, true))
  await world.run()
  await nextSecond()
  moveCatalogAway('lost')
  // Nothing tells the new catalog that it is not the first.
  for (const model of world.models) model.change({ denies: ['List'] })
  await world.run()
  for (const model of world.models) model.change({ denies: [] })
  moveCatalogAway('new')

  const rebuilt = await rebuilding()

  expect(rebuilt).toMatchObject({ start: { from: 'snapshot', archives: 1 }, exit: 3 })
  expect(rebuilt.problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^2 archives .* older than the copy of the catalog .* pinned/),
  ])
  world.env['SOURCE_1_NAME'] = 'docs'
  const { exit, retention } = await world.run()
  expect([exit, retention.deleted]).toEqual([3, []])
  expect(retention.held).toMatchObject([{ reason: expect.stringContaining('pinned') as string }])
})

/** Archives and copies of the catalog are named by their second, and another catalog does not know which are taken. */
async function nextSecond(): Promise<void> {
  await sleep(1_000 - (Date.now() % 1_000))
}

function sum(objects: readonly { readonly sizeBytes: number }[]): number {
  return objects.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
}

function catalogCopies(): readonly string[] {
  return world.models.flatMap((model, index) =>
    model
      .objects()
      .filter(({ key }) => key.startsWith('spillway-catalog/'))
      .map(({ key }) => `${index}: ${key}`),
  )
}

async function rebuilding(): Promise<Rebuilt> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const input = { isForAllHosts: false, onProgress: () => {}, onPlan: () => {} }
  try {
    const start = await startRebuild(services, { isDryRun: false }, never)
    return await services.withRun(
      () => {},
      (running) =>
        rebuild({ ...running, openStorage: services.openStorage }, { start, ...input }, never),
    )
  } finally {
    await services.close()
  }
}

/** What is archived from then on has another name, also within the same second. */
function moveCatalogAway(name: string): void {
  world.env['SOURCE_1_NAME'] = `after-${name}`
  for (const end of ['', '-wal', '-shm']) {
    const path = join(world.folder, 'data', `catalog.db${end}`)
    try {
      renameSync(path, join(world.folder, `${name}.db${end}`))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
