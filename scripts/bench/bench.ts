// `npm run bench`: archive + upload, side by side with the pipelines people use today.
//
// All programs send to the same server on loopback (the model server as a process of its own, or
// BENCH_ENDPOINT with BENCH_BUCKET, BENCH_ACCESS_KEY, BENCH_SECRET_KEY), in turn within each round, so
// that a machine that slows down slows all of them. What counts is the ratio of the medians.
//
//   npm run bench -- [--rounds N] [--files FOLDER]
//
// Peers must be installed (rclone, awscli, zstd, GNU time); one that is not there is left out, loudly.

import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

const PROGRAM = join(import.meta.dirname, '../../src/main.js')
const MODEL = join(import.meta.dirname, '../../test/support/s3-model-main.js')
const BUCKET = process.env['BENCH_BUCKET'] ?? 'bench'

type Endpoint = {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
}
type Measured = { readonly seconds: number; readonly cpuSeconds: number; readonly peakMiB: number }
type Contender = { readonly name: string; readonly command: (source: string) => string }

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    files: { type: 'string', default: '/usr/share' },
  },
})
const rounds = Number(values.rounds)
const work = mkdtempSync(join(tmpdir(), 'spillway-bench-'))
const { server, stop } = await startServer()
try {
  await bench(server)
} finally {
  stop()
  rmSync(work, { recursive: true, force: true })
}

async function bench(endpoint: Endpoint): Promise<void> {
  const noise = join(work, 'noise')
  mkdirSync(noise)
  writeNoise(join(noise, 'noise.bin'), 1_000)
  console.log(
    `${cpus().length} x ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${rounds} rounds, medians\n`,
  )
  for (const [title, source] of [
    ['small files', values.files],
    ['1 GB of noise', noise],
  ] as const) {
    const contenders = contendersFor(endpoint, source)
    const results = new Map<string, Measured[]>()
    for (let round = 0; round <= rounds; round += 1) {
      for (const { name, command } of contenders) {
        const measured = await measure(command(source))
        // Round 0 fills the page cache and is not counted.
        if (round > 0) results.set(name, [...(results.get(name) ?? []), measured])
      }
    }
    printTable(`${title} (${source})`, results)
  }
}

function contendersFor(endpoint: Endpoint, source: string): readonly Contender[] {
  const spillway = (verify: boolean): Contender => ({
    name: verify ? 'spillway run' : 'spillway run, VERIFY_PACK=false',
    command: () => {
      // A new catalog every time: the same first night as the peers have.
      rmSync(join(work, 'data'), { recursive: true, force: true })
      return `node ${PROGRAM} run --config ${writeEnv(endpoint, source, verify)}`
    },
  })
  const tarZstd = (path: string) => `tar -C ${path} -cf - . | zstd -q -T2 -3`
  const aws = `AWS_ACCESS_KEY_ID=${endpoint.accessKey} AWS_SECRET_ACCESS_KEY=${endpoint.secretKey} AWS_DEFAULT_REGION=us-east-1`
  const rclone =
    `RCLONE_CONFIG_S_TYPE=s3 RCLONE_CONFIG_S_PROVIDER=Other RCLONE_CONFIG_S_ENDPOINT=${endpoint.endpoint} RCLONE_CONFIG_S_REGION=us-east-1 ` +
    `RCLONE_CONFIG_S_ACCESS_KEY_ID=${endpoint.accessKey} RCLONE_CONFIG_S_SECRET_ACCESS_KEY=${endpoint.secretKey}`
  const peers: readonly (Contender & { readonly needs: string })[] = [
    {
      name: 'tar | zstd -T2 -3 | rclone rcat',
      needs: 'rclone',
      command: (path) =>
        `${tarZstd(path)} | ${rclone} env -u AWS_CA_BUNDLE rclone rcat S:${BUCKET}/rclone.tar.zst`,
    },
    {
      name: 'tar | zstd -T2 -3 | aws s3 cp -',
      needs: 'aws',
      command: (path) =>
        `${tarZstd(path)} | ${aws} aws --endpoint-url ${endpoint.endpoint} s3 cp --quiet - s3://${BUCKET}/aws.tar.zst`,
    },
  ]
  const present = peers.filter(({ needs }) => {
    const isThere = ['/usr/bin', '/usr/local/bin', '/bin'].some((folder) =>
      existsSync(join(folder, needs)),
    )
    if (!isThere) console.log(`LEFT OUT: ${needs} is not installed`)
    return isThere
  })
  return [spillway(false), spillway(true), ...present]
}

