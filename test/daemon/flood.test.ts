// Those who come in masses, send slowly, never read or guess: each is got rid of, and whoever has a token is
// served meanwhile. The limits are the daemon's own, only shorter.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { connect } from 'node:net'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createHttpServer } from '../../src/daemon/http-server.ts'
import { HTTP_LIMITS } from '../../src/daemon/http-limits.ts'
import { JobQueue } from '../../src/daemon/job-queue.ts'
import { jobRoutes } from '../../src/daemon/routes/jobs.ts'
import { openState } from '../../src/state/open-state.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { AuditLog } from '../../src/daemon/audit-log.ts'
import { Downloads } from '../../src/daemon/downloads.ts'
import { SettingsDesk } from '../../src/daemon/settings-desk.ts'
import { StatusCache } from '../../src/daemon/status-cache.ts'
import { TokenGate } from '../../src/daemon/gate.ts'
import { World } from '../support/world.ts'
import type { AddressInfo, Socket } from 'node:net'
import type { HttpLimits } from '../../src/daemon/http-limits.ts'
import type { RunJob } from '../../src/daemon/job-queue.ts'
import type { Server } from 'node:http'
import type { State } from '../../src/state/open-state.ts'

const GOOD = { exit: 0, result: {}, reason: undefined }

let folder: string
let state: State
let server: Server
let queue: JobQueue
let token: string
let nowMs: number
let log: string[]
let sockets: Socket[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))
  state = openState(folder)
  token = state.tokens.create('me', 'admin', new Date())
  nowMs = Date.now()
  log = []
  sockets = []
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await vi.waitFor(() => expect(queue.watcherCount).toBe(0), 10_000)
  state.close()
  rmSync(folder, { recursive: true, force: true })
  expect(log.filter((line) => line.startsWith('bug'))).toEqual([])
})

async function start(
  limits: Partial<HttpLimits>,
  runJob: RunJob = async () => GOOD,
): Promise<void> {
  const now = (): Date => new Date(nowMs)
  const { jobs, tokens } = state
  queue = new JobQueue({ jobs, runJob, now, log: () => undefined })
  const services = (): Promise<never> => Promise.reject(new Error('not needed here'))
  const daemon = {
    ...{ services, jobs, tokens, queue, now, version: '1', runs: state.runs },
    settings: new SettingsDesk({}, () => Promise.resolve()),
    audit: new AuditLog(state.audit, () => undefined),
    downloads: new Downloads(now),
    status: new StatusCache(state.runs, now),
    nextRun: () => Promise.resolve(undefined),
  }
  server = createHttpServer({
    ...{ routes: jobRoutes, limits, log: (line) => log.push(line) },
    ...{ daemon, audit: daemon.audit },
    gate: new TokenGate((secret) => tokens.find(secret), now),
    hosts: () => new Set([`127.0.0.1:${port()}`]),
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

const port = (): number => (server.address() as AddressInfo).port
const head = (more = ''): string =>
  `Host: 127.0.0.1:${port()}\r\nAuthorization: Bearer ${token}\r\n${more}\r\n`

async function open(localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port: port(), host: '127.0.0.1', localAddress })
  sockets.push(socket)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}
const closed = async (socket: Socket): Promise<void> => {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}
/** All that the server says until it closes. */
const allOf = async (socket: Socket): Promise<string> => {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'close')
  return Buffer.concat(pieces).toString('latin1')
}
const firstOf = async (socket: Socket): Promise<string> => {
  const [piece] = (await once(socket, 'data')) as [Buffer]
  return piece.toString('latin1')
}
const isServed = async (): Promise<number> => {
  const { status } = await fetch(`http://127.0.0.1:${port()}/api/jobs`, {
    headers: { authorization: `Bearer ${token}`, connection: 'close' },
  })
  return status
}
const connectionCount = (): Promise<number> =>
  new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))

