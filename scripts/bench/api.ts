// `npm run bench:api`: how long the daemon takes to answer while a run is going on and one of three servers
// accepts connections and never says a word.
//
//   npm run bench:api -- [--archives N] [--requests N] [--askers N] [--pause MS]
//
// The catalog has N archives of the last nights; the run archives a folder of noise. The servers are model servers
// in processes of their own. Each asker sends one request after the other, all routes in turn, with a pause of 20 ms
// between them, as pages and monitors never make (--pause 0: as fast as answers come). BENCH_CPU_PROFILE=FOLDER has the daemon leave a profile there.

import { spawn } from 'node:child_process'
import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import type { ChildProcess } from 'node:child_process'
import { fillCatalog } from './many-nights.ts'

const PROGRAM = join(import.meta.dirname, '../../src/main.js')
const MODEL = join(import.meta.dirname, '../../test/support/s3-model-main.js')
const ROUTES = [
  '/healthz',
  '/api/status',
  '/api/archives',
  '/api/archives?source=source-3',
  '/api/jobs',
  '/api/runs',
  '/api/usage',
  '/metrics',
]
const NOISE_MB = 800

const USAGE = `npm run bench:api -- [OPTION...]
  --archives N   in the catalog (5000)
  --requests N   in each half (2500)
  --askers N     at the same time (4)
  --pause MS     between two requests of one of them (20)`

const { values } = parseArgs({
  options: {
    archives: { type: 'string', default: '5000' },
    requests: { type: 'string', default: '2500' },
    askers: { type: 'string', default: '4' },
    pause: { type: 'string', default: '20' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const work = mkdtempSync(join(tmpdir(), 'spillway-bench-api-'))
const children: ChildProcess[] = []
try {
  await bench()
} finally {
  const ended = children.map((child) => new Promise((resolve) => child.on('close', resolve)))
  for (const child of children) child.kill()
  await Promise.all(ended)
  rmSync(work, { recursive: true, force: true })
}

async function bench(): Promise<void> {
  const servers = [await modelServer(), await modelServer()]
  const silent = await silentServer()
  const env = writeEnv([silent, ...servers])
  await fillCatalog(join(work, 'data'), Number(values.archives), servers)
  const noise = join(work, 'noise')
  mkdirSync(noise)
  for (let at = 0; at < NOISE_MB; at += 50)
    writeFileSync(join(noise, `${at}.bin`), randomBytes(50_000_000))
  const token = execFileSync(
    process.execPath,
    [PROGRAM, 'token', 'create', 'bench', '--scope=admin', '--config', env],
    { encoding: 'utf8' },
  ).trim()
  const url = await startDaemon(env)
  const agent = new Agent({ keepAlive: true, maxSockets: Number(values.askers) })
  const ask = (path: string, method = 'GET', body?: string): Promise<Answered> =>
    answerOf({ agent, url, token, path, method, body })
  console.log(
    `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}; ${values.archives} archives, ${values.askers} askers`,
  )
  await ask('/api/status')
  await measure('nothing else going on', ask, 'idle')
  const { text } = await ask('/api/runs', 'POST', '{}')
  const { id } = JSON.parse(text) as { id: string }
  await measure('a run going on, one server silent', ask, id)
  await ask(`/api/jobs/${id}`, 'DELETE')
}

type Answered = { readonly ms: number; readonly status: number; readonly text: string }
type Ask = (path: string, method?: string, body?: string) => Promise<Answered>

async function measure(title: string, ask: Ask, job: string): Promise<void> {
  const times = new Map<string, number[]>(ROUTES.map((route) => [route, []]))
  let left = Number(values.requests)
  const askers = Array.from({ length: Number(values.askers) }, async (_, first) => {
    for (let turn = first; left > 0; turn += 1) {
      left -= 1
      const path = ROUTES[turn % ROUTES.length]!
      const { ms, status, text } = await ask(path)
      if (status !== 200) throw new Error(`${path} was answered with ${status}: ${text}`)
      times.get(path)!.push(ms)
      await sleep(Number(values.pause))
    }
  })
  const begun = performance.now()
  await Promise.all(askers)
  const seconds = (performance.now() - begun) / 1_000
  if (job !== 'idle') {
    const { text } = await ask(`/api/jobs/${job}`)
    const { state } = JSON.parse(text) as { state: string }
    if (state !== 'running')
      throw new Error(`the run was over (${state}): what was measured says nothing`)
  }
  console.log(`\n${title}: ${values.requests} requests in ${seconds.toFixed(1)} s`)
  console.log(`  ${'route'.padEnd(32)}    p50    p99    max  ms`)
  for (const [route, all] of [...times, ['all', [...times.values()].flat()] as const])
    console.log(
      `  ${route.padEnd(32)} ${[0.5, 0.99, 1].map((share) => quantile(all, share).toFixed(1).padStart(6)).join(' ')}`,
    )
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

function answerOf(input: {
  readonly agent: Agent
  readonly url: string
  readonly token: string
  readonly path: string
  readonly method: string
  readonly body: string | undefined
}): Promise<Answered> {
  const { agent, url, token, path, method, body } = input
  const begun = performance.now()
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), {
      ...{ agent, method },
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
    })
    asked.on('error', reject)
    asked.on('response', (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () =>
        resolve({
          ...{ ms: performance.now() - begun, status: response.statusCode ?? 0 },
          text: Buffer.concat(pieces).toString('utf8'),
        }),
      )
    })
    asked.end(body)
  })
}

