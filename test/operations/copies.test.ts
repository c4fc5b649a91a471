// COPIES: every archive on that many different servers, one of which may come later, and what is done
// when one is lost or more are wanted.

import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { fillCopies } from '../../src/operations/copies-fill.ts'
import { openServices } from '../../src/compose.ts'
import { QUICK, World } from '../support/world.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { CopiesReport } from '../../src/operations/copies-record.ts'
import type { FillInput } from '../../src/operations/copies-fill.ts'
import type { S3Model } from '../support/s3-model.ts'
import type { WorldServer } from '../support/world.ts'

const MB = 1_000_000

let world: World
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await world.close()
})

async function start(servers: readonly WorldServer[], copies: number): Promise<void> {
  world = await World.make(servers)
  world.env['COPIES'] = String(copies)
  await world.noise('a', 50_000)
}

/** A server that can die, and come back with all that it held. */
async function mortal(number: number) {
  const model = world.models[number - 1]!
  const proxy = await startFaultProxy({ target: model.endpoint })
  closing.push(() => proxy.close())
  world.configure(number, proxy.endpoint, model)
  // The audit looks for the server under the address that the catalog knows.
  world.models[number - 1] = Object.create(model, { port: { value: proxy.port } }) as S3Model
  return proxy
}

async function fill(input: Partial<FillInput> = {}): Promise<CopiesReport> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    return await services.withRun(
      () => {},
      (running) =>
        fillCopies(
          { ...running, openStorage: services.openStorage },
          { budgetBytes: undefined, ...input },
          new AbortController().signal,
        ),
    )
  } finally {
    await services.close()
  }
}

/** Not the copies of the catalog. */
function archivesOn(number: number) {
  return world.models[number - 1]!.objects().filter(({ key }) => key.startsWith('host/'))
}

/** Somebody deletes everything there, and tells nobody. */
async function lose(number: number): Promise<void> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    const server = services.config.servers.find((each) => each.number === number)!
    const storage = (await services.openStorage())(server, true)
    const never = new AbortController().signal
    for (const { key } of archivesOn(number)) await storage.remove(key, undefined, never)
    storage.close()
  } finally {
    await services.close()
  }
}

/** For each archive, oldest first, the numbers of the servers with a stored copy. */
async function placesOf(): Promise<readonly (readonly number[])[]> {
  return world.withCatalog(async (catalog) => {
    const servers = await catalog.servers()
    const archives = await catalog.archives({ states: ['ready', 'gone'] })
    return archives.toReversed().map(({ copies }) =>
      copies
        .filter(({ state }) => state === 'stored')
        .map(({ identity }) => servers.findIndex((row) => row.identity === identity) + 1)
        .toSorted(),
    )
  })
}

async function spooled(): Promise<readonly string[]> {
  const names = await readdir(join(world.folder, 'data/spool'))
  return names.filter((name) => !name.startsWith('.'))
}

