// A model S3 server on loopback: it verifies signatures, payload hashes and Content-MD5, keeps bytes
// (on disk, or in memory), keeps the rules of multipart uploads, and logs every operation.
//
//   const model = await startS3Model({ buckets: ['archives'] })
//   ... { endpoint: model.endpoint, bucket: 'archives', ...model.keys } ...
//   model.change({ quota: { bytes: 10e6, status: 403, code: 'QuotaExceeded', at: 'before-body' } })
//   await model.close()
//
// The contract suite runs against it and against a real Ceph gateway, so that it cannot lie. Faults of
// the network are the fault proxy's (fault-proxy.ts), not this server's.

import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorXml, refusal, S3Refusal } from './s3-model-answers.ts'
import type { Piece } from './s3-model-bytes.ts'
import { readPieces } from './s3-model-bytes.ts'
import { answerTo } from './s3-model-operations.ts'
import type { Answer } from './s3-model-operations.ts'
import { DEFAULT_SWITCHES } from './s3-model-options.ts'
import type { FrontPage, S3ModelSwitches } from './s3-model-options.ts'
import { verifySignature } from './s3-model-signature.ts'
import { ModelStore } from './s3-model-store.ts'
import type { ModelObject } from './s3-model-store.ts'
import { countTraffic } from './s3-model-traffic.ts'
import type { Traffic } from './s3-model-traffic.ts'
import { parseS3Request } from './s3-operation.ts'
import type { S3Operation, S3Request } from './s3-operation.ts'

export type S3ModelOptions = Partial<S3ModelSwitches> & {
  /** 0: any free port. */
  readonly port?: number
  /** Made at the start. */
  readonly buckets?: readonly string[]
  /** disk: in a temporary folder that `close` removes. */
  readonly keep?: 'disk' | 'memory'
  /** PEM texts: https. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Called when a request has done its work, and nobody has heard of that yet. */
  readonly onWorked?: () => void
}

export type S3ModelLogEntry = {
  readonly operation: S3Operation
  readonly bucket: string
  readonly key: string
  readonly partNumber: number
  readonly uploadId: string
  readonly status: number
  /** Of the <Error>; '' for a success. */
  readonly code: string
  readonly headers: IncomingMessage['headers']
}

export type S3Model = {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  readonly port: number
  readonly bucket: string
  readonly keys: { readonly accessKey: string; readonly secretKey: string; readonly region: string }
  readonly log: readonly S3ModelLogEntry[]
  /** What it holds, for who has no time for HTTP (test/soak). */
  readonly store: ModelStore
  /** Everything that takes room, old versions too. */
  objects(): ModelObject[]
  uploads(): { bucket: string; key: string; uploadId: string; parts: number; sizeBytes: number }[]
  /** All bytes of the newest version; throws when there is none. */
  bytesOf(key: string, bucket?: string): Buffer
  /** Puts an object there, as another program would. */
  seed(key: string, bytes: Uint8Array, metadata?: Readonly<Record<string, string>>): void
  /** Changes one stored byte. */
  corrupt(key: string, position: number): void
  /** Ends all open uploads, as an expiry rule does. */
  expireUploads(): void
  /** Changes how the server behaves from the next request on. */
  change(switches: Partial<S3ModelSwitches>): void
  /** Bytes of objects and open parts, now and at most. */
  readonly heldBytes: number
  readonly highWaterBytes: number
  count(operation: S3Operation): number
  /** Resolves with the first operation like this that it has answered, or will answer, with success. */
  answered(operation: S3Operation, partNumber?: number): Promise<S3ModelLogEntry>
  /** Since the start, over all connections. */
  traffic(): Traffic
  close(): Promise<void>
}

export async function startS3Model(options: S3ModelOptions = {}): Promise<S3Model> {
  const { port = 0, buckets = ['archives'], keep = 'disk', tls, onWorked, ...given } = options
  let switches: S3ModelSwitches = { ...DEFAULT_SWITCHES, ...given }
  const folder = keep === 'disk' ? await mkdtemp(join(tmpdir(), 's3-model-')) : undefined
  const store = new ModelStore(buckets, () => switches)
  const log: S3ModelLogEntry[] = []
  const logged = new EventEmitter()
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const context = { request, response, store, switches, folder, log, logged, onWorked }
    serve(context).catch((error: unknown) => response.destroy(error as Error))
  }
  const server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle)
  configure(server)
  const traffic = countTraffic(server)
  await listen(server, port)
  const address = server.address() as AddressInfo

  return {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    port: address.port,
    bucket: buckets[0] ?? '',
    keys: keysOf(switches),
    log,
    store,
    ...contentsOf(store, buckets[0] ?? ''),
    change: (changed) => void (switches = { ...switches, ...changed }),
    get heldBytes() {
      return store.objectBytes + store.partBytes
    },
    get highWaterBytes() {
      return store.highWaterBytes
    },
    count: (operation) => log.filter((entry) => entry.operation === operation).length,
    answered: async (operation, partNumber) => {
      const matches = (entry: S3ModelLogEntry) =>
        entry.operation === operation &&
        entry.status === 200 &&
        (partNumber === undefined || entry.partNumber === partNumber)
      for (;;) {
        const entry = log.find(matches)
        if (entry !== undefined) return entry
        await once(logged, 'entry')
      }
    },
    traffic,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

function contentsOf(store: ModelStore, firstBucket: string) {
  const found = (key: string, bucket = firstBucket): ModelObject => {
    const object = store.current(bucket, key)
    if (object === undefined) throw new Error(`the model has no object ${bucket}/${key}`)
    return object
  }
  return {
    objects: () => store.objects(),
    uploads: () =>
      [...store.uploads.values()].map(({ bucket, key, uploadId, parts }) => ({
        bucket,
        key,
        uploadId,
        parts: parts.size,
        sizeBytes: [...parts.values()].reduce((sum, piece) => sum + piece.sizeBytes, 0),
      })),
    bytesOf: (key: string, bucket?: string) => {
      const object = found(key, bucket)
      return Buffer.concat([...readPieces(object.pieces, 0, object.sizeBytes)])
    },
    seed: (key: string, bytes: Uint8Array, metadata: Readonly<Record<string, string>> = {}) => {
      const etag = randomBytes(16).toString('hex')
      store.put(firstBucket, key, [pieceOf(bytes)], { etag, metadata })
    },
    corrupt: (key: string, position: number) => {
      let base = 0
      for (const piece of found(key).pieces) {
        if (position < base + piece.sizeBytes) return piece.flip(position - base)
        base += piece.sizeBytes
      }
      throw new Error(`${key} has only ${base} bytes`)
    },
    expireUploads: () => [...store.uploads.values()].forEach((upload) => store.drop(upload)),
  }
}

function pieceOf(bytes: Uint8Array): Piece {
  const copy = Buffer.from(bytes)
  return {
    sizeBytes: copy.length,
    md5: '',
    read: (start, end) => copy.subarray(start, end),
    flip: (position) => void (copy[position] = copy[position]! ^ 1),
    drop: () => {},
  }
}

type Context = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly store: ModelStore
  readonly switches: S3ModelSwitches
  readonly folder: string | undefined
  readonly log: S3ModelLogEntry[]
  /** Emits `entry` after each new one. */
  readonly logged: EventEmitter
  readonly onWorked: (() => void) | undefined
}

