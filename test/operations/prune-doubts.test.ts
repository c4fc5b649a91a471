// What must be asked again before retention, or whoever finishes a delete, may delete: the rows say what was
// true once. Whole installations, with model servers that really lose the bytes.

import { afterEach, describe, expect, it } from 'vitest'
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { addNights, lastNights } from '../support/past-nights.ts'
import { Deletions } from '../../src/operations/deletions.ts'
import { evacuate } from '../../src/operations/evacuate.ts'
import { finishDeletes } from '../../src/operations/finish-deletes.ts'
import { openServices } from '../../src/compose.ts'
import { prune } from '../../src/operations/prune.ts'
import { QUICK, World } from '../support/world.ts'
import { reconcile } from '../../src/operations/reconcile.ts'
import { restoreArchive } from '../../src/operations/restore.ts'
import { setPinned } from '../../src/operations/pin.ts'
import type { Services } from '../../src/operations/services.ts'
import type { RunServices } from '../../src/operations/run.ts'

const never = new AbortController().signal
const NO_USES = { use: () => ({ release: () => {} }) }
let world: World
afterEach(() => world.close())

async function make(servers: number, env: Record<string, string> = {}): Promise<void> {
  world = await World.make(Array.from({ length: servers }, () => ({})))
  Object.assign(world.env, env)
  await world.noise('file', 20_000)
}

async function withServices<Result>(work: (services: Services) => Promise<Result>) {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    return await work(services)
  } finally {
    await services.close()
  }
}

function inRun<Result>(
  work: (running: RunServices & Pick<Services, 'openStorage'>) => Promise<Result>,
): Promise<Result> {
  return withServices((services) =>
    services.withRun(
      () => {},
      (running) => work({ ...running, openStorage: services.openStorage }),
    ),
  )
}

const pruned = (change: (running: RunServices) => RunServices = (running) => running) =>
  inRun(async (given) => {
    const running = change(given)
    const { catalog, config } = running
    const deletions = new Deletions()
    await catalog.registerServers(config.servers)
    await finishDeletes(running, deletions, await catalog.unsettledCopies(), never)
    const plan = await prune(running, { sources: config.sources, deletions }, never)
    const { hasWarnings, warnings } = deletions
    return { ...deletions.report(), hasWarnings, warnings, plan }
  })

const reconciled = () =>
  inRun((running) =>
    reconcile(running, { isDryRun: false, isAdopting: false, onPlan: () => {} }, never),
  )

const archivesOn = (index: number) =>
  world.models[index]!.objects().filter(({ key }) => key.startsWith('host/'))

/** Removed by somebody else. */
function lose(index: number): Promise<void> {
  return withServices(async ({ config, openStorage }) => {
    const storage = (await openStorage())(config.servers[index]!, true)
    for (const { key } of archivesOn(index)) await storage.remove(key, undefined, never)
    storage.close()
  })
}

const keyOf = (id: string) =>
  world.withCatalog(async (catalog) => (await catalog.findArchive(id)).copies[0]!.key)

const statesOf = (id: string) =>
  world.withCatalog(async (catalog) =>
    (await catalog.findArchive(id)).copies.map(({ state }) => state),
  )

const nights = (days: readonly number[], servers: readonly number[]) =>
  days.map((day) => ({ at: `2026-10-0${day}T02:30:00Z`, servers }))