describe('who sends slowly', () => {
  const SLOW = { headersMs: 300, requestMs: 600, checkMs: 50, keepAliveMs: 300 }
  const dribble = async (first: string): Promise<string> => {
    const socket = await open()
    socket.write(first)
    const timer = setInterval(() => socket.write('x'), 20)
    const answer = await allOf(socket)
    clearInterval(timer)
    return answer
  }

  it.each([
    ['a request line', () => 'GET /'],
    ['headers', () => `GET /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:${port()}\r\nX: `],
    [
      'a body, with a right token',
      () =>
        `POST /api/runs HTTP/1.1\r\n${head('Content-Type: application/json\r\nContent-Length: 60000\r\n')}`,
    ],
    [
      'chunks, with a right token',
      () =>
        `POST /api/runs HTTP/1.1\r\n${head('Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n')}ffff\r\n`,
    ],
  ])('%s is told so and closed, while others are served', async (_what, first) => {
    await start(SLOW)
    const answer = dribble(first())
    expect(await isServed()).toBe(200)
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(state.jobs.list({ kind: undefined, before: undefined, limit: 10 })).toEqual([])
  })

  it('a body without a token is refused before it is sent', async () => {
    await start({})
    const body = 'Content-Type: application/json\r\nContent-Length: 60000\r\n'
    const socket = await open()
    socket.write(`POST /api/runs HTTP/1.1\r\nHost: 127.0.0.1:${port()}\r\n${body}\r\n{`)
    expect(await allOf(socket)).toMatch(/^HTTP\/1\.1 401 /)
  })

  it('nothing at all, from the start or after an answer, is closed', async () => {
    await start(SLOW)
    const [silent, idle] = [await open(), await open()]
    idle.write(`GET /api/jobs HTTP/1.1\r\n${head()}`)
    await Promise.all([closed(silent), closed(idle)])
  })
})

