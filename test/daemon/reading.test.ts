// What asks the daemon changes nothing, and waits for nobody: not for the server that a run waits for.

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { ROUTES } from '../../src/daemon/serve.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { S3Operation } from '../support/s3-operation.ts'

const CHANGING = new Set<S3Operation>([
  'Create',
  'UploadPart',
  'Complete',
  'Put',
  'Delete',
  'Abort',
])

let world: World
let proxy: FaultProxy
let daemon: TestDaemon
beforeAll(async () => {
  world = await World.make([{}])
  await world.noise('file', 20_000)
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.configure(1, proxy.endpoint, world.models[0]!)
  daemon = await TestDaemon.start(world)
})
afterAll(async () => {
  await daemon.stop()
  await proxy.close()
  await world.close()
})

it('asking every GET route changes neither settings, catalog, queue nor servers [F96b]', async () => {
  expect((await world.run()).exit).toBe(0)
  const [archive] = await world.withCatalog((catalog) => catalog.archives())
  const state = async () => ({
    settings: readFileSync(world.envFile, 'utf8'),
    archives: await world.withCatalog((catalog) => catalog.archives()),
    servers: await world.withCatalog((catalog) => catalog.servers()),
    jobs: (await daemon.ask('GET', '/api/jobs')).json,
    objects: world.models[0]!.objects().map(({ key, etag }) => [key, etag]),
    written: world.models[0]!.log.filter(({ operation }) => CHANGING.has(operation)).length,
  })
  const before = await state()
  const reading = ROUTES.filter(({ method }) => method === 'GET')
  expect(reading.length).toBeGreaterThan(5)

  for (const { at } of reading) {
    const path = at.replace('{id}', archive!.id).replace('{number}', '1')
    expect((await daemon.ask('GET', path)).status, path).toBeLessThan(500)
  }

  expect(await state()).toEqual(before)
})

it('no connection is upgraded [F96b]', async () => {
  const answer = await daemon.raw(
    [
      'GET /api/jobs HTTP/1.1',
      `Host: 127.0.0.1:${daemon.port}`,
      `Authorization: Bearer ${daemon.tokens.admin}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      '\r\n',
    ].join('\r\n'),
  )
  expect(answer).not.toMatch(/^HTTP\/1\.1 101/)
})

it('answers while a run waits for a server that is silent [F82]', async () => {
  proxy.add({ operation: 'Create', fault: { kind: 'hang' } })
  const started = await daemon.ask('POST', '/api/runs', { body: {} })
  expect(started.status).toBe(202)
  await vi.waitFor(() => expect(proxy.fired()).toEqual([1]), 20_000)

  for (const path of ['/api/status', '/api/archives', '/api/jobs', '/api/servers'])
    expect((await daemon.ask('GET', path)).status, path).toBe(200)
  expect((await daemon.ask('POST', '/api/verifications', { body: {} })).status).toBe(202)

  // It still waits, so nothing was answered because the run was over. How soon, `npm run bench:api` measures.
  const id = started.json['id'] as string
  expect((await daemon.ask('GET', `/api/jobs/${id}`)).json).toMatchObject({ state: 'running' })
  proxy.clear()
  expect((await daemon.ask('DELETE', `/api/jobs/${id}`)).status).toBe(202)
  await daemon.follow(id)
}, 60_000)
