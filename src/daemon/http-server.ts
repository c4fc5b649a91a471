// The HTTP server: gate, route, check, answer. It reads no file; what it can answer is what the routes say.

import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { checkOrigin } from './gate.ts'
import type { AuditLog } from './audit-log.ts'
import type { TokenGate } from './gate.ts'
import { isProblem, readBody, readTarget } from './read-request.ts'
import { isPageFile, isStream } from './route.ts'
import type { Asked, Daemon, Route, Stream } from './route.ts'
import { problem, problemOf } from './problem.ts'
import type { Problem } from './problem.ts'
import { sendPageFile } from './page-files.ts'
import { Connections } from './connections.ts'
import { HTTP_LIMITS, unreadableAnswer } from './http-limits.ts'
import type { HttpLimits } from './http-limits.ts'
import type { Socket } from 'node:net'
import type { Token } from '../domain/token.ts'

export type ServerInput = {
  readonly routes: readonly Route[]
  readonly daemon: Daemon
  readonly gate: TokenGate
  /** `name:port`, in small letters. */
  readonly hosts: () => ReadonlySet<string>
  readonly log: (line: string) => void
  readonly audit: Pick<AuditLog, 'note'>
  readonly limits?: Partial<HttpLimits>
}

type Serving = ServerInput & {
  readonly limits: HttpLimits
  readonly connections: Connections
  readonly streams: Set<ServerResponse>
}