describe('connections beyond what is kept', () => {
  it('drive out the oldest without a token at once, and never one that has shown one', async () => {
    let finish = (): void => undefined
    await start(
      { connections: 8, keepAliveMs: 100, checkMs: 50 },
      () => new Promise((resolve) => (finish = () => resolve(GOOD))),
    )
    const job = queue.add({ kind: 'run', origin: 'api', requestedBy: 'me', args: ['run'] })!
    const listener = await open()
    listener.write(`GET /api/jobs/${job.id}/events HTTP/1.1\r\n${head()}`)
    expect(await firstOf(listener)).toMatch(/^HTTP\/1\.1 200 /)
    const idle: Socket[] = []
    for (let each = 0; each < 50; each += 1) idle.push(await open())
    // 7 places were left, and the last seven have them.
    await Promise.all(idle.slice(0, 43).map(closed))
    expect(idle.slice(43).every((socket) => !socket.closed)).toBe(true)
    expect(await connectionCount()).toBe(8)
    expect(await isServed()).toBe(200)
    const rest = allOf(listener)
    finish()
    expect(await rest).toContain('"job-ended"')
  })

  it('of one address cost no other address its place', async () => {
    await start({ connections: 8 })
    const other = await open('127.0.0.3')
    const flood: Socket[] = []
    for (let each = 0; each < 30; each += 1) flood.push(await open('127.0.0.2'))
    await Promise.all(flood.slice(0, 23).map(closed))
    other.write(`GET /api/jobs HTTP/1.1\r\n${head('Connection: close\r\n')}`)
    expect(await allOf(other)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('are closed themselves when all others are at work for someone with a token', async () => {
    await start({ connections: 3 }, () => new Promise(() => undefined))
    const job = queue.add({ kind: 'run', origin: 'api', requestedBy: 'me', args: ['run'] })!
    const listen = async (): Promise<Socket> => {
      const socket = await open()
      socket.write(`GET /api/jobs/${job.id}/events HTTP/1.1\r\n${head()}`)
      await firstOf(socket)
      return socket
    }
    const [first, second] = [await listen(), await listen()]
    const idle = await open()
    idle.write(`GET /api/jobs HTTP/1.1\r\n${head()}`)
    expect(await firstOf(idle)).toMatch(/^HTTP\/1\.1 200 /)
    // The one that has its answer and waits for nothing gives way.
    const third = await listen()
    await closed(idle)
    await closed(await open())
    expect([first, second, third].map((socket) => socket.closed)).toEqual([false, false, false])
  })
})

describe('who follows a job', () => {
  const follow = async (id: string): Promise<Socket> => {
    const socket = await open()
    socket.write(`GET /api/jobs/${id}/events HTTP/1.1\r\n${head()}`)
    return socket
  }
  const startWithJob = async (
    limits: Partial<HttpLimits>,
    lines = 0,
    line = '',
  ): Promise<string> => {
    await start(limits, async (_args, onLine) => {
      for (let each = 0; each < lines; each += 1) onLine({ kind: 'line', message: line })
      return new Promise(() => undefined)
    })
    const { id } = queue.add({ kind: 'run', origin: 'api', requestedBy: 'me', args: ['run'] })!
    await vi.waitFor(() => expect(state.jobs.lines(id, 0)).toHaveLength(lines), 10_000)
    return id
  }

  it('and never reads is closed, and costs no more memory than the buffers between', async () => {
    // 60 MB: ten times what the system keeps for a connection that nobody reads.
    const id = await startWithJob({ unreadMs: 300 }, 200, 'x'.repeat(300_000))
    global.gc?.()
    const before = process.memoryUsage().rss
    const socket = connect({ port: port(), host: '127.0.0.1' })
    sockets.push(socket)
    socket.pause()
    socket.write(`GET /api/jobs/${id}/events HTTP/1.1\r\n${head()}`)
    await once(server, 'request')
    await vi.waitFor(async () => expect(await connectionCount()).toBe(0), 10_000)
    // A page of the journal is 6 MB here.
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000)
  })

  it('gets one of some places, and the next when one leaves', async () => {
    const id = await startWithJob({ streams: 3 })
    const listeners = [await follow(id), await follow(id), await follow(id)]
    for (const each of listeners) expect(await firstOf(each)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await firstOf(await follow(id))).toMatch(/^HTTP\/1\.1 429 /)
    listeners[0]!.destroy()
    await vi.waitFor(async () => expect(await connectionCount()).toBe(3), 10_000)
    expect(await firstOf(await follow(id))).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('hears no more once the token is revoked', async () => {
    const id = await startWithJob({ revokedMs: 50 })
    const socket = await follow(id)
    await firstOf(socket)
    state.tokens.revoke('me')
    await closed(socket)
  })

  it('behind another request on the same connection is forgotten with it', async () => {
    const id = await startWithJob({})
    const socket = await follow(id)
    await firstOf(socket)
    socket.write(`GET /api/jobs/${id}/events HTTP/1.1\r\n${head()}`)
    await vi.waitFor(() => expect(queue.watcherCount).toBe(2), 10_000)
    socket.destroy()
    await vi.waitFor(() => expect(queue.watcherCount).toBe(0), 10_000)
  })
})

describe('who guesses tokens', () => {
  const guess = (localAddress: string, secret: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${secret}` }
      const options = { port: port(), host: '127.0.0.1', path: '/api/jobs', localAddress, headers }
      const asked = httpRequest({ ...options, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      asked.on('error', reject).end()
    })

  it('is held up by address, then all are, for a minute; a right one never', async () => {
    await start({})
    const statuses: (number | undefined)[] = []
    for (let each = 0; each < 12; each += 1) statuses.push(await guess('127.0.0.2', 'spw_x'))
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429])
    expect(await guess('127.0.0.3', 'spw_x')).toBe(401)
    expect(await guess('127.0.0.2', token)).toBe(200)
    for (let each = 0; each < 90; each += 1) await guess(`127.0.1.${each + 1}`, 'spw_x')
    expect(await guess('127.0.2.1', 'spw_x')).toBe(429)
    expect(await guess('127.0.2.1', token)).toBe(200)
    nowMs += 61_000
    expect(await guess('127.0.0.2', 'spw_x')).toBe(401)
  })
})

it('10 000 connections leave the daemon answering, small, and its run undisturbed [F99b]', async () => {
  await start({})
  const world = await World.make([{}])
  await world.noise('noise.bin', 30_000_000)
  const daemon = await TestDaemon.start(world)
  const rssBytes = (): number => {
    const text = readFileSync(`/proc/${daemon.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]) * 1024
  }
  try {
    const before = rssBytes()
    const { json } = await daemon.ask('POST', '/api/runs', { body: {} })
    let dropped = 0
    const opened: Promise<unknown>[] = []
    const answered: number[] = []
    const ask = async (triesLeft: number): Promise<void> => {
      const begun = performance.now()
      const status = await daemon.ask('GET', '/api/jobs').then(
        (answer) => answer.status,
        () => 0,
      )
      // Who asks in the very moment may be driven out before it is read: a client asks again.
      if (status === 0 && triesLeft > 0) return ask(triesLeft - 1)
      expect(status).toBe(200)
      answered.push(performance.now() - begun)
    }
    for (let each = 0; each < 10_000; each += 1) {
      const socket = connect(daemon.port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.resume()
      socket.on('close', () => (dropped += 1))
      opened.push(new Promise((resolve) => socket.once('connect', resolve).once('close', resolve)))
      if (each % 500 === 250) opened.push(ask(4))
      if (each % 500 === 499) await Promise.all(opened.splice(0))
    }
    expect(answered).toHaveLength(20)
    expect(Math.max(...answered)).toBeLessThan(3_000)
    expect((await daemon.ask('GET', '/api/jobs')).status).toBe(200)
    await vi.waitFor(
      () => expect(dropped).toBeGreaterThan(10_000 - HTTP_LIMITS.connections - 1),
      10_000,
    )
    expect(rssBytes() - before).toBeLessThan(80_000_000)
    await daemon.follow(json['id'] as string)
    const job = await daemon.ask('GET', `/api/jobs/${json['id'] as string}`)
    expect(job.json).toMatchObject({ state: 'done', exit: 0 })
  } finally {
    for (const socket of sockets) socket.destroy()
    await daemon.stop()
    await world.close()
  }
}, 60_000)