describe('with COPIES=2', () => {
  it('a server of three that is dead for a week and comes back costs no archive a copy', async () => {
    await start([{}, {}, {}], 2)
    const proxy = await mortal(1)
    expect((await world.run()).exit).toBe(0)

    for (let night = 1; night <= 7; night += 1) {
      // On the first of these nights it dies in the middle of an upload.
      proxy.clear()
      proxy.add(
        night === 1
          ? { operation: 'UploadPart', times: 1_000, fault: { kind: 'reset', afterBytes: 10_000 } }
          : { times: 1_000, fault: { kind: 'reset', afterBytes: 0 } },
      )
      const { exit, archives } = await world.run()
      expect([night, exit]).toEqual([night, 3])
      expect(archives[0]?.state).toBe('stored')
      expect(archives[0]?.copies.map(({ number }) => number)).toEqual([2, 3])
      expect(await spooled()).toEqual([])
    }
    proxy.clear()
    const back = await world.run()

    expect(back.exit).toBe(0)
    expect(await placesOf()).toEqual([[1, 2], ...Array<number[]>(7).fill([2, 3]), [1, 2]])
    expect(await spooled()).toEqual([])
    expect(await world.audit()).toEqual([])
  }, 120_000)

  it('with only two servers the second copy comes later: a warning, and nothing is left behind', async () => {
    await start([{}, {}], 2)
    const proxy = await mortal(2)
    proxy.add({ times: 1_000, fault: { kind: 'reset', afterBytes: 0 } })

    for (let night = 1; night <= 3; night += 1) {
      const { exit, archives, sources } = await world.run()
      expect(exit).toBe(3)
      expect(archives.map(({ state, location }) => [state, location])).toEqual(
        Array<string[]>(night).fill(['waiting', 'both']),
      )
      expect(sources[0]).toMatchObject({ outcome: 'warnings', code: 'COPIES_MISSING' })
      expect(await spooled()).toHaveLength(night)
    }
    proxy.clear()
    const back = await world.run()

    expect(back.exit).toBe(0)
    expect(await placesOf()).toEqual(Array<number[]>(4).fill([1, 2]))
    expect(await spooled()).toEqual([])
    expect(await world.audit()).toEqual([])
  }, 60_000)

  it('an archive that no server took at all still ends the run with 23', async () => {
    await start([{ entry: { SECRET_KEY: 'wrong' } }, { entry: { SECRET_KEY: 'wrong' } }], 2)
    const { exit, sources } = await world.run()
    expect(exit).toBe(23)
    expect(sources[0]).toMatchObject({ outcome: 'failed', code: 'NO_SERVER_LEFT' })
  })

  it('an upload that may have arrived is no copy, and is not sent there a second time', async () => {
    await start([{}, {}], 2)
    const proxy = await mortal(2)
    proxy.add({ operation: 'Complete', fault: { kind: 'drop-answer' } })
    proxy.add({ operation: 'Head', times: 1_000, fault: { kind: 'reset', afterBytes: 0 } })
    const first = await world.run()
    expect([first.exit, first.archives[0]?.state]).toEqual([3, 'waiting'])

    proxy.clear()
    const back = await world.run()

    expect(back.exit).toBe(0)
    expect(await placesOf()).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(archivesOn(2)).toHaveLength(2)
    expect(await world.audit()).toEqual([])
  })
})