export function createHttpServer(input: ServerInput): Server {
  const limits = { ...HTTP_LIMITS, ...input.limits }
  const server = createServer({
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.checkMs,
    maxHeaderSize: limits.headerBytes,
    // Whoever has vanished from the network is noticed, although nothing is sent to him for minutes.
    keepAlive: true,
    keepAliveInitialDelay: limits.unreadMs,
  })
  server.maxRequestsPerSocket = limits.requestsPerSocket
  // One more than is allowed shows that there were more; Node would drop the rest without a word.
  server.maxHeadersCount = limits.headers + 1
  const connections = new Connections(server, limits.connections)
  const serving: Serving = { ...input, limits, connections, streams: new Set() }
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const ended = connections.begin(request.socket, response)
    void answer(serving, request, response, ended).catch((error: unknown) => {
      input.log(`bug: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
      response.destroy()
    })
  }
  server.on('request', handle)
  // Node would ask for the body before anybody has looked at the token.
  server.on('checkContinue', handle)
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || connections.isAnswering(socket)) socket.destroy()
    else
      // Nobody reads what comes after it, so its end would never be seen.
      socket.end(unreadableAnswer(error.code), () => socket.destroy())
  })
  return server
}

async function answer(
  serving: Serving,
  request: IncomingMessage,
  response: ServerResponse,
  ended: AbortSignal,
): Promise<void> {
  const { log } = serving
  setSafeHeaders(response)
  // Node takes it away with the connection, whatever its types say.
  const remoteAddress = (request.socket as Socket | null)?.remoteAddress ?? ''
  let token: Token | undefined
  let { unreadMs } = serving.limits
  try {
    const found = await admit(serving, request, response, (known) => (token = known))
    if (isProblem(found)) {
      sendProblem(response, request, found)
      return
    }
    const { route } = found
    if (route.scope === 'ticket') unreadMs = serving.limits.downloadUnreadMs
    const value = await route.handle({ ...found.asked, signal: ended }, serving.daemon)
    if (isProblem(value)) sendProblem(response, request, value)
    else if (isPageFile(value)) sendPageFile(request, response, value)
    else if (isStream(value))
      await sendStream({ ...serving, ended, unreadMs }, route, response, value)
    else sendDocument(response, route.reply.status, value)
  } catch (error) {
    // Whoever went away, or never sent the body, hears nothing any more.
    if (ended.aborted || (request.destroyed && !request.complete)) return
    const told = problemOf(error, log)
    if (response.headersSent) response.destroy()
    else sendProblem(response, request, told)
  } finally {
    requireReader(response, unreadMs, ended)
    noteAnswer(serving, request, remoteAddress, response.statusCode, token)
  }
}

const REFUSED: readonly number[] = [401, 403, 421, 429]

/** What may change something is told with who asked for it, and so is who was refused. */
function noteAnswer(
  { log, audit, daemon }: ServerInput,
  request: IncomingMessage,
  remoteAddress: string,
  status: number,
  token: Token | undefined,
): void {
  const { method = '', url = '' } = request
  const isRead = method === 'GET' || method === 'HEAD'
  if (!isRead && token !== undefined) log(`${token.name}: ${method} ${url} ${status}`)
  if (isRead && !REFUSED.includes(status)) return
  audit.note({ at: daemon.now(), token: token?.name, method, path: url, status, remoteAddress })
}

type Admitted = {
  readonly route: Route
  readonly asked: Omit<Asked<unknown, unknown, unknown>, 'signal'>
}

/** In this order: name of the server, path, token, method, body. Nothing is told before the token. */
async function admit(
  input: Serving,
  request: IncomingMessage,
  response: ServerResponse,
  onToken: (token: Token | undefined) => void,
): Promise<Admitted | Problem> {
  if (request.rawHeaders.length > input.limits.headers * 2)
    return problem(431, `more than ${input.limits.headers} headers`)
  const foreign = checkOrigin(request, input.hosts())
  if (foreign !== undefined) return foreign
  const target = readTarget(request.url ?? '')
  if (isProblem(target)) return target
  const matching = input.routes.flatMap((route) => {
    const path = matchPath(route.at, target.segments)
    return path === undefined ? [] : [{ route, path }]
  })
  const match = matching.find(({ route }) => isAsked(route, request.method))
  const scope = match?.route.scope ?? 'read'
  let token: Token | undefined
  if (scope !== 'public' && scope !== 'ticket') {
    const passed = input.gate.check(request, scope)
    onToken(passed.token)
    if (passed.refused !== undefined) return passed.refused
    token = passed.token
    input.connections.trust(request.socket)
  }
  if (match === undefined) {
    if (matching.length === 0)
      return problem(404, 'there is nothing here; /openapi.json lists what there is')
    const methods = matching.map(({ route }) => route.method)
    const hasHead = matching.some(({ route }) => isAsked(route, 'HEAD'))
    const allowed = [...methods, ...(hasHead ? ['HEAD'] : [])].join(', ')
    response.setHeader('Allow', allowed)
    return problem(405, `only ${allowed} here`)
  }
  const { route } = match
  const body = await readBody(request, () => {
    if (request.headers.expect !== undefined) response.writeContinue()
  })
  if (isProblem(body)) return body
  const path = checked('path', route.path, match.path)
  if (isProblem(path)) return path
  const query = checked('query', route.query, target.query)
  if (isProblem(query)) return query
  const content = checked('body', route.body, body)
  if (isProblem(content)) return content
  return { route, asked: { path: path.value, query: query.value, body: content.value, token } }
}

/** A ticket is good for one GET: whoever only wants to see the headers must not use it up. */
function isAsked({ method, scope }: Route, asked: string | undefined): boolean {
  return method === (asked === 'HEAD' && scope !== 'ticket' ? 'GET' : asked)
}

function checked(
  what: string,
  schema: Route['path'],
  value: unknown,
): { readonly value: unknown } | Problem {
  if (schema === undefined) {
    const isEmpty = what !== 'body' && Object.keys(value as object).length === 0
    return isEmpty || value === undefined
      ? { value: undefined }
      : problem(400, `no ${what} is taken here`)
  }
  const result = schema.safeParse(value)
  if (result.success) return { value: result.data }
  const [first] = result.error.issues
  const place = [what, ...(first?.path.map(String) ?? [])].join('.')
  return problem(400, `${place}: ${first?.message ?? 'is not what is taken here'}`)
}

function matchPath(
  at: string,
  segments: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const parts = at.split('/').slice(1)
  if (parts.length !== segments.length) return undefined
  const values: Record<string, string> = {}
  for (const [place, part] of parts.entries()) {
    const segment = segments[place]!
    if (part.startsWith('{') && segment !== '') values[part.slice(1, -1)] = segment
    else if (part !== segment) return undefined
  }
  return values
}

function setSafeHeaders(response: ServerResponse): void {
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin')
  response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
}

function sendDocument(response: ServerResponse, status: number, value: unknown): void {
  if (status === 204) {
    response.writeHead(204).end()
    return
  }
  const body = Buffer.from(JSON.stringify(value))
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': body.length,
  })
  response.end(body)
}

function sendProblem(response: ServerResponse, request: IncomingMessage, told: Problem): void {
  const body = Buffer.from(JSON.stringify({ type: 'about:blank', ...told }))
  const headers: Record<string, string | number> = {
    'Content-Type': 'application/problem+json; charset=utf-8',
    'Content-Length': body.length,
  }
  if (told.status === 401) headers['WWW-Authenticate'] = 'Bearer'
  if (told.status === 429) headers['Retry-After'] = 60
  // A body that was not read would be taken for the next request.
  if (!request.complete) headers['Connection'] = 'close'
  response.writeHead(told.status, headers)
  response.end(body)
}

async function sendStream(
  serving: Serving & { readonly ended: AbortSignal; readonly unreadMs: number },
  route: Route,
  response: ServerResponse,
  stream: Stream,
): Promise<void> {
  const { limits, streams, connections, gate, ended, unreadMs } = serving
  const request = response.req
  if (streams.size >= limits.streams) {
    sendProblem(response, request, problem(429, 'too many follow something already'))
    return
  }
  connections.trust(request.socket)
  const begin = (): void => {
    if (response.headersSent) return
    response.writeHead(200, { 'Content-Type': stream.contentType, ...stream.headers })
    // Before the first byte there may be minutes.
    response.flushHeaders()
  }
  if (stream.mayFailFirst !== true) begin()
  if (request.method === 'HEAD') {
    begin()
    response.end()
    return
  }
  const watch = setInterval(() => {
    if (!isStillAllowed(gate, request, route, stream)) response.destroy()
  }, limits.revokedMs)
  streams.add(response)
  try {
    await stream.write(async (piece) => {
      begin()
      if (!ended.aborted && !response.write(piece)) await drained(response, unreadMs, ended)
    })
    begin()
    response.end()
  } finally {
    clearInterval(watch)
    streams.delete(response)
  }
}

function isStillAllowed(
  gate: TokenGate,
  request: IncomingMessage,
  { scope }: Route,
  stream: Stream,
): boolean {
  try {
    if (scope === 'public' || scope === 'ticket') return stream.isStillAllowed?.() ?? true
    return gate.check(request, scope).refused === undefined
  } catch {
    // The tokens cannot be read: whoever follows asks again, and is told then.
    return false
  }
}

/** Resolves when there is room again, or nobody to wait for. */
async function drained(
  response: ServerResponse,
  unreadMs: number,
  ended: AbortSignal,
): Promise<void> {
  if (ended.aborted) return
  const unread = setTimeout(() => response.destroy(), unreadMs)
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      ended.removeEventListener('abort', done)
      resolve()
    }
    response.on('drain', done)
    ended.addEventListener('abort', done)
  })
  clearTimeout(unread)
}

/** What was written whole waits in memory until the other side takes it, but not for ever. */
function requireReader(response: ServerResponse, unreadMs: number, ended: AbortSignal): void {
  if (ended.aborted) return
  const unread = setTimeout(() => response.destroy(), unreadMs)
  ended.addEventListener('abort', () => clearTimeout(unread))
}
