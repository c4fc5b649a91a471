// Redis as a source, from a real server into an archive, by GNU tar out of it, and into an empty real server,
// compared by Redis' own digest of all data.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { spillway } from '../support/command-sources.ts'
import { RedisServer } from '../support/redis-server.ts'
import { World } from '../support/world.ts'

const FILL = `for i = 1, 20000 do redis.call('set', 'key:' .. i, string.rep(i .. ' ', 50)) end
  for i = 1, 500 do redis.call('rpush', 'list', i); redis.call('zadd', 'scores', i, 'm' .. i) end
  redis.call('hset', 'hash', 'field one', 'a\\0b'); redis.call('xadd', 'stream', '*', 'x', 'y')
  redis.call('set', 'expires', 1, 'ex', 100000); redis.call('select', 3); redis.call('set', 'other', 1)`

let server: RedisServer
let world: World
let disk: string
beforeAll(async () => {
  server = await RedisServer.start({ settings: ['enable-debug-command yes'] })
  await server.command('eval', FILL, '0')
}, 60_000)
afterAll(() => server.stop())
beforeEach(async () => {
  world = await World.make([])
  disk = join(world.folder, 'disk')
  mkdirSync(disk)
  delete world.env['SOURCE_1_PATH']
  world.env['S3_SERVER_1_ENDPOINT'] = `file://${disk}`
  world.env['SOURCE_1_NAME'] = 'cache'
  world.env['SOURCE_1_REDIS'] = `redis://${server.user}@127.0.0.1:${server.port}`
  world.env['SOURCE_1_PASSWORD'] = `'${server.password}'`
})
afterEach(() => world.close())

async function run(): Promise<RunReport> {
  const { out } = await spillway(['run', '--json', '--config', await world.writeEnv()])
  return JSON.parse(out.toString()) as RunReport
}

/** What is extracted, loaded into an empty server and asked there. */
async function askArchive(report: RunReport, ...question: readonly string[]): Promise<string> {
  const to = mkdtempSync(join(world.folder, 'out-'))
  execFileSync('tar', ['--zstd', '-xf', join(disk, report.archives[0]!.key), '-C', to])
  expect(readdirSync(to)).toEqual(['dump.rdb', 'spillway-database.json'])
  const snapshot = readFileSync(join(to, 'dump.rdb'))
  const empty = await RedisServer.start({ snapshot, settings: ['enable-debug-command yes'] })
  try {
    return await empty.command(...question)
  } finally {
    await empty.stop()
  }
}

const digestOf = (report: RunReport): Promise<string> => askArchive(report, 'debug', 'digest')

it.each(['yes', 'no'])(
  'gives all back, with repl-diskless-sync %s',
  async (isDiskless) => {
    await server.command('config', 'set', 'repl-diskless-sync', isDiskless)
    const report = await run()
    expect(report).toMatchObject({ outcome: 'ok', exit: 0, archives: [{ fileCount: 2 }] })
    expect(await digestOf(report)).toBe(await server.command('debug', 'digest'))
  },
  60_000,
)

it('goes by a socket, and says in a dry run what there is', async () => {
  world.env['SOURCE_1_REDIS'] = `redis://${server.user}@?socket=${server.socket}`
  const plan = await spillway(['run', '--dry-run', '--json', '--config', await world.writeEnv()])
  expect(JSON.parse(plan.out.toString())).toMatchObject({
    archives: [{ parts: [{ name: 'db0, 20005 keys' }, { name: 'db3, 1 keys' }] }],
  })
  expect(await digestOf(await run())).toBe(await server.command('debug', 'digest'))
}, 60_000)

it('takes one moment while others write', async () => {
  await server.command('mset', 'x', '1', 'y', '1')
  const busy = (async () => {
    for (let turn = 0; turn < 20; turn += 1)
      await server.command(
        'eval',
        "for i = 1, 2000 do redis.call('incr', 'x'); redis.call('incr', 'y') end",
        '0',
      )
  })()
  const report = await run()
  await busy
  expect(report).toMatchObject({ exit: 0 })
  // Both counters were always moved together.
  const [x, y] = (await askArchive(report, 'mget', 'x', 'y')).split('\n')
  expect(Number(x)).toBeGreaterThan(0)
  expect(y).toBe(x)
}, 60_000)

