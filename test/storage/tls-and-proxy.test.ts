// Certificates, http where https is spoken and the reverse, HTTPS_PROXY, and buckets as sub-domains.

import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import type { S3Server } from '../../src/domain/server.ts'
import { proxyFor } from '../../src/domain/proxy.ts'
import { createAuthority, createSelfSigned } from '../support/certificates.ts'
import type { CertificatePair } from '../support/certificates.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startS3Model } from '../support/s3-model.ts'
import type { S3Model, S3ModelOptions } from '../support/s3-model.ts'
import {
  collect,
  FAST_LIMITS,
  failureFrom,
  freshKey,
  never,
  NO_PROXY,
  partBody,
  s3Server,
} from '../support/storages.ts'
import { startTunnel } from '../support/tunnel.ts'

const authority = createAuthority()
const DAY_MS = 86_400_000
const NOBODY = { accessKey: 'nobody', secretKey: 'nobody', region: 'us-east-1' }

const closing: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close()
})

describe('a certificate', () => {
  it.each([
    {
      what: 'of an unknown authority',
      tls: () => authority.issue({ hosts: ['127.0.0.1'] }),
      code: /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/,
    },
    {
      what: 'signed by itself',
      tls: () => createSelfSigned(['127.0.0.1']),
      code: /DEPTH_ZERO_SELF_SIGNED_CERT/,
    },
    {
      what: 'of another host',
      tls: () => authority.issue({ hosts: ['elsewhere.test'] }),
      caPem: authority.cert,
      code: /ERR_TLS_CERT_ALTNAME_INVALID/,
    },
    {
      what: 'that has expired',
      tls: () =>
        authority.issue({ hosts: ['127.0.0.1'], notAfter: new Date(Date.now() - DAY_MS / 2) }),
      caPem: authority.cert,
      code: /CERT_HAS_EXPIRED/,
    },
    {
      what: 'of tomorrow',
      tls: () =>
        authority.issue({ hosts: ['127.0.0.1'], notBefore: new Date(Date.now() + DAY_MS / 2) }),
      caPem: authority.cert,
      code: /CERT_NOT_YET_VALID/,
    },
  ])('$what is refused, and nothing is sent [F28a]', async ({ tls, caPem, code }) => {
    const { model, storage } = await openTls({ tls: tls(), server: { caPem } })
    const failure = await failureFrom(storage.begin({ key: freshKey(), token: 't' }, never))
    expect(failure.code).toBe('SERVER_TLS')
    expect(failure.facts['code']).toMatch(code)
    expect(failure.hint).toBeTruthy()
    expect(model.log).toEqual([])
  })

  it('is not even looked at when the server speaks no TLS of today [F28b]', async () => {
    const tls = authority.issue({ hosts: ['127.0.0.1'] })
    // What OpenSSL still offers of it needs its lowest level of security.
    const old = {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    const server = createTlsServer({ ...tls, ...old }, (socket) => socket.destroy())
    server.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closing.push({ close: () => void server.close() })
    const { port } = server.address() as AddressInfo
    const entry = { endpoint: `https://127.0.0.1:${port}`, bucket: 'b', keys: { ...NOBODY } }
    const options = { proxy: NO_PROXY, limits: FAST_LIMITS, rateLimit: undefined, isKnown: false }
    const storage = openStorage(s3Server(entry, { caPem: authority.cert }), options)
    closing.push(storage)

    const failure = await failureFrom(storage.begin({ key: freshKey(), token: 't' }, never))

    expect(failure.code).toBe('SERVER_TLS')
    expect(failure.message).toContain('no version of TLS that is safe today')
  })

  it('that becomes another between two parts ends the upload, and nothing more is sent [F28c]', async () => {
    const model = await start({})
    const good = authority.issue({ hosts: ['127.0.0.1'] })
    const proxy = await startFaultProxy({ target: model.endpoint, tls: good })
    closing.push(proxy)
    const storage = open(model, { endpoint: proxy.endpoint, caPem: authority.cert })
    const upload = await storage.begin({ key: freshKey(), token: 't' }, never)
    const bytes = randomBytes(6_000_000)
    const put = (number: number) =>
      storage.putPart(
        upload,
        { number, offsetBytes: (number - 1) * bytes.length, body: partBody(bytes) },
        never,
      )
    await put(1)

    // The connections of before are closed, as a server does that was restarted.
    proxy.useCertificate(createSelfSigned(['127.0.0.1']))
    const failure = await failureFrom(put(2))

    expect(failure).toMatchObject({ code: 'SERVER_TLS' })
    expect(model.count('UploadPart')).toBe(1)
  })

  it('of a private authority is taken when the entry names the authority', async () => {
    const tls = authority.issue({ hosts: ['127.0.0.1'] })
    const { model, storage } = await openTls({ tls, server: { caPem: authority.cert } })
    const key = freshKey()
    const upload = await storage.begin({ key, token: 't' }, never)
    const bytes = randomBytes(3_000_000)
    let sent = 0
    const part = { number: 1, offsetBytes: 0, body: partBody(bytes) }
    const onSent = (more: number): void => void (sent += more)
    const receipt = await storage.putPart(upload, { ...part, onSent }, never)
    await storage.complete(upload, [receipt], never)

    expect(sent).toBe(bytes.length)
    expect((await collect(storage.read(key, undefined, never))).equals(bytes)).toBe(true)
    expect(model.objects()).toHaveLength(1)
  })
})

describe('the wrong scheme', () => {
  it('http to a TLS port is told apart from a server that is down', async () => {
    const { model } = await openTls({ tls: authority.issue({ hosts: ['127.0.0.1'] }) })
    const storage = open(model, { endpoint: model.endpoint.replace('https:', 'http:') })
    const failure = await failureFrom(storage.begin({ key: freshKey(), token: 't' }, never))
    expect(failure.code).toMatch(/SERVER_NOT_S3|SERVER_CLOSED/)
    expect(failure.hint).toContain('https')
  })

  it('https to a plain port is told so', async () => {
    const model = await start({})
    const storage = open(model, { endpoint: model.endpoint.replace('http:', 'https:') })
    const failure = await failureFrom(storage.begin({ key: freshKey(), token: 't' }, never))
    expect(failure.code).toBe('SERVER_NOT_S3')
    expect(failure.hint).toContain('http or https')
  })
})

describe('HTTPS_PROXY [F47a]', () => {
  it('tunnels, gets its own password, and sees neither keys nor bytes', async () => {
    const tls = authority.issue({ hosts: ['s3.test', '*.s3.test'] })
    const { model, tunnel, storage } = await openTunnelled({
      tls,
      isPathStyle: true,
      user: 'user:p%40ss',
    })
    const key = freshKey()
    await storage.putSmall(key, partBody(Buffer.from('hello')).open(), 'token', never)
    expect(model.objects()).toHaveLength(1)
    expect(new Set(tunnel.targets)).toEqual(new Set(['s3.test:443']))
    expect(tunnel.authorizations[0]).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`)
  })

  it('is passed by for hosts in NO_PROXY', async () => {
    const tls = authority.issue({ hosts: ['s3.test'] })
    const { tunnel, storage } = await openTunnelled({ tls, isPathStyle: true, noProxy: '.test' })
    const failure = await failureFrom(storage.head('k', never))
    expect(failure.code).toBe('SERVER_UNREACHABLE')
    expect(tunnel.targets).toEqual([])
  })

  const settings = (noProxy: string | undefined) => ({ httpsProxy: 'http://proxy:3128', noProxy })
  it.each([
    { url: 'https://s3.example.com', noProxy: undefined, goes: true },
    { url: 'https://s3.example.com', noProxy: '', goes: true },
    { url: 'http://s3.example.com', noProxy: undefined, goes: false },
    { url: 'https://s3.example.com', noProxy: '*', goes: false },
    { url: 'https://s3.example.com', noProxy: 'example.com', goes: false },
    { url: 'https://s3.example.com', noProxy: '.example.com', goes: false },
    { url: 'https://s3.example.com', noProxy: '*.example.com', goes: false },
    { url: 'https://S3.Example.com', noProxy: 'localhost, EXAMPLE.COM', goes: false },
    { url: 'https://notexample.com', noProxy: 'example.com', goes: true },
    { url: 'https://s3.example.com:9000', noProxy: 'example.com:9000', goes: false },
    { url: 'https://s3.example.com', noProxy: 'example.com:9000', goes: true },
    { url: 'https://192.168.1.5:9000', noProxy: '192.168.1.5', goes: false },
    { url: 'https://[fd00::1]:9000', noProxy: 'fd00::1', goes: false },
    { url: 'https://[fd00::1]:9000', noProxy: '[fd00::1]:9001', goes: true },
  ])('$url with NO_PROXY=$noProxy goes through it: $goes', ({ url, noProxy, goes }) => {
    expect(proxyFor(new URL(url), settings(noProxy))).toBe(goes ? 'http://proxy:3128' : undefined)
  })
})

describe('buckets as sub-domains', () => {
  it('are used when the entry asks for them', async () => {
    const tls = authority.issue({ hosts: ['s3.test', '*.s3.test'] })
    const { tunnel, storage } = await openTunnelled({
      tls,
      isPathStyle: false,
      virtualHost: 's3.test',
    })
    expect(await storage.head('k', never)).toBeUndefined()
    expect(tunnel.targets).toEqual(['archives.s3.test:443'])
  })

  it('give way to path style when the certificate does not cover them', async () => {
    const tls = authority.issue({ hosts: ['s3.test'] })
    const { tunnel, storage } = await openTunnelled({
      tls,
      isPathStyle: false,
      virtualHost: 's3.test',
    })
    expect(await storage.head('k', never)).toBeUndefined()
    expect(await storage.head('k2', never)).toBeUndefined()
    expect(tunnel.targets).toEqual(['archives.s3.test:443', 's3.test:443'])
  })

  it('give way to path style when the server signs other hosts than we do', async () => {
    const tls = authority.issue({ hosts: ['s3.test', '*.s3.test'] })
    const { model, storage } = await openTunnelled({
      tls,
      isPathStyle: false,
      virtualHost: 's3.test',
    })
    model.change({ refusesVirtualHost: true })
    const upload = await storage.begin({ key: freshKey(), token: 't' }, never)
    expect(upload.uploadId).toBeTruthy()
  })
})

async function start(options: S3ModelOptions): Promise<S3Model> {
  const model = await startS3Model({ keep: 'memory', ...options })
  closing.push(model)
  return model
}

function open(model: S3Model, server: Partial<S3Server>, proxy = NO_PROXY as ProxyPair) {
  const options = { proxy, limits: FAST_LIMITS, rateLimit: undefined, isKnown: false }
  const storage = openStorage(s3Server(model, server), options)
  closing.push(storage)
  return storage
}

type ProxyPair = { httpsProxy: string | undefined; noProxy: string | undefined }

async function openTls(input: { tls: CertificatePair; server?: Partial<S3Server> }) {
  const model = await start({ tls: input.tls })
  return { model, storage: open(model, input.server ?? {}) }
}

async function openTunnelled(input: {
  tls: CertificatePair
  isPathStyle: boolean
  virtualHost?: string
  noProxy?: string
  user?: string
}) {
  const model = await start({ tls: input.tls, virtualHost: input.virtualHost })
  const tunnel = await startTunnel(model.port)
  closing.push(tunnel)
  const url = new URL(tunnel.url)
  const httpsProxy = input.user === undefined ? tunnel.url : `http://${input.user}@${url.host}`
  const storage = open(
    model,
    { endpoint: 'https://s3.test', caPem: authority.cert, isPathStyle: input.isPathStyle },
    { httpsProxy, noProxy: input.noProxy },
  )
  return { model, tunnel, storage }
}
