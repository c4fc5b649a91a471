// What whoever holds a token for admin must not get out of the settings: a shell, files of the machine, requests to
// where only this machine can go, and the secrets that are saved (F95, F104 of the reliability notes).

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ENTRY_SETTINGS } from '../../src/config/names.ts'
import { hostOnlyReason } from '../../src/config/host-only.ts'
import { GLOBAL_SETTINGS } from '../../src/config/settings.ts'
import { ROUTES } from '../../src/daemon/serve.ts'
import { listenForMail } from '../support/notify-listeners.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import type { Answer } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const CANARY = 'Canary-4f1b/Zx+secret'

let world: World
let daemon: TestDaemon
let canary: Server
let hits: string[]
let roots: string
let before: string
beforeAll(async () => {
  world = await World.make([{}])
  roots = join(world.folder, 'allowed')
  mkdirSync(join(roots, 'docs'), { recursive: true })
  symlinkSync('/etc', join(roots, 'link'))
  writeFileSync(join(roots, 'app.db'), '')
  hits = []
  canary = createServer((request, response) => {
    hits.push(`${request.method} ${request.url}`)
    response.end('ok')
  })
  await new Promise<void>((resolve) => canary.listen(0, '0.0.0.0', resolve))
  Object.assign(world.env, {
    ...{
      SOURCE_ROOTS: roots,
      HTTPS_PROXY: `http://user:${encodeURIComponent(CANARY)}@127.0.0.1:1`,
    },
    ...{ S3_SERVER_2_ENDPOINT: 'https://s3.example.invalid', S3_SERVER_2_REGION: 'us-east-1' },
    ...{
      S3_SERVER_2_BUCKET: 'b-1',
      S3_SERVER_2_ACCESS_KEY: 'KEYKEYKEYKEY',
      S3_SERVER_2_ENABLED: 'false',
    },
    S3_SERVER_2_SECRET_KEY: CANARY,
    ...{ S3_SERVER_3_ENDPOINT: `file://${join(world.folder, 'disk')}`, S3_SERVER_3_LABEL: 'disk' },
    ...{ SOURCE_2_NAME: 'out', SOURCE_2_COMMAND: 'echo hello', SOURCE_2_BEFORE: 'true' },
    ...{ SOURCE_3_NAME: 'pg', SOURCE_3_POSTGRES: 'postgres://backup@db.example.invalid/app' },
    SOURCE_3_PASSWORD: CANARY,
    NOTIFY_1_URL: `gotify+https://push.example.invalid/?token=${CANARY.replace(/\W/g, '-')}`,
    NOTIFY_2_URL: 'smtp://user@mail.example.invalid:587/?from=a@example.com&to=b@example.com',
    NOTIFY_2_PASSWORD: CANARY,
  })
  daemon = await TestDaemon.start(world)
})
afterAll(async () => {
  await daemon.stop()
  await new Promise((resolve) => canary.close(resolve))
  await world.close()
})
const text = (): string => readFileSync(world.envFile, 'utf8')
beforeEach(() => {
  before = text()
  hits.length = 0
})

const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  daemon.ask(method, path, body === undefined ? {} : { body })
const canaryPort = (): number => (canary.address() as AddressInfo).port

