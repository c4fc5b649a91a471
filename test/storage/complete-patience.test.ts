// What completing an upload costs at most when the server is ill: one patience for Complete, HEAD and
// ListParts together. In the limits of these tests a second stands for a hundred.

import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { NETWORK_LIMITS, operationMs } from '../../src/storage/limits.ts'
import type { NetworkLimits } from '../../src/storage/limits.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { failureFrom, freshKey, never, NO_PROXY, s3Server } from '../support/storages.ts'

const SCALE = 50
const scaled = (ms: number): number => ms / SCALE
const LIMITS = Object.fromEntries(
  Object.entries(NETWORK_LIMITS).map(([name, ms]) => [name, scaled(ms)]),
) as NetworkLimits

const closes: (() => void)[] = []
afterEach(() => {
  for (const close of closes.splice(0)) close()
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function storageOn(answer: Answer): Promise<Storage> {
  const server = createServer((request, response) => {
    for (const end of [request, response]) end.on('error', () => {})
    request.resume().on('end', () => answer(request, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const keys = { accessKey: 'AAAA', secretKey: 'BBBBBB', region: 'us-east-1' }
  const entry = { endpoint: `http://127.0.0.1:${port}`, bucket: 'bucket', keys }
  const options = { proxy: NO_PROXY, limits: LIMITS, rateLimit: undefined, isKnown: false }
  const storage = openStorage(s3Server(entry), options)
  closes.push(() => {
    storage.close()
    server.closeAllConnections()
    server.close()
  })
  return storage
}

const upload = () => ({ key: freshKey(), token: 't', uploadId: 'u' })
const parts = [{ number: 1, sizeBytes: 10, etag: 'e', md5: new Uint8Array(16) }]

async function timed(work: Promise<unknown>): Promise<{ failure: unknown; seconds: number }> {
  const begun = performance.now()
  const failure = await failureFrom(work)
  return { failure, seconds: ((performance.now() - begun) * SCALE) / 1_000 }
}

const busyAfter =
  (seconds: number): Answer =>
  (_request, response) =>
    void setTimeout(() => response.writeHead(503).end(), scaled(seconds * 1_000))

describe('completing an upload', () => {
  // Half a second of a busy machine, in these seconds.
  const SLACK_SECONDS = 12

  it('takes no longer than 105 s, which leave 15 s for giving the upload up', () => {
    expect(operationMs(NETWORK_LIMITS)).toBe(105_000)
    const { connectMs, completeSilenceMs } = NETWORK_LIMITS
    expect(connectMs + 1.25 * completeSilenceMs).toBeLessThan(105_000)
  })

  it('of a server that is silent from then on', async () => {
    const storage = await storageOn(() => {})
    const { failure, seconds } = await timed(storage.complete(upload(), parts, never))
    expect(failure).toMatchObject({ code: 'SERVER_SILENT' })
    expect(seconds).toBeGreaterThan(70)
    expect(seconds).toBeLessThan(75 + SLACK_SECONDS)
  })

  it.each([10, 25, 50])('of a server that says 503 after %i s to everything', async (after) => {
    const storage = await storageOn(busyAfter(after))
    const { failure, seconds } = await timed(storage.complete(upload(), parts, never))
    expect(failure).toMatchObject({ code: 'SERVER_BUSY' })
    expect(seconds).toBeLessThan(105 + SLACK_SECONDS)
  })

  it('of a server that says 503 once and is silent then', async () => {
    const storage = await storageOn((request, response) => {
      if (request.method === 'POST') busyAfter(40)(request, response)
    })
    const { failure, seconds } = await timed(storage.complete(upload(), parts, never))
    expect(failure).toMatchObject({ code: 'SERVER_BUSY' })
    expect(seconds).toBeLessThan(105 + SLACK_SECONDS)
  })

  it('takes longer while blanks show that the server works', async () => {
    const storage = await storageOn((request, response) => {
      if (request.method !== 'POST') return void response.writeHead(404).end()
      response.write('<?xml version="1.0"?>')
      const blanks = setInterval(() => response.write(' '), scaled(10_000))
      setTimeout(() => {
        clearInterval(blanks)
        const etag = '<ETag>"x"</ETag>'
        response.end(`<CompleteMultipartUploadResult>${etag}</CompleteMultipartUploadResult>`)
      }, scaled(180_000))
    })
    await storage.complete(upload(), parts, never)
  })
})

describe('beginning an upload', () => {
  it('takes no longer than 105 s on a server that says 503 after 25 s to everything', async () => {
    const storage = await storageOn(busyAfter(25))
    const { failure, seconds } = await timed(storage.begin({ key: freshKey(), token: 't' }, never))
    expect(failure).toMatchObject({ code: 'SERVER_SILENT' })
    expect(seconds).toBeLessThan(105 + 12)
  })
})

describe('clearing away what a lost answer to Create left', () => {
  /** Answers Create with 503 after so many seconds, and the second one after so many; counts what is asked then. */
  const repeatedCreate = async (seconds: readonly [number, number], then: Answer) => {
    let creates = 0
    const asked = { after: 0 }
    const storage = await storageOn((request, response) => {
      if (request.method === 'HEAD')
        return void response.writeHead(404, { 'x-amz-request-id': 'id' }).end()
      if (request.method === 'POST') {
        creates += 1
        if (creates === 1) return busyAfter(seconds[0])(request, response)
        const id = '<UploadId>mine</UploadId>'
        const result = `<InitiateMultipartUploadResult>${id}</InitiateMultipartUploadResult>`
        return void setTimeout(() => response.end(result), scaled(seconds[1] * 1_000))
      }
      asked.after += 1
      return then(request, response)
    })
    const begun = performance.now()
    const { uploadId } = await storage.begin({ key: freshKey(), token: 't' }, never)
    expect(uploadId).toBe('mine')
    return { asked, seconds: ((performance.now() - begun) * SCALE) / 1_000 }
  }

  it.each([
    ['is silent', () => {}],
    ['says 503 after 25 s', busyAfter(25)],
    ['lists uploads that it never ends', listing],
  ] as const)('ends within the 105 s of beginning when the server %s', async (_what, then) => {
    const { asked, seconds } = await repeatedCreate([25, 25], then)
    expect(asked.after).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(105 + 12)
  })

  it('is left to later when little of them is left', async () => {
    const { asked, seconds } = await repeatedCreate([45, 50], busyAfter(25))
    expect(asked.after).toBe(0)
    expect(seconds).toBeLessThan(105 + 12)
  })

  function listing(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'DELETE') return busyAfter(20)(request, response)
    const key = new URL(request.url ?? '', 'http://model').searchParams.get('prefix')
    const uploads = ['a', 'b', 'c'].map(
      (id) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`,
    )
    response.end(`<ListMultipartUploadsResult>${uploads.join('')}</ListMultipartUploadsResult>`)
  }
})

describe('a deadline of the caller', () => {
  it('ends every request at once, with INTERRUPTED', async () => {
    const storage = await storageOn(() => {})
    for (const work of [
      (signal: AbortSignal) => storage.complete(upload(), parts, signal),
      (signal: AbortSignal) => storage.head(freshKey(), signal),
      (signal: AbortSignal) => storage.abort(upload(), signal),
    ]) {
      const begun = performance.now()
      const failure = await failureFrom(work(AbortSignal.timeout(100)))
      expect(failure).toMatchObject({ code: 'INTERRUPTED' })
      expect(performance.now() - begun).toBeLessThan(400)
    }
  })

  it('ends the wait before a repeat, too', async () => {
    const storage = await storageOn((_request, response) => {
      response.writeHead(503, { 'retry-after': '2' }).end()
    })
    const begun = performance.now()
    const failure = await failureFrom(storage.head(freshKey(), AbortSignal.timeout(150)))
    expect(failure).toMatchObject({ code: 'INTERRUPTED' })
    expect(performance.now() - begun).toBeLessThan(500)
  })
})
