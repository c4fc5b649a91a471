// The files of the page over real HTTP: who gets them, with what headers, and how large they may be.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { delayOf } from '../../src/daemon/scheduler.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

let world: World
let daemon: TestDaemon
beforeAll(async () => {
  world = await World.make([{}])
  world.env['RANDOM_DELAY_MINUTES'] = '720'
  daemon = await TestDaemon.start(world)
})
afterAll(async () => {
  await daemon.stop()
  await world.close()
})

// A phone on a slow line (1 Mbit/s) has the whole page in a second or two; whoever passes a bound looks first
// for what could be left out.
const FILES = [
  ['/', 'text/html; charset=utf-8', 2_000],
  ['/app.js', 'text/javascript; charset=utf-8', 150_000],
  ['/app.css', 'text/css; charset=utf-8', 40_000],
  ['/icon.svg', 'image/svg+xml; charset=utf-8', 2_000],
] as const

describe.each(FILES)('%s', (path, type, bytesMax) => {
  const get = (headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
    fetch(new URL(path, daemon.url), { method, headers })

  it('comes without a token, under a policy that runs nothing of others', async () => {
    const response = await get()
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(type)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).not.toMatch(/unsafe|data:|\*|http/)
    const rules = new Map(policy.split('; ').map((rule) => [rule.split(' ')[0], rule]))
    expect([...rules.values()]).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ])
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(response.headers.get('cross-origin-resource-policy')).toBe('same-origin')
    const { byteLength } = await response.arrayBuffer()
    expect(byteLength).toBeGreaterThan(200)
    expect(byteLength).toBeLessThan(bytesMax)
  })

  it('is asked about by HEAD, and not sent again to who has it', async () => {
    const whole = await get()
    const length = (await whole.arrayBuffer()).byteLength
    const head = await get({}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(length)])
    expect((await head.arrayBuffer()).byteLength).toBe(0)
    const etag = whole.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[\w-]{22}"$/)
    const known = await get({ 'if-none-match': `"other", W/${etag}` })
    expect([known.status, (await known.arrayBuffer()).byteLength]).toEqual([304, 0])
    expect((await get({ 'if-none-match': '"other"' })).status).toBe(200)
    expect(whole.headers.get('cache-control')).toBe('no-cache')
  })

  it('takes nothing', async () => {
    expect((await get({}, 'POST')).status).toBe(401)
    expect((await fetch(new URL(`${path}?a=1`, daemon.url))).status).toBe(400)
  })
})

describe('a link on another site', () => {
  const ask = (path: string, mode: string, dest: string, method = 'GET') => {
    const lines = [
      `${method} ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${daemon.port}`,
      'Sec-Fetch-Site: cross-site',
      `Sec-Fetch-Mode: ${mode}`,
      `Sec-Fetch-Dest: ${dest}`,
    ]
    return daemon.raw(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`)
  }

  it('opens the page, and nothing else', async () => {
    expect(await ask('/', 'navigate', 'document')).toMatch(/^HTTP\/1\.1 200 /)
    expect(await ask('/', 'navigate', 'iframe')).toMatch(/^HTTP\/1\.1 403 /)
    expect(await ask('/', 'no-cors', 'script')).toMatch(/^HTTP\/1\.1 403 /)
    expect(await ask('/app.js', 'no-cors', 'script')).toMatch(/^HTTP\/1\.1 403 /)
    expect(await ask('/healthz', 'navigate', 'document')).toMatch(/^HTTP\/1\.1 403 /)
    expect(await ask('/', 'navigate', 'document', 'POST')).toMatch(/^HTTP\/1\.1 403 /)
  })
})

it('a session is told what its token may do, and never the token', async () => {
  const { json, text } = await daemon.ask('GET', '/api/session', { scope: 'restore' })
  expect(json).toMatchObject({ token: 'restore', scope: 'restore', serverId: 'host' })
  expect(text).not.toContain(daemon.tokens.restore)
})

it('the next run is told as the scheduler starts it, with the delay of this host', async () => {
  const { json } = await daemon.ask('GET', '/api/session')
  const next = Date.parse(json['nextRunAt'] as string)
  expect(next).toBeGreaterThan(Date.now())
  const delayMs = delayOf({ serverId: 'host', randomDelayMs: 720 * 60_000 })
  expect(delayMs).toBeGreaterThan(60_000)
  const bySchedule = new Date(next - delayMs)
  expect([bySchedule.getHours(), bySchedule.getMinutes(), bySchedule.getSeconds()]).toEqual([
    2, 30, 0,
  ])
  expect(bySchedule.getTime() - Date.now()).toBeLessThan(25 * 3_600_000 - delayMs)
})

it('no source of the page writes markup, or asks anybody else', () => {
  const folder = join(import.meta.dirname, '../../src/page')
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:tsx?|html|css|svg)$/.test(name))
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))
  expect(sources.length).toBeGreaterThan(40)
  const forbidden =
    /innerHTML|outerHTML|insertAdjacent|document\.write|dangerously|\beval\b|new Function|style=|@import|url\(|https?:\/\/(?!www\.w3\.org\/2000\/svg)/
  expect(sources.filter(({ text }) => forbidden.test(text)).map(({ name }) => name)).toEqual([])
})
