// One place under two names: an address and its alias, a directory and a link to it, a provider's old endpoint and
// its new one. What lies there is one copy, whatever the entries say.

import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { evacuate } from '../../src/operations/evacuate.ts'
import { openServices } from '../../src/compose.ts'
import { reconcile } from '../../src/operations/reconcile.ts'
import { selfTest } from '../../src/operations/self-test.ts'
import { QUICK, World } from '../support/world.ts'
import { startS3Model } from '../support/s3-model.ts'
import type { Evacuation } from '../../src/operations/evacuate-record.ts'
import type { Reconciled } from '../../src/operations/reconcile.ts'
import type { SelfTestReport } from '../../src/operations/self-test.ts'

const never = new AbortController().signal
let world: World
afterEach(() => world.close())

/** A night's archive, under the first of two names. */
async function start(): Promise<string> {
  world = await World.make([{}])
  await world.noise('one', 5_000)
  const { archives, exit } = await world.run()
  expect(exit).toBe(0)
  return archives[0]!.key
}

function nameAgain(number: number): void {
  const [model] = world.models
  world.configure(number, model!.endpoint.replace('127.0.0.1', 'localhost'), model!)
}

describe('an address and its alias', () => {
  it('hold no second copy for reconcile, which says so', async () => {
    await start()
    nameAgain(2)
    const { exit, problems } = await reconciled()
    expect(exit).toBe(3)
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/is not adopted: S3_SERVER_1 and S3_SERVER_2 are the same place/),
    ])
    expect(await copyStates()).toEqual(['stored'])
    expect(leftTraces()).toEqual([])
  })

  it('nor where it is not known: the other one does not answer', async () => {
    await start()
    nameAgain(2)
    world.env['S3_SERVER_1_ACCESS_KEY'] = 'revoked'
    const { problems } = await reconciled()
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /is not adopted: .* may be the same place as .*, which could not be found out: /,
      ),
    ])
    expect(await copyStates()).toEqual(['stored'])
  })

  it('are told by the self-test', async () => {
    await start()
    nameAgain(3)
    const { exit, samePlaces } = await tested()
    expect(exit).toBe(3)
    expect(samePlaces).toEqual([
      {
        numbers: [1, 3],
        message: expect.stringContaining('the same place') as string,
        hint: expect.stringContaining('take one of the two entries out') as string,
      },
    ])
    expect(leftTraces()).toEqual([])
  })

  it('keep their only object, although the catalog takes it for two copies', async () => {
    const key = await start()
    nameAgain(2)
    await countTwice()
    world.env['S3_SERVER_1_ENABLED'] = 'false'
    const { archives, exit, warnings } = await evacuated(1)
    expect(archives.map(({ action }) => action)).toEqual(['leave'])
    expect(warnings).toEqual([
      expect.stringMatching(/S3_SERVER_1 and S3_SERVER_2 are the same place/),
    ])
    expect(exit).toBeGreaterThanOrEqual(20)
    expect(keysThere()).toContain(key)
    expect(leftTraces()).toEqual([])
  })

  it('are left for a third place', async () => {
    const key = await start()
    nameAgain(2)
    await countTwice()
    world.env['S3_SERVER_1_ENABLED'] = 'false'
    const third = await startS3Model({ buckets: ['backups'] })
    world.models.push(third)
    world.configure(3, third.endpoint, third)
    const { archives } = await evacuated(1)
    expect(archives.map(({ action, to }) => ({ action, to }))).toEqual([
      { action: 'move', to: [3] },
    ])
    expect(third.objects().map((object) => object.key)).toContain(key)
  })
})

it('a directory and a link to it hold one copy', async () => {
  world = await World.make([])
  await world.noise('one', 5_000)
  const disk = join(world.folder, 'disk')
  mkdirSync(disk)
  symlinkSync(disk, join(world.folder, 'link'))
  world.env['S3_SERVER_1_ENDPOINT'] = `file://${disk}`
  expect((await world.run()).exit).toBe(0)
  world.env['S3_SERVER_2_ENDPOINT'] = `file://${join(world.folder, 'link')}`
  const { problems } = await reconciled()
  expect(problems.join()).toMatch(/S3_SERVER_1 and S3_SERVER_2 are the same place/)
  expect(await copyStates()).toEqual(['stored'])
  expect(readdirSync(disk)).not.toContain('spillway-self-test')
})

it('a copy that was made with all that belongs to it, elsewhere, is a second one', async () => {
  const key = await start()
  const second = await startS3Model({ buckets: ['backups'] })
  world.models.push(second)
  world.configure(2, second.endpoint, second)
  const [first] = world.models
  second.seed(key, first!.bytesOf(key), first!.objects().find((each) => each.key === key)!.metadata)
  expect((await reconciled()).problems).toEqual([])
  expect(await copyStates()).toEqual(['stored', 'stored'])
  expect((await tested()).samePlaces).toEqual([])
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  expect((await evacuated(1)).archives.map(({ action }) => action)).toEqual(['remove'])
  expect(second.objects().map((object) => object.key)).toContain(key)
})

/** As an earlier version of Spillway did, and as a server does that comes back into the settings. */
async function countTwice(): Promise<void> {
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  await reconciled()
  world.env['S3_SERVER_1_ENABLED'] = 'true'
  expect(await copyStates()).toEqual(['stored', 'stored'])
}

async function reconciled(): Promise<Reconciled> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const input = { isAdopting: false, isDryRun: false, onPlan: () => {} }
  try {
    return await services.withRun(
      () => {},
      (running) => reconcile(running, input, never),
    )
  } finally {
    await services.close()
  }
}

async function evacuated(number: number): Promise<Evacuation> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const { openStorage } = services
  try {
    return await services.withRun(
      () => {},
      (running) => evacuate({ ...running, openStorage }, { number }, never),
    )
  } finally {
    await services.close()
  }
}

async function tested(): Promise<SelfTestReport> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    const input = { numbers: [], onTested: () => {} }
    const { config, openStorage } = services
    const testing = {
      ...{ config, catalog: await services.catalogIfPresent() },
      ...{ openStorage: await openStorage(), nodeVersion: process.version },
    }
    return await selfTest(testing, input, never)
  } finally {
    await services.close()
  }
}

async function copyStates(): Promise<readonly string[]> {
  const [archive] = await world.withCatalog((catalog) => catalog.archives())
  return archive!.copies.map(({ state }) => state)
}

function keysThere(): readonly string[] {
  return world.models[0]!.objects().map(({ key }) => key)
}

function leftTraces(): readonly string[] {
  return keysThere().filter((key) => key.includes('self-test'))
}