type Endpoint = {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
}

async function modelServer(): Promise<Endpoint> {
  const child = spawn(process.execPath, [MODEL, JSON.stringify({ buckets: ['bench'] })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  for await (const line of createInterface({ input: child.stdout })) {
    const { endpoint, keys } = JSON.parse(line) as { endpoint: string; keys: Endpoint }
    return { ...keys, endpoint }
  }
  throw new Error('the model server did not start')
}

/** Takes every connection and every byte, and answers none. */
async function silentServer(): Promise<Endpoint> {
  const server = createServer((socket) => {
    socket.resume()
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const { port } = server.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${port}`, accessKey: 'none', secretKey: 'none' }
}

function writeEnv(servers: readonly Endpoint[]): string {
  const path = join(work, 'bench.env')
  const entries = servers.flatMap(({ endpoint, accessKey, secretKey }, index) =>
    Object.entries({
      ...{ ENDPOINT: endpoint, REGION: 'us-east-1', BUCKET: 'bench', STORAGE_LIMIT_GB: '100000' },
      ...{ ACCESS_KEY: accessKey, SECRET_KEY: secretKey },
    }).map(([name, value]) => `S3_SERVER_${index + 1}_${name}=${value}`),
  )
  const lines = [
    'SERVER_ID=bench',
    `DATA_DIR=${join(work, 'data')}`,
    'LISTEN=127.0.0.1:0',
    'SOURCE_1_NAME=noise',
    `SOURCE_1_PATH=${join(work, 'noise')}`,
    'KEEP_DAILY=60',
    'KEEP_MONTHLY=24',
    // Otherwise a fast machine is done before anything was measured.
    'UPLOAD_LIMIT_MBIT=200',
    ...entries,
  ]
  writeFileSync(path, lines.join('\n') + '\n', { mode: 0o600 })
  return path
}

async function startDaemon(env: string): Promise<string> {
  const folder = process.env['BENCH_CPU_PROFILE']
  const profile = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
  const child = spawn(process.execPath, [...profile, PROGRAM, 'serve', '--config', env], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(child)
  for await (const line of createInterface({ input: child.stderr })) {
    const [, url] = /listening on (\S+)/.exec(line) ?? []
    if (url !== undefined) {
      child.stderr.resume()
      return url
    }
  }
  throw new Error('the daemon did not start')
}
