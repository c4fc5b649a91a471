// SPOOL=none: archives that go straight to a server. What the next server gets when one fails, what is promised
// before it is sent, and that nothing is left behind on this machine, whatever happens.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { outputOf } from '../pack/in-process.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import { spillway } from '../support/command-sources.ts'
import { makeAccounts, sumOf, SUM } from '../support/sqlite-writer.ts'
import { World } from '../support/world.ts'
import type { WorldServer } from '../support/world.ts'

const MB = 1_000_000
const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
let proxy: FaultProxy | undefined
afterEach(async () => {
  await proxy?.close()
  proxy = undefined
  await world.close()
})

async function start(servers: readonly WorldServer[] = [{}], sourceBytes = 60 * MB): Promise<void> {
  world = await World.make(servers)
  world.env['SPOOL'] = 'none'
  await world.noise('big', sourceBytes)
}

function command(text: string): void {
  delete world.env['SOURCE_1_PATH']
  Object.assign(world.env, { SOURCE_1_COMMAND: text, SOURCE_1_FILE: 'app.dump' })
}

async function behindProxy(): Promise<FaultProxy> {
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.configure(1, proxy.endpoint, world.models[0]!)
  return proxy
}

/** Bytes of all files of ours on this machine, but for the catalog. */
async function spooledBytes(): Promise<number> {
  const folder = join(world.folder, 'data/spool')
  let sum = 0
  for (const name of existsSync(folder) ? await readdir(folder) : [])
    sum += await stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    )
  return sum
}

function archiveOn(server: number, report: RunReport): Buffer {
  return world.models[server]!.bytesOf(report.archives.at(-1)!.key)
}

async function expectWhole(archive: Buffer, member: string): Promise<void> {
  const content = await readFile(join(world.source, 'big'))
  expect(outputOf('tar', ['--zstd', '-xOf', '-', member], archive).equals(content)).toBe(true)
}

