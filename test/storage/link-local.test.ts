// Link-local addresses are no servers, whoever configured them: by the address, and by a name when it is looked up.

import { lookup } from 'node:dns/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { isLinkLocal, LINK_LOCAL_CODE, lookupElsewhere } from '../../src/lib/link-local.ts'
import { createHandler } from '../../src/storage/s3-client.ts'
import { FAST_LIMITS, never, NO_PROXY, s3Server } from '../support/storages.ts'

// Looked up by the system like any name; for its resolver it is 169.254.169.254.
const NAME = '2852039166'
const KEYS = { accessKey: 'k', secretKey: 's', region: 'us-east-1' }

let port: number
const canary = createServer((_request, response) => {
  response.writeHead(200, { etag: '"1"' }).end()
})
beforeAll(async () => {
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve))
  port = (canary.address() as AddressInfo).port
})
afterAll(() => void canary.close())

it.each([
  ['169.254.0.1', true],
  ['[fe80::1]', true],
  ['fe80::1%eth0', true],
  ['::ffff:169.254.1.1', true],
  ['64:ff9b::a9fe:a9fe', true],
  ['2002:a9fe:a9fe::1', true],
  ['fd00:ec2::254', true],
  ['169.253.255.255', false],
  ['10.0.0.1', false],
  ['127.0.0.1', false],
  ['[::1]', false],
  ['fd00::1', false],
  ['s3.example.net', false],
])('%s: %s', (host, expected) => expect(isLinkLocal(host)).toBe(expected))

describe('a name that leads to a link-local address', () => {
  it('is refused when it is looked up, in both forms in which Node asks', async () => {
    expect((await lookup(NAME)).address).toBe('169.254.169.254')
    for (const all of [true, false]) {
      const code = await new Promise((resolve) =>
        lookupElsewhere(NAME, { all }, (error) => resolve(error?.code)),
      )
      expect(code).toBe(LINK_LOCAL_CODE)
    }
    const found = await new Promise((resolve) =>
      lookupElsewhere('localhost', { family: 4 }, (_error, address) => resolve(address)),
    )
    expect(found).toBe('127.0.0.1')
  })

  it.each(['http:', 'https:'])('gets no connection of an S3 server by %s', async (protocol) => {
    const server = s3Server({ endpoint: `${protocol}//s3.example.net`, bucket: 'b-1', keys: KEYS })
    const input = { server, proxy: NO_PROXY, connectMs: 2_000, rateLimit: undefined }
    const handler = createHandler(input)
    const request = { method: 'GET', protocol, hostname: NAME, path: '/', headers: {} }
    const exchange = { silence: { silenceMs: 2_000 } }
    const asked = handler.handle(request, { abortSignal: never, exchange } as never)
    await expect(asked).rejects.toMatchObject({ code: LINK_LOCAL_CODE })
    handler.destroy()
  })
})

it('an address of that kind is a misconfigured server, and others are reached as before', async () => {
  const options = { proxy: NO_PROXY, limits: FAST_LIMITS, rateLimit: undefined, isKnown: false }
  const open = (endpoint: string) =>
    openStorage(s3Server({ endpoint, bucket: 'b-1', keys: KEYS }), options)
  for (const endpoint of ['http://169.254.169.254', 'https://[fe80::1]']) {
    const storage = open(endpoint)
    const refused = storage.head('key', never)
    await expect(refused).rejects.toThrow(/link-local/)
    await expect(refused).rejects.toMatchObject({
      ...{ code: 'SERVER_NOT_S3', failure: { server: 'misconfigured', repeat: 0 } },
    })
    storage.close()
  }
  const storage = open(`http://localhost:${port}`)
  await expect(storage.head('key', never)).resolves.toBeDefined()
  storage.close()
})
