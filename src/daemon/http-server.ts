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
import type { Token } from '../domain/token.ts'

// Slow senders and floods of connections end before they hold up anybody: reliability notes, HTTP.
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
}
const CONNECTIONS_MAX = 64
const REQUESTS_PER_SOCKET_MAX = 100
// A laptop that is shut for a moment may come back; a reader that hangs keeps an archive from retention.
const NOT_TAKEN_MS_MAX = 300_000

export type ServerInput = {
  readonly routes: readonly Route[]
  readonly daemon: Daemon
  readonly gate: TokenGate
  /** `name:port`, in small letters. */
  readonly hosts: () => ReadonlySet<string>
  readonly log: (line: string) => void
  readonly audit: Pick<AuditLog, 'note'>
}

export function createHttpServer(input: ServerInput): Server {
  const server = createServer(LIMITS, (request, response) => {
    void answer(input, request, response).catch((error: unknown) => {
      input.log(`bug: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
      response.destroy()
    })
  })
  server.maxConnections = CONNECTIONS_MAX
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX
  // What cannot be parsed gets one line and is closed; Node's own answer says no more.
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    else socket.destroy()
  })
  return server
}

async function answer(
  input: ServerInput,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { log } = input
  setSafeHeaders(response)
  const ended = new AbortController()
  response.on('close', () => ended.abort())
  let token: Token | undefined
  try {
    const found = await admit(input, request, (known) => (token = known))
    if (isProblem(found)) {
      sendProblem(response, request, found)
      return
    }
    const { route } = found
    const value = await route.handle({ ...found.asked, signal: ended.signal }, input.daemon)
    if (isProblem(value)) sendProblem(response, request, value)
    else if (isPageFile(value)) sendPageFile(request, response, value)
    else if (isStream(value)) await sendStream(response, value)
    else sendDocument(response, route.reply.status, value)
  } catch (error) {
    if (ended.signal.aborted) return
    const told = problemOf(error, log)
    if (response.headersSent) response.destroy()
    else sendProblem(response, request, told)
  } finally {
    noteAnswer(input, request, response.statusCode, token)
  }
}

const REFUSED: readonly number[] = [401, 403, 429]

/** What may change something is told with who asked for it, and so is who was refused. */
function noteAnswer(
  { log, audit, daemon }: ServerInput,
  request: IncomingMessage,
  status: number,
  token: Token | undefined,
): void {
  const { method = '', url = '', socket } = request
  const isRead = method === 'GET' || method === 'HEAD'
  if (!isRead && token !== undefined) log(`${token.name}: ${method} ${url} ${status}`)
  if (isRead && !REFUSED.includes(status)) return
  const remoteAddress = socket.remoteAddress ?? ''
  audit.note({ at: daemon.now(), token: token?.name, method, path: url, status, remoteAddress })
}

type Admitted = {
  readonly route: Route
  readonly asked: Omit<Asked<unknown, unknown, unknown>, 'signal'>
}

/** In this order: name of the server, path, token, method, body. Nothing is told before the token. */
async function admit(
  input: ServerInput,
  request: IncomingMessage,
  onToken: (token: Token | undefined) => void,
): Promise<Admitted | Problem> {
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
  }
  if (match === undefined)
    return matching.length === 0
      ? problem(404, 'there is nothing here; /openapi.json lists what there is')
      : problem(405, `only ${matching.map(({ route }) => route.method).join(', ')} here`)
  const { route } = match
  const body = await readBody(request)
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
    const isEmpty =
      value === undefined || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
    return isEmpty ? { value: undefined } : problem(400, `no ${what} is taken here`)
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

async function sendStream(response: ServerResponse, stream: Stream): Promise<void> {
  const begin = (): void => {
    if (response.headersSent) return
    response.writeHead(200, { 'Content-Type': stream.contentType, ...stream.headers })
    // Before the first byte there may be minutes.
    response.flushHeaders()
  }
  if (stream.mayFailFirst !== true) begin()
  await stream.write(async (piece) => {
    begin()
    if (!response.write(piece)) await drained(response)
  })
  begin()
  response.end()
}

/** Whoever takes nothing for so long holds up what is read for him: he is cut off. */
async function drained(response: ServerResponse): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await new Promise<void>((resolve) => {
    timer = setTimeout(() => response.destroy(), NOT_TAKEN_MS_MAX)
    response.once('drain', resolve)
    response.once('close', resolve)
  })
  clearTimeout(timer)
}