describe('without a spool', () => {
  it('a folder goes up as it is read, and nothing of it touches the disk', async () => {
    await start()
    let spooledMax = 0
    const report = await world.run({
      onEvent: () =>
        void spooledBytes().then((bytes) => (spooledMax = Math.max(spooledMax, bytes))),
    })
    expect(report).toMatchObject({
      exit: 0,
      archives: [{ state: 'stored', location: 's3', attempts: [{ server: 1, outcome: 'stored' }] }],
    })
    await expectWhole(archiveOn(0, report), 'big')
    expect(spooledMax).toBeLessThan(1_000)
    expect(await world.audit()).toEqual([])

    const config = ['--config', await world.writeEnv()]
    const verified = await spillway(['verify', '--deep', ...config])
    expect(verified.exit, verified.err).toBe(0)
    const found = await spillway(['find', 'big', ...config])
    expect(found.out.toString()).toContain('big')
  }, 60_000)

  it('a command goes up as it writes, and the part with its header last', async () => {
    await start()
    command('cat source/big')
    const report = await world.run()
    expect(report).toMatchObject({ exit: 0, archives: [{ state: 'stored' }] })
    await expectWhole(archiveOn(0, report), 'app.dump')
    const parts = world.models[0]!.log.filter(({ operation }) => operation === 'UploadPart').map(
      ({ partNumber }) => partNumber,
    )
    expect(parts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(parts.at(-1)).toBe(1)
    expect(await world.audit()).toEqual([])
  })

  it('several outputs go up one after another, each with its header in its place', async () => {
    await start([{}], 1)
    delete world.env['SOURCE_1_PATH']
    // Parts have 5 MB: headers lie in different ones, and some in the one of an end before.
    const names = ['a.db', 'b.db', 'c.db']
    for (const [index, name] of names.entries())
      makeAccounts(join(world.source, name), 'delete', [4_000, 20, 6_000][index])
    world.env['SOURCE_1_SQLITE'] = join(world.source, '*.db')

    const report = await world.run()

    expect(report).toMatchObject({ exit: 0, archives: [{ state: 'stored', fileCount: 5 }] })
    const config = ['--config', await world.writeEnv()]
    expect((await spillway(['verify', '--deep', 'latest:docs', ...config])).exit).toBe(0)
    const back = join(world.folder, 'back')
    expect((await spillway(['restore', 'latest:docs', '--to', back, ...config])).exit).toBe(0)
    for (const name of names) expect(sumOf(join(back, 'databases', name))).toBe(SUM)
    expect(await world.audit()).toEqual([])
  })

  it('more than the memory goes up, also to a directory', async () => {
    await start([], 200 * MB)
    command('cat source/big')
    const directory = join(world.folder, 'disk')
    await mkdir(directory)
    world.env['S3_SERVER_1_ENDPOINT'] = `file://${directory}`
    const report = await world.run()
    expect(report.exit, JSON.stringify(report.sources)).toBe(0)
    await expectWhole(await readFile(join(directory, report.archives[0]!.key)), 'app.dump')
  }, 60_000)

  it('an archive of a few bytes goes up', async () => {
    await start([{}], 10)
    expect(await world.run()).toMatchObject({ exit: 0, archives: [{ state: 'stored' }] })
    expect(await world.audit()).toEqual([])
  })
})

describe('the next server', () => {
  it('gets a whole archive of its own when one dies in the middle [F45b]', async () => {
    await start([{}, {}], 200 * MB)
    command(`bash -c 'echo run >> runs; cat source/big'`)
    const faults = await behindProxy()
    faults.add({ operation: 'UploadPart', partNumber: 8, fault: { kind: 'reset', afterBytes: MB } })

    const report = await world.run()

    expect(report.exit).toBe(3)
    expect(report.archives).toMatchObject([
      {
        state: 'stored',
        attempts: [
          { server: 1, outcome: 'dead' },
          { server: 2, outcome: 'stored' },
        ],
      },
    ])
    await expectWhole(archiveOn(1, report), 'app.dump')
    expect(await readFile(join(world.folder, 'runs'), 'utf8')).toBe('run\nrun\n')
    expect(world.models[0]!.objects().filter(({ key }) => key.endsWith('.tar.zst'))).toEqual([])
    expect(world.models[0]!.uploads()).toEqual([])
    const archives = await world.withCatalog((catalog) => catalog.archives())
    expect(archives.map(({ state }) => state).toSorted()).toEqual(['failed', 'gone'])
  }, 60_000)

  it('is taken when one is full in the middle, by its own word or by its limit [F74]', async () => {
    await start([{}, { limitGb: 0.1 }, {}], 150 * MB)
    command('cat source/big')
    const faults = await behindProxy()
    const full = { kind: 'answer', status: 403, code: 'QuotaExceeded', readsBody: false } as const
    faults.add({ operation: 'UploadPart', partNumber: 3, fault: full })

    const report = await world.run()

    expect(report).toMatchObject({
      exit: 0,
      archives: [
        {
          attempts: [
            { server: 1, outcome: 'full' },
            { server: 2, outcome: 'full', code: 'STORAGE_LIMIT' },
            { server: 3, outcome: 'stored' },
          ],
        },
      ],
    })
    await expectWhole(archiveOn(2, report), 'app.dump')
    for (const model of world.models) expect(model.uploads()).toEqual([])
    await proxy?.close()
    proxy = undefined
    world.configure(1, world.models[0]!.endpoint, world.models[0]!)
    expect(await world.audit()).toEqual([])
  }, 60_000)

  it('is asked first when the one before has no room for what a folder holds', async () => {
    await start([{ limitGb: 0.05 }, {}])
    const report = await world.run()
    expect(report).toMatchObject({ exit: 0, archives: [{ server: { number: 2 } }] })
    expect(world.models[0]!.log.filter(({ operation }) => operation === 'UploadPart')).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('gets another archive when the answer to Complete was lost, and both are told apart', async () => {
    await start([{}, {}])
    command('cat source/big')
    const faults = await behindProxy()
    faults.add(
      { operation: 'Complete', fault: { kind: 'drop-answer', how: 'hang' } },
      // The first two look whether the key is free.
      { operation: 'Head', nth: 3, fault: { kind: 'hang' } },
      { operation: 'Abort', fault: { kind: 'hang' } },
    )

    const report = await world.run()

    expect(report.archives.at(-1)).toMatchObject({ state: 'stored', server: { number: 2 } })
    const before = await world.withCatalog((catalog) => catalog.archives())
    expect(before.map(({ state }) => state).toSorted()).toEqual(['gone', 'ready'])
    faults.clear()

    const next = await world.run()

    expect([0, 3]).toContain(next.exit)
    const after = await world.withCatalog((catalog) => catalog.archives())
    // The one whose answer was lost, the one that went on, and tonight's.
    expect(after.map(({ state }) => state)).toEqual(['gone', 'gone', 'gone'])
    for (const { key, sizeBytes, copies } of after) {
      expect(copies).toMatchObject([{ state: 'stored', sizeBytes }])
      const holders = world.models.filter((model) =>
        model.objects().some((each) => each.key === key),
      )
      expect(holders.map((model) => model.bytesOf(key).length)).toEqual([sizeBytes])
    }
  }, 90_000)
})

describe('when nobody takes it', () => {
  it('one that a server may have after all is asked for by the next run, and the others have failed', async () => {
    await start([{}, { entry: { SECRET_KEY: 'wrong' } }, { entry: { SECRET_KEY: 'wrong' } }], MB)
    const faults = await behindProxy()
    faults.add(
      { operation: 'Complete', fault: { kind: 'drop-answer', how: 'hang' } },
      { operation: 'Put', fault: { kind: 'drop-answer', how: 'hang' } },
      // The first two look whether the key is free.
      { operation: 'Head', nth: 3, fault: { kind: 'hang' } },
      { operation: 'Abort', fault: { kind: 'hang' } },
    )

    const report = await world.run()

    expect(report.exit).toBe(23)
    const rows = await world.withCatalog((catalog) => catalog.archives())
    // A row for each try, and one for the last look for a server.
    const states = rows.map(({ state }) => state)
    expect(states.filter((state) => state === 'ready')).toHaveLength(1)
    expect(states.filter((state) => state !== 'ready')).toEqual(
      Array(rows.length - 1).fill('failed'),
    )
    expect(rows.length).toBeGreaterThan(2)
  }, 60_000)

  it('the run fails loudly, and says that nothing waits [F32]', async () => {
    await start([{}, {}])
    for (const model of world.models) await model.close()
    const report = await world.run()
    expect(report).toMatchObject({
      exit: 23,
      sources: [{ outcome: 'failed', code: 'NO_SERVER_LEFT' }],
      archives: [{ state: 'failed', attempts: [{ server: 1 }, { server: 2 }] }],
    })
    expect(report.sources[0]?.message).toContain('nothing waits, because there is no spool')
    expect(await world.waiting()).toEqual([])
  })

  it('no limit is overrun [F74]', async () => {
    await start([{ limitGb: 0.07 }, { limitGb: 0.04 }], 150 * MB)
    command('cat source/big')
    const report = await world.run()
    expect(report.exit).toBe(23)
    expect(report.archives[0]?.attempts.map(({ outcome }) => outcome)).toEqual(['full', 'full'])
    for (const model of world.models) {
      expect(model.uploads()).toEqual([])
      expect(model.objects().filter(({ key }) => key.endsWith('.tar.zst'))).toEqual([])
    }
    expect(await world.audit()).toEqual([])
  })
})

describe('a source that fails', () => {
  it('leaves nothing on any server, and is not tried on the next', async () => {
    await start([{}, {}], 150 * MB)
    command(`bash -c 'cat source/big; echo "lost connection" >&2; exit 1'`)
    const report = await world.run()
    expect(report).toMatchObject({ exit: 13, sources: [{ code: 'SOURCE_COMMAND_FAILED' }] })
    expect(world.models[0]!.uploads()).toEqual([])
    expect(world.models[1]!.log.filter(({ operation }) => operation === 'Create')).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('is missing: nothing is stored, and the catalog says so', async () => {
    await start()
    await rm(world.source, { recursive: true })
    expect(await world.run()).toMatchObject({ exit: 10, sources: [{ code: 'SOURCE_MISSING' }] })
    const archives = await world.withCatalog((catalog) => catalog.archives())
    expect(archives).toMatchObject([{ state: 'failed' }])
    expect(await world.audit()).toEqual([])
  })

  it('is let go by AFTER for each time that it was read', async () => {
    await start([{}, {}], 150 * MB)
    const faults = await behindProxy()
    // All that comes is held back from then on, so the reading cannot come to its end.
    faults.add({ operation: 'UploadPart', nth: 4, fault: { kind: 'reset', afterBytes: MB } })
    for (const hook of ['BEFORE', 'AFTER', 'ON_ERROR'])
      world.env[`SOURCE_1_${hook}`] = `bash -c 'echo $SPILLWAY_HOOK \${SPILLWAY_OUTCOME:--} >> log'`
    const report = await world.run()
    expect(report.exit).toBe(3)
    expect(await readFile(join(world.folder, 'log'), 'utf8')).toBe(
      'before -\nafter failed\nbefore -\nafter packed\n',
    )
  }, 60_000)
})

describe('an end in the middle', () => {
  it('by an interrupt leaves nothing', async () => {
    await start([{}], 150 * MB)
    command(`bash -c 'cat source/big; sleep 1000'`)
    const stop = new AbortController()
    const report = await world.run({
      signal: stop.signal,
      onEvent: ({ kind }) => {
        if (kind === 'uploading') stop.abort()
      },
    })
    expect(report.exit).toBe(130)
    expect(world.models[0]!.uploads()).toEqual([])
    expect(await world.audit()).toEqual([])
  })

  it('by SIGKILL is cleared by the next run [F01i]', async () => {
    await start([{}], 150 * MB)
    command(`bash -c 'cat source/big; sleep 1000'`)
    const envFile = await world.writeEnv()
    const run = spawn(process.execPath, [PROGRAM, 'run', '--config', envFile], { stdio: 'ignore' })
    const ended = new Promise((resolve) => run.on('close', resolve))
    await vi.waitFor(
      () => expect(world.models[0]!.log.some(({ partNumber }) => partNumber === 4)).toBe(true),
      20_000,
    )
    run.kill('SIGKILL')
    await ended
    expect(world.models[0]!.uploads()).toHaveLength(1)

    command('cat source/big')
    expect(await world.run()).toMatchObject({ exit: 0, archives: [{ state: 'stored' }] })
    expect(await world.audit()).toEqual([])
  }, 60_000)
})

it('settings that need a spool are refused', async () => {
  await start()
  Object.assign(world.env, { COPIES: '2', LOCAL_KEEP: '1', SPOOL_LIMIT_GB: '5' })
  world.configure(2, world.models[0]!.endpoint, world.models[0]!, { entry: { PREFIX: 'b' } })
  const { exit, err } = await spillway(['run', '--config', await world.writeEnv()])
  expect(exit).toBe(4)
  for (const name of ['COPIES', 'LOCAL_KEEP', 'SPOOL_LIMIT_GB'])
    expect(err).toMatch(new RegExp(`${name}.*there is none \\(SPOOL=none\\)`))
})
