// Requests as bytes, in the forms that no browser and no library sends: each gets the answer that the table
// says, none starts anything, and the daemon has nothing to complain about in its log.

import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const ID = '01a1ffed-0d53-73be-8648-e5e22ae4b5d6'

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

const host = (): string => `Host: 127.0.0.1:${daemon.port}\r\n`
const auth = (): string => `Authorization: Bearer ${daemon.tokens.admin}\r\n`
/** Right in all that a case does not change; closed after the answer, so that nobody waits. */
const head = (more = ''): string => `${host()}${auth()}Connection: close\r\n${more}\r\n`
const post = (more: string, body: string): string =>
  `POST /api/runs HTTP/1.1\r\n${head(`Content-Type: application/json\r\n${more}`)}${body}`
const json = (body: string): string => post(`Content-Length: ${body.length}\r\n`, body)

/** Of each answer that came, in order; empty: closed without a word. */
const statusesOf = (answer: string): readonly number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

async function expectRefused(bytes: string, statuses: readonly number[]): Promise<void> {
  const jobs = async (): Promise<readonly unknown[]> =>
    (await daemon.ask('GET', '/api/jobs')).json['jobs'] as unknown[]
  const before = (await jobs()).length
  expect(statusesOf(await daemon.raw(bytes))).toEqual(statuses)
  expect((await jobs()).length).toBe(before)
  expect(daemon.log.filter((line) => /bug|queue cannot/.test(line))).toEqual([])
}

type Row<Expected> = readonly [string, () => string, Expected]

describe('a request line', () => {
  it.each<Row<readonly number[]>>([
    ['of HTTP/1.0 without a name', () => `GET /healthz HTTP/1.0\r\n\r\n`, [400]],
    ['of HTTP/1.0', () => `GET /healthz HTTP/1.0\r\n${host()}\r\n`, [200]],
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
  ])('%s', async (_what, bytes, statuses) => expectRefused(bytes(), statuses))
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
    [`/api/servers/${'9'.repeat(300)}`, 404],
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
    expectRefused(`GET ${path} HTTP/1.1\r\n${head()}`, [status]),
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
      () => `Host: localhost.:${daemon.port}\r\n${auth()}\r\n`,
      [421],
    ],
    ['with a name and a user', () => `Host: a@127.0.0.1:${daemon.port}\r\n${auth()}\r\n`, [421]],
    ['with an empty name', () => `Host:\r\n${auth()}\r\n`, [421]],
    ['with two names in one', () => `Host: 127.0.0.1:${daemon.port}, evil\r\n${auth()}\r\n`, [421]],
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
        `${host()}Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.example\r\n\r\n`,
      [403],
    ],
    [
      'that want HTTP/2',
      () =>
        `${host()}${auth()}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
      [200],
    ],
    ['with a token in the query only', () => `${host()}Connection: close\r\n\r\n`, [401]],
    [
      'with a token as a cookie only',
      () => `${host()}Connection: close\r\nCookie: token=${daemon.tokens.admin}\r\n\r\n`,
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
    expectRefused(`GET /api/jobs HTTP/1.1\r\n${headers()}`, statuses),
  )
})

describe('the length of a body', () => {
  const chunked = '2\r\n{}\r\n0\r\n\r\n'
  it.each<Row<readonly number[]>>([
    [
      'given twice, the same',
      () => post('Content-Length: 3\r\nContent-Length: 3\r\n', '{}!'),
      [400],
    ],
    [
      'given twice, another',
      () => post('Content-Length: 3\r\nContent-Length: 50\r\n', '{}!'),
      [400],
    ],
    ['as a list', () => post('Content-Length: 3, 3\r\n', '{}!'), [400]],
    ['with a sign', () => post('Content-Length: +3\r\n', '{}!'), [400]],
    ['negative', () => post('Content-Length: -3\r\n', '{}!'), [400]],
    ['in hexadecimal', () => post('Content-Length: 0x3\r\n', '{}!'), [400]],
    ['beyond 64 bits', () => post(`Content-Length: ${'9'.repeat(30)}\r\n`, '{}!'), [400]],
    ['of 10 GB', () => post('Content-Length: 10000000000\r\n', '{}'), [413]],
    [
      'beside chunks',
      () => post('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', chunked),
      [400],
    ],
    [
      'chunks beside it',
      () => post('Transfer-Encoding: chunked\r\nContent-Length: 2\r\n', chunked),
      [400],
    ],
    ['in odd chunks', () => post('Transfer-Encoding: xchunked\r\n', chunked), [400]],
    [
      'in chunks and something',
      () => post('Transfer-Encoding: chunked, identity\r\n', chunked),
      [400],
    ],
    [
      'in chunks before a tab',
      () => post('Transfer-Encoding:\tchunked \r\n', chunked.replace('{}', '{!')),
      [400],
    ],
    ['in CHUNKS', () => post('Transfer-Encoding: CHUNKED\r\n', chunked.replace('{}', '{!')), [400]],
    [
      'in chunks with a wrong size',
      () => post('Transfer-Encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'),
      [400],
    ],
    [
      'in chunks of a negative size',
      () => post('Transfer-Encoding: chunked\r\n', '-2\r\n{}\r\n0\r\n\r\n'),
      [400],
    ],
    [
      'in chunks of a giant size',
      () => post('Transfer-Encoding: chunked\r\n', `${'f'.repeat(17)}\r\n{}\r\n`),
      [400],
    ],
    [
      'in chunks beyond 64 KiB',
      () => post('Transfer-Encoding: chunked\r\n', `11000\r\n${' '.repeat(0x11000)}\r\n0\r\n\r\n`),
      [413],
    ],
    [
      'in chunks with giant extensions',
      () => post('Transfer-Encoding: chunked\r\n', `2;${'x'.repeat(100_000)}\r\n{}\r\n0\r\n\r\n`),
      [413],
    ],
    ['in compressed chunks', () => post('Transfer-Encoding: gzip, chunked\r\n', chunked), [415]],
  ])('%s', async (_what, bytes, statuses) => expectRefused(bytes(), statuses))

  it("that is never sent is nobody's error", async () => {
    await expectRefused(post('Content-Length: 50\r\n', '{"sources":'), [400])
  })
})

describe('a body', () => {
  const zipped = gzipSync('{"sources":["docs"]}').toString('latin1')
  it.each<Row<number>>([
    ['of nothing', () => json(''), 400],
    ['of blanks', () => json('  '), 400],
    ['with a byte order mark', () => json('\xef\xbb\xbf{"sources":["none"]}'), 400],
    ['of invalid UTF-8', () => json('{"sources":["\xff\xfe"]}'), 400],
    ['of overlong UTF-8', () => json('{"sources":["\xc0\xaf"]}'), 400],
    ['of UTF-16', () => json('{\0}\0'), 400],
    ['with NUL', () => json('{"sources":["a\\u0000b"]}'), 400],
    ['with a key given twice', () => json('{"sources":["none"],"sources":["docs"]}'), 400],
    [
      'with a key given twice, one escaped',
      () => json('{"sources":["none"],"\\u0073ources":["docs"]}'),
      400,
    ],
    ['with the key constructor', () => json('{"constructor":{"prototype":{"sources":[]}}}'), 400],
    ['with the key __proto__, escaped', () => json('{"\\u005f_proto__":{}}'), 400],
    ['with the key toString', () => json('{"toString":1}'), 400],
    [
      'nested 30 000 deep',
      () => json(`{"sources":${'['.repeat(30_000)}${']'.repeat(30_000)}}`),
      400,
    ],
    [
      'nested 10 000 objects deep',
      () => json(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`),
      400,
    ],
    ['with a number beyond all', () => json('{"sources":1e999}'), 400],
    ['with NaN', () => json('{"sources":NaN}'), 400],
    ['with a comment', () => json('{"sources":[] /* all */}'), 400],
    ['with something behind it', () => json('{} {}'), 400],
    ['that is text', () => json('"{}"'), 400],
    ['that is null', () => json('null'), 400],
    ['of too many sources', () => json(`{"sources":[${'"a",'.repeat(1_000)}"a"]}`), 400],
    [
      'of gzip',
      () => post(`Content-Encoding: gzip\r\nContent-Length: ${zipped.length}\r\n`, zipped),
      415,
    ],
    ['said to be gzip', () => post('Content-Encoding: gzip\r\nContent-Length: 2\r\n', '{}'), 415],
    ['of two types', () => post('Content-Type: text/plain\r\nContent-Length: 2\r\n', '{}'), 400],
  ])('%s', async (_what, bytes, status) => expectRefused(bytes(), [status]))

  it.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/json; charset=utf-16'],
    ['application/json, text/plain'],
    ['application/jsonp'],
    ['text/json'],
    ['application/json;;'],
  ])('of the type %s', async (type) => {
    const bytes = `POST /api/runs HTTP/1.1\r\n${head(`Content-Type: ${type}\r\nContent-Length: 2\r\n`)}{}`
    await expectRefused(bytes, [415])
  })

  it('where none is taken', async () => {
    const more = 'Content-Type: application/json\r\nContent-Length: 2\r\n'
    await expectRefused(`GET /api/jobs HTTP/1.1\r\n${head(more)}{}`, [400])
    await expectRefused(`DELETE /api/jobs/${ID} HTTP/1.1\r\n${head(more)}{}`, [400])
  })
})