describe('a delete that was denied', () => {
  it('of one copy is taken back when the other one is lost meanwhile', async () => {
    await make(2)
    expect((await world.run()).exit).toBe(0)
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    world.models[0]!.change({ denies: ['Delete'] })
    await inRun((running) => evacuate(running, { number: 1 }, never))
    expect(await statesOf(archive!.id)).toEqual(['deleting', 'stored'])
    world.models[0]!.change({ denies: [] })
    await lose(1)

    await reconciled()

    expect([archivesOn(0).length, archivesOn(1).length]).toEqual([1, 0])
    expect(await statesOf(archive!.id)).toEqual(['stored', 'missing'])
  })

  it('of one copy is finished while the other one is proven', async () => {
    await make(2)
    await world.run()
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    world.models[0]!.change({ denies: ['Delete'] })
    await inRun((running) => evacuate(running, { number: 1 }, never))
    world.models[0]!.change({ denies: [] })

    await reconciled()

    expect([archivesOn(0).length, archivesOn(1).length]).toEqual([0, 1])
    expect(await statesOf(archive!.id)).toEqual(['deleted', 'stored'])
  })

  it('is taken back when its archive is pinned', async () => {
    await make(1, { KEEP_LAST: '2' })
    const [first] = await addNights(world, nights([1, 2, 3], [1]))
    world.models[0]!.change({ denies: ['Delete'] })
    await pruned()
    expect(await statesOf(first!)).toEqual(['deleting'])
    await world.withCatalog((catalog) => setPinned({ catalog, archiveUses: NO_USES }, first!, true))
    world.models[0]!.change({ denies: [] })

    expect((await pruned()).deleted).toEqual([])

    expect(await statesOf(first!)).toEqual(['stored'])
    expect(archivesOn(0)).toHaveLength(3)
  })

  it('of a pinned archive whose object is gone is told as a loss', async () => {
    await make(1, { KEEP_LAST: '2' })
    const [first] = await addNights(world, nights([1, 2, 3], [1]))
    world.models[0]!.change({ denies: ['Delete'] })
    await pruned()
    await world.withCatalog((catalog) => catalog.setPinned(first!, true))
    world.models[0]!.change({ denies: [] })
    await lose(0)

    const { warnings } = await pruned()

    expect(await statesOf(first!)).toEqual(['deleted'])
    expect(warnings[0]?.message).toContain('should stay (it is pinned), and is not there any more')
  })

  it.each(['is there', 'is gone'])(
    'of one copy is finished when retention has deleted the others since, and its object %s',
    async (object) => {
      await make(2, { KEEP_LAST: '2' })
      const [first] = await addNights(world, [...nights([1], [1, 2]), ...nights([2, 3], [2])])
      world.models[0]!.change({ denies: ['Delete'] })
      await inRun((running) => evacuate(running, { number: 1 }, never))
      expect((await pruned()).deleted).toMatchObject([{ id: first }])
      expect(await statesOf(first!)).toEqual(['deleting', 'deleted'])
      world.models[0]!.change({ denies: [] })
      if (object === 'is gone') await lose(0)

      const { deleted, warnings } = await pruned()

      // It is not taken back for a moment, to be deleted once more; and nothing is missing.
      expect([deleted, warnings]).toEqual([[], []])
      expect(await statesOf(first!)).toEqual(['deleted', 'deleted'])
      expect(archivesOn(0)).toEqual([])
    },
  )

  it('by retention is taken back when the rules need the archive since', async () => {
    await make(1, { KEEP_LAST: '2' })
    const [first, second] = await addNights(world, lastNights(3))
    world.models[0]!.change({ denies: ['Delete'] })
    await pruned()
    expect(await statesOf(first!)).toEqual(['deleting'])
    world.models[0]!.change({ denies: [] })
    const { key } = await world.withCatalog((catalog) => catalog.findArchive(second!))
    await inRun(async ({ config, openStorage }) => {
      const storage = (await openStorage())(config.servers[0]!, true)
      await storage.remove(key, undefined, never)
    })
    await inRun((running) =>
      reconcile(running, { isDryRun: false, isAdopting: false, onPlan: () => {} }, never),
    )

    const { deleted, freedBytes } = await pruned()

    expect([deleted, freedBytes]).toEqual([[], 0])
    expect(await statesOf(first!)).toEqual(['stored'])
  })

  it('by retention takes no place of what can be deleted, night after night', async () => {
    await make(2, { KEEP_LAST: '1', PRUNE_MAX_PER_RUN: '1' })
    await addNights(world, [...nights([1, 2], [1]), ...nights([3, 4], [2])])
    world.models[0]!.change({ denies: ['Delete'] })
    const left = async () => [archivesOn(0).length, archivesOn(1).length]
    await pruned()
    await pruned()
    expect(await left()).toEqual([2, 2])
    expect((await pruned()).deleted).toHaveLength(1)
    expect(await left()).toEqual([2, 1])
  })

  it('by retention is named in the report when it is finished', async () => {
    await make(1, { KEEP_LAST: '1' })
    const [first] = await addNights(world, lastNights(2))
    world.models[0]!.change({ denies: ['Delete'] })
    await pruned()
    world.models[0]!.change({ denies: [] })
    expect((await pruned()).deleted).toMatchObject([{ id: first }])
    expect(await statesOf(first!)).toEqual(['deleted'])
  })

  it('by retention is not finished while no newer archive is proven', async () => {
    await make(2, { KEEP_LAST: '1' })
    const [first] = await addNights(world, [...nights([1], [1]), ...nights([2], [2])])
    world.models[0]!.change({ denies: ['Delete'] })
    await pruned()
    world.models[0]!.change({ denies: [] })
    await lose(1)

    const { held } = await pruned()

    expect(archivesOn(0)).toHaveLength(1)
    expect(held[0]?.reason).toContain('no other archive could be proven today')
    expect(await statesOf(first!)).toEqual(['deleting'])
  })

  it('is told once, and through, when somebody has written over its object meanwhile', async () => {
    await make(1, { KEEP_LAST: '1' })
    const [first] = await addNights(world, lastNights(2))
    world.models[0]!.change({ denies: ['Delete'] })
    await pruned()
    world.models[0]!.change({ denies: [] })
    const key = await keyOf(first!)
    world.models[0]!.seed(key, Buffer.from('of somebody else'))

    const [told, after] = [await pruned(), await pruned()]

    expect(told.warnings.map(String)).toEqual([
      expect.stringContaining(`${key} was to be deleted, and what lies there now is not ours`),
    ])
    expect([after.hasWarnings, after.refused]).toEqual([false, []])
    expect(await statesOf(first!)).toEqual(['deleted'])
    expect(world.models[0]!.objects().map((object) => object.key)).toContain(key)
  })

  it('leaves an archive that can be restored', async () => {
    await make(1, { KEEP_LAST: '1' })
    await world.run()
    const [first] = await world.withCatalog((catalog) => catalog.archives())
    await addNights(world, [{ at: new Date(Date.now() + 1_000).toISOString() }])
    world.models[0]!.change({ denies: ['Delete'] })
    await pruned()
    expect(await statesOf(first!.id)).toEqual(['deleting'])

    const to = join(world.folder, 'restored')
    await withServices(async ({ catalog, unpacker, ...services }) =>
      restoreArchive(
        { ...services, catalog: await catalog(), unpacker: await unpacker() },
        { archive: first!.id, to },
        never,
      ),
    )
  })
})

