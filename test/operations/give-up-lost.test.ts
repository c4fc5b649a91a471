// What a server lost: noticed by a run, made good by `copies`, and given up by a run a day later; never while it is
// the last trace of an archive.

import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { check } from '../../src/operations/check.ts'
import { fillCopies } from '../../src/operations/copies-fill.ts'
import { openServices } from '../../src/compose.ts'
import { QUICK, World } from '../support/world.ts'
import { runSql } from '../catalog/fixtures.ts'
import type { Check } from '../../src/operations/check.ts'
import type { CopiesReport } from '../../src/operations/copies-record.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import type { ServerRow } from '../../src/catalog/catalog.ts'
import { verify } from '../../src/operations/verify.ts'
import type { Server } from '../../src/domain/server.ts'
import type { Services } from '../../src/operations/services.ts'

const never = new AbortController().signal

let world: World
afterEach(() => world.close())

async function start(servers: number, copies: number): Promise<void> {
  world = await World.make(Array.from({ length: servers }, () => ({})))
  Object.assign(world.env, { COPIES: String(copies), VERIFY_NIGHTLY_GB: '1' })
  await world.noise('a', 50_000)
  expect((await world.run()).exit).toBe(0)
}

describe('a lost copy of an archive that is safe elsewhere', () => {
  it('fails the run that notices it, is a warning once made good, and a day later nothing at all', async () => {
    await start(3, 2)
    await lose(1)
    expect((await nextNight()).exit).toBe(30)
    expect(await checked()).toMatchObject({ exit: 31 })

    expect(await fill()).toMatchObject({ exit: 0, copied: 1 })
    const { level, findings } = await checked()
    expect([level, findings.map(({ message }) => message)]).toEqual([
      'warning',
      ['1 archive with a lost or damaged copy and enough sound ones: spillway status'],
    ])
    const early = await nextNight()
    expect([early.exit, await statesOn(1)]).toEqual([3, ['missing', 'stored', 'stored']])

    await aDayPasses()
    const notes: string[] = []
    const late = await nextNight(notes)
    expect([late.exit, late.warnings]).toEqual([0, []])
    expect(notes.join()).toMatch(/: 1 copy gone for more than a day, given up; sound ones are/)
    expect(await statesOn(1)).toContain('deleted')
    expect(await checked()).toMatchObject({ level: 'ok', exit: 0 })
    expect(await world.audit()).toEqual([])
  })

  it('is given up with a warning where fewer servers than COPIES are left, and that server takes it again', async () => {
    await start(2, 2)
    await lose(1)
    await nextNight()
    expect((await fill()).exit).toBe(26)

    await aDayPasses()
    const { exit, warnings } = await nextNight()
    expect(exit).toBe(3)
    expect(warnings.join()).toMatch(
      /: 1 copy gone for more than a day, given up; 1 of these archives on fewer than 2 servers now: spillway copies/,
    )
    expect(await checked()).toMatchObject({ level: 'warning' })

    expect(await fill()).toMatchObject({ exit: 0, copied: 1 })
    expect(await checked()).toMatchObject({ level: 'ok' })
    expect(await world.audit()).toEqual([])
  })

  it('is stored again if it is there after all', async () => {
    await start(2, 2)
    const lost = await lose(1)
    await nextNight()
    await aDayPasses()
    world.models[0]!.seed(lost.key, lost.bytes, lost.metadata)
    expect(await nextNight()).toMatchObject({ exit: 0, warnings: [] })
    expect(await statesOn(1)).toEqual(['stored', 'stored', 'stored'])
    expect(await world.audit()).toEqual([])
  })

  it('whose key is somebody else’s now leaves its bytes counted as theirs', async () => {
    await start(2, 2)
    const lost = await lose(1)
    await nextNight()
    await aDayPasses()
    const before = await rowOf(1)
    world.models[0]!.seed(lost.key, Buffer.alloc(9_999), { 'spillway-token': 'of another' })
    await nextNight()
    const after = await rowOf(1)
    const night = before.usedBytes / 2
    expect(after.otherBytes).toBe(before.otherBytes + 9_999)
    expect(Math.abs(after.usedBytes - before.usedBytes)).toBeLessThan(night / 10)
  })

  it('stays on record while its server does not answer', async () => {
    await start(3, 2)
    await lose(1)
    await nextNight()
    await aDayPasses()
    await world.models[0]!.close()
    await nextNight()
    expect(await statesOn(1)).toContain('missing')
  })
})