describe('on one connection', () => {
  const ask = (path: string, more = ''): string =>
    `GET ${path} HTTP/1.1\r\n${host()}${auth()}${more}\r\n`

  it('requests behind each other are answered in order, each by its own token', async () => {
    const bytes =
      ask('/healthz') +
      `GET /api/jobs HTTP/1.1\r\n${host()}\r\n` +
      ask('/api/jobs', 'Connection: close\r\n')
    await expectRefused(bytes, [200, 401, 200])
  })

  it('nothing behind one that cannot be read is looked at', async () => {
    await expectRefused(`GET /api/jobs HTTP/1.1\r\nX : y\r\n${head()}${json('{}')}`, [400])
    await expectRefused(`${post('Content-Length: 70000\r\n', '')}${json('{}')}`, [413])
    const smuggled = `0\r\n\r\n${json('{}')}`
    const both = `Transfer-Encoding: chunked\r\nContent-Length: ${smuggled.length}\r\n`
    await expectRefused(post(both, smuggled), [400])
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
    const wrong = `POST /api/runs HTTP/1.1\r\n${host()}Content-Type: application/json\r\n${wants}\r\n`
    expect(statusesOf(await daemon.raw(wrong))).toEqual([401])
    const large = post('Content-Length: 500000\r\nExpect: 100-continue\r\n', '')
    expect(statusesOf(await daemon.raw(large))).toEqual([413])
    expect(statusesOf(await daemon.raw(post(wants, '[1,2]')))).toEqual([100, 400])
    await expectRefused(post('Content-Length: 2\r\nExpect: cookies\r\n', '[]'), [417])
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
