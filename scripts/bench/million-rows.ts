// `npm run bench:rows`: what the program costs when its catalog has a million archives of ten years.
//
//   npm run bench:rows -- [--rows N] [--rounds N] [--folder FOLDER]
//
// The catalog lies in memory (/dev/shm) where there is such a place: what is measured is the work, not the disk. It is
// made anew, a minute or two, unless FOLDER has one of an earlier call, which is then left there. Programs are started
// in turn, an empty `node -e 0` among them, and the median is told; memory is the most that a program had, by GNU time.

import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import { measureQuestions } from './million-rows-questions.ts'
import { fillTenYears, KEEP, SERVERS, SOURCES } from './ten-years.ts'

const PROGRAM = join(import.meta.dirname, '../../src/main.js')
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '11' },
    folder: { type: 'string' },
  },
})

const work =
  values.folder ??
  mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spillway-rows-'))
async function bench(): Promise<void> {
  const path = join(work, 'data/catalog.db')
  mkdirSync(join(work, 'data'), { recursive: true })
  if (!existsSync(path)) await fillTenYears(path, Number(values.rows), new Date())
  const env = writeEnv(path)
  const megabytes = (statSync(path).size / 1e6).toFixed(0)
  const [cpu] = cpus()
  console.log(
    `${cpus().length} x ${cpu?.model}, Node ${process.version}; ${values.rows} archives, ${megabytes} MB`,
  )
  measurePrograms(env)
  await measureQuestions(path)
}

/** Rounds, beside that of `--rounds`: what takes seconds is not started eleven times. */
const PROGRAMS: readonly (readonly [title: string, args: readonly string[], rounds?: number])[] = [
  ['spillway --help', ['--help']],
  ['spillway status', ['status']],
  ['spillway status --json', ['status', '--json']],
  ['spillway metrics', ['metrics']],
  ['spillway list --limit=20', ['list', '--limit=20']],
  ['spillway find NAME', ['find', 'file-7.txt', '--limit=20'], 3],
  ['spillway prune --dry-run', ['prune', '--dry-run'], 1],
  ['spillway list', ['list'], 1],
]

function measurePrograms(env: string): void {
  const found = new Map<string, Started[]>()
  const note = (title: string, started: Started): unknown =>
    found.set(title, [...(found.get(title) ?? []), started])
  for (let round = 0; round < Number(values.rounds); round += 1) {
    note('node -e 0', start(['-e', '0']))
    for (const [title, args, rounds = Infinity] of PROGRAMS) {
      const config = args[0] === '--help' ? [] : [`--config=${env}`]
      if (round < rounds) note(title, start([PROGRAM, ...args, ...config]))
    }
  }
  console.log(`\n${'program, started'.padEnd(28)}   median    worst  memory`)
  for (const [title, all] of found) {
    const times = all.map(({ ms }) => ms).toSorted((a, b) => a - b)
    const memory = Math.max(...all.map(({ kilobytes }) => kilobytes)) / 1024
    const cells = [times[times.length >> 1]!, times.at(-1)!].map((ms) =>
      `${ms.toFixed(0)} ms`.padStart(8),
    )
    console.log(`${title.padEnd(28)} ${cells.join(' ')} ${`${memory.toFixed(0)} MiB`.padStart(8)}`)
  }
}

type Started = { readonly ms: number; readonly kilobytes: number }

function start(args: readonly string[]): Started {
  const memoryFile = join(work, 'memory')
  const begun = performance.now()
  const { status, stderr } = spawnSync(
    'time',
    ['--quiet', '-f', '%M', '-o', memoryFile, process.execPath, ...args],
    { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
  )
  const ms = performance.now() - begun
  // 3: done, with warnings.
  if (status !== 0 && status !== 3)
    throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`)
  return { ms, kilobytes: Number(readFileSync(memoryFile, 'utf8')) }
}

/** The first two servers are as good as full, and the last one has room for some months. */
function writeEnv(path: string): string {
  const handle = new Database(path, { readonly: true })
  const used = handle
    .prepare('select used_bytes from s3_servers order by id')
    .pluck()
    .all() as number[]
  handle.close()
  const spareGb = [5, 5, 10_000]
  const servers = SERVERS.flatMap((endpoint, at) =>
    Object.entries({
      ...{
        ENDPOINT: endpoint,
        REGION: 'eu',
        BUCKET: 'bench',
        ACCESS_KEY: 'none',
        SECRET_KEY: 'none',
      },
      STORAGE_LIMIT_GB: String(Math.ceil(used[at]! / 1e9) + spareGb[at]!),
    }).map(([name, value]) => `S3_SERVER_${at + 1}_${name}=${value}`),
  )
  const sources = SOURCES.flatMap(({ name, isPruned }, at) => [
    `SOURCE_${at + 1}_NAME=${name}`,
    `SOURCE_${at + 1}_PATH=${work}`,
    ...Object.entries(isPruned ? KEEP : {}).flatMap(([rule, count]) =>
      count === undefined ? [] : [`SOURCE_${at + 1}_KEEP_${rule.toUpperCase()}=${count}`],
    ),
  ])
  const env = join(work, 'bench.env')
  const lines = ['SERVER_ID=bench', `DATA_DIR=${join(work, 'data')}`, ...servers, ...sources]
  writeFileSync(env, `${lines.join('\n')}\n`, { mode: 0o600 })
  return env
}

try {
  await bench()
} finally {
  if (values.folder === undefined) rmSync(work, { recursive: true, force: true })
}
