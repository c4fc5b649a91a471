// A copy that verifying found damaged: `copies` makes a sound one before it removes it, from another copy
// or from the spool, and leaves alone what it cannot mend.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { evacuate } from '../../src/operations/evacuate.ts'
import { fillCopies, planFill } from '../../src/operations/copies-fill.ts'
import { openServices } from '../../src/compose.ts'
import { QUICK, World } from '../support/world.ts'
import { reconcile } from '../../src/operations/reconcile.ts'
import { rebuild } from '../../src/operations/rebuild.ts'
import { restoreArchive } from '../../src/operations/restore.ts'
import { readFileSync, rmSync } from 'node:fs'
import { startRebuild } from '../../src/operations/rebuild-snapshot.ts'
import { statusOf } from '../../src/operations/status.ts'
import { verify } from '../../src/operations/verify.ts'
import { VerifyServers } from '../../src/operations/verify-servers.ts'
import type { CopiesReport } from '../../src/operations/copies-record.ts'
import type { FillInput } from '../../src/operations/copies-fill.ts'
import type { RunServices } from '../../src/operations/run.ts'
import type { Services } from '../../src/operations/services.ts'
import type { VerifyReport } from '../../src/operations/verify-report.ts'
import type { WorldServer } from '../support/world.ts'

const MB = 1_000_000
const never = new AbortController().signal

let world: World
afterEach(() => world.close())

async function start(
  servers: readonly WorldServer[],
  copies: number,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  world = await World.make(servers)
  Object.assign(world.env, { COPIES: String(copies), ...env })
  await world.noise('a', 9 * MB)
  expect((await world.run()).exit).toBe(0)
}

async function withServices<Result>(
  work: (services: Services) => Promise<Result>,
): Promise<Result> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    return await work(services)
  } finally {
    await services.close()
  }
}

const withRun = <Result>(
  work: (running: RunServices, services: Services) => Promise<Result>,
): Promise<Result> =>
  withServices((services) =>
    services.withRun(
      () => {},
      (running) => work(running, services),
    ),
  )

const fill = (input: Partial<FillInput> = {}): Promise<CopiesReport> =>
  withRun((running, { openStorage }) =>
    fillCopies({ ...running, openStorage }, { budgetBytes: undefined, ...input }, never),
  )

const dryFill = (): Promise<CopiesReport> =>
  withServices(async ({ catalog, config }) =>
    planFill({ config, catalog: await catalog() }, { budgetBytes: undefined }),
  )

async function verified(isDeep = true): Promise<VerifyReport> {
  return withServices(async ({ catalog, config, openStorage }) => {
    const servers = new VerifyServers(openStorage)
    try {
      return await verify(
        { config, catalog: await catalog(), storageOf: servers.storageOf, headDelayMs: 10 },
        { archives: [], source: undefined, isDeep, budgetBytes: undefined },
        never,
      )
    } finally {
      servers.close()
    }
  })
}

/** Not the copies of the catalog. */
function archivesOn(number: number) {
  return world.models[number - 1]!.objects().filter(({ key }) => key.startsWith('host/'))
}

/** One byte of its copy there turns over; verifying finds it. */
async function damage(number: number, atByte = 5 * MB): Promise<void> {
  world.models[number - 1]!.corrupt(archivesOn(number)[0]!.key, atByte)
  expect((await verified()).exit).toBe(31)
}

/** By servers, `number:state`. */
async function copiesNow(): Promise<readonly string[]> {
  return world.withCatalog(async (catalog) => {
    const servers = await catalog.servers()
    const archives = await catalog.archives()
    return archives
      .flatMap(({ copies }) => copies)
      .map(({ identity, state }) => {
        const number = servers.findIndex((row) => row.identity === identity) + 1
        return `${number}:${state}`
      })
      .toSorted()
  })
}

const problems = () => world.withCatalog((catalog) => catalog.problems())

