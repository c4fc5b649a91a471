// A proxy in front of any S3 server that knows the operations and fails on purpose.
//
//   const proxy = await startFaultProxy({ target: model.endpoint })
//   proxy.add({ operation: 'UploadPart', partNumber: 2, times: 1, fault: { kind: 'reset' } })
//   ... use proxy.endpoint instead of the server's ...
//   proxy.assertFired()   // a fault that never happened proves nothing
//
// The Host header is passed on as it came, so signatures stay valid. Rules are tried in the order in
// which they were added; the first that matches and is not used up fires.

import { Agent, createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { parseS3Request } from './s3-operation.ts'
import type { S3Operation } from './s3-operation.ts'

export type Fault =
  /** TCP reset, after so many bytes of the request's body (0: after its head). */
  | { readonly kind: 'reset'; readonly afterBytes?: number }
  /** An orderly end without an answer. */
  | { readonly kind: 'close'; readonly afterBytes?: number }
  /** Reads so many bytes, then neither reads nor answers (undefined: reads all, never answers). */
  | { readonly kind: 'hang'; readonly afterBytes?: number }
  /** Reads everything, then sends the answer's head and drips its body. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number }
  /** Answers itself, without the server; `readsBody: false` answers at once and closes. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly code?: string
      readonly message?: string
      readonly body?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly readsBody?: boolean
    }
  /** The server does its work; its answer never arrives. */
  | { readonly kind: 'drop-answer'; readonly how?: 'reset' | 'close' | 'hang' }
  /** The answer's body breaks off. */
  | { readonly kind: 'cut-answer'; readonly afterBytes: number }
  /** The answer's body comes to a halt; shorter answers pass. `reached` is told when it did. */
  | {
      readonly kind: 'hang-answer'
      readonly afterBytes: number
      readonly reached: () => void
    }
  /** The answer's body comes in so many bytes at a time. */
  | { readonly kind: 'drip-answer'; readonly bytes: number; readonly everyMs: number }
  /** One byte of the request's, or of the answer's, body arrives changed. */
  | { readonly kind: 'flip' | 'flip-answer'; readonly position?: number }
  /** The client sees a reset; the server gets the whole request later. `reached` is told when it has answered. */
  | {
      readonly kind: 'late'
      readonly until: () => Promise<unknown>
      readonly reached: () => void
    }
  /** Nothing is passed on before this resolves; also a delay. */
  | { readonly kind: 'wait'; readonly until: () => Promise<unknown> }

export type FaultRule = {
  /** undefined: every operation. */
  readonly operation?: S3Operation
  readonly partNumber?: number
  readonly key?: RegExp
  /** The first matching request that it happens to, from 1. */
  readonly nth?: number
  /** How many requests it happens to. */
  readonly times?: number
  readonly fault: Fault
}

export type FaultProxy = {
  readonly endpoint: string
  readonly port: number
  /** Adds rules, after those that are there. */
  add(...rules: FaultRule[]): void
  /** Forgets all rules. */
  clear(): void
  /** How often the rules have fired, in order. */
  fired(): number[]
  /** Throws when a rule has never fired. */
  assertFired(): void
  /** Operations that came in, in order. */
  readonly requests: readonly S3Operation[]
  readonly connections: number
  /** https: from now on, for new connections; the old ones are closed. */
  useCertificate(tls: { readonly key: string; readonly cert: string }): void
  close(): Promise<void>
}

type Counted = { readonly rule: FaultRule; matched: number; fired: number }

export async function startFaultProxy(input: {
  readonly target: string
  readonly port?: number
  /** PEM texts: https in front. */
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly rules?: readonly FaultRule[]
}): Promise<FaultProxy> {
  const { target, port = 0, tls } = input
  const counted: Counted[] = []
  const requests: S3Operation[] = []
  const agent = new Agent({ keepAlive: true })
  let connections = 0
  const add = (...rules: FaultRule[]): void => {
    for (const rule of rules) counted.push({ rule, matched: 0, fired: 0 })
  }
  add(...(input.rules ?? []))

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    // Broken connections are what this program is for.
    for (const end of [request, response]) end.on('error', () => {})
    const fault = faultFor(request, counted, requests)
    const exchange = { request, response, target: new URL(target), agent }
    apply(exchange, fault).catch(() => response.destroy())
  }
  const server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle)
  server.requestTimeout = 0
  server.keepAliveTimeout = 60_000
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
  })
  await listen(server, port)
  const address = server.address() as AddressInfo

  return {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    port: address.port,
    add,
    clear: () => void counted.splice(0),
    fired: () => counted.map(({ fired }) => fired),
    assertFired: () => {
      const idle = counted.filter(({ fired }) => fired === 0).map(({ rule }) => rule)
      if (idle.length > 0) throw new Error(`faults that never fired: ${JSON.stringify(idle)}`)
    },
    requests,
    get connections() {
      return connections
    },
    useCertificate: (pair) => {
      ;(server as TlsServer).setSecureContext(pair)
      sockets.forEach((socket) => socket.destroy())
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      sockets.forEach((socket) => socket.destroy())
      agent.destroy()
      await closed
    },
  }
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}

