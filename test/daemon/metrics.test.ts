// GET /metrics, as Prometheus asks. That nobody else gets it is in gate.test.ts, for all routes.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { readMetrics, valuesOf } from '../support/metrics-reader.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

let world: World
let daemon: TestDaemon
beforeAll(async () => {
  world = await World.make([{ entry: { LABEL: `'a "b" \\c'` } }])
  await world.noise('a', 100_000)
  daemon = await TestDaemon.start(world)
})
afterAll(async () => {
  await daemon.stop()
  await world.close()
})

it('answers in the text format, to a token that may read', async () => {
  const before = await daemon.ask('GET', '/metrics', { scope: 'read' })
  expect(before.status).toBe(200)
  expect(before.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const source = 'spillway_source_has_good_archive'
  expect(valuesOf(readMetrics(before.text), source, 'source')).toEqual({ docs: 0 })

  const { json } = await daemon.ask('POST', '/api/runs', { body: {} })
  await daemon.follow(String(json['id']))

  const found = readMetrics((await daemon.ask('GET', '/metrics', { scope: 'read' })).text)
  expect(valuesOf(found, source, 'source')).toEqual({ docs: 1 })
  expect(valuesOf(found, 'spillway_server_archives', 'server', 'label')).toEqual({
    '1 a "b" \\c': 1,
  })
  expect(valuesOf(found, 'spillway_run_in_progress')).toEqual({ '': 0 })
})

it('is described, and takes no questions', async () => {
  const { json } = await daemon.ask('GET', '/openapi.json')
  const { '/metrics': path } = json['paths'] as Record<string, Record<string, unknown>>
  expect(JSON.stringify(path)).toContain('text/plain; version=0.0.4; charset=utf-8')
  expect((await daemon.ask('GET', '/metrics?name[]=up')).status).toBe(400)
  expect((await daemon.ask('POST', '/metrics', { body: {} })).status).toBe(405)
})
