// Servers that forget, come and go, and change their minds, under a whole run: afterwards the oracle finds nothing wrong.
// The same with each operation in turn: test/servers/faults-in-a-run.test.ts.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { violations } from '../support/oracle.ts'
import { World } from '../support/world.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { S3Model } from '../support/s3-model.ts'
import type { RunServices } from '../../src/operations/run.ts'
import type { S3Operation } from '../support/s3-operation.ts'

let world: World
let proxy: FaultProxy
beforeEach(async () => {
  world = await World.make([{}, {}])
  await world.noise('file', 30_000)
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.configure(1, proxy.endpoint, world.models[0]!)
  // The audit looks for the server under the address that the catalog knows.
  world.models[0] = Object.create(world.models[0]!, { port: { value: proxy.port } }) as S3Model
})
afterEach(async () => {
  await proxy.close()
  await world.close()
})

const archivesOn = (index: number): readonly string[] =>
  world.models[index]!.objects()
    .map(({ key }) => key)
    .filter((key) => key.startsWith('host/'))

it('an upload that the server gives up in the middle goes to the next one, whole [F39]', async () => {
  await world.noise('file', 40_000_000)
  const expire = async () => world.models[0]!.expireUploads()
  const fault = { kind: 'wait', until: expire } as const
  proxy.add({ operation: 'UploadPart', partNumber: 2, times: 1, fault })

  const report = await world.run()

  proxy.assertFired()
  expect(report.archives[0]?.attempts).toMatchObject([
    { server: 1, outcome: 'failed' },
    { server: 2, outcome: 'stored' },
  ])
  expect(await violations(world)).toEqual([])
  expect((await world.run()).archives[0]?.server?.number).toBe(1)
})

it('an upload that runs out of parts is begun again with larger ones [F54b]', async () => {
  await world.noise('file', 70_000_000)
  // What a command writes is not known before it has ended.
  delete world.env['SOURCE_1_PATH']
  const untilGo = 'until test -e go; do sleep 0.05; done'
  const halves = `head -c 50000000 source/file; ${untilGo}; tail -c +50000001 source/file`
  world.env['SOURCE_1_COMMAND'] = `bash -c '${halves}'`
  const going = world.models[0]!.answered('UploadPart').then(() =>
    writeFile(join(world.folder, 'go'), ''),
  )

  const report = await world.run({
    change: (running) => ({ ...running, pool: withParts(running.pool, 3) }),
  })

  await going

  expect(report.exit).toBe(0)
  expect(report.archives[0]?.attempts).toMatchObject([
    { server: 1, outcome: 'failed', code: 'OUT_OF_PARTS' },
    { server: 1, outcome: 'stored' },
  ])
  const { log } = world.models[0]!
  const last = log.findLast(({ operation }) => operation === 'Create')?.uploadId
  const parts = log.filter((each) => each.operation === 'UploadPart' && each.uploadId === last)
  expect(parts.length).toBeLessThanOrEqual(3)
  expect(world.models[0]!.uploads()).toEqual([])
  expect(await world.audit()).toEqual([])
})

/** Servers that take so many parts. */
function withParts(pool: RunServices['pool'], partsMax: number): RunServices['pool'] {
  const ready: typeof pool.ready = async (server, signal) => {
    const storage = await pool.ready(server, signal)
    return bound(storage, { limits: { ...storage.limits, partsMax } })
  }
  return bound(pool, { ready })
}

/** An object with some properties of its own, whose methods keep their private fields. */
function bound<Service extends object>(service: Service, own: Partial<Service>): Service {
  return new Proxy(service, {
    get: (target, name) => {
      const value: unknown =
        name in own ? own[name as keyof Service] : Reflect.get(target, name, target)
      return typeof value === 'function' && !(name in own)
        ? (value as () => unknown).bind(target)
        : value
    },
  })
}

it('an object that the server shows late is waited for, and stored once [F41]', async () => {
  // The first two look whether the key is free. Three looks: whoever does not wait has looked so often at once.
  const missing = { kind: 'answer', status: 404 } as const
  proxy.add({ operation: 'Head', key: /^host/, nth: 3, times: 3, fault: missing })

  const report = await world.run()

  expect(proxy.fired()).toEqual([3])
  expect([report.exit, report.archives[0]?.attempts]).toMatchObject([
    0,
    [{ server: 1, outcome: 'stored' }],
  ])
  expect(world.models[0]!.log.filter(({ operation }) => operation === 'Complete')).toHaveLength(1)
  expect(await violations(world)).toEqual([])
})