function faultFor(
  request: IncomingMessage,
  counted: readonly Counted[],
  requests: S3Operation[],
): Fault | undefined {
  const { method = '', url = '/', headers } = request
  const s3 = parseS3Request(method, url, headers.host ?? '')
  requests.push(s3.operation)
  for (const entry of counted) {
    const { operation, partNumber, key, nth = 1, times = Infinity } = entry.rule
    if (operation !== undefined && operation !== s3.operation) continue
    if (partNumber !== undefined && partNumber !== s3.partNumber) continue
    if (key !== undefined && !key.test(s3.key)) continue
    entry.matched += 1
    if (entry.matched < nth || entry.fired >= times) continue
    entry.fired += 1
    return entry.rule.fault
  }
  return undefined
}

type Exchange = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly target: URL
  readonly agent: Agent
}

async function apply(exchange: Exchange, fault: Fault | undefined): Promise<void> {
  const { request, response } = exchange
  switch (fault?.kind) {
    case undefined:
      return forward(exchange, {})
    case 'reset':
      await readBody(request, fault.afterBytes ?? 0)
      return void request.socket.resetAndDestroy()
    case 'close':
      await readBody(request, fault.afterBytes ?? 0)
      return void request.socket.destroy()
    case 'hang':
      return readBody(request, fault.afterBytes ?? Infinity)
    case 'drip':
      await readBody(request, Infinity)
      return drip(response, fault)
    case 'answer':
      return answer(exchange, fault)
    case 'drop-answer':
      return forward(exchange, { onAnswer: () => drop(request.socket, fault.how ?? 'reset') })
    case 'cut-answer':
      return forward(exchange, { cutAnswerAfter: fault.afterBytes })
    case 'hang-answer':
      return forward(exchange, { hang: fault })
    case 'drip-answer':
      return forward(exchange, { drip: fault })
    case 'flip':
      return forward(exchange, { flipAt: fault.position ?? 0 })
    case 'flip-answer':
      return forward(exchange, { flipAnswerAt: fault.position ?? 0 })
    case 'late':
      return later(exchange, fault)
    case 'wait':
      await fault.until()
      return forward(exchange, {})
  }
}

/** Resolves when so many bytes have been read, or the body has ended; nothing is read after that. */
async function readBody(request: IncomingMessage, bytes: number): Promise<void> {
  let read = 0
  if (bytes === 0) return
  await new Promise<void>((resolve) => {
    request.once('end', resolve).once('close', resolve)
    request.on('data', (chunk: Buffer) => {
      read += chunk.length
      if (read < bytes) return
      request.pause()
      resolve()
    })
  })
}

function drop(socket: Socket, how: 'reset' | 'close' | 'hang'): void {
  if (how === 'reset') socket.resetAndDestroy()
  if (how === 'close') socket.destroy()
}

function drip(
  response: ServerResponse,
  { bytes, everyMs }: { bytes: number; everyMs: number },
): void {
  response.writeHead(200, { 'content-type': 'application/xml' })
  const timer = setInterval(() => response.write(' '.repeat(bytes)), everyMs)
  response.once('close', () => clearInterval(timer))
}