it('shows the password to nobody while it runs', async () => {
  const before = new Set(readdirSync('/proc'))
  const seen: string[] = []
  let samples = 0
  const timer = setInterval(() => {
    for (const pid of readdirSync('/proc').filter(
      (name) => /^\d+$/.test(name) && !before.has(name),
    ))
      for (const file of ['cmdline', 'environ'])
        try {
          const text = readFileSync(`/proc/${pid}/${file}`, 'latin1')
          samples += text.includes('redis-program') ? 1 : 0
          if (text.includes(server.password)) seen.push(`${file}: ${text}`)
        } catch {
          // It has ended.
        }
  }, 2)
  try {
    expect(await run()).toMatchObject({ exit: 0 })
  } finally {
    clearInterval(timer)
  }
  expect(samples).toBeGreaterThan(10)
  expect(seen).toEqual([])
}, 60_000)

it.each([
  ['a wrong password', { SOURCE_1_PASSWORD: 'wrong' }, /WRONGPASS/],
  ['no password', { SOURCE_1_PASSWORD: '' }, /WRONGPASS/],
])('says what is wrong with %s', async (_, env, message) => {
  Object.assign(world.env, env)
  expect(await run()).toMatchObject({
    exit: 14,
    sources: [{ message: expect.stringMatching(message) as string }],
  })
})

it('names a user who needs no password all the same', async () => {
  const rights = ['-@all', '+info', '+replconf', '+sync', '+psync']
  await server.command('acl', 'setuser', 'free', 'on', 'nopass', ...rights)
  world.env['SOURCE_1_REDIS'] = `redis://free@127.0.0.1:${server.port}`
  delete world.env['SOURCE_1_PASSWORD']
  expect(await run()).toMatchObject({ exit: 0, archives: [{ state: 'stored' }] })
})

it('says what a user without the right to SYNC lacks', async () => {
  await server.command('acl', 'setuser', 'little', 'on', `>${server.password}`, '+info')
  world.env['SOURCE_1_REDIS'] = `redis://little@127.0.0.1:${server.port}`
  expect(await run()).toMatchObject({
    exit: 14,
    sources: [{ message: expect.stringMatching(/NOPERM/) as string }],
  })
})

it('says that a server is down', async () => {
  world.env['SOURCE_1_REDIS'] = 'redis://127.0.0.1:1'
  expect(await run()).toMatchObject({
    exit: 14,
    sources: [{ message: expect.stringMatching(/cannot be reached: .*ECONNREFUSED/) as string }],
  })
})

it('goes encrypted, and refuses a server that its authority does not know', async () => {
  const certs = mkdtempSync(join(world.folder, 'certs-'))
  const [certFile, keyFile] = [join(certs, 'cert.pem'), join(certs, 'key.pem')]
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...[
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
        '-keyout',
        keyFile,
        '-out',
        certFile,
      ],
    ],
    { stdio: 'pipe' },
  )
  const encrypted = await RedisServer.start({ tls: { certFile, keyFile, caFile: certFile } })
  try {
    await encrypted.command('set', 'a', 'b')
    const url = `rediss://${encrypted.user}@127.0.0.1:${encrypted.port}`
    world.env['SOURCE_1_REDIS'] = `${url}?sslrootcert=${certFile}`
    expect(await run()).toMatchObject({ exit: 0 })
    world.env['SOURCE_1_REDIS'] = url
    expect(await run()).toMatchObject({
      exit: 14,
      sources: [{ message: expect.stringMatching(/cannot be reached: self.signed/) as string }],
    })
  } finally {
    await encrypted.stop()
    rmSync(certs, { recursive: true })
  }
}, 60_000)