describe('with a sound copy left', () => {
  it.each([
    ['a frame', 5 * MB],
    ['the index', -1_500],
  ])('one that is damaged in %s is replaced on another server', async (_where, at) => {
    await start([{}, {}, {}], 2)
    const { sizeBytes } = archivesOn(1)[0]!
    await damage(1, at < 0 ? sizeBytes + at : at)
    const sound = world.models[1]!.bytesOf(archivesOn(2)[0]!.key)

    const plan = await dryFill()
    expect(plan).toMatchObject({ exit: 0, dryRun: true, mended: 1, copied: 0, left: 0 })
    expect(plan.archives).toMatchObject([{ action: 'mend', to: [3], damagedOn: [1] }])
    expect(archivesOn(3)).toEqual([])
    const report = await fill()

    expect(report).toMatchObject({ exit: 0, outcome: 'ok', mended: 1, mendedBytes: sizeBytes })
    expect(report.archives).toMatchObject([{ action: 'mend', to: [3], damagedOn: [1] }])
    expect(await copiesNow()).toEqual(['1:deleted', '2:stored', '3:stored'])
    expect([archivesOn(1).length, archivesOn(2).length]).toEqual([0, 1])
    expect(world.models[2]!.bytesOf(archivesOn(3)[0]!.key).equals(sound)).toBe(true)
    expect(await problems()).toEqual([])
    expect(await world.audit()).toEqual([])
    expect((await verified()).exit).toBe(0)
    expect(await fill()).toMatchObject({ exit: 0, archives: [] })
  })

  it('is replaced under a new key where no other server has room', async () => {
    await start([{}, {}], 2)
    await damage(1)
    const [damaged] = archivesOn(1)

    const plan = await dryFill()
    expect(plan.archives).toMatchObject([{ action: 'mend', to: [1], damagedOn: [1] }])
    expect(await fill()).toMatchObject({ exit: 0, mended: 1 })

    const [now] = archivesOn(1)
    expect(archivesOn(1)).toHaveLength(1)
    expect(now!.key).not.toBe(damaged!.key)
    expect(now!.key).toMatch(/^host\/\d{4}\/\d\d\/\d\d\/docs-\d{8}-\d{6}\.copy-2\.tar\.zst$/)
    expect(await copiesNow()).toEqual(['1:deleted', '1:stored', '2:stored'])
    expect((await verified()).exit).toBe(0)
    expect(await world.audit()).toEqual([])

    // A second time: the third key.
    await damage(1)
    expect(await fill()).toMatchObject({ exit: 0, mended: 1 })
    expect(archivesOn(1).map(({ key }) => key)).toEqual([
      damaged!.key.replace('.tar.zst', '.copy-3.tar.zst'),
    ])
    expect(await world.audit()).toEqual([])
  })

  it.each(['damaged', 'replaced by something else'])(
    'stays beside a sound one for a while, %s, and a restore reads the sound one',
    async (how) => {
      await start([{}, {}], 2)
      await damage(1)
      const { key } = archivesOn(1)[0]!
      if (how !== 'damaged') world.models[0]!.seed(key, Buffer.from('of somebody else'))
      world.env['COPIES'] = '1'
      await withRun((running, { openStorage }) =>
        evacuate({ ...running, openStorage }, { number: 2 }, never),
      )
      expect(await copiesNow()).toEqual(['1:stored', '1:stored', '2:deleted'])
      const to = join(world.folder, 'restored')

      await withServices(async ({ catalog, unpacker, ...services }) =>
        restoreArchive(
          { ...services, catalog: await catalog(), unpacker: await unpacker() },
          { archive: 'latest:docs', to },
          never,
        ),
      )

      expect(readFileSync(join(to, 'a')).equals(readFileSync(join(world.source, 'a')))).toBe(true)
    },
  )

  it('is known for a copy of its archive when the catalog is made anew from such keys', async () => {
    await start([{}, {}], 2)
    await damage(1)
    await fill()
    const [before] = await world.withCatalog((catalog) => catalog.archives())
    rmSync(join(world.folder, 'data'), { recursive: true })
    for (const model of world.models)
      for (const { key } of model.objects()) if (!key.startsWith('host/')) await remove(key)

    const begin = await withServices((services) =>
      startRebuild(services, { isDryRun: false }, never),
    )
    const input = { start: begin, isForAllHosts: false, onProgress: () => {}, onPlan: () => {} }
    const { exit } = await withServices(({ openStorage }) =>
      withRun((running) => rebuild({ ...running, openStorage }, input, never)),
    )
    expect(exit).toBe(0)

    const [after] = await world.withCatalog((catalog) => catalog.archives())
    expect(after).toMatchObject({ id: before!.id, key: before!.key, file: before!.file })
    expect(await copiesNow()).toEqual(['1:stored', '2:stored'])
    expect(await world.audit()).toEqual([])
  })

  it('never overruns a limit: without room for both at once the damaged one stays', async () => {
    await start([{ limitGb: 0.012 }, { limitGb: 0.012 }], 2)
    await damage(1)

    const report = await fill()

    expect(report).toMatchObject({ exit: 26, mended: 0, left: 1 })
    expect(report.archives).toMatchObject([{ action: 'leave', code: 'NO_SERVER_FOR_COPY' }])
    expect(await dryFill()).toMatchObject({ exit: 26, left: 1 })
    expect(await copiesNow()).toEqual(['1:stored', '2:stored'])
    expect(archivesOn(1)).toHaveLength(1)
  })

  it('is only removed where enough sound ones are there already', async () => {
    await start([{}, {}, {}], 2)
    await damage(1)
    world.env['COPIES'] = '1'

    expect(await dryFill()).toMatchObject({ mended: 1, archives: [{ to: [], damagedOn: [1] }] })
    expect(await fill({ budgetBytes: 1_000 })).toMatchObject({ exit: 0, mended: 1, later: 0 })

    expect(await copiesNow()).toEqual(['1:deleted', '2:stored'])
    expect(archivesOn(3)).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('stays while the sound one cannot be proven, and while its archive is restored', async () => {
    await start([{}, {}, {}], 2)
    await damage(1)
    world.models[1]!.change({ denies: ['Head'] })

    expect(await fill()).toMatchObject({ exit: 21, mended: 0, left: 1 })
    expect(archivesOn(1)).toHaveLength(1)

    world.models[1]!.change({ denies: [] })
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    await withRun(async (running, { openStorage }) => {
      const use = running.archiveUses.use(archive!.id)
      const report = await fillCopies({ ...running, openStorage }, NO_BUDGET, never)
      use?.release()
      expect(report).toMatchObject({ exit: 26, left: 1 })
      expect(report.archives[0]?.message).toContain('being restored')
    })
    expect(await copiesNow()).toEqual(['1:stored', '2:stored', '3:stored'])

    expect(await fill()).toMatchObject({ exit: 0, mended: 1 })
    expect(await copiesNow()).toEqual(['1:deleted', '2:stored', '3:stored'])
    expect(await world.audit()).toEqual([])
  })

  it('whose delete is denied stays counted, is told in one line, and goes another time', async () => {
    await start([{}, {}, {}], 2)
    await damage(1)
    world.models[0]!.change({ denies: ['Delete'] })

    const report = await fill()

    expect(report).toMatchObject({ exit: 3, mended: 1 })
    expect(report.warnings).toEqual([expect.stringContaining('still counted as used')])
    expect(await copiesNow()).toEqual(['1:deleting', '2:stored', '3:stored'])
    const [first] = await world.withCatalog((catalog) => catalog.servers())
    expect(first!.usedBytes).toBe(archivesOn(1)[0]!.sizeBytes)

    world.models[0]!.change({ denies: [] })
    expect(await fill()).toMatchObject({ exit: 0, archives: [] })
    expect(archivesOn(1)).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('where something else lies now gets a new copy, and that something is left alone', async () => {
    await start([{}, {}], 2)
    const { key } = archivesOn(1)[0]!
    world.models[0]!.seed(key, Buffer.alloc(9_999), { 'spillway-token': 'of another' })
    expect((await verified(false)).exit).toBe(31)

    expect(await fill()).toMatchObject({ exit: 0, mended: 1 })

    expect(await copiesNow()).toEqual(['1:missing', '1:stored', '2:stored'])
    expect(world.models[0]!.bytesOf(key)).toHaveLength(9_999)
    expect(await fill()).toMatchObject({ exit: 0, archives: [] })
  })

  it('one that was only written again is for verify --deep, and is left as it is', async () => {
    await start([{}, {}], 2)
    const { key, metadata } = archivesOn(1)[0]!
    world.models[0]!.seed(key, world.models[0]!.bytesOf(key), metadata)
    expect((await verified(false)).exit).toBe(3)

    expect(await fill()).toMatchObject({ exit: 0, archives: [] })

    expect(await copiesNow()).toEqual(['1:stored', '2:stored'])
    expect((await verified()).exit).toBe(0)
  })

  it('goes on where a killed one ended: the new copy is there, the damaged one too', async () => {
    await start([{}, {}, {}], 2)
    await damage(1)
    const stop = new AbortController()
    await withRun(async (running, { openStorage }) => {
      const catalog = {
        ...running.catalog,
        markDeleting: () => {
          stop.abort()
          return Promise.reject(new Error('killed here'))
        },
      }
      const report = await fillCopies({ ...running, catalog, openStorage }, NO_BUDGET, stop.signal)
      expect(report.exit).not.toBe(0)
    })
    expect(await copiesNow()).toEqual(['1:stored', '2:stored', '3:stored'])
    const sent = world.models[2]!.count('UploadPart')

    expect(await fill()).toMatchObject({ exit: 0, mended: 1 })

    expect(world.models[2]!.count('UploadPart')).toBe(sent)
    expect(await copiesNow()).toEqual(['1:deleted', '2:stored', '3:stored'])
    expect(await world.audit()).toEqual([])
  })
})

describe('with one copy', () => {
  it('the spool mends it while its file is there, and a run does not take that away', async () => {
    await start([{}, {}], 1, { LOCAL_KEEP: '1' })
    await damage(1)
    // The next archive takes the place in the spool; what cannot be had elsewhere stays all the same.
    await world.run()
    expect(await spooled()).toHaveLength(2)

    expect(await fill()).toMatchObject({ exit: 0, mended: 1, archives: [{ to: [2] }] })

    expect(archivesOn(1)).toHaveLength(1)
    expect(await spooled()).toHaveLength(1)
    expect((await verified()).exit).toBe(0)
    expect(await world.audit()).toEqual([])
  })

  it('nothing can be done without it: said once, as a warning, and no byte is read', async () => {
    await start([{}, {}], 1)
    await damage(1)
    const reads = world.models[0]!.count('Get')

    for (const report of [await dryFill(), await fill(), await fill()]) {
      expect(report).toMatchObject({ exit: 3, outcome: 'warnings', mended: 0, copied: 0, left: 1 })
      expect(report.archives).toMatchObject([{ action: 'leave', to: [], damagedOn: [1] }])
      expect(report.archives[0]?.message).toContain('nothing sound is left')
      expect(report.warnings).toEqual([])
    }
    expect(world.models[0]!.count('Get')).toBe(reads)
    expect(await copiesNow()).toEqual(['1:stored'])
  })
})

it('what was found by copying is known from then on, and mended by the next one', async () => {
  await start([{}, {}, {}], 2)
  world.models[0]!.corrupt(archivesOn(1)[0]!.key, 5 * MB)
  world.env['COPIES'] = '3'

  const first = await fill()
  expect(first.exit).not.toBe(0)

  expect(await problems()).toMatchObject([{ place: 'frame', memberCount: 1 }])
  expect((await world.run()).exit).toBe(3)
  expect(await fill()).toMatchObject({ exit: 0, mended: 1 })
  expect(await problems()).toEqual([])
  expect((await verified()).exit).toBe(0)
})

it('verify and status say what mends it', async () => {
  await start([{}, {}, {}], 2)
  expect((await verified()).hints).toEqual([])
  await damage(1)

  expect((await verified(false)).hints).toEqual([expect.stringContaining('spillway copies')])
  const status = await withServices(async ({ catalog, config }) =>
    statusOf({ config, catalog: await catalog() }),
  )
  expect(status).toMatchObject({ mendableArchives: 1, lackingCopies: 0 })
  await fill()
  expect((await verified()).hints).toEqual([])
})

it('what reconcile sees again is wrong no more', async () => {
  await start([{}], 1)
  const { key, metadata } = archivesOn(1)[0]!
  const bytes = world.models[0]!.bytesOf(key)
  await remove(key)
  expect((await verified(false)).exit).toBe(30)
  expect(await problems()).toHaveLength(1)
  world.models[0]!.seed(key, bytes, metadata)

  await withRun(async (running) => {
    await reconcile(running, { isDryRun: false, isAdopting: false, onPlan: () => {} }, never)
  })

  expect(await copiesNow()).toEqual(['1:stored'])
  expect(await problems()).toEqual([])
})

const NO_BUDGET = { budgetBytes: undefined }

async function spooled(): Promise<readonly string[]> {
  const names = await readdir(join(world.folder, 'data/spool'))
  return names.filter((name) => !name.startsWith('.'))
}

/** By somebody else, from every server. */
async function remove(key: string): Promise<void> {
  await withServices(async ({ config, openStorage }) => {
    for (const server of config.servers) {
      const storage = (await openStorage())(server, true)
      await storage.remove(key, undefined, never)
      storage.close()
    }
  })
}
