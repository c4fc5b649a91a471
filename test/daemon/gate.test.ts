// Who gets in: every route is walked without a token and with each that is too weak, and requests are sent
// as bytes that no browser and no library would send.

import Database from 'better-sqlite3'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { HTTP_LIMITS } from '../../src/daemon/http-limits.ts'
import { ROUTES } from '../../src/daemon/serve.ts'
import { spillway } from '../support/command-sources.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'
import type { Scope } from '../../src/domain/token.ts'

const ID = '01a1ffed-0d53-73be-8648-e5e22ae4b5d6'
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const

let world: World
let daemon: TestDaemon
beforeAll(async () => {
  world = await World.make([{}])
  daemon = await TestDaemon.start(world)
})
afterAll(async () => {
  await daemon.stop()
  await world.close()
})

const pathOf = (at: string): string =>
  at.replace('{id}', ID).replace('{number}', '9').replace('{ticket}', 'x'.repeat(43))
const guarded = ROUTES.filter(({ scope }) => scope !== 'public')

describe('without a right token', () => {
  it.each(guarded.map(({ at }) => at))(
    '%s tells nothing, whatever the method [F95a]',
    async (at) => {
      for (const method of METHODS) {
        for (const authorization of [
          '',
          'Bearer ',
          'Bearer wrong',
          'Basic YTpi',
          daemon.tokens.admin,
        ]) {
          const answer = await daemon.ask(method, pathOf(at), { headers: { authorization } })
          // Many wrong ones in a minute are told so; they get no further either way.
          expect([401, 429], `${method} ${authorization}`).toContain(answer.status)
          expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
        }
      }
    },
  )

  it('what does not exist looks the same as what does', async () => {
    const headers = { authorization: '' }
    expect((await daemon.ask('GET', '/api/nothing', { headers })).status).toBe(401)
    expect((await daemon.ask('GET', '/api/nothing')).status).toBe(404)
  })

  it('a right one passes while others guess [F99a]', async () => {
    const guess = { headers: { authorization: 'Bearer spw_guess' } }
    for (let times = 0; times < 15; times += 1) await daemon.ask('GET', '/api/jobs', guess)
    const refused = await daemon.ask('GET', '/api/jobs', guess)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60'])
    expect((await daemon.ask('GET', '/api/jobs')).status).toBe(200)
  })
})

describe('a token', () => {
  // Written out: asked of the product, a product that lets everybody in would leave nothing to test.
  const MAY_NOT: Readonly<Record<string, readonly Scope[]>> = {
    read: [],
    run: ['read'],
    restore: ['read', 'run'],
    admin: ['read', 'run', 'restore'],
    ticket: [],
  }
  const table = guarded.flatMap((route) =>
    MAY_NOT[route.scope]!.map((scope) => [scope, route.method, route.at] as const),
  )
  it.each(table)('for %s may not %s %s [F95a]', async (scope, method, at) => {
    const { status, json } = await daemon.ask(method, pathOf(at), { scope })
    expect([status, json['status']]).toEqual([403, 403])
  })

  it('that nobody made yet is none, and a look for it makes no folder', async () => {
    const place = mkdtempSync(join(tmpdir(), 'spillway-nothing-'))
    onTestFinished(() => rmSync(place, { recursive: true }))
    const { exit, out, err } = await spillway([
      ...['token', 'list', '--json', '--config', join(place, '.env')],
    ])
    expect([exit, JSON.parse(out.toString()), err]).toEqual([0, { tokens: [] }, ''])
    const revoked = await spillway(['token', 'revoke', 'brief', '--config', join(place, '.env')])
    expect([revoked.exit, revoked.err]).toEqual([
      2,
      expect.stringContaining('there is no token "brief"') as string,
    ])
    expect(readdirSync(place)).toEqual([])
  })

  it('is printed alone, kept as a hash only, and worth nothing once revoked [F95a]', async () => {
    const config = ['--config', world.envFile]
    const made = await spillway(['token', 'create', 'brief', ...config])
    const token = made.out.toString().trim()
    expect(made.out.toString()).toMatch(/^spw_[\w-]{43}\n$/)
    const path = join(world.folder, 'data/state.sqlite')
    for (const file of [path, `${path}-wal`])
      expect(readFileSync(file).includes(token.slice(12)), file).toBe(false)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const headers = { authorization: `Bearer ${token}` }
    expect((await daemon.ask('GET', '/api/jobs', { headers })).status).toBe(200)
    expect((await spillway(['token', 'revoke', 'brief', ...config])).exit).toBe(0)
    expect((await daemon.ask('GET', '/api/jobs', { headers })).status).not.toBe(200)
    expect((await spillway(['token', 'create', 'admin', ...config])).exit).toBe(2)
  })
})

