// Request lines, paths, headers and connections as bytes, in forms that no browser and no library sends: each
// gets the answer that the table says, none starts anything, and the log has nothing to complain about.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient, statusesOf } from '../support/raw-client.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'
import type { Row } from '../support/raw-client.ts'

const ID = '01a1ffed-0d53-73be-8648-e5e22ae4b5d6'

let world: World
let daemon: TestDaemon
let client: RawClient
beforeAll(async () => {
  world = await World.make([{}])
  daemon = await TestDaemon.start(world)
  client = new RawClient(daemon)
})
afterAll(async () => {
  await daemon.stop()
  await world.close()
})

const head = (more = ''): string => client.head(more)
const post = (more: string, body: string): string => client.post(more, body)
const json = (body: string): string => client.json(body)

describe('a request line', () => {
  it.each<Row<readonly number[]>>([
    ['of HTTP/1.0 without a name', () => `GET /healthz HTTP/1.0\r\n\r\n`, [400]],
    ['of HTTP/1.0', () => `GET /healthz HTTP/1.0\r\n${client.host}\r\n`, [200]],
    ['of HTTP/2, as plain text', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
    ['of HTTP/3.7', () => `GET /healthz HTTP/3.7\r\n${head()}`, [400]],
    ['of HTTP/0.9', () => 'GET /healthz\r\n', [400]],
    ['of no HTTP', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
    ['with a whole URL', () => `GET http://127.0.0.1/api/jobs HTTP/1.1\r\n${head()}`, [421]],
    ['with a foreign URL', () => `GET http://evil.example/healthz HTTP/1.1\r\n${head()}`, [421]],
    ['with a mail address', () => `GET mailto:a@b HTTP/1.1\r\n${head()}`, [400]],
    ['that wants a tunnel', () => `CONNECT 127.0.0.1:22 HTTP/1.1\r\n${head()}`, []],
    ['that asks for options of all', () => `OPTIONS * HTTP/1.1\r\n${head()}`, [421]],
    ['that asks for options', () => `OPTIONS /api/jobs HTTP/1.1\r\n${head()}`, [405]],
    ['that wants its own words back', () => `TRACE /api/jobs HTTP/1.1\r\n${head()}`, [405]],
    ['with a method of WebDAV', () => `PROPFIND /api/jobs HTTP/1.1\r\n${head()}`, [405]],
    ['with a method of nobody', () => `FROB /api/jobs HTTP/1.1\r\n${head()}`, [400]],
    ['with a method in small letters', () => `get /api/jobs HTTP/1.1\r\n${head()}`, [400]],
    [
      'with a method of the headers',
      () => `GET /api/runs HTTP/1.1\r\n${head('X-HTTP-Method-Override: POST\r\n')}`,
      [200],
    ],
    // The parser of Node lets it pass; there is but one way to read it.
    ['with two blanks', () => `GET  /api/jobs HTTP/1.1\r\n${head()}`, [200]],
    ['with a tab', () => `GET\t/api/jobs HTTP/1.1\r\n${head()}`, [400]],
    ['with a bare line feed', () => `GET /api/jobs HTTP/1.1\n${head()}`, [400]],
    ['with NUL', () => `GET /api/jobs\0 HTTP/1.1\r\n${head()}`, [400]],
    ['with bytes beyond ASCII', () => `GET /api/j\xf6bs HTTP/1.1\r\n${head()}`, [400]],
    ['with 100 000 characters', () => `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n${head()}`, [431]],
    [
      'with 100 000 parameters',
      () => `GET /api/jobs?${'a&'.repeat(100_000)} HTTP/1.1\r\n${head()}`,
      [431],
    ],
    ['with an empty line before it', () => `\r\nGET /healthz HTTP/1.1\r\n${head()}`, [200]],
  ])('%s', async (_what, bytes, statuses) => client.expect(bytes(), statuses))
})

describe('a path', () => {
  it.each([
    ['/api%2fjobs', 400],
    ['/api/..%2Fjobs', 400],
    ['/api/..%5cjobs', 400],
    ['/api\\jobs', 400],
    ['/api/%2e%2e/api/jobs', 400],
    ['/api/.%2e/api/jobs', 400],
    ['/api/%252e%252e/api/jobs', 404],
    ['/api/%c0%ae%c0%ae/api/jobs', 400],
    ['/api/%e0%80%ae/jobs', 400],
    ['/api/%u002e%u002e/jobs', 400],
    ['/api/jobs%0d%0aX:%20y', 404],
    ['/api/jobs%', 400],
    ['/api/jobs%zz', 400],
    ['/api/%6aobs', 200],
    ['/api/jobs#x', 400],
    ['/api/jobs?', 200],
    ['//127.0.0.1/api/jobs', 400],
    ['/./api/jobs', 400],
    ['/api/jobs/..', 400],
    ['/api/jobs/%00', 400],
    ['/api/jobs/__proto__', 400],
    ['/api/jobs/constructor', 400],
    ['/constructor', 404],
    [`/api/jobs/${ID}`, 404],
    [`/api/jobs/${ID.toUpperCase()}`, 400],
    [`/api/jobs/${'9'.repeat(5_000)}`, 400],
    [`/api/servers/${'9'.repeat(300)}/test`, 405],
    ['/api/jobs?constructor=1', 400],
    ['/api/jobs?limit[]=1', 400],
    ['/api/jobs?limit=1e999', 400],
    ['/api/jobs?limit=NaN', 400],
    ['/api/jobs?limit=1.5', 400],
    ['/api/jobs?limit=', 400],
    ['/api/jobs?limit=%00', 400],
    ['/api/jobs?before=../../etc/passwd', 400],
    ['/api/jobs?%6cimit=1&limit=1', 400],
    ['/api/files?pattern=%00', 400],
    ['/api/files?pattern=%ff', 404],
  ] as const)('%s: %i', async (path, status) =>
    client.expect(`GET ${path} HTTP/1.1\r\n${head()}`, [status]),
  )
})

describe('headers', () => {
  it.each<Row<readonly number[]>>([
    ['with bare line feeds', () => head().replaceAll('\r\n', '\n'), [400]],
    ['with one folded line', () => head('X-A: b\r\n c\r\n'), [400]],
    ['that begin with a fold', () => ` ${head()}`, [400]],
    ['with a blank before the colon', () => head('Content-Length : 0\r\n'), [400]],
    ['without a colon', () => head('nonsense\r\n'), [400]],
    ['with NUL in a value', () => head('X-A: \0\r\n'), [400]],
    ['with a carriage return in a value', () => head('X-A: b\rX-B: c\r\n'), [400]],
    ['with a name of JavaScript', () => head('__proto__: x\r\nconstructor: y\r\n'), [200]],
    ['of a megabyte', () => head(`X: ${'x'.repeat(1_000_000)}\r\n`), [431]],
    ['in a thousand lines', () => head('X: x\r\n'.repeat(5_000)), [431]],
    ['with two tokens, the right one first', () => head('Authorization: Bearer no\r\n'), [400]],
    ['with two tokens, the wrong one first', () => `Authorization: Bearer no\r\n${head()}`, [400]],
    [
      'with a name with a final dot',
      () => `Host: localhost.:${daemon.port}\r\n${client.auth}\r\n`,
      [421],
    ],
    [
      'with a name and a user',
      () => `Host: a@127.0.0.1:${daemon.port}\r\n${client.auth}\r\n`,
      [421],
    ],
    ['with an empty name', () => `Host:\r\n${client.auth}\r\n`, [421]],
    [
      'with two names in one',
      () => `Host: 127.0.0.1:${daemon.port}, evil\r\n${client.auth}\r\n`,
      [421],
    ],
    [
      'with names of proxies',
      () =>
        head(
          'Forwarded: host=evil\r\nX-Forwarded-Host: evil\r\nX-Forwarded-For: 1.2.3.4\r\nX-Original-URL: /api/servers\r\n',
        ),
      [200],
    ],
    [
      'that want a web socket',
      () =>
        `${client.host}Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.example\r\n\r\n`,
      [403],
    ],
    [
      'that want HTTP/2',
      () =>
        `${client.host}${client.auth}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
      [200],
    ],
    ['with a token in the query only', () => `${client.host}Connection: close\r\n\r\n`, [401]],
    [
      'with a token as a cookie only',
      () => `${client.host}Connection: close\r\nCookie: token=${daemon.tokens.admin}\r\n\r\n`,
      [401],
    ],
    [
      'of a page that shows a picture',
      () =>
        head('Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n'),
      [403],
    ],
    [
      'with an origin like ours',
      () => head(`Origin: http://127.0.0.1:${daemon.port}.evil.example\r\n`),
      [403],
    ],
    [
      'with two origins',
      () => head(`Origin: http://127.0.0.1:${daemon.port}\r\nOrigin: http://evil.example\r\n`),
      [400],
    ],
  ])('%s', async (_what, headers, statuses) =>
    client.expect(`GET /api/jobs HTTP/1.1\r\n${headers()}`, statuses),
  )
})

describe('on one connection', () => {
  const ask = (path: string, more = ''): string =>
    `GET ${path} HTTP/1.1\r\n${client.host}${client.auth}${more}\r\n`

  it('requests behind each other are answered in order, each by its own token', async () => {
    const bytes =
      ask('/healthz') +
      `GET /api/jobs HTTP/1.1\r\n${client.host}\r\n` +
      ask('/api/jobs', 'Connection: close\r\n')
    await client.expect(bytes, [200, 401, 200])
  })

  it('nothing behind one that cannot be read is looked at', async () => {
    await client.expect(`GET /api/jobs HTTP/1.1\r\nX : y\r\n${head()}${json('{}')}`, [400])
    await client.expect(`${post('Content-Length: 70000\r\n', '')}${json('{}')}`, [413])
    const smuggled = `0\r\n\r\n${json('{}')}`
    const both = `Transfer-Encoding: chunked\r\nContent-Length: ${smuggled.length}\r\n`
    await client.expect(post(both, smuggled), [400])
  })

  it('what cannot be read does not break into an answer that is on its way', async () => {
    const answer = await daemon.raw(`${ask('/api/servers')}${ask('/openapi.json')}\0\0\0\r\n\r\n`)
    for (const piece of answer.split(/(?=HTTP\/1\.1 200)/).filter((text) => text !== '')) {
      const length = Number(/^content-length: (\d+)/im.exec(piece)?.[1] ?? 0)
      const [, body = ''] = piece.split(/\r\n\r\n/)
      if (piece.startsWith('HTTP/1.1 200')) expect(body.length).toBeLessThanOrEqual(length)
    }
  })

  it('a body that was announced is asked for when it will be read, and not before', async () => {
    const wants = 'Content-Length: 5\r\nExpect: 100-continue\r\n'
    const wrong = `POST /api/runs HTTP/1.1\r\n${client.host}Content-Type: application/json\r\n${wants}\r\n`
    expect(statusesOf(await daemon.raw(wrong))).toEqual([401])
    const large = post('Content-Length: 500000\r\nExpect: 100-continue\r\n', '')
    expect(statusesOf(await daemon.raw(large))).toEqual([413])
    expect(statusesOf(await daemon.raw(post(wants, '[1,2]')))).toEqual([100, 400])
    await client.expect(post('Content-Length: 2\r\nExpect: cookies\r\n', '[]'), [417])
  })

  it('HEAD says what GET says, without the body, and 405 says what is taken', async () => {
    const answer = await daemon.raw(`HEAD /api/jobs HTTP/1.1\r\n${head()}`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer.split('\r\n\r\n')[1]).toBe('')
    const wrong = await daemon.raw(`DELETE /api/jobs HTTP/1.1\r\n${head()}`)
    expect(wrong).toMatch(/^HTTP\/1\.1 405 /)
    expect(wrong).toMatch(/^Allow: GET, HEAD\r$/m)
  })

  it('every answer has the headers that keep pages away from it', async () => {
    for (const path of ['/healthz', '/api/jobs', '/nothing', '/api/..', '/metrics']) {
      const answer = await daemon.raw(`GET ${path} HTTP/1.1\r\n${head()}`)
      expect(answer).toMatch(/^Content-Security-Policy: default-src 'none'/m)
      expect(answer).toMatch(/^X-Content-Type-Options: nosniff\r$/m)
      expect(answer).toMatch(/^Cross-Origin-Resource-Policy: same-origin\r$/m)
      expect(answer).not.toMatch(/^(?:Access-Control|Set-Cookie|Server|X-Powered-By)/im)
    }
  })
})
