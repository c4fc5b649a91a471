// Retention on whole installations: model servers that really lose the bytes, a real catalog, real runs.

import { join } from 'node:path'
import { rm } from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { addNights, lastNights } from '../support/past-nights.ts'
import { createArchiveUses } from '../../src/catalog/archive-use.ts'
import { Deletions } from '../../src/operations/deletions.ts'
import { hasMachineName, moveHere } from '../support/moved-here.ts'
import { finishDeletes } from '../../src/operations/finish-deletes.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { openServices } from '../../src/compose.ts'
import { planPrune } from '../../src/operations/plan-prune.ts'
import { prune } from '../../src/operations/prune.ts'
import { QUICK, World } from '../support/world.ts'
import type { PrunePlan } from '../../src/operations/plan-prune.ts'
import type { ReportedRetention } from '../../src/domain/run-report.ts'
import type { WorldServer } from '../support/world.ts'

const never = new AbortController().signal
let world: World
afterEach(() => world.close())

async function make(servers: readonly WorldServer[], env: Record<string, string> = {}) {
  world = await World.make(servers)
  Object.assign(world.env, env)
  await world.noise('file', 2_000)
}

/** `spillway prune` without its words. */
async function pruned(): Promise<ReportedRetention & { hasWarnings: boolean; plan: PrunePlan }> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    return await services.withRun(
      () => {},
      async (running) => {
        const deletions = new Deletions()
        const { catalog, config } = running
        await catalog.registerServers(config.servers)
        await finishDeletes(running, deletions, await catalog.unsettledCopies(), never)
        const plan = await prune(running, { sources: config.sources, deletions }, never)
        return { ...deletions.report(), hasWarnings: deletions.hasWarnings, plan }
      },
    )
  } finally {
    await services.close()
  }
}

const DAMAGED_FRAME = {
  place: 'frame',
  frame: 0,
  fromByte: 0,
  toByte: 100,
  what: 'its bytes do not have the SHA-256 that the index says',
  memberCount: 1,
  members: ['file'],
} as const

async function states(): Promise<string[]> {
  const archives = await world.withCatalog((catalog) => catalog.archives({ source: 'docs' }))
  return archives.flatMap(({ copies }) => copies.map(({ state }) => state)).sort()
}

/** Archives that a server holds; copies of the catalog lie there, too. */
const archivesOn = (index: number) =>
  world.models[index]!.objects().filter(({ key }) => key.startsWith('host/'))
const bytesOn = (index: number) =>
  archivesOn(index).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
const usedBytes = (): Promise<number[]> =>
  world.withCatalog(async (catalog) => (await catalog.servers()).map((row) => row.usedBytes))