describe('a lost copy', () => {
  it('that was the only one is never given up by a run', async () => {
    await start(1, 1)
    await lose(1)
    expect((await nextNight()).exit).toBe(30)
    await aDayPasses()
    expect((await nextNight()).exit).toBe(3)
    expect(await statesOn(1)).toContain('missing')
    expect(await checked()).toMatchObject({ level: 'critical', exit: 31 })
  })

  it('beside a damaged one is not given up either', async () => {
    await start(2, 2)
    const { key } = await lose(1)
    await nextNight()
    await world.withCatalog(async (catalog) => {
      const copy = (await catalog.archives())
        .flatMap(({ copies }) => copies)
        .find((each) => each.key === key && each.state === 'stored')!
      const finding = { place: 'tail', frame: null, fromByte: 0, toByte: 9, what: 'zeros' } as const
      const members = { memberCount: 1, members: ['a'] }
      await catalog.setProblems(copy.id, 'tail', [{ ...finding, ...members }], new Date())
    })
    delete world.env['VERIFY_NIGHTLY_GB']
    await aDayPasses()
    await nextNight()
    expect(await statesOn(1)).toContain('missing')
  })

  it('whose other copy is gone, too, is not given up: its server is asked first, and the run fails', async () => {
    await start(2, 1)
    await copyEverywhere()
    const { key } = await lose(1)
    await markMissing(1, key)
    await nextNight()
    await lose(2)
    await aDayPasses()
    const { exit, warnings } = await nextNight()
    expect([exit, warnings.join()]).toEqual([
      30,
      expect.stringMatching(/does not hold .* any more/),
    ])
    expect([await statesOn(1), await statesOn(2)]).toEqual([
      expect.arrayContaining(['missing']),
      expect.arrayContaining(['missing']),
    ])
    expect(await checked()).toMatchObject({ level: 'critical' })
  })

  it('whose other copy is on a server that does not answer is not given up', async () => {
    await start(2, 1)
    await copyEverywhere()
    const { key } = await lose(1)
    await markMissing(1, key)
    await world.models[1]!.close()
    await aDayPasses()
    await nextNight()
    expect(await statesOn(1)).toContain('missing')
  })

  it('beside one that somebody wrote again is not given up, and that one is called sound by nobody', async () => {
    await start(2, 2)
    const { key } = await lose(1)
    await nextNight()
    const there = world.models[1]!.objects().find((object) => object.key === key)!
    world.models[1]!.seed(key, Buffer.alloc(there.sizeBytes), there.metadata)
    await nextNight()
    expect(await checked()).toMatchObject({ level: 'critical', exit: 31 })
    await aDayPasses()
    await nextNight()
    expect(await statesOn(1)).toContain('missing')
  })

  it('of a server that lost more than it still has is left to somebody who looks', async () => {
    await start(2, 2)
    await nextNight()
    await lose(1)
    await lose(1)
    await nextNight()
    await aDayPasses()
    const { exit, warnings } = await nextNight()
    expect(exit).toBe(3)
    expect(warnings.join()).toMatch(
      /2 copies gone for more than a day, and 1 copy left there: is it the right place\?/,
    )
    expect(await statesOn(1)).toEqual(['missing', 'missing', 'stored', 'stored'])
  })

  it('that a run gives up while verify is about to see it again ends no verify', async () => {
    await start(2, 2)
    const lost = await lose(1)
    await nextNight()
    await aDayPasses()
    const report = await withServices(async ({ config, catalog: open, openStorage }) => {
      const catalog = await open()
      world.models[0]!.seed(lost.key, lost.bytes, lost.metadata)
      const opened = await openStorage()
      const storageOf = async (server: Server) => {
        const ours = server.number === 1 ? await catalog.lostCopies(new Date()) : []
        for (const { id } of ours) await catalog.settleMissing(id, 'given up')
        return opened(server, true)
      }
      const input = { archives: [], source: undefined, isDeep: false, budgetBytes: undefined }
      return verify({ config, catalog, storageOf }, input, never)
    })
    expect([report.exit, report.warnings.join()]).toEqual([
      3,
      expect.stringContaining('it was given up meanwhile, and is there: spillway reconcile'),
    ])
  })

  it('of an archive that waits in the spool is given up, and that server is sent another one the same night', async () => {
    world = await World.make([{}, {}])
    Object.assign(world.env, { COPIES: '2', VERIFY_NIGHTLY_GB: '1' })
    await world.noise('a', 50_000)
    await world.models[1]!.close()
    expect((await world.run()).exit).toBe(3)
    await lose(1)
    await nextNight()
    await aDayPasses()
    await nextNight()
    expect(await statesOn(1)).toEqual(['deleted', 'stored', 'stored', 'stored'])
  })
})