it('a key that is taken is not written: its object stays, and the next server gets the archive [F78c]', async () => {
  // As by a host of the same name, or by a night that an older copy of the catalog does not know. Keys are of seconds.
  const now = Date.now()
  const stamps = Array.from({ length: 60 }, (_, at) => new Date(now + at * 1_000).toISOString())
  const keys = stamps.map((stamp) => {
    const [day = '', time = ''] = stamp.split(/[T.]/)
    return `host/${day.replaceAll('-', '/')}/docs-${day.replaceAll('-', '')}-${time.replaceAll(':', '')}.tar.zst`
  })
  for (const key of keys) world.models[0]!.seed(key, Buffer.from('theirs'))

  const report = await world.run()

  expect(keys).toContain(report.archives[0]?.key)
  expect(report.archives[0]?.attempts).toMatchObject([
    { server: 1, outcome: 'failed', code: 'OBJECT_EXISTS' },
    { server: 2, outcome: 'stored' },
  ])
  const objects = world.models[0]!.objects().filter(({ key }) => key.startsWith('host/'))
  expect(objects.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual(keys.map((key) => [key, 6]))
})

it('a server that comes and goes gets some archives, and each is on one server [F46]', async () => {
  const shapes: S3Operation[] = ['Create', 'Complete']
  for (const operation of shapes) {
    proxy.add({ operation, fault: { kind: 'reset' } })
    const away = await world.run()
    expect(away.archives[0], operation).toMatchObject({ state: 'stored', server: { number: 2 } })
    proxy.clear()
    const back = await world.run()
    expect(back.archives[0], operation).toMatchObject({ state: 'stored', server: { number: 1 } })
    expect(await violations(world), operation).toEqual([])
  }
  const both = archivesOn(0).filter((key) => archivesOn(1).includes(key))
  expect(both).toEqual([])
})

it.each([2, -2])(
  'a clock that jumps by %i hours in a run is told, and loses nothing [F33d]',
  async (hours) => {
    const report = await world.run({
      onEvent: ({ kind }) => {
        // Ours cannot be moved without the model's; that they differ from now on is what counts.
        if (kind === 'upload-started') world.models[0]!.change({ skewMs: hours * 3_600_000 })
      },
    })

    const refused = world.models[0]!.log.filter(({ code }) => code === 'RequestTimeTooSkewed')
    expect(refused).toHaveLength(1)
    const told = expect.stringMatching(/^the clock of this machine is 1[12]\d min /) as string
    expect([report.exit, report.warnings]).toEqual([3, [told]])
    expect(report.archives[0]?.attempts).toMatchObject([{ server: 1, outcome: 'stored' }])
    expect(await violations(world)).toEqual([])
  },
)

it('bytes that changed on their way to a server that checks none are found by reading back [F34b]', async () => {
  world.models[0]!.change({ checksHashes: false })
  proxy.add({ operation: 'UploadPart', times: 1, fault: { kind: 'flip', position: 9_000 } })
  expect((await world.run()).archives).toMatchObject([{ state: 'stored' }])
  proxy.assertFired()

  const ran = await spillway(['verify', '--deep', '--config', await world.writeEnv()])

  expect(ran.exit, ran.err).toBe(31)
})

describe('a limit', () => {
  it('below what is used takes no archive, and takes them again when it is raised [F73]', async () => {
    const onto = async () => (await world.run()).archives[0]?.server?.number
    expect(await onto()).toBe(1)

    world.env['S3_SERVER_1_STORAGE_LIMIT_GB'] = '0.00001'
    expect([await onto(), await onto()]).toEqual([2, 2])
    world.env['S3_SERVER_1_STORAGE_LIMIT_GB'] = '1'

    expect(await onto()).toBe(1)
    expect(await violations(world)).toEqual([])
  })

  it('of a server that left the settings stays counted, and its archives come back with it [F73]', async () => {
    const [first] = (await world.run()).archives
    const entry = Object.entries(world.env).filter(([name]) => name.startsWith('S3_SERVER_1_'))
    for (const [name] of entry) delete world.env[name]

    expect((await world.run()).archives[0]?.server?.number).toBe(2)
    const used = await world.withCatalog((catalog) => catalog.servers())
    expect(used.map(({ usedBytes }) => usedBytes)).toContain(first?.sizeBytes)

    Object.assign(world.env, Object.fromEntries(entry))
    expect((await world.run()).archives[0]?.server?.number).toBe(1)
    expect(await violations(world)).toEqual([])
  })
})