describe('a plan that is applied', () => {
  it('deletes from the servers what no rule keeps, and frees exactly those bytes', async () => {
    await make([{}], { KEEP_LAST: '3', PRUNE_MAX_PER_RUN: '100' })
    await addNights(world, lastNights(10))

    const { deleted, freedBytes, refused, held } = await pruned()

    expect([deleted.length, freedBytes, refused, held]).toEqual([7, 7_000, [], []])
    expect(archivesOn(0)).toHaveLength(3)
    expect(await world.audit()).toEqual([])
    // Once more is nothing more.
    expect((await pruned()).deleted).toEqual([])
  })

  it('deletes no more than the cap in one run, the oldest first', async () => {
    await make([{}], { KEEP_LAST: '1' })
    const ids = await addNights(world, lastNights(10))

    const first = await pruned()

    expect(first.deleted.map(({ id }) => id)).toEqual(ids.slice(0, 3))
    expect(first.remaining).toBe(6)
    expect(first.plan.archives.at(-4)!.reasons.at(-1)).toContain('left to the next run')
    expect((await pruned()).deleted.map(({ id }) => id)).toEqual(ids.slice(3, 6))
  })

  it('deletes both copies of an archive, and the file in the spool', async () => {
    await make([{}, {}], { KEEP_LAST: '1', COPIES: '2', LOCAL_KEEP: '9' })
    await addNights(world, lastNights(3, { servers: [1, 2], isLocal: true }))

    const { deleted, freedBytes } = await pruned()

    expect([deleted.length, freedBytes]).toEqual([2, 4_000])
    expect(await world.audit()).toEqual([])
    // What was deleted is not sent again, as if it still waited in the spool.
    const report = await world.run()
    expect(report.archives).toHaveLength(1)
    expect(report.warnings).toEqual([])
  })

  it('names an archive of which a copy stays on a server that is not configured, by its label', async () => {
    await make([{}, {}, {}], { KEEP_LAST: '1', COPIES: '1' })
    const ids = await addNights(world, lastNights(2, { servers: [1, 2] }))
    const { label } = await world.withCatalog(async (catalog) => (await catalog.servers())[0]!)
    for (const name of Object.keys(world.env))
      if (name.startsWith('S3_SERVER_1_')) delete world.env[name]

    const { deleted, partlyDeleted, freedBytes, refused } = await pruned()

    expect([deleted, freedBytes]).toEqual([[], 1_000])
    expect(partlyDeleted).toMatchObject([{ id: ids[0], bytes: 1_000, copiesLeft: 1 }])
    expect(refused).toMatchObject([{ server: null, label, copies: 1 }])
    // Nothing of it can go any more, and it takes no place under the cap.
    const { partlyDeleted: again, plan } = await pruned()
    expect(again).toEqual([])
    expect(plan.remaining).toBe(0)
  })

  it('leaves archives of other hosts and of sources that are not configured alone', async () => {
    await make([{}], { KEEP_LAST: '1' })
    await addNights(world, lastNights(3, { source: 'former' }))
    world.env['SERVER_ID'] = 'neighbour'
    await addNights(world, lastNights(3))
    world.env['SERVER_ID'] = 'host'
    await addNights(world, lastNights(2))

    expect((await pruned()).deleted).toHaveLength(1)
    expect(world.models[0]!.objects()).toHaveLength(3 + 3 + 1)
    expect(world.models[0]!.count('List')).toBeLessThanOrEqual(1)
  })

  it('waits while a server holds archives of this host that its catalog does not know', async () => {
    await make([{}], { KEEP_LAST: '1' })
    await addNights(world, lastNights(3))
    // As of a clone of this machine, or of a newer catalog: it may have pinned what is due by this one.
    const theirs = 'host/2026/01/01/docs-20260101-023000.tar.zst'
    world.models[0]!.seed(theirs, Buffer.alloc(10))

    const reason = 'servers hold archives of this host that its catalog does not know'
    for (let again = 0; again < 2; again += 1)
      expect(await pruned()).toMatchObject({ deleted: [], held: [{ source: 'docs', reason }] })

    world.models[0]!.store.remove('backups', theirs, undefined)
    expect((await pruned()).deleted).toHaveLength(2)
  })

  it('waits for one run when the last one was on another machine', async (test) => {
    if (!hasMachineName()) return test.skip()
    await make([{}], { KEEP_LAST: '1' })
    await world.noise('file', 1_000)
    await world.run()
    await addNights(world, lastNights(3))
    moveHere(world)

    const moved = await world.run()
    expect(moved).toMatchObject({ exit: 3, retention: { deleted: [] } })
    expect(moved.warnings).toEqual(
      expect.arrayContaining([expect.stringMatching(/on another machine .* another SERVER_ID$/)]),
    )

    const settled = await world.run()
    expect(settled).toMatchObject({ exit: 0, warnings: [] })
    expect(settled.retention.deleted.length).toBeGreaterThan(2)

    // As a power cut leaves it.
    writeFileSync(join(world.folder, 'data/machine'), '\0'.repeat(33))
    expect(await world.run()).toMatchObject({ exit: 0, warnings: [] })
  })

  it('deletes exactly the version that was stored, and leaves no bytes behind its marker [F42]', async () => {
    await make([{ model: { isVersioned: true } }], { KEEP_LAST: '1' })
    await addNights(world, lastNights(3))

    expect((await pruned()).freedBytes).toBe(2_000)

    expect(archivesOn(0)).toHaveLength(1)
    expect(bytesOn(0)).toBe(1_000)
    expect(await world.audit()).toEqual([])
  })
})