it('every setting was decided about: these may be changed over HTTP, and no others', () => {
  const free = (kind: 'S3_SERVER' | 'SOURCE' | 'NOTIFY' | undefined): string[] =>
    Object.keys(kind === undefined ? GLOBAL_SETTINGS : ENTRY_SETTINGS[kind]).filter(
      (name) => hostOnlyReason(kind, name, []) === undefined,
    )
  const keep = ['LAST', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY', 'WITHIN_DAYS'].map(
    (rule) => `KEEP_${rule}`,
  )
  expect(free(undefined).sort()).toEqual(
    [
      ...['COPIES', 'LOCAL_KEEP', 'PRUNE_MAX_PER_RUN', 'SCHEDULE', 'SPOOL', 'SPOOL_LIMIT_GB'],
      ...['PARALLEL_SOURCES', 'RANDOM_DELAY_MINUTES'],
      ...['UPLOAD_LIMIT_MBIT', 'VERIFY_NIGHTLY_GB', 'VERIFY_PACK', 'ZSTD_LEVEL', ...keep],
    ].sort(),
  )
  expect(free('S3_SERVER').sort()).toEqual(
    [
      ...['ACCESS_KEY', 'BUCKET', 'ENABLED', 'ENDPOINT', 'LABEL', 'PATH_STYLE', 'PREFIX', 'REGION'],
      ...['SECRET_KEY', 'STORAGE_CLASS', 'STORAGE_LIMIT_GB'],
    ].sort(),
  )
  expect(free('SOURCE').sort()).toEqual(
    [
      ...['ALLOW_EMPTY', 'EXCLUDE', 'EXCLUDE_CACHES', 'FILE', 'HOOK_MINUTES', 'MIN_BYTES', 'NAME'],
      ...['MONGODB', 'MYSQL', 'POSTGRES', 'REDIS', 'OPLOG', 'ONE_FILE_SYSTEM', 'PASSWORD'],
      ...['SCHEDULE', 'SILENCE_MINUTES', ...keep],
    ].sort(),
  )
  expect(free('NOTIFY').sort()).toEqual(['ON', 'PASSWORD', 'URL'])
})

describe('a setting for the host alone', () => {
  const source = { NAME: 'new' }
  it.each([
    ['PATCH', '/api/settings', { DATA_DIR: '/tmp/x' }],
    ['PATCH', '/api/settings', { SPOOL_DIR: '/tmp/x' }],
    ['PATCH', '/api/settings', { SEAL_KEY_FILE: '/tmp/x' }],
    // Of a copy of the file: it would be opened, and sent wherever the entry says.
    ['PATCH', '/api/servers/1', { SECRET_KEY: 'SEALED:v1:AAAA' }],
    ['PATCH', '/api/settings', { CATALOG_URL: 'sqlite:/tmp/x' }],
    ['PATCH', '/api/settings', { SERVER_ID: 'another' }],
    ['PATCH', '/api/settings', { LISTEN: '127.0.0.1:1' }],
    ['PATCH', '/api/settings', { LISTEN_NAMES: 'evil.example' }],
    ['PATCH', '/api/settings', { RESTORE_ROOTS: '/etc' }],
    ['PATCH', '/api/settings', { SOURCE_ROOTS: '/' }],
    ['PATCH', '/api/settings', { SOURCE_ROOTS: null }],
    ['PATCH', '/api/settings', { METRICS_FILE: '/etc/cron.d/x.prom' }],
    ['PATCH', '/api/settings', { HTTPS_PROXY: 'http://127.0.0.1:8080' }],
    ['PATCH', '/api/settings', { NO_PROXY: '*' }],
    ['PATCH', '/api/servers/1', { CA_FILE: '/etc/shadow' }],
    ['PATCH', '/api/servers/1', { SECRET_KEY_FILE: '/etc/shadow', SECRET_KEY: null }],
    ['POST', '/api/sources', { ...source, COMMAND: 'id' }],
    ['POST', '/api/sources/test', { ...source, COMMAND: 'id' }],
    ['PATCH', '/api/sources/1', { BEFORE: 'id' }],
    ['PATCH', '/api/sources/1', { AFTER: 'id' }],
    ['PATCH', '/api/sources/1', { ON_ERROR: 'id' }],
    ['PATCH', '/api/sources/2', { COMMAND: 'cat /etc/shadow' }],
    ['PATCH', '/api/sources/2', { COMMAND: null, PATH: '/etc' }],
    ['PATCH', '/api/sources/2', { ENV: 'S3_KEY' }],
    ['PATCH', '/api/sources/3', { PASSWORD_FILE: '/etc/shadow', PASSWORD: null }],
    ['PATCH', '/api/notifications/1', { URL_FILE: '/etc/shadow', URL: null }],
    ['POST', '/api/sources', { ...source, PATH: '/etc' }],
    ['POST', '/api/sources', { ...source, PATH: '/' }],
    ['POST', '/api/sources/test', { ...source, PATH: '/root' }],
    ['POST', '/api/sources', { ...source, PATH: 'allowed/../source' }],
    ['POST', '/api/sources', { ...source, PATH: 'allowed/link' }],
    ['POST', '/api/sources', { ...source, SQLITE: '/var/lib/app.db' }],
    ['POST', '/api/sources', { ...source, SQLITE: 'allowed/app.db,/var/lib/app.db' }],
    ['POST', '/api/sources', { ...source, SQLITE: 'allowed/link/*.db' }],
  ])('is refused: %s %s %j', async (method, path, settings) => {
    const answer = await ask(method, path, { settings })
    expect([answer.status, answer.json['code']]).toEqual([403, 'SETTINGS_HOST_ONLY'])
    expect(text()).toBe(before)
  })

  it('may stand there while others beside it change, and below SOURCE_ROOTS folders are taken', async () => {
    const change = { settings: { COMMAND: 'echo hello', KEEP_LAST: '4' } }
    expect((await ask('PATCH', '/api/sources/2', change)).status).toBe(200)
    expect((await ask('PATCH', '/api/servers/3', { settings: { LABEL: 'the disk' } })).status).toBe(
      200,
    )
    const folder = { settings: { NAME: 'allowed', PATH: join(roots, 'docs') } }
    const added = await ask('POST', '/api/sources', folder)
    expect([added.status, added.json['number']]).toEqual([201, 4])
    expect((await ask('DELETE', '/api/sources/4')).status).toBe(200)
  })
})

