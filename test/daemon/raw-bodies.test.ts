// Bodies and their lengths as bytes, in forms that no browser and no library sends (raw-requests.test.ts has the
// rest of a request).

import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
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
  ])('%s', async (_what, bytes, statuses) => client.expect(bytes(), statuses))

  it("that is never sent is nobody's error", async () => {
    await client.expect(post('Content-Length: 50\r\n', '{"sources":'), [400])
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
  ])('%s', async (_what, bytes, status) => client.expect(bytes(), [status]))

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
    await client.expect(bytes, [415])
  })

  it('where none is taken', async () => {
    const more = 'Content-Type: application/json\r\nContent-Length: 2\r\n'
    await client.expect(`GET /api/jobs HTTP/1.1\r\n${head(more)}{}`, [400])
    await client.expect(`DELETE /api/jobs/${ID} HTTP/1.1\r\n${head(more)}{}`, [400])
  })
})