async function serve(context: Context): Promise<void> {
  const { request, response, switches, store, folder } = context
  const { method = '', url = '/', headers } = request
  // A peer that goes away in the middle is part of the tests, and no reason to end the process.
  request.on('error', () => {})
  response.on('error', () => {})
  const s3 = parseS3Request(method, url, headers.host ?? '', switches.virtualHost)
  if (switches.namesRequests) response.setHeader('x-amz-request-id', 'model')
  try {
    if (switches.frontPage !== undefined) return await sendPage(context, s3, switches.frontPage)
    if (switches.skewMs !== 0)
      response.setHeader('date', new Date(Date.now() + switches.skewMs).toUTCString())
    const declared = verifySignature(request, switches, Date.now() + switches.skewMs)
    const isVirtual = !url.startsWith(`/${s3.bucket}`)
    if (switches.refusesVirtualHost && isVirtual) throw refusal('SignatureDoesNotMatch')
    const answer = await answerTo({ request, s3, store, switches, declared, folder })
    note(context, s3, answer.status, '')
    if (switches.emptyType !== undefined && (answer.body ?? '') === '' && method !== 'HEAD')
      response.setHeader('content-type', switches.emptyType)
    await send(response, answer)
  } catch (error) {
    if (request.errored !== null || response.destroyed) return note(context, s3, 0, 'gone')
    const refused =
      error instanceof S3Refusal ? error : new S3Refusal('InternalError', 500, String(error))
    note(context, s3, refused.status, refused.code)
    const body = s3.operation === 'Head' || s3.operation === 'HeadBucket' ? '' : errorXml(refused)
    await send(response, {
      status: refused.status,
      // Refused before the body was read: the rest of it is not waited for (as Ceph does).
      headers: {
        'content-type': 'application/xml',
        ...(hasUnreadBody(request) ? { connection: 'close' } : {}),
      },
      body,
    })
  }
}

async function sendPage(context: Context, s3: S3Request, page: FrontPage): Promise<void> {
  const { response } = context
  note(context, s3, page.status, 'front page')
  response.removeHeader('x-amz-request-id')
  const body = s3.operation === 'Head' ? '' : page.body
  await send(response, {
    status: page.status,
    headers: { 'content-type': page.type, connection: 'close' },
    body,
  })
}

function note(
  { log, logged, onWorked, request }: Context,
  s3: S3Request,
  status: number,
  code: string,
): void {
  const { operation, bucket, key, partNumber, uploadId } = s3
  const { headers } = request
  onWorked?.()
  log.push({ operation, bucket, key, partNumber, uploadId, status, code, headers })
  logged.emit('entry')
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  const { body = '', headers = {} } = answer
  if (answer.blanksMs !== undefined) {
    response.writeHead(answer.status, headers)
    for (let waitedMs = 0; waitedMs < answer.blanksMs; waitedMs += 50) {
      response.write(' ')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    response.end(body)
    return
  }
  if (typeof body === 'string') {
    const length = headers['content-length'] ?? String(Buffer.byteLength(body))
    response.writeHead(answer.status, { ...headers, 'content-length': length }).end(body)
    return
  }
  response.writeHead(answer.status, headers)
  for (const chunk of body) {
    if (response.destroyed) return
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

/** Resolves when more may be written, or nobody reads any more. */
async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function hasUnreadBody(request: IncomingMessage): boolean {
  return !request.readableEnded && Number(request.headers['content-length'] ?? 0) > 0
}

function keysOf({ accessKey, secretKey, region }: S3ModelSwitches): S3Model['keys'] {
  return { accessKey, secretKey, region }
}

function configure(server: Server): void {
  server.requestTimeout = 0
  server.keepAliveTimeout = 60_000
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}