describe('an address where only this machine can go', () => {
  const server = { REGION: 'us-east-1', BUCKET: 'b-1', ACCESS_KEY: 'k', SECRET_KEY: 's' }
  const endpoints = (port: number): string[] => [
    ...['http://169.254.169.254', 'https://169.254.169.254', '169.254.169.254', '169.254.170.2:80'],
    ...[
      'https://2852039166',
      'https://0xa9fea9fe',
      'https://0251.0376.0251.0376',
      'https://169.254.43518',
    ],
    ...['https://[fe80::1]', 'https://[::ffff:169.254.169.254]', 'https://[::ffff:a9fe:a9fe]'],
    ...['https://[64:ff9b::a9fe:a9fe]', 'https://[fd00:ec2::254]', 'https://100.100.100.200'],
    ...[
      'file:///etc',
      'file:/etc',
      'FILE:///etc',
      `gopher://127.0.0.1:${port}/_GET`,
      'dict://127.0.0.1:11211',
    ],
    ...[
      'ftp://127.0.0.1',
      'http://metadata.google.internal',
      'http://10.0.0.1',
      'http://192.168.0.1:9000',
    ],
    ...[
      `http://0.0.0.0:${port}`,
      `http://0:${port}`,
      `http://[::]:${port}`,
      `http://localhost.:${port}`,
    ],
    ...[`http://127.0.0.1:${port}@evil.example`, `http://evil.example#@127.0.0.1:${port}`],
    ...[`http://[::ffff:127.0.0.1]:${port}`, `http:\\\\0.0.0.0:${port}`, `//0.0.0.0:${port}`],
  ]

  it('is no server: nothing is saved, and nothing is asked [F104]', async () => {
    for (const ENDPOINT of endpoints(canaryPort()).filter((each) => !each.startsWith('//'))) {
      const settings = { ...server, ENDPOINT }
      for (const [method, path, body] of [
        ['POST', '/api/servers', { settings }],
        ['POST', '/api/servers/test', { settings }],
        ['POST', '/api/servers/test', { number: 1, settings }],
        ['PATCH', '/api/servers/1', { settings }],
      ] as const) {
        const answer = await ask(method, path, body)
        expect([403, 422], `${path} ${ENDPOINT}: ${answer.text}`).toContain(answer.status)
      }
    }
    expect([text(), hits]).toEqual([before, []])
  })

  it('is nobody to be told', async () => {
    const port = canaryPort()
    for (const URL of [
      ...['https://169.254.169.254/latest', 'ntfy+https://[fe80::1]/topic', 'https://2852039166/x'],
      ...[
        `http://127.0.0.1:${port}/hook`,
        `ping+http://localhost:${port}/x`,
        `http://0.0.0.0:${port}/`,
      ],
      ...[`slack+http://127.0.0.1:${port}/x`, `telegram://1:aaaaaaaaaaaa@127.0.0.1:${port}/5`],
      ...[
        `gotify+http://127.0.0.1:${port}/?token=aaaaaa`,
        'file:///etc/passwd',
        `gopher://127.0.0.1:${port}/`,
      ],
    ])
      for (const path of ['/api/notifications', '/api/notifications/test']) {
        const answer = await ask('POST', path, { settings: { URL } })
        expect([403, 422], `${path} ${URL}: ${answer.text}`).toContain(answer.status)
      }
    expect([text(), hits]).toEqual([before, []])
  })

  it.each([
    ['POSTGRES', 'postgres:///app?host=/run/postgresql'],
    ['POSTGRES', 'postgres:///app'],
    ['POSTGRES', 'postgres://u@,db.example/app'],
    ['POSTGRES', 'postgres://u@%2Frun%2Fpostgresql/app'],
    ['POSTGRES', 'postgres://u@db/app?hostaddr=169.254.169.254'],
    ['POSTGRES', 'postgres://u@db/app?sslkey=/etc/ssl/private/key.pem'],
    ['POSTGRES', 'postgres://u@2852039166/app'],
    ['MYSQL', 'mysql://root@localhost/'],
    ['MYSQL', 'mysql:///?socket=/run/mysqld/mysqld.sock'],
    ['MYSQL', 'mysql://u@db/?ssl-key=/etc/ssl/private/key.pem'],
    ['MONGODB', 'mongodb://a.example,169.254.169.254:27017/'],
    ['MONGODB', 'mongodb://a.example/?authMechanism=MONGODB-AWS'],
    ['MONGODB', 'mongodb://%2Ftmp%2Fmongodb-27017.sock'],
    ['REDIS', 'redis://?socket=/run/redis/redis.sock'],
    ['REDIS', 'rediss://cache.example/?sslkey=/etc/ssl/private/key.pem'],
    ['REDIS', 'redis://169.254.169.254:80'],
    // Who takes the first, and who takes the last of two.
    ['POSTGRES', 'postgres://u@db.example/?host=db.example&host=/var/run/postgresql'],
    ['POSTGRES', 'postgres://u@db.example/?host=/var/run/postgresql&host=db.example'],
    ['POSTGRES', 'postgres://u@db.example/?hostaddr=192.0.2.1&hostaddr=169.254.169.254'],
    ['POSTGRES', 'postgres://u@db.example/?HOST=/var/run/postgresql'],
    ['MYSQL', 'mysql://root@127.0.0.1/?protocol=tcp&protocol=socket'],
    ['MYSQL', 'mysql://root@127.0.0.1/?protocol=tcp&Protocol=socket'],
    ['MONGODB', 'mongodb://a.example/?authMechanism=SCRAM-SHA-1&authMechanism=MONGODB-X509'],
    ['MONGODB', 'mongodb://a.example/?authmechanism=MONGODB-X509'],
    ['MONGODB', 'mongodb://a.example/?appName=x;authMechanism=MONGODB-X509'],
    ['MONGODB', 'mongodb://a.example/?appName=x;%74lsCAFile=/etc/ca.pem'],
    ['REDIS', 'rediss://cache.example/?SSLKEY=/etc/ssl/private/key.pem'],
  ])('is no database: %s=%s', async (name, url) => {
    const settings = { NAME: 'new', [name]: url, PASSWORD: 'typed' }
    for (const path of ['/api/sources', '/api/sources/test']) {
      const answer = await ask('POST', path, { settings })
      expect([answer.status, answer.json['code']], answer.text).toEqual([403, 'SETTINGS_HOST_ONLY'])
    }
    expect(text()).toBe(before)
  })

  it('is not reached by two harmless options of one name either', async () => {
    const url = 'postgres://u@db.example/?sslmode=require&sslmode=disable'
    const settings = { NAME: 'new', POSTGRES: url, PASSWORD: 'typed' }
    const answer = await ask('POST', '/api/sources', { settings })
    expect([answer.status, answer.json['code']], answer.text).toEqual([422, 'SETTINGS_WRONG'])
    expect(answer.text).toContain('has ?sslmode more than once')
    expect(text()).toBe(before)
  })

  it('is not gone to by a redirect', async () => {
    const redirector = createServer((_request, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${canaryPort()}/latest/meta-data` })
      response.end()
    })
    await new Promise<void>((resolve) => redirector.listen(0, '127.0.0.1', resolve))
    const ENDPOINT = `http://127.0.0.1:${(redirector.address() as AddressInfo).port}`
    const tried = await ask('POST', '/api/servers/test', { settings: { ...server, ENDPOINT } })
    redirector.close()
    expect([tried.status, tried.json['wouldTake']]).toEqual([200, false])
    expect(hits).toEqual([])
  })
})

describe('a saved secret', () => {
  const retype = async (method: string, path: string, body: object): Promise<void> => {
    const answer = await ask(method, path, body)
    expect([answer.status, answer.json['code']], answer.text).toEqual([422, 'SETTINGS_WRONG'])
    expect(JSON.stringify(answer.json['errors'])).toContain('type it again')
    expect(text()).toBe(before)
  }

  it('goes to nobody else than it was typed for', async () => {
    const elsewhere = { ENDPOINT: `http://127.0.0.1:${canaryPort()}` }
    await retype('POST', '/api/servers/test', { number: 2, settings: elsewhere })
    await retype('POST', '/api/servers/test', {
      number: 2,
      settings: { ...elsewhere, SECRET_KEY: '********' },
    })
    await retype('PATCH', '/api/servers/2', { settings: elsewhere })
    await retype('PATCH', '/api/servers/2', {
      settings: { ENDPOINT: 'https://s3.example.invalid:8443' },
    })
    const evil = { POSTGRES: 'postgres://backup@evil.example/app' }
    await retype('PATCH', '/api/sources/3', { settings: evil })
    await retype('POST', '/api/sources/test', { number: 3, settings: evil })
    await retype('PATCH', '/api/sources/3', {
      settings: { POSTGRES: null, REDIS: 'redis://evil.example' },
    })
    const mail = { URL: 'smtp://user@evil.example:587/?from=a@example.com&to=b@example.com' }
    await retype('PATCH', '/api/notifications/2', { settings: mail })
    await retype('POST', '/api/notifications/test', { number: 2, settings: mail })
    expect(hits).toEqual([])
  })

  it('is not written over by the asterisks that stand for it', async () => {
    const redis = { NAME: 'cache', REDIS: 'redis://********@cache2', PASSWORD: 'typed' }
    await retype('POST', '/api/sources', { settings: redis })
    await retype('POST', '/api/sources/test', { settings: redis })
    const postgres = { POSTGRES: 'postgres://********@db2.example.invalid/app', PASSWORD: 'typed' }
    await retype('PATCH', '/api/sources/3', { settings: postgres })
    await retype('POST', '/api/sources', {
      settings: { ...postgres, NAME: 'new', PASSWORD: '********' },
    })
    await retype('POST', '/api/servers', {
      settings: {
        ...{ ENDPOINT: 'https://s3.example.invalid', REGION: 'us-east-1', BUCKET: 'b-2' },
        ...{ ACCESS_KEY: 'KEYKEYKEYKEY', SECRET_KEY: '********' },
      },
    })
    // A form that sends back what it was shown changes nothing.
    const shown = { settings: { URL: '********', PASSWORD: '********' } }
    expect((await ask('PATCH', '/api/notifications/2', shown)).status).toBe(200)
    expect(text()).toBe(before)
  })

  it('is used where the address is the same, however it is written', async () => {
    const same = { ENDPOINT: 's3.example.invalid/', LABEL: 'x' }
    const tried = await ask('POST', '/api/servers/test', { number: 2, settings: same })
    expect([tried.status, tried.json['wouldTake']]).toEqual([200, false])
    expect(tried.text).not.toContain(CANARY)
  })

  it('is needed with the tools that know others of this machine', async () => {
    for (const [name, url] of [
      ['POSTGRES', 'postgres://u@db.example/app'],
      ['MYSQL', 'mysql://u@db.example/shop'],
    ] as const) {
      const answer = await ask('POST', '/api/sources', { settings: { NAME: 'new', [name]: url } })
      expect([answer.status, answer.json['code']]).toEqual([403, 'SETTINGS_HOST_ONLY'])
    }
    const without = await ask('PATCH', '/api/sources/3', { settings: { PASSWORD: null } })
    expect(without.status).toBe(403)
    expect(text()).toBe(before)
  })

  it('is in no answer and in no line of the log [F101a]', async () => {
    const typed = 'Typed-canary-77aa'
    const said: string[] = []
    for (const { method, at } of ROUTES.filter(({ method }) => method === 'GET'))
      for (const path of [at.replace('{number}', '2').replace('{id}', ID)])
        said.push((await ask(method, path)).text)
    const ENDPOINT = 'https://s3.example.invalid'
    for (const [method, path, body] of [
      ['PATCH', '/api/servers/2', { settings: { SECRET_KEY: `${typed} x` } }],
      ['POST', '/api/servers/test', { number: 2, settings: { ENDPOINT, SECRET_KEY: typed } }],
      ['POST', '/api/servers', { settings: { ENDPOINT, SECRET_KEY: typed } }],
      [
        'POST',
        '/api/sources/test',
        { settings: { NAME: 'x', PASSWORD: typed, MYSQL: `mysql://u:${typed}@h/` } },
      ],
      [
        'POST',
        '/api/notifications/test',
        { settings: { URL: `ntfy+https://push.example.invalid/${typed}` } },
      ],
      ['POST', '/api/notifications/test', { number: 1, settings: {} }],
      ['POST', '/api/notifications/test', { number: 2, settings: {} }],
      ['POST', '/api/servers/2/test', undefined],
    ] as const)
      said.push((await ask(method, path, body)).text)
    const all = [...said, ...daemon.log].join('\n')
    expect(all.length).toBeGreaterThan(5_000)
    for (const secret of [CANARY, encodeURIComponent(CANARY), CANARY.replace(/\W/g, '-'), typed])
      expect(all, secret).not.toContain(secret)
    for (const secret of [CANARY, typed])
      expect(all).not.toContain(Buffer.from(secret).toString('base64').slice(2, -4))
  })
})

const ID = '01a1ffed-0d53-73be-8648-e5e22ae4b5d6'

it('tells a mail server of this machine, by a form and by what is saved', async () => {
  const listener = await listenForMail()
  const URL = `smtp://127.0.0.1:${listener.port}/?from=a@example.com&to=b@example.com`
  const tried = await ask('POST', '/api/notifications/test', { settings: { URL } })
  expect(tried.json).toEqual({ delivered: true, reason: null })
  const added = await ask('POST', '/api/notifications', { settings: { URL, ON: 'always' } })
  const number = Number(added.json['number'])
  expect(added.status).toBe(201)
  const again = await ask('POST', '/api/notifications/test', { number, settings: {} })
  expect(again.json).toEqual({ delivered: true, reason: null })
  expect(listener.mails).toHaveLength(2)
  await listener.close()
  const refused = await ask('POST', '/api/notifications/test', { number, settings: {} })
  expect(refused.json['delivered']).toBe(false)
  expect(refused.json['reason']).toContain('ECONNREFUSED')
  expect((await ask('DELETE', `/api/notifications/${number}`)).status).toBe(200)
  // The empty line before the new entry stays.
  const lines = (file: string): string[] => file.split('\n').filter((line) => line !== '')
  expect(lines(text())).toEqual(lines(before))
})