describe('spillway copies', () => {
  it('gives every archive its second copy once COPIES was raised, byte for byte', async () => {
    await start([{}, {}, {}], 1)
    await world.noise('big', 20 * MB)
    for (let night = 0; night < 3; night += 1) await world.run()
    world.env['COPIES'] = '2'

    const report = await fill()

    expect(report).toMatchObject({ outcome: 'ok', exit: 0, copied: 3, left: 0, later: 0 })
    expect(await placesOf()).toEqual(Array<number[]>(3).fill([1, 2]))
    for (const { key } of archivesOn(1))
      expect(world.models[1]!.bytesOf(key).equals(world.models[0]!.bytesOf(key))).toBe(true)
    expect(await spooled()).toEqual([])
    expect(await world.audit()).toEqual([])
    expect((await fill()).archives).toEqual([])
  }, 60_000)

  it('stays within its budget, the newest archives first', async () => {
    await start([{}, {}], 1)
    for (let night = 0; night < 3; night += 1) await world.run()
    world.env['COPIES'] = '2'

    const report = await fill({ budgetBytes: 110_000 })

    expect(report).toMatchObject({ exit: 0, copied: 2, later: 1 })
    expect(await placesOf()).toEqual([[1], [1, 2], [1, 2]])
  })

  it('says when an archive is larger than the whole budget', async () => {
    await start([{}, {}], 1)
    for (let night = 0; night < 2; night += 1) await world.run()
    world.env['COPIES'] = '2'

    const report = await fill({ budgetBytes: 1_000 })

    expect(report).toMatchObject({ exit: 3, copied: 0, later: 2 })
    expect(report.hints).toEqual([
      expect.stringMatching(
        /^2 archives are larger than the whole budget of 1.00 kB and would wait for ever; the largest needs [\d.]+ kB$/,
      ),
    ])
  })

  it('makes a new copy of what a server lost, elsewhere', async () => {
    await start([{}, {}, {}], 2)
    await world.run()
    await world.withCatalog(async (catalog) => {
      const [archive] = await catalog.archives()
      await catalog.markMissing(archive!.copies[0]!.id, 'a HEAD said that it is gone')
    })

    expect(await fill()).toMatchObject({ exit: 0, copied: 1 })

    expect(await placesOf()).toEqual([[2, 3]])
    expect(await spooled()).toEqual([])
  })

  it('notices that a copy is gone while it looks for one to read', async () => {
    await start([{}, {}, {}], 2)
    await world.run()
    world.env['COPIES'] = '3'
    await lose(1)

    const report = await fill()

    expect(report.exit).toBe(26)
    expect(report.warnings.join()).toContain('does not hold')
    expect(await placesOf()).toEqual([[2, 3]])
  })

  it('does not count a copy whose server left the configuration', async () => {
    await start([{}, {}, {}], 2)
    await world.run()
    for (const name of Object.keys(world.env))
      if (name.startsWith('S3_SERVER_1_')) delete world.env[name]

    expect(await fill()).toMatchObject({ exit: 0, copied: 1 })
    expect(await placesOf()).toEqual([[1, 2, 3]])
    expect(await world.audit()).toEqual([])
  })

  it('copies nothing more for a server that does not answer tonight', async () => {
    await start([{}, {}, {}], 2)
    const proxy = await mortal(1)
    await world.run()
    proxy.add({ times: 1_000, fault: { kind: 'reset', afterBytes: 0 } })
    expect((await fill()).archives).toEqual([])
    expect(archivesOn(3)).toEqual([])
  })

  it('deletes nothing when COPIES was lowered', async () => {
    await start([{}, {}], 2)
    await world.run()
    world.env['COPIES'] = '1'
    expect((await fill()).archives).toEqual([])
    expect((await world.run()).exit).toBe(0)
    expect(await placesOf()).toEqual([[1, 2], [1]])
  })

  it.each(['a frame', 'the index'])(
    'never makes a second copy of a damaged one: %s',
    async (where) => {
      await start([{}, {}], 1)
      await world.noise('big', 9 * MB)
      await world.run()
      world.env['COPIES'] = '2'
      const { key, sizeBytes } = archivesOn(1)[0]!
      world.models[0]!.corrupt(key, where === 'a frame' ? 5 * MB : sizeBytes - 1_500)

      const report = await fill()

      expect(report).toMatchObject({ exit: 31, left: 1, archives: [{ code: 'ARCHIVE_CORRUPT' }] })
      expect(report.archives[0]?.message).toContain('1: 127.0.0.1')
      expect(world.models[1]!.log).not.toContainEqual(
        expect.objectContaining({ operation: 'UploadPart' }),
      )
      expect(await spooled()).toEqual([])
      expect(await world.audit()).toEqual([])
    },
  )

  it('reads on from a sound copy, and does not count the damaged one', async () => {
    await start([{}, {}, {}, {}], 2)
    await world.run()
    world.env['COPIES'] = '3'
    world.models[0]!.corrupt(archivesOn(1)[0]!.key, 1_000)

    const report = await fill()

    expect(report.exit).toBe(31)
    // Two sound ones are added to the one that is left; the damaged one stays where it is.
    expect(await placesOf()).toEqual([[1, 2, 3, 4]])
    const [, sound, , last] = world.models
    const { key } = archivesOn(2)[0]!
    expect(last!.bytesOf(key).equals(sound!.bytesOf(key))).toBe(true)
  })

  it('says so when the spool has no room, and asks nobody to take what cannot be read', async () => {
    await start([{}, {}], 1)
    await world.run()
    world.env['COPIES'] = '2'
    world.env['SPOOL_LIMIT_GB'] = '0.00001'
    expect(await fill()).toMatchObject({ exit: 33, archives: [{ code: 'SPOOL_FULL' }] })
    expect(await world.audit()).toEqual([])
  })

  it('a spool file that rotted is brought back before it is sent [F07b]', async () => {
    await start([{}, {}], 1)
    world.env['LOCAL_KEEP'] = '1'
    await world.run()
    world.env['COPIES'] = '2'
    const [name = ''] = await spooled()
    const path = join(world.folder, 'data/spool', name)
    const { sizeBytes } = archivesOn(1)[0]!
    await rm(path)
    await writeFile(path, Buffer.alloc(sizeBytes))

    expect(await fill()).toMatchObject({ exit: 0, copied: 1 })

    const { key } = archivesOn(1)[0]!
    expect(world.models[1]!.bytesOf(key).equals(world.models[0]!.bytesOf(key))).toBe(true)
    expect(await spooled()).toEqual([name])
  })
})
