// Redis as a source against servers that lie: whatever they do wrong is a failure that names the cause, and
// nothing is stored as good. The real server: test/servers/redis.test.ts.

import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { RedisClient } from '../../src/sources/redis-client.ts'
import { RdbReader } from '../../src/sources/rdb-reader.ts'
import { spillway } from '../support/command-sources.ts'
import { LyingRedis, snapshot, SOUND_INFO, withChecksum } from '../support/lying-redis.ts'
import type { Lies } from '../support/lying-redis.ts'
import { World } from '../support/world.ts'

let world: World
let server: LyingRedis | undefined
beforeEach(async () => {
  world = await World.make([])
  const disk = join(world.folder, 'disk')
  mkdirSync(disk)
  delete world.env['SOURCE_1_PATH']
  world.env['S3_SERVER_1_ENDPOINT'] = `file://${disk}`
  world.env['SOURCE_1_NAME'] = 'cache'
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  await world.close()
})

async function runAgainst(lies: Lies): Promise<RunReport> {
  server = await LyingRedis.start(lies)
  world.env['SOURCE_1_REDIS'] = `redis://127.0.0.1:${server.port}`
  const { out } = await spillway(['run', '--json', '--config', await world.writeEnv()])
  return JSON.parse(out.toString()) as RunReport
}

const bulk = (bytes: Buffer) => (socket: Socket) =>
  socket.write(Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes]))

const MARK = '0123456789abcdef0123456789abcdef01234567'
const whole = snapshot()
const flipped = Buffer.from(whole)
flipped[15]! ^= 1

it.each<[string, (socket: Socket) => void]>([
  ['of known length', bulk(whole)],
  [
    'behind empty lines and until its mark, in small pieces',
    (socket) => {
      socket.setNoDelay(true)
      socket.write('\n\n')
      const all = Buffer.concat([Buffer.from(`$EOF:${MARK}\r\n`), whole, Buffer.from(MARK)])
      for (const byte of all) socket.write(Buffer.from([byte]))
    },
  ],
  ['of Valkey 9', bulk(snapshot('VALKEY080'))],
])('stores a snapshot %s', async (_, onSync) => {
  expect(await runAgainst({ onSync })).toMatchObject({ exit: 0, archives: [{ state: 'stored' }] })
})

it.each<[string, Lies, RegExp]>([
  [
    'closes in the middle',
    { onSync: (s) => s.end(`$1000\r\n${whole.toString('latin1')}`) },
    /closed the connection before its answer was whole/,
  ],
  [
    'closes before the mark',
    { onSync: (s) => s.end(`$EOF:${MARK}\r\n${whole.toString('latin1')}`) },
    /closed the connection before its answer was whole/,
  ],
  [
    'resets the connection',
    { onSync: (s) => s.resetAndDestroy() },
    /the connection broke: .*ECONNRESET/,
  ],
  [
    'resets the connection in the middle',
    { onSync: (s) => s.write('$1000\r\nREDIS', () => s.resetAndDestroy()) },
    // The system says ECONNRESET; Node 20 often takes it for an end when data came just before.
    /the connection broke: .*ECONNRESET|closed the connection before its answer was whole/,
  ],
  [
    'sends half of it as all',
    { onSync: bulk(whole.subarray(0, 20)) },
    /snapshot of redis:.* ends in the middle, after 20 bytes/,
  ],
  [
    'sends a byte that is wrong',
    { onSync: bulk(flipped) },
    /snapshot of redis:.* has the checksum [0-9a-f]{16}, and its content [0-9a-f]{16}/,
  ],
  [
    'sends something else',
    { onSync: bulk(Buffer.from('<html>It works!</html>')) },
    /does not begin like a snapshot, but with "<html>It/,
  ],
  [
    'sends a version without a checksum',
    { onSync: bulk(snapshot('REDIS0004')) },
    /is of version 4, which has no checksum/,
  ],
  [
    'refuses SYNC',
    { onSync: (s) => s.write("-ERR unknown command 'SYNC'\r\n") },
    /refuses: ERR unknown command 'SYNC'/,
  ],
  [
    'begins to load',
    { onSync: (s) => s.write('-LOADING Redis is loading the dataset in memory\r\n') },
    /refuses: LOADING/,
  ],
  [
    'has lost its primary',
    { onSync: (s) => s.write("-NOMASTERLINK Can't SYNC\r\n") },
    /refuses: NOMASTERLINK/,
  ],
  [
    'wants a password',
    { info: '-NOAUTH Authentication required.', onSync: () => undefined },
    /refuses: NOAUTH Authentication required/,
  ],
  [
    'loads',
    { info: SOUND_INFO.replace('loading:0', 'loading:1'), onSync: () => undefined },
    /is still loading its data/,
  ],
  [
    'is a sentinel',
    { info: `redis_mode:sentinel\r\n${SOUND_INFO}`, onSync: () => undefined },
    /is a sentinel, which holds no data/,
  ],
  [
    'is something else',
    { info: 'nothing: 1', onSync: () => undefined },
    /does not say its version in INFO/,
  ],
])('stores nothing of a server that %s', async (_, lies, message) => {
  const report = await runAgainst(lies)
  expect(report).toMatchObject({
    outcome: 'failed',
    sources: [
      { code: 'SOURCE_DATABASE_FAILED', message: expect.stringMatching(message) as string },
    ],
  })
  expect(report.archives.filter(({ state }) => state !== 'failed')).toEqual([])
  expect(leftSecrets()).toEqual([])
})