describe('what is never deleted', () => {
  it('a pinned archive, and one that is being restored', async () => {
    await make([{}], { KEEP_LAST: '1' })
    const [pinned, used, due] = await addNights(world, lastNights(4))
    await world.withCatalog((catalog) => catalog.setPinned(pinned!, true))
    const uses = createArchiveUses(`${world.folder}/data`)
    const use = uses.use(used!)!

    const { deleted, plan } = await pruned()

    expect(deleted.map(({ id }) => id)).toEqual([due])
    expect(plan.archives.find(({ archive }) => archive.id === used)!.reasons).toEqual([
      'it is being restored',
    ])
    use.release()
    expect((await pruned()).deleted.map(({ id }) => id)).toEqual([used])
  })

  it('one that is pinned or restored between plan and delete', async () => {
    await make([{}], { KEEP_LAST: '1' })
    const [first, second] = await addNights(world, lastNights(3))
    const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
    const catalog = await services.catalog()
    const uses = await services.archiveUses()
    const deletions = new Deletions()
    await services.withRun(
      () => {},
      (running) => {
        let use: ReturnType<typeof uses.use>
        const onPlan = (plan: PrunePlan): void => {
          expect(plan.archives.filter(({ action }) => action === 'delete')).toHaveLength(2)
          use = uses.use(first!)
        }
        const { sources } = running.config
        const lastGood = catalog.setPinned(second!, true)
        return lastGood
          .then(() => catalog.setPinned(second!, false))
          .then(() =>
            prune(
              {
                ...running,
                catalog: {
                  ...running.catalog,
                  // The operator pins it a moment before its turn.
                  findArchive: async (name) => {
                    if (name === second) await catalog.setPinned(second, true)
                    return running.catalog.findArchive(name)
                  },
                },
              },
              { sources, deletions, onPlan },
              never,
            ),
          )
          .finally(() => use?.release())
      },
    )
    await services.close()

    expect(deletions.report().deleted).toEqual([])
    expect(archivesOn(0)).toHaveLength(3)
  })

  it('anything of a source whose newest run failed [F52]', async () => {
    await make([{}], { KEEP_LAST: '1' })
    await addNights(world, lastNights(4))
    await rm(world.source, { recursive: true })

    const report = await world.run()

    expect(report.exit).toBe(10)
    expect(report.retention).toMatchObject({
      deleted: [],
      held: [{ source: 'docs', reason: 'its newest run failed' }],
    })
    expect(archivesOn(0)).toHaveLength(4)
    expect((await pruned()).deleted).toEqual([])
  })

  it('anything while the newest archive waits for a server [F32]', async () => {
    await make([{}], { KEEP_LAST: '1' })
    await addNights(world, lastNights(3))
    world.models[0]!.change({ denies: ['Create'] })

    const report = await world.run()

    expect(report.exit).toBe(23)
    expect(report.retention.held).toEqual([
      { source: 'docs', reason: 'its newest archive still waits for a server' },
    ])
    expect(archivesOn(0)).toHaveLength(3)
  })

  it('anything while the clock is wrong: an archive lies in the future [F33b]', async () => {
    await make([{}], { KEEP_LAST: '1' })
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
    const ids = await addNights(world, [...lastNights(3), { at: tomorrow }])

    const held = await pruned()

    expect(held.deleted).toEqual([])
    expect(held.hasWarnings).toBe(true)
    expect(held.held[0]!.reason).toContain('the clock is wrong, or was')
    // Pinned it is known, kept, and holds nothing up.
    await world.withCatalog((catalog) => catalog.setPinned(ids[3]!, true))
    expect((await pruned()).deleted.map(({ id }) => id)).toEqual(ids.slice(0, 2))
  })

  it.each([6, -6])(
    'anything while the clock of the server differs by %d min [F33b]',
    async (minutes) => {
      await make([{}], { KEEP_LAST: '1' })
      await addNights(world, lastNights(3))
      world.models[0]!.change({ skewMs: minutes * 60_000 })

      const held = await pruned()

      expect([held.deleted, held.hasWarnings]).toEqual([[], true])
      const way = minutes > 0 ? 'behind' : 'ahead of'
      expect(held.held[0]!.reason).toContain(`the clock of this machine is 6 min ${way} that of`)
      expect(world.models[0]!.count('Delete')).toBe(0)
      world.models[0]!.change({ skewMs: Math.sign(minutes) * 4 * 60_000 })
      expect((await pruned()).deleted).toHaveLength(2)
    },
  )

  it('anything while no server shows the last good archive', async () => {
    await make([{}, {}], { KEEP_LAST: '1' })
    const nights = lastNights(4)
    await addNights(world, [...nights.slice(0, 3), { ...nights[3]!, servers: [2] }])
    await world.models[1]!.close()

    const held = await pruned()

    expect([held.deleted, held.hasWarnings]).toEqual([[], true])
    expect(held.held[0]!.reason).toContain('could not be proved today')
    expect(archivesOn(0)).toHaveLength(3)
  })

  it('the newest sound archive, when the ones after it are known to be damaged', async () => {
    await make([{}, {}], { KEEP_LAST: '1' })
    const ids = await addNights(world, lastNights(4, { servers: [1, 2] }))
    const damage = (id: string, copies: number) =>
      world.withCatalog(async (catalog) => {
        const archive = await catalog.findArchive(id)
        for (const copy of archive.copies.slice(0, copies))
          await catalog.addFrameProblems(copy.id, [DAMAGED_FRAME], new Date())
      })
    await damage(ids[3]!, 2)
    // One sound copy is enough.
    await damage(ids[2]!, 1)

    const { deleted, plan } = await pruned()

    expect(deleted.map(({ id }) => id)).toEqual([ids[0], ids[1]])
    expect(plan.lastGood.get('docs')).toMatchObject({ id: ids[2], copies: [{ state: 'stored' }] })
    expect(plan.archives[0]?.reasons).toEqual(['last 1 of 1, though damaged'])
  })

  it('anything while the newest archive holds less than half of what was usual', async () => {
    await make([{}], { KEEP_LAST: '1' })
    await addNights(world, lastNights(3, { sourceBytes: 10e6 }))
    await addNights(world, [{ at: new Date(Date.now() - 60_000).toISOString(), sourceBytes: 4e6 }])

    const held = await pruned()

    expect([held.deleted, held.hasWarnings]).toEqual([[], true])
    expect(held.held[0]!.reason).toContain('holds 4.00 MB where 10.0 MB were usual')
  })
})