function writeEnv(endpoint: Endpoint, source: string, verify: boolean): string {
  const path = join(work, 'bench.env')
  const lines = [
    'SERVER_ID=bench',
    `DATA_DIR=${join(work, 'data')}`,
    `SOURCE_1_NAME=source`,
    `SOURCE_1_PATH=${source}`,
    `VERIFY_PACK=${verify}`,
    `S3_SERVER_1_ENDPOINT=${endpoint.endpoint}`,
    'S3_SERVER_1_REGION=us-east-1',
    `S3_SERVER_1_BUCKET=${BUCKET}`,
    `S3_SERVER_1_ACCESS_KEY=${endpoint.accessKey}`,
    `S3_SERVER_1_SECRET_KEY=${endpoint.secretKey}`,
    'S3_SERVER_1_STORAGE_LIMIT_GB=10000',
  ]
  writeFileSync(path, lines.join('\n') + '\n', { mode: 0o600 })
  return path
}

/** Wall, CPU of the whole pipeline, and the memory of its largest process, by GNU time. */
async function measure(command: string): Promise<Measured> {
  const figures = join(work, 'time')
  const begun = performance.now()
  const child = spawn(
    '/usr/bin/time',
    [
      '-o',
      figures,
      '-f',
      '%U %S %M',
      'bash',
      '-c',
      `set -o pipefail; PATH=/usr/bin:/bin:$PATH; ${command} >${work}/out 2>&1`,
    ],
    { stdio: 'inherit' },
  )
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const seconds = (performance.now() - begun) / 1_000
  if (exit !== 0 && exit !== 3)
    throw new Error(`ended with ${exit}: ${command}\n${readFileSync(join(work, 'out'), 'utf8')}`)
  const [user = 0, system = 0, peakKiB = 0] = readFileSync(figures, 'utf8')
    .trim()
    .split('\n')
    .at(-1)!
    .split(' ')
    .map(Number)
  return { seconds, cpuSeconds: user + system, peakMiB: peakKiB / 1_024 }
}

function printTable(title: string, results: ReadonlyMap<string, readonly Measured[]>): void {
  const peers = [...results].filter(([name]) => !name.startsWith('spillway'))
  const best = Math.min(...peers.map(([, runs]) => median(runs.map(({ seconds }) => seconds))))
  console.log(`${title}\n  ${'program'.padEnd(34)}  wall s   cpu s  peak MiB  wall / best peer`)
  for (const [name, runs] of results) {
    const wall = median(runs.map(({ seconds }) => seconds))
    const cpu = median(runs.map(({ cpuSeconds }) => cpuSeconds))
    const peak = Math.max(...runs.map(({ peakMiB }) => peakMiB))
    console.log(
      `  ${name.padEnd(34)}  ${wall.toFixed(2).padStart(6)}  ${cpu.toFixed(2).padStart(6)}  ${peak.toFixed(0).padStart(8)}  ${(wall / best).toFixed(2).padStart(16)}`,
    )
  }
  console.log('')
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

function writeNoise(path: string, megabytes: number): void {
  const file = openSync(path, 'w')
  for (let written = 0; written < megabytes; written += 10) writeSync(file, randomBytes(10_000_000))
  closeSync(file)
}

async function startServer(): Promise<{ server: Endpoint; stop: () => void }> {
  const given = process.env['BENCH_ENDPOINT']
  if (given !== undefined) {
    const [accessKey, secretKey] = [
      process.env['BENCH_ACCESS_KEY'] ?? '',
      process.env['BENCH_SECRET_KEY'] ?? '',
    ]
    return { server: { endpoint: given, accessKey, secretKey }, stop: () => {} }
  }
  execFileSync('/usr/bin/time', ['--version'], { stdio: 'ignore' })
  const child = spawn(process.execPath, [MODEL, JSON.stringify({ buckets: [BUCKET] })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const { endpoint, keys } = JSON.parse(line) as { endpoint: string; keys: Endpoint }
    return { server: { ...keys, endpoint }, stop: () => child.kill() }
  }
  throw new Error('the model server did not start')
}