it('gives a server up that hangs in the middle of its snapshot', async () => {
  server = await LyingRedis.start({ onSync: (socket) => socket.write('$1000\r\nREDIS0010') })
  const address = { at: { host: '127.0.0.1', port: server.port }, tls: undefined, user: undefined }
  const order = { address, password: undefined, text: 'redis://here', silenceMs: 300 }
  const client = await RedisClient.open(order)
  await expect(client.snapshot(() => undefined)).rejects.toMatchObject({
    code: 'SOURCE_DATABASE_FAILED',
    message: 'redis://here did not answer for 0.3 seconds',
  })
  client.close()
})

it('warns where a server writes no checksums', async () => {
  const without = Buffer.from(whole)
  without.fill(0, without.length - 8)
  const report = await runAgainst({ onSync: bulk(without) })
  expect(report).toMatchObject({ exit: 3, outcome: 'warnings' })
  expect(report.archives[0]!.warnings[0]!.reason).toContain('rdbchecksum no')
})

it('a server without a key is no archive, unless that is meant', async () => {
  const lies = { info: 'redis_version:7.0.15\r\nrole:master\r\n', onSync: bulk(whole) }
  expect(await runAgainst(lies)).toMatchObject({ sources: [{ code: 'SOURCE_EMPTY' }] })
  await server?.stop()
  world.env['SOURCE_1_ALLOW_EMPTY'] = 'true'
  expect(await runAgainst(lies)).toMatchObject({ exit: 0 })
})

it('never shows a password that a server throws back', async () => {
  world.env['SOURCE_1_PASSWORD'] = 'hidden-word-1'
  const auth = "-ERR unknown command 'AUTH', with args beginning with: 'hidden-word-1'"
  const report = await runAgainst({ auth, onSync: () => undefined })
  expect(report.sources[0]!.message).toContain('unknown command')
  expect(JSON.stringify(report)).not.toContain('hidden-word-1')
})

it.each([
  ['redis://:word@127.0.0.1', 'has a password in it'],
  ['redis://127.0.0.1/3', 'names database 3'],
  ['x', 'must be redis://user@host:port; '],
  ['redis://', 'names no server'],
  ['redis://127.0.0.1?socket=/run/redis.sock', 'names a host and a socket'],
  ['redis://127.0.0.1?sslrootcert=/ca.pem', 'names certificates and is not encrypted'],
])('refuses SOURCE_1_REDIS=%s', async (value, reason) => {
  world.env['SOURCE_1_REDIS'] = value
  const { exit, err } = await spillway(['run', '--config', await world.writeEnv()])
  expect(exit).toBe(4)
  expect(err).toContain(reason)
})

describe('the checksum', () => {
  it.each([1, 2, 7, 8, 9, 13, 1_000])('is found behind pieces of %i bytes', (size) => {
    const content = Buffer.concat([
      snapshot().subarray(0, -9),
      Buffer.alloc(5_000, 'x'),
      Buffer.from([0xff]),
    ])
    const bytes = withChecksum(content)
    const reader = new RdbReader()
    for (let at = 0; at < bytes.length; at += size) reader.see(bytes.subarray(at, at + size))
    expect(reader.end()).toEqual({})
  })
})

function leftSecrets(): string[] {
  const spool = join(world.folder, 'data', 'spool')
  return existsSync(spool)
    ? readdirSync(spool).filter((name) => name.startsWith('.spillway-secrets-'))
    : []
}
