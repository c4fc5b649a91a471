// What really goes over the wire, seen by a server that believes nothing: the bytes as they are, signed,
// and nothing that came from somewhere else than our configuration.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { addressingOf, createClient, createHandler } from '../../src/storage/s3-client.ts'
import { startS3Model } from '../support/s3-model.ts'
import { FAST_LIMITS, freshKey, never, NO_PROXY, partBody, s3Server } from '../support/storages.ts'

const KEYS = { accessKey: 'model-access-key', secretKey: 'model-secret-key', region: 'us-east-1' }
const options = { proxy: NO_PROXY, limits: FAST_LIMITS, rateLimit: undefined, isKnown: false }

afterEach(() => void vi.unstubAllEnvs())

describe('a part on the wire', () => {
  it.each([
    { from: 'the spool', isHashed: false },
    { from: 'memory, with its SHA-256', isHashed: true },
  ])('from $from is its bytes and nothing else, with length and signed MD5', async (given) => {
    const bytes = randomBytes(700_000)
    const { sha256, ...unhashed } = partBody(bytes)
    const { head, body } = await captured(async (endpoint) => {
      const storage = openStorage(s3Server({ endpoint, bucket: 'archives', keys: KEYS }), options)
      const upload = { key: freshKey(), token: 't', uploadId: 'u' }
      const part = {
        number: 1,
        offsetBytes: 0,
        body: given.isHashed ? { ...unhashed, sha256: sha256! } : unhashed,
      }
      await storage.putPart(upload, part, never)
      storage.close()
    })

    const hash = (name: string) => createHash(name).update(bytes)
    expect(body.equals(bytes)).toBe(true)
    expect(head).toMatch(/^content-length: 700000$/im)
    expect(head).toContain(`content-md5: ${hash('md5').digest('base64')}`)
    const payload = given.isHashed ? hash('sha256').digest('hex') : 'UNSIGNED-PAYLOAD'
    expect(head).toContain(`x-amz-content-sha256: ${payload}`)
    expect(head).toMatch(/SignedHeaders=[^,]*content-md5[^,]*x-amz-content-sha256/)
    expect(head).not.toMatch(/chunked|trailer|x-amz-checksum|x-amz-sdk-checksum|^expect:/im)
  })
})

describe('the client', () => {
  it('takes nothing from the environment', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'FROM-ENVIRONMENT')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'from-environment')
    vi.stubEnv('AWS_SESSION_TOKEN', 'from-environment')
    vi.stubEnv('AWS_REGION', 'from-environment')
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://127.0.0.1:1')
    vi.stubEnv('AWS_REQUEST_CHECKSUM_CALCULATION', 'WHEN_SUPPORTED')
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent/config')
    vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:1')
    const model = await startS3Model({ keep: 'memory' })
    const storage = openStorage(s3Server(model), options)
    const key = freshKey()
    await storage.putSmall(key, partBody(Buffer.from('hello')).open(), 'token', never)

    expect(model.objects()).toHaveLength(1)
    expect(JSON.stringify(model.log.map(({ headers }) => headers))).not.toMatch(/from-environment/i)
    storage.close()
    await model.close()
  })

  it.each([
    {
      endpoint: 'https://s3.eu-west-1.amazonaws.com',
      region: 'eu-west-1',
      host: 'archives.s3.eu-west-1.amazonaws.com',
    },
    {
      endpoint: 'https://s3.amazonaws.com',
      region: 'eu-central-1',
      host: 'archives.s3.eu-central-1.amazonaws.com',
    },
    { endpoint: 'https://s3.example.com', region: 'x', host: 's3.example.com/archives' },
    { endpoint: 'https://s3.example.com:9000', region: 'x', host: 's3.example.com:9000/archives' },
    { endpoint: 'https://[fd00::1]:9000', region: 'x', host: '[fd00::1]:9000/archives' },
  ])('addresses $endpoint as $host', async ({ endpoint, region, host }) => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    const server = s3Server({ endpoint, bucket: 'archives', keys: { ...KEYS, region } })
    const input = { server, proxy: NO_PROXY, connectMs: 1, rateLimit: undefined }
    const client = createClient(server, createHandler(input), addressingOf(server))
    const { HeadObjectCommand } = await import('@aws-sdk/client-s3')
    const command = new HeadObjectCommand({ Bucket: 'archives', Key: 'k' })
    let seen = ''
    command.middlewareStack.add(
      () => async (args) => {
        const { hostname, port, path } = args.request as {
          hostname: string
          port?: number
          path: string
        }
        seen = `${hostname}${port === undefined ? '' : `:${port}`}${path}`
        throw new Error('seen')
      },
      { step: 'finalizeRequest', priority: 'low' },
    )
    await client.send(command).catch(() => {})
    expect(seen).toBe(`${host}/k`)
  })

  it('does not warn about the version of Node', async () => {
    const warnings: string[] = []
    const listen = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', listen)
    const server = s3Server({ endpoint: 'https://s3.example.com', bucket: 'b', keys: KEYS })
    createClient(
      server,
      createHandler({ server, proxy: NO_PROXY, connectMs: 1, rateLimit: undefined }),
      addressingOf(server),
    )
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    expect(warnings).toEqual([])
  })
})

/** The raw bytes of one request, which is answered like a part that was taken. */
async function captured(send: (endpoint: string) => Promise<void>) {
  let received = Buffer.alloc(0)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(received.toString('latin1', 0, end))?.[1]
      if (end >= 0 && received.length >= end + 4 + Number(length))
        socket.end('HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  server.close()
  const end = received.indexOf('\r\n\r\n')
  return { head: received.toString('latin1', 0, end), body: received.subarray(end + 4) }
}
