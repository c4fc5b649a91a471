// `spillway serve`: the daemon. Joins queue, schedule and HTTP, and ends them in order.

import type { AddressInfo } from 'node:net'
import { archiveRoutes } from './routes/archives.ts'
import { createHttpServer } from './http-server.ts'
import { defineRoute } from './route.ts'
import type { Daemon, DaemonServices, Route } from './route.ts'
import { acquireDaemonLock } from '../catalog/run-lock.ts'
import { AuditLog } from './audit-log.ts'
import { Downloads } from './downloads.ts'
import { downloadRoutes } from './routes/downloads.ts'
import { insightRoutes } from './routes/insight.ts'
import { JobQueue } from './job-queue.ts'
import { jobRoutes } from './routes/jobs.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import { openApiOf } from './openapi.ts'
import { pageFiles } from './page-files.ts'
import { pageRoutes } from './routes/page.ts'
import type { RunJob } from './job-queue.ts'
import { repeat } from './repeated.ts'
import { Scheduler } from './scheduler.ts'
import { runRoutes } from './routes/runs.ts'
import { SilenceWatch } from '../operations/notify-silence.ts'
import { serverRoutes } from './routes/servers.ts'
import { sessionRoutes } from './routes/session.ts'
import type { SettingsDesk } from './settings-desk.ts'
import { settingsRoutes } from './routes/settings.ts'
import type { State } from '../state/open-state.ts'
import { StatusCache } from './status-cache.ts'
import { TokenGate } from './gate.ts'
import { TokenUse } from './token-use.ts'
import { z } from 'zod'

export const ROUTES: readonly Route[] = [
  ...archiveRoutes,
  ...serverRoutes,
  ...jobRoutes,
  ...runRoutes,
  ...insightRoutes,
  ...downloadRoutes,
  ...metricsRoutes,
  ...sessionRoutes,
  ...pageRoutes,
  ...settingsRoutes,
]

export type ServeInput = {
  readonly services: () => Promise<DaemonServices>
  readonly settings: SettingsDesk
  readonly state: State
  readonly runJob: RunJob
  readonly version: string
  readonly now: () => Date
  readonly log: (line: string) => void
  /** It answers; `url` is where. */
  readonly onReady: (url: string) => void
  readonly onStopping: () => void
}

// What is late is late by an hour at least.
const SILENCE_EVERY_MS = 5 * 60_000

/** Resolves when the signal has come and everything has ended. */
export async function serve(input: ServeInput, signal: AbortSignal): Promise<void> {
  const { config } = await input.services()
  const lock = await acquireDaemonLock(config.dataDir)
  try {
    await serveAlone(input, signal)
  } finally {
    await lock.release()
  }
}

async function serveAlone(input: ServeInput, signal: AbortSignal): Promise<void> {
  // An installation without its page is told at once, and an update cannot mix two of them.
  pageFiles()
  const { services, settings, state, runJob, version, now, log } = input
  const { config } = await services()
  const { listen, names } = config.daemon
  const { jobs, runs, tokens } = state
  const queue = new JobQueue({ jobs, runJob, now, log })
  const audit = new AuditLog(state.audit, log)
  const downloads = new Downloads(now)
  const given = { services, settings, jobs, runs, tokens, version, now }
  const status = new StatusCache(runs, now)
  const plan = async () => (await services()).config
  const isRunGoingOn = async () => (await (await services()).currentRun()) !== undefined
  const scheduler = new Scheduler({ jobs, queue, plan, isRunGoingOn, now, log })
  const nextRun = () => scheduler.next()
  const daemon: Daemon = { ...given, audit, downloads, queue, status, nextRun }
  const openApi = defineRoute({
    ...{ method: 'GET', at: '/openapi.json', scope: 'public', tag: 'status' },
    summary: 'this description',
    reply: { status: 200, description: 'OpenAPI 3.1', document: z.looseObject({}) },
    handle: async () => document,
  })
  const document = openApiOf([openApi, ...ROUTES], version)
  let hosts: ReadonlySet<string> = new Set()
  const uses = new TokenUse(tokens, now, log)
  const gate = new TokenGate(uses.find, now)
  const server = createHttpServer({
    ...{ routes: [openApi, ...ROUTES], daemon, gate, log, audit },
    hosts: () => hosts,
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: Error) => reject(notListening(listen, cause)))
    server.listen({ host: listen.host, port: listen.port }, resolve)
  })
  const { port } = server.address() as AddressInfo
  hosts = hostsOf({ ...listen, port }, names)
  queue.start()
  await scheduler.start()
  const silence = new SilenceWatch({ services, marks: state.marks, now, log })
  const watch = repeat(() => silence.look(), {
    ...{ everyMs: SILENCE_EVERY_MS, what: 'silent sources cannot be looked for', log },
  })
  input.onReady(`http://${bracketed(listen.host)}:${port}/`)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
  log('stopping')
  input.onStopping()
  scheduler.stop()
  const closed = new Promise((resolve) => server.close(resolve))
  await Promise.all([queue.stop(), watch.stop()])
  // Those who look on were told how the job ended.
  server.closeAllConnections()
  await closed
  audit.write()
  uses.write()
}

function hostsOf(
  { host, port }: { readonly host: string; readonly port: number },
  names: readonly string[],
): ReadonlySet<string> {
  const own = ['localhost', '127.0.0.1', '[::1]', bracketed(host)].map((name) => `${name}:${port}`)
  // Clients leave the usual port out.
  const short = port === 80 ? own.map((name) => name.slice(0, -3)) : []
  return new Set([...own, ...short, ...names])
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function notListening(
  { host, port }: { readonly host: string; readonly port: number },
  cause: Error,
): SpillwayError {
  const what = `cannot listen on ${bracketed(host)}:${port}: ${messageOf(cause)}`
  const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
  return new SpillwayError('LISTEN_FAILED', what, {
    cause,
    ...(isTaken ? { hint: 'another program, or another daemon, has that port: see LISTEN' } : {}),
  })
}