describe('a pin', () => {
  it('is refused while prune deletes the archive', async () => {
    await make(1, { KEEP_LAST: '2' })
    const [first] = await addNights(world, nights([1, 2, 3], [1]))
    let said: unknown
    const { deleted } = await pruned((running) => ({
      ...running,
      catalog: {
        ...running.catalog,
        markDeleting: async (...args) => {
          const { archiveUses, catalog } = running
          said = await setPinned({ archiveUses, catalog }, first!, true).catch(
            (error: unknown) => error,
          )
          return running.catalog.markDeleting(...args)
        },
      },
    }))

    expect(said).toMatchObject({
      code: 'ARCHIVE_MISSING',
      message: expect.stringContaining(
        'is being deleted at this moment: it is not pinned',
      ) as string,
    })
    expect(deleted.map(({ id }) => id)).toEqual([first])
    const after = world.withCatalog((catalog) =>
      setPinned({ catalog, archiveUses: NO_USES }, first!, true),
    )
    await expect(after).rejects.toThrow('was deleted: it is not pinned')
  })

  it('that is set without asking stops the delete in its own transaction', async () => {
    await make(1, { KEEP_LAST: '2' })
    const [first] = await addNights(world, nights([1, 2, 3], [1]))
    const { deleted } = await pruned((running) => ({
      ...running,
      catalog: {
        ...running.catalog,
        markDeleting: async (...args) => {
          await running.catalog.setPinned(first!, true)
          return running.catalog.markDeleting(...args)
        },
      },
    }))

    expect(deleted).toEqual([])
    expect(await statesOf(first!)).toEqual(['stored'])
    expect(archivesOn(0)).toHaveLength(3)
  })
})