/** With COPIES=1 an archive lies on one server; here it lies on all. */
async function copyEverywhere(): Promise<void> {
  world.env['COPIES'] = String(world.models.length)
  expect((await fill()).exit).toBe(0)
  world.env['COPIES'] = '1'
}

/** As reconcile notes it. */
const markMissing = (number: number, key: string): Promise<void> =>
  world.withCatalog(async (catalog) => {
    const { identity } = await rowOf(number)
    const copies = await catalog.copiesOn(identity)
    const { id } = copies.find((copy) => copy.key === key)!
    await catalog.markMissing(id, 'it is gone')
  })

function keyOf(server: number): string {
  const [first] = world.models[server - 1]!.objects()
    .map(({ key }) => key)
    .filter((key) => key.endsWith('.tar.zst'))
    .toSorted()
  return first!
}

/** As another program would: the first archive that lies there. */
async function lose(number: number) {
  const model = world.models[number - 1]!
  const key = keyOf(number)
  const { metadata } = model.objects().find((object) => object.key === key)!
  const bytes = model.bytesOf(key)
  await withServices(async ({ config, openStorage }) => {
    const server = config.servers.find((each) => each.number === number)!
    const storage = (await openStorage())(server, true)
    await storage.remove(key, undefined, never)
    storage.close()
  })
  return { key, bytes, metadata }
}

function nextNight(notes: string[] = []): Promise<RunReport> {
  return world.run({
    onEvent: (event) => {
      if (event.kind === 'note') notes.push(event.message)
    },
  })
}

async function aDayPasses(): Promise<void> {
  const past = new Date(Date.now() - 25 * 3_600_000).toISOString()
  await runSql(
    join(world.folder, 'data/catalog.db'),
    `update missing_copies set seen_at = '${past}'`,
  )
}

const fill = (): Promise<CopiesReport> =>
  withServices((services) =>
    services.withRun(
      () => {},
      (running) =>
        fillCopies(
          { ...running, openStorage: services.openStorage },
          { budgetBytes: undefined },
          never,
        ),
    ),
  )

const checked = (): Promise<Check> =>
  withServices(async ({ config, catalog }) =>
    check({
      ...{ config, catalog: await catalog(), run: undefined, now: new Date() },
      ...{ maxAgeMs: undefined, maxUsedPercent: undefined },
    }),
  )

/** Of all copies that ever were there, sorted. */
const statesOn = (number: number): Promise<readonly string[]> =>
  world.withCatalog(async (catalog) => {
    const { identity } = await rowOf(number)
    const copies = (await catalog.archives()).flatMap((archive) => archive.copies)
    return copies
      .filter((copy) => copy.identity === identity)
      .map(({ state }) => state)
      .toSorted()
  })

const rowOf = (number: number): Promise<ServerRow> =>
  world.withCatalog(async (catalog) => {
    const rows = await catalog.servers()
    return rows.find(({ endpoint }) => endpoint.includes(`:${world.models[number - 1]!.port}`))!
  })

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