describe('a delete that is denied', () => {
  it('is reported once per run, keeps the bytes counted, and is tried again by the next run [F43]', async () => {
    await make([{}], { KEEP_LAST: '1', PRUNE_MAX_PER_RUN: '100' })
    await addNights(world, lastNights(11))
    world.models[0]!.change({ denies: ['Delete'] })

    const report = await world.run()

    expect([report.exit, report.outcome]).toEqual([3, 'warnings'])
    expect(report.retention.refused).toMatchObject([
      { server: 1, copies: 11, bytes: 11_000, code: 'AccessDenied' },
    ])
    expect(report.retention.freedBytes).toBe(0)
    // Three were asked for: then it is the key or the bucket, not one object.
    expect(world.models[0]!.count('Delete')).toBe(3)
    expect((await states()).filter((state) => state === 'deleting')).toHaveLength(3)
    expect((await usedBytes())[0]).toBe(bytesOn(0))

    const again = await world.run()
    expect(again.retention.refused).toHaveLength(1)
    expect(world.models[0]!.count('Delete')).toBe(6)
    expect((await states()).filter((state) => state === 'deleting')).toHaveLength(3)
    expect((await usedBytes())[0]).toBe(bytesOn(0))

    world.models[0]!.change({ denies: [] })
    expect((await world.run()).retention).toMatchObject({ refused: [] })
    expect(archivesOn(0)).toHaveLength(1)
    expect(await world.audit()).toEqual([])
  })

  it('of one server does not keep the other from being pruned', async () => {
    await make([{}, {}], { KEEP_LAST: '1', PRUNE_MAX_PER_RUN: '100' })
    await addNights(world, lastNights(4, { servers: [2] }))
    await addNights(world, [{ at: new Date(Date.now() - 60_000).toISOString() }])
    world.models[0]!.change({ denies: ['Delete'] })

    const { deleted, refused } = await pruned()

    expect([deleted.length, refused]).toEqual([4, []])
  })
})