it('a right token opens at its first use, too, while another process holds the state file', async () => {
  const made = await spillway(['token', 'create', 'first', '--config', world.envFile])
  const headers = { authorization: `Bearer ${made.out.toString().trim()}` }
  const other = new Database(join(world.folder, 'data/state.sqlite'))
  other.exec('begin immediate')
  onTestFinished(() => void other.close())
  const begun = performance.now()
  expect((await daemon.ask('GET', '/api/jobs', { headers })).status).toBe(200)
  expect((await daemon.ask('GET', '/api/jobs', { headers })).status).toBe(200)
  // A statement of the daemon waits for five seconds otherwise, and nobody is answered meanwhile.
  expect(performance.now() - begun).toBeLessThan(2_500)
})

it('what can be asked is what is described', async () => {
  const { json } = await daemon.ask('GET', '/openapi.json')
  const all = ['/openapi.json', ...ROUTES.map(({ at }) => at)]
  expect(Object.keys(json['paths'] as object)).toEqual([...new Set(all)])
})

describe('requests that no client of ours sends', () => {
  const auth = (): string => `Authorization: Bearer ${daemon.tokens.admin}\r\n`
  const host = (): string => `Host: 127.0.0.1:${daemon.port}\r\n`
  const get = (path: string, headers: string): string => `GET ${path} HTTP/1.1\r\n${headers}\r\n`
  const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])

  it.each([
    ['another name', () => `Host: evil.example\r\n`, 421],
    ['a name that begins as ours', () => `Host: 127.0.0.1.evil.example:${daemon.port}\r\n`, 421],
    ['our name without the port', () => 'Host: 127.0.0.1\r\n', 421],
    ['two names', () => `${host()}Host: evil.example\r\n`, 400],
    ['two names, the wrong one first', () => `Host: evil.example\r\n${host()}`, 400],
    ['no name', () => '', 400],
    ['a forwarded name', () => `Host: evil\r\nX-Forwarded-Host: 127.0.0.1:${daemon.port}\r\n`, 421],
  ])('with %s in Host get nowhere [F97]', async (_what, headers, status) => {
    expect(statusOf(await daemon.raw(get('/api/jobs', headers() + auth())))).toBe(status)
  })

  it.each([
    ['/api/..%2fjobs', 400],
    ['/api/%2e%2e/api/jobs', 400],
    ['//api/jobs', 400],
    ['/api//jobs', 400],
    ['/api/jobs;x=1', 400],
    ['/api/jobs%00', 400],
    ['/api/%c0%afjobs', 400],
    ['/api/./jobs', 400],
    ['/api/../api/jobs', 400],
    ['/api/jobs/', 404],
    ['/API/jobs', 404],
    ['/api/jobs?limit=1&limit=2', 400],
    ['/api/jobs?__proto__=1', 400],
    ['/api/jobs?limit=1?x', 400],
    ['/api/jobs?limit=-1', 400],
    ['/api/jobs?limit=1e9', 400],
  ])('for %s are refused, whoever asks [F98 F105]', async (path, status) => {
    expect(statusOf(await daemon.raw(get(path, host() + auth())))).toBe(status)
  })

  it('with a thousand parameters are refused [F98]', async () => {
    const path = `/api/jobs?${'a=1&'.repeat(1_000)}`
    expect(statusOf(await daemon.raw(get(path, host() + auth())))).toBe(400)
  })

  it('with a whole URL, a giant header or two lengths are refused [F98]', async () => {
    const whole = get(`http://127.0.0.1:${daemon.port}/api/jobs`, host() + auth())
    expect(statusOf(await daemon.raw(whole))).toBe(421)
    const withHeader = (bytes: number): string =>
      get('/api/jobs', `${host()}${auth()}X: ${'x'.repeat(bytes)}\r\n`)
    expect(statusOf(await daemon.raw(withHeader(HTTP_LIMITS.headerBytes)))).toBe(431)
    // With bytes still on their way, the end of the connection may overtake the answer.
    expect(await daemon.raw(withHeader(1_000_000))).toMatch(/^(HTTP\/1\.1 431 |$)/)
    const both =
      `POST /api/runs HTTP/1.1\r\n${host()}${auth()}Content-Type: application/json\r\n` +
      'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'
    expect(statusOf(await daemon.raw(both))).toBe(400)
    expect((await daemon.ask('GET', '/api/jobs')).json['jobs']).toEqual([])
  })

  it.each([
    ['a form', 'application/x-www-form-urlencoded', 'a=1', 415],
    ['text that looks like JSON', 'text/plain', '{}', 415],
    ['no type', '', '{}', 415],
    ['no JSON', 'application/json', '{', 400],
    ['something else than an object', 'application/json', '[]', 400],
    ['a prototype', 'application/json', '{"__proto__":{"sources":[]}}', 400],
    ['unknown fields', 'application/json', '{"source":["docs"]}', 400],
    ['too much', 'application/json', `{"sources":["${'x'.repeat(70_000)}"]}`, 413],
  ])('to start a run with %s start none [F96a F99a F105]', async (_what, type, body, status) => {
    const headers = { ...(type === '' ? {} : { 'content-type': type }) }
    const response = await fetch(`${daemon.url}api/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${daemon.tokens.admin}`, ...headers },
      body: Buffer.from(body),
    })
    expect(response.status).toBe(status)
    expect((await daemon.ask('GET', '/api/jobs')).json['jobs']).toEqual([])
  })

  it.each([
    ['Origin', 'http://evil.example', 403],
    ['Origin', 'null', 403],
    ['Sec-Fetch-Site', 'cross-site', 403],
    ['Sec-Fetch-Site', 'same-site', 403],
  ])('of another web site (%s: %s) are refused [F96a]', async (name, value, status) => {
    const ask = { headers: { [name]: value }, body: {} }
    expect((await daemon.ask('POST', '/api/runs', ask)).status).toBe(status)
  })

  it('that stop in the middle are closed, and hold nobody up [F99a]', async () => {
    const slow = daemon.raw(`GET /api/jobs HTTP/1.1\r\n${host()}X: `)
    const begun = performance.now()
    expect((await daemon.ask('GET', '/api/jobs')).status).toBe(200)
    // Half of what the slow one has.
    expect(performance.now() - begun).toBeLessThan(5_000)
    await slow
  })
})

it('on port 80, which clients leave out of the name, a request gets in; one for another name does not', async (test) => {
  // Not everybody may listen there, and who may has perhaps something there already.
  if (!(await mayListenOn(80))) return test.skip()
  const other = await World.make([{}])
  onTestFinished(() => other.close())
  const onEighty = await TestDaemon.start(other, undefined, { env: { LISTEN: '127.0.0.1:80' } })
  onTestFinished(async () => void (await onEighty.stop()))
  expect((await onEighty.ask('GET', '/api/jobs')).status).toBe(200)
  const stranger = { hostname: '127.0.0.1', path: '/healthz', headers: { host: 'evil.example' } }
  const status = await new Promise((resolve, reject) => {
    get(stranger, (response) => resolve(response.resume().statusCode)).on('error', reject)
  })
  expect(status).toBe(421)
})

async function mayListenOn(port: number): Promise<boolean> {
  const server = createServer()
  const may = await new Promise<boolean>((resolve) => {
    server.on('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  await new Promise((resolve) => server.close(resolve))
  return may
}