describe('archives that the rules keep', () => {
  it('are asked for before anything goes, and what is gone pushes nothing out', async () => {
    await make(2, { KEEP_LAST: '4' })
    await addNights(world, [
      ...nights([1, 2, 3], [2]),
      ...nights([4, 5, 6], [1]),
      ...nights([7], [2]),
    ])
    await lose(0)

    const { deleted, hasWarnings, warnings } = await pruned()

    expect([deleted, hasWarnings, warnings.length]).toEqual([[], true, 3])
    expect(archivesOn(1)).toHaveLength(4)
  })

  it('push nothing out while their server does not answer', async () => {
    await make(2, { KEEP_LAST: '3', PRUNE_MAX_PER_RUN: '100' })
    const ids = await addNights(world, [
      ...nights([1, 2, 3, 4], [2]),
      ...nights([5], [1]),
      ...nights([6], [2]),
    ])
    await world.models[0]!.close()

    const { deleted } = await pruned()

    // The one on server 1 stays besides three that were shown.
    expect(deleted.map(({ id }) => id)).toEqual(ids.slice(0, 2))
  })
})

describe('archives that cannot be deleted now', () => {
  const old = nights([1, 2, 3, 4], [1])
  const others = nights([5, 6, 7, 8, 9], [2])

  it('on a disabled server take no place of others, and are told', async () => {
    await make(2, { KEEP_LAST: '2' })
    const ids = await addNights(world, [...old, ...others])
    world.env['S3_SERVER_1_ENABLED'] = 'false'

    const { deleted, refused, plan } = await pruned()

    expect(deleted.map(({ id }) => id)).toEqual(ids.slice(4, 7))
    expect(refused).toMatchObject([{ server: 1, copies: 4, code: 'NOT_CONFIGURED' }])
    expect(plan.archives.at(-1)!.reasons.at(-1)).toContain('it lies on servers that are disabled')
  })

  it('on a dead server take no place of others, and are a warning', async () => {
    await make(2, { KEEP_LAST: '2' })
    const ids = await addNights(world, [...old, ...others])
    await world.models[0]!.close()

    const { deleted, refused, hasWarnings } = await pruned()

    expect(deleted.map(({ id }) => id)).toEqual(ids.slice(4, 7))
    expect(refused).toMatchObject([{ server: 1, copies: 4 }])
    expect(hasWarnings).toBe(true)
  })
})

it('after a rebuild from archives alone nothing goes before somebody looked', async () => {
  await make(1, { KEEP_LAST: '1' })
  await addNights(world, lastNights(3))
  await world.withCatalog(async (catalog) => {
    await catalog.beginRebuild({ at: new Date(), snapshot: undefined })
    // A rebuild that is not at its end is not to be forgotten.
    await catalog.acceptPins()
    expect(await catalog.arePinsUnknown()).toBe(true)
    await catalog.endRebuild(new Date())
  })

  const report = await world.run()

  expect([report.exit, report.retention.deleted]).toEqual([3, []])
  expect(report.retention.held[0]?.reason).toContain('do not tell what was pinned')
  await world.withCatalog((catalog) => catalog.acceptPins())
  expect((await pruned()).deleted).toHaveLength(3)
})

it('a clock that jumped shows in the archives where no server tells the time', async () => {
  await make(0, { KEEP_LAST: '1' })
  const disk = join(world.folder, 'disk')
  await mkdir(disk)
  world.env['S3_SERVER_1_ENDPOINT'] = `file://${disk}`
  world.env['S3_SERVER_1_STORAGE_LIMIT_GB'] = '1'
  expect((await world.run()).exit).toBe(0)
  const before = ['01', '02', '03'].map((day) => ({ at: `2026-01-${day}T02:30:00Z` }))
  await addNights(world, before)

  const { deleted, held } = await pruned()

  expect(deleted).toEqual([])
  expect(held[0]?.reason).toContain('no server tells the time: the clock may have jumped')
})