describe('a full server', () => {
  // About three archives fit; each night's has about 300 000 bytes.
  const NIGHT_BYTES = 300_000
  const LIMITS = { limitGb: 0.001 }

  /** With three nights, and a first server that is full long before its limit: the quota that it has. */
  async function fullSoonerThanItSays(servers: readonly WorldServer[]) {
    await make(servers, { KEEP_LAST: '2' })
    await world.noise('file', NIGHT_BYTES)
    await addNights(world, lastNights(3, { bytes: NIGHT_BYTES + 20_000 }))
    return { bytes: 1_000_000, status: 403, code: 'QuotaExceeded', at: 'before-body' } as const
  }

  it('is pruned before the upload when what is due makes room', async () => {
    await make([LIMITS, {}], { KEEP_LAST: '2' })
    await world.noise('file', NIGHT_BYTES)
    await addNights(world, lastNights(3, { bytes: NIGHT_BYTES }))

    const report = await world.run()

    expect(report).toMatchObject({
      exit: 0,
      archives: [{ state: 'stored', server: { number: 1 } }],
    })
    expect(report.archives[0]!.attempts.map(({ outcome }) => outcome)).toEqual(['stored'])
    // One before the upload, one at the end.
    expect(report.retention.deleted).toHaveLength(2)
    const order = world.models[0]!.log.map(({ operation }) => operation)
    expect(order.indexOf('Delete')).toBeLessThan(order.indexOf('Complete'))
    expect(world.models[0]!.highWaterBytes).toBeLessThanOrEqual(1_000_000)
    expect(await world.audit()).toEqual([])
  })

  it('is passed by when nothing is due, or when what is due would not be enough', async () => {
    await make([LIMITS, {}], { KEEP_LAST: '2' })
    await world.noise('file', 900_000)
    await addNights(world, lastNights(3, { bytes: NIGHT_BYTES }))

    const report = await world.run()

    expect(report).toMatchObject({
      exit: 0,
      archives: [{ state: 'stored', server: { number: 2 } }],
    })
    const before = world.models[0]!.log.map(({ operation }) => operation)
    // Only the run's own retention deleted something there, after the upload.
    expect(before.filter((operation) => operation === 'Delete')).toHaveLength(2)
    expect(report.archives[0]!.attempts[0]).toMatchObject({ server: 1, outcome: 'full' })
  })

  it('is not asked once more while nobody knows what it has of the archive', async () => {
    const quota = await fullSoonerThanItSays([{}, {}])
    world.models[0]!.change({ quota, denies: ['Abort'] })

    const report = await world.run()

    expect(report.sources).toMatchObject([{ name: 'docs', outcome: 'ok' }])
    expect(report.archives).toMatchObject([{ state: 'stored', server: { number: 2 } }])
    expect(report.archives[0]!.attempts.map(({ outcome }) => outcome)).toEqual(['full', 'stored'])

    world.models[0]!.change({ quota: undefined, denies: [] })
    await world.run()
    expect(await world.audit()).toEqual([])
  })

  it('with less room than its limit says is pruned and asked once more', async () => {
    const quota = await fullSoonerThanItSays([{}])
    world.models[0]!.change({ quota })

    const report = await world.run()

    expect(report.archives[0]!.attempts.map(({ outcome }) => outcome)).toEqual(['full', 'stored'])
    expect(report.retention.deleted).toHaveLength(2)
    expect(await world.audit()).toEqual([])
  })

  it('takes archives that waited for room, once older ones are due', async () => {
    await make([LIMITS], {})
    await world.noise('file', NIGHT_BYTES)
    await addNights(world, lastNights(3, { bytes: NIGHT_BYTES }))
    expect((await world.run()).exit).toBe(23)

    world.env['KEEP_LAST'] = '1'
    world.env['PRUNE_MAX_PER_RUN'] = '100'
    const report = await world.run()

    expect(report.exit).toBe(0)
    // The one that had waited was stored, and its night is past by now.
    expect(report.archives.map(({ state }) => state)).toEqual(['deleted', 'stored'])
    expect(report.archives[0]!.attempts.at(-1)).toMatchObject({ server: 1, outcome: 'stored' })
    expect(await world.audit()).toEqual([])
  })
})

