// What stands between us and an S3 server, and servers that answer in their own way, under whole runs: a proxy that
// says nothing or hangs up, a page instead of the server, Swift, MinIO, a bucket with object lock, a wrong clock.

import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { World } from '../support/world.ts'
import type { S3Model } from '../support/s3-model.ts'

const PAGE = { status: 404, type: 'text/plain; charset=utf-8', body: '404 page not found\n' }

let world: World
const closing: (() => void)[] = []
async function start(servers: number): Promise<readonly S3Model[]> {
  world = await World.make(Array.from({ length: servers }, () => ({})))
  await world.noise('a', 100_000)
  return world.models
}
afterEach(async () => {
  for (const close of closing.splice(0)) close()
  await world.close()
})

describe('a proxy for https', () => {
  async function behindProxy(onConnection: (socket: Socket) => void): Promise<void> {
    const sockets = new Set<Socket>()
    const proxy = createServer((socket) => {
      sockets.add(socket.on('error', () => {}))
      onConnection(socket)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    closing.push(() => {
      sockets.forEach((socket) => socket.destroy())
      proxy.close()
    })
    const { port } = proxy.address() as AddressInfo
    world.env['S3_SERVER_1_ENDPOINT'] = 'https://s3.example.test'
    world.env['HTTPS_PROXY'] = `http://127.0.0.1:${port}`
  }

  it.each([
    ['takes the connection and says nothing', 'dead', () => {}],
    ['hangs up', 'dead', (socket: Socket) => void socket.once('data', () => socket.end())],
    ['is none', 'misconfigured', (socket: Socket) => void socket.end('SSH-2.0-x\r\n\r\n')],
  ])('that %s is %s, and the archive goes on', async (_what, outcome, onConnection) => {
    const models = await start(2)
    await behindProxy(onConnection)

    const report = await world.run()

    expect(report.archives).toMatchObject([
      { state: 'stored', attempts: [{ server: 1, outcome }, { outcome: 'stored' }] },
    ])
    expect(models[1]!.objects().length).toBeGreaterThan(0)
  })

  it('that says nothing holds nobody who wants to end the run', async () => {
    await start(1)
    const stop = new AbortController()
    await behindProxy(() => stop.abort())
    await expect(world.run({ signal: stop.signal })).resolves.toMatchObject({ exit: 130 })
  })
})

describe('a page with 404, of a proxy in front of a server that is down', () => {
  it('is no word of S3: what retention wants to delete is not called deleted', async () => {
    const [model] = await start(2)
    Object.assign(world.env, { COPIES: '2', KEEP_LAST: '1' })
    await world.run()
    const [before] = model!.objects()
    await world.noise('b', 100_000)
    let stored = 0

    const report = await world.run({
      onEvent: ({ kind }) => {
        if (kind === 'stored' && ++stored === 2) model!.change({ frontPage: PAGE })
      },
    })

    expect(report.exit).not.toBe(0)
    expect(model!.objects().map(({ key }) => key)).toContain(before!.key)
    await world.withCatalog(async (catalog) => {
      const copies = (await catalog.archives()).flatMap((archive) => archive.copies)
      const there = copies.filter(({ key }) => key === before!.key)
      expect(there.some(({ state }) => state === 'stored')).toBe(true)
      expect(copies.filter(({ state }) => state === 'missing')).toEqual([])
    })
  })

  it('gives up no upload: its bytes stay promised, and the next run ends it', async () => {
    const [model] = await start(1)
    await world.noise('b', 40_000_000)
    const fault = { kind: 'answer', ...PAGE } as const
    const proxy = await startFaultProxy({
      target: model!.endpoint,
      rules: [
        { operation: 'UploadPart', partNumber: 2, fault },
        // The first one comes before the upload.
        { operation: 'Head', nth: 2, fault },
        ...(['Abort', 'ListParts', 'ListUploads', 'Put'] as const).map((operation) => ({
          ...{ operation, fault },
        })),
      ],
    })
    closing.push(() => void proxy.close())
    world.env['S3_SERVER_1_ENDPOINT'] = proxy.endpoint

    const report = await world.run()

    expect(report.archives).toMatchObject([{ state: 'waiting' }])
    expect(model!.uploads()).toHaveLength(1)
    await world.withCatalog(async (catalog) => {
      const [server] = await catalog.servers()
      expect(server!.reservedBytes).toBeGreaterThan(40_000_000)
    })
    proxy.clear()
    expect(await world.run()).toMatchObject({ exit: 0 })
    expect(model!.uploads()).toEqual([])
  })
})

describe('a server', () => {
  it.each([
    ['whose empty answers say that they are HTML (Swift)', { emptyType: 'text/html' }],
    ['that wants an MD5 of all it keeps (object lock)', { wantsMd5: true, isVersioned: true }],
    ['that names no requests', { namesRequests: false }],
  ] as const)('%s takes archives and the catalog', async (_what, switches) => {
    const [model] = await start(1)
    model!.change(switches)
    expect(await world.run()).toMatchObject({ exit: 0, archives: [{ state: 'stored' }] })
    expect(model!.objects()).toHaveLength(2)
  })

  it('that shows nothing, and calls an upload aborted that it completed (MinIO), is asked again', async () => {
    const [first, second] = await start(2)
    first!.change({ abortOfNone: '204', secondComplete: 'NoSuchUpload', denies: ['Head'] })

    const report = await world.run()

    expect(report).toMatchObject({ exit: 3, archives: [{ attempts: [{}, { outcome: 'stored' }] }] })
    expect(second!.objects().length).toBeGreaterThan(0)
    await world.withCatalog(async (catalog) => {
      const [archive] = await catalog.archives()
      expect(archive!.copies.map(({ state }) => state)).toEqual(['uncertain', 'stored'])
    })
    first!.change({ denies: [] })
    await world.run()
    await world.withCatalog(async (catalog) => {
      const copies = (await catalog.archives()).flatMap((each) => each.copies)
      expect(copies.map(({ state }) => state)).not.toContain('uncertain')
    })
  })

  it('that does not take the storage class stores archives, and the report says so', async () => {
    const [model] = await start(1)
    model!.change({ storageClass: '501' })
    world.env['S3_SERVER_1_STORAGE_CLASS'] = 'GLACIER_IR'

    const report = await world.run()

    expect(report).toMatchObject({ exit: 3, archives: [{ state: 'stored' }] })
    expect(report.warnings).toEqual([expect.stringContaining('storage class GLACIER_IR')])
    const test = await spillway(['self-test', '--config', await world.writeEnv()])
    expect(test.exit).toBe(3)
    expect(String(test.out)).toContain('does not take the storage class GLACIER_IR')
  })

  it('whose clock differs by minutes is verified, though HEAD does not say why it is refused', async () => {
    const [model] = await start(1)
    await world.run()
    model!.change({ skewMs: 20 * 60_000 })
    const { exit, out, err } = await spillway(['verify', '--config', await world.writeEnv()])
    expect(exit, `${String(out)}${err}`).toBe(0)
  })
})