async function answer(
  { request, response }: Exchange,
  fault: Extract<Fault, { kind: 'answer' }>,
): Promise<void> {
  const { status, code, message, body, headers = {}, readsBody = true } = fault
  if (readsBody) await readBody(request, Infinity)
  const type = body === undefined ? 'application/xml' : 'text/html'
  const words = message === undefined ? '' : `<Message>${message}</Message>`
  const text = body ?? (code === undefined ? '' : `<Error><Code>${code}</Code>${words}</Error>`)
  const close = readsBody ? {} : { connection: 'close' }
  // As the server that it stands for; a page of its own has another type.
  const id = body === undefined ? { 'x-amz-request-id': 'fault' } : {}
  response.writeHead(status, { 'content-type': type, ...id, ...close, ...headers })
  response.end(request.method === 'HEAD' ? '' : text)
}

async function later(
  { request, target, agent }: Exchange,
  { until, reached }: Extract<Fault, { kind: 'late' }>,
): Promise<void> {
  const { method, url, headers } = request
  const body: Buffer[] = []
  request.on('data', (chunk: Buffer) => body.push(chunk))
  await new Promise((resolve) => request.once('end', resolve).once('close', resolve))
  request.socket.resetAndDestroy()
  await until()
  const { hostname, port } = target
  const onward = httpRequest({ hostname, port, method, path: url, headers, agent })
  onward.on('response', (answer) => answer.resume().once('end', reached))
  onward.end(Buffer.concat(body))
}

type Changes = {
  readonly flipAt?: number
  readonly flipAnswerAt?: number
  readonly onAnswer?: () => void
  readonly cutAnswerAfter?: number
  readonly hang?: { readonly afterBytes: number; readonly reached: () => void }
  readonly drip?: { readonly bytes: number; readonly everyMs: number }
}

function forward({ request, response, target, agent }: Exchange, changes: Changes): void {
  const { method, url, headers } = request
  const { hostname, port } = target
  const onward = httpRequest({ hostname, port, method, path: url, headers, agent })
  onward.on('error', () => request.socket.destroy())
  onward.on('response', (from) => {
    if (changes.onAnswer !== undefined) {
      from.resume().once('end', changes.onAnswer)
      return
    }
    response.writeHead(from.statusCode ?? 502, from.headers)
    if (changes.drip !== undefined) return dripOn(from, response, changes.drip)
    let bytes = 0
    let isHalted = false
    from.on('data', (chunk: Buffer) => {
      flip(chunk, (changes.flipAnswerAt ?? -1) - bytes)
      bytes += chunk.length
      const { cutAnswerAfter = Infinity, hang } = changes
      if (hang !== undefined && bytes > hang.afterBytes) {
        from.pause()
        isHalted = true
        hang.reached()
        return
      }
      if (bytes <= cutAnswerAfter) {
        if (!response.write(chunk)) from.pause()
        return
      }
      response.write(chunk.subarray(0, chunk.length - (bytes - cutAnswerAfter)), () =>
        request.socket.destroy(),
      )
    })
    response.on('drain', () => {
      if (!isHalted) from.resume()
    })
    from.on('end', () => response.end()).on('error', () => response.destroy())
    response.once('close', () => from.destroy())
  })
  let position = 0
  request.on('data', (chunk: Buffer) => {
    flip(chunk, (changes.flipAt ?? -1) - position)
    position += chunk.length
    if (!onward.write(chunk)) request.pause()
  })
  onward.on('drain', () => request.resume())
  request.on('end', () => onward.end())
  request.on('close', () => {
    if (!request.complete) onward.destroy()
  })
}

/** The body of an answer, slowly; ends when the client does. */
function dripOn(
  from: IncomingMessage,
  response: ServerResponse,
  { bytes, everyMs }: { readonly bytes: number; readonly everyMs: number },
): void {
  let rest = Buffer.alloc(0)
  let isWhole = false
  const timer = setInterval(() => {
    if (rest.length > 0) response.write(rest.subarray(0, bytes))
    rest = rest.subarray(bytes)
    if (rest.length === 0 && isWhole) response.end()
  }, everyMs)
  from.on('data', (chunk: Buffer) => (rest = Buffer.concat([rest, chunk])))
  from.once('end', () => (isWhole = true)).on('error', () => response.destroy())
  response.once('close', () => {
    clearInterval(timer)
    from.destroy()
  })
}

function flip(chunk: Buffer, at: number): void {
  if (at >= 0 && at < chunk.length) chunk[at] = chunk[at]! ^ 1
}