it('says what early deleting costs before it costs it', async () => {
  await make([{ entry: { STORAGE_CLASS: 'STANDARD_IA' } }], { KEEP_LAST: '1' })
  await addNights(world, lastNights(3))
  await world.withCatalog(async (catalog) => {
    const { config } = await openServices({ configFile: world.envFile }, QUICK)
    const plan = await planPrune(
      { catalog, config, archiveUses: { isInUse: () => false } },
      { sources: config.sources, deletesMax: 10, now: new Date() },
    )
    expect(plan.notes).toEqual([
      expect.stringMatching(
        /bills what is stored for 30 days: deleting 2 younger copies \(2\.00 kB\)/,
      ),
    ])
  })
})

it('plans a year of ten sources, and deletes no more of them than the cap', async () => {
  await make([{}], { KEEP_DAILY: '7', KEEP_WEEKLY: '4', KEEP_MONTHLY: '12' })
  for (let number = 1; number <= 10; number += 1) {
    world.env[`SOURCE_${number}_NAME`] = `source-${number}`
    world.env[`SOURCE_${number}_PATH`] = world.source
  }
  const { config } = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const catalog = await openCatalog({ path: ':memory:', host: 'host' })
  await catalog.registerServers(config.servers)
  const [server] = config.servers
  const { identity, limitBytes } = server!
  for (const { name } of config.sources)
    for (const { at } of lastNights(365)) {
      const startedAt = new Date(at)
      const id = newArchiveId(startedAt.getTime())
      const begun = { id, source: name, sourceKind: 'folder', startedAt, spoolDir: '/spool' }
      const { key } = await catalog.beginArchive(begun)
      await catalog.markReady(id, {
        ...{ localPath: '/spool/file', sizeBytes: 10, sourceBytes: 10, memberCount: 1 },
        ...{ sha256: 'x', endedAt: startedAt, warningCount: 0, warnings: [] },
      })
      const promised = { archiveId: id, identity, key, token: id, bytes: 10, limitBytes }
      const copyId = (await catalog.reserve(promised))!
      const proof = { sizeBytes: 10, etag: undefined, versionId: undefined, at: startedAt }
      await catalog.markStored(copyId, proof)
      await catalog.markLocalGone(id)
    }

  const plan = await planPrune(
    { catalog, config, archiveUses: createArchiveUses(`${world.folder}/data`) },
    { sources: config.sources, deletesMax: 20, now: new Date() },
  )
  await catalog.close()

  expect(plan.archives).toHaveLength(3_650)
  expect(plan.archives.filter(({ action }) => action === 'delete')).toHaveLength(20)
  expect(plan.remaining).toBeGreaterThan(3_000)
}, 60_000)
