// Bodies in signed chunks, by the example that AWS documents ("Signature calculations ... multiple chunks").

import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { unframed } from './s3-model-chunks.ts'

const SIGNATURES = [
  'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
  '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
  'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
]
const KEY = ['20130524', 'us-east-1', 's3', 'aws4_request'].reduce<Buffer>(
  (secret, text) => createHmac('sha256', secret).update(text).digest(),
  Buffer.from('AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
)
const SIGNING = {
  key: KEY,
  date: '20130524T000000Z',
  scope: '20130524/us-east-1/s3/aws4_request',
  signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
}
const CONTENT = Buffer.alloc(66_560, 'a')
const FRAMED = Buffer.concat(
  [65_536, 1_024, 0].map((size, at) =>
    Buffer.concat([
      Buffer.from(`${size.toString(16)};chunk-signature=${SIGNATURES[at]}\r\n`),
      Buffer.alloc(size, 'a'),
      Buffer.from('\r\n'),
    ]),
  ),
)

it.each([1, 7, 1_000, FRAMED.length])(
  'come out as they were, in pieces of %i bytes',
  async (by) => {
    expect((await read(FRAMED, by)).equals(CONTENT)).toBe(true)
  },
)

it('are refused when a byte of them was changed', async () => {
  const changed = Buffer.from(FRAMED)
  changed[66_000] = 'b'.charCodeAt(0)
  await expect(read(changed, 4_096)).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' })
  expect((await read(changed, 4_096, false)).length).toBe(CONTENT.length)
})

it.each([0, 40, 30_000, FRAMED.length - 1])(
  'are refused when they end after %i bytes',
  async (at) => {
    await expect(read(FRAMED.subarray(0, at), 4_096)).rejects.toMatchObject({
      code: 'IncompleteBody',
    })
  },
)

it('are refused without a header, and when a line does not end', async () => {
  const refused = { code: 'IncompleteBody' }
  await expect(read(Buffer.from('ffff\r\n'), 100)).rejects.toMatchObject(refused)
  await expect(read(Buffer.alloc(10_000, 'a'), 100)).rejects.toMatchObject(refused)
})

async function read(framed: Buffer, by: number, checks = true): Promise<Buffer> {
  async function* body() {
    for (let at = 0; at < framed.length; at += by) yield framed.subarray(at, at + by)
  }
  const pieces: Buffer[] = []
  for await (const piece of unframed(body(), SIGNING, checks)) pieces.push(piece)
  return Buffer.concat(pieces)
}
