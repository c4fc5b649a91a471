// The settings over HTTP, in a real daemon: from a machine without an env file to one that archives, and everything
// that a change must leave as it was.

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROUTES } from '../../src/daemon/serve.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import type { Answer } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

type Entry = {
  readonly number: number
  readonly label: string | null
  readonly settings: Readonly<Record<string, string>>
  readonly secretsSet: readonly string[]
  readonly fromEnvironment: readonly string[]
  readonly problems: readonly { readonly name: string; readonly reason: string }[]
}
type Document = {
  readonly file: string
  readonly revision: string
  readonly isWritable: boolean
  readonly problems: readonly { readonly variable: string; readonly reason: string }[]
  readonly general: Omit<Entry, 'number' | 'label' | 'problems'>
  readonly servers: readonly Entry[]
  readonly sources: readonly Entry[]
  readonly notifications: readonly Entry[]
}

let world: World
let daemon: TestDaemon | undefined
beforeEach(async () => {
  world = await World.make([{}, {}])
})
afterEach(async () => {
  await daemon?.stop()
  daemon = undefined
  await world.close()
})

const start = async (
  ...more: Parameters<typeof TestDaemon.start> extends [World, ...infer R] ? R : never
) => (daemon = await TestDaemon.start(world, ...more))
const ask = async (method: string, path: string, body?: unknown): Promise<Answer> =>
  daemon!.ask(method, path, body === undefined ? {} : { body })
const settings = async (): Promise<Document> => {
  const { status, json } = await ask('GET', '/api/settings')
  expect(status).toBe(200)
  return json as unknown as Document
}
const text = (): string => readFileSync(world.envFile, 'utf8')
const errorsOf = ({ json }: Answer) =>
  (json['errors'] as readonly { name: string; reason: string }[]).map(({ name }) => name)

/** The form of a server as the page sends it, with the keys of a model. */
const form = (index: number, more: Record<string, string> = {}): Record<string, string> => {
  const { endpoint, keys } = world.models[index]!
  return {
    ...{ ENDPOINT: endpoint, REGION: keys.region, BUCKET: 'backups' },
    ...{ ACCESS_KEY: keys.accessKey, SECRET_KEY: keys.secretKey, STORAGE_LIMIT_GB: '1' },
    ...more,
  }
}

describe('a first start without any file', () => {
  it('is told what to do, takes the first server and source, and archives there', async () => {
    await world.noise('a.bin', 200_000)
    await start(undefined, { keepsFile: true })
    expect(daemon!.log.join('\n')).toContain(`${world.envFile} does not exist`)
    expect(daemon!.log.join('\n')).toContain('spillway token create NAME --scope=admin')
    expect(existsSync(world.envFile)).toBe(false)
    const empty = await settings()
    expect(empty).toMatchObject({
      file: world.envFile,
      isWritable: true,
      problems: [],
      servers: [],
    })
    for (const { at } of ROUTES.filter(({ method }) => method === 'GET')) {
      const { status } = await ask('GET', at.replace(/\{\w+\}/, ID))
      expect(status, at).toBeLessThan(500)
    }
    expect((await ask('GET', '/api/session')).json['nextRunAt']).toBeNull()
    const refused = await ask('POST', '/api/runs', {})
    expect([refused.status, refused.json['code']]).toEqual([409, 'NO_SERVERS'])

    const wrong = form(0, { SECRET_KEY: 'not-this-one-at-all' })
    const tried = await ask('POST', '/api/servers/test', { settings: wrong })
    expect([tried.status, tried.json['wouldTake']]).toEqual([200, false])
    expect(tried.text).toContain('Invalid S3 credentials')
    expect(tried.text).not.toContain('not-this-one-at-all')
    expect(existsSync(world.envFile)).toBe(false)

    const right = await ask('POST', '/api/servers/test', { settings: form(0) })
    expect([right.status, right.json['wouldTake']]).toEqual([200, true])
    const added = await ask('POST', '/api/servers', { revision: empty.revision, settings: form(0) })
    expect([added.status, added.json['number']]).toEqual([201, 1])
    expect(statSync(world.envFile).mode & 0o777).toBe(0o600)
    const source = { NAME: 'docs', PATH: world.source }
    const tested = await ask('POST', '/api/sources/test', { settings: source })
    expect(tested.json).toMatchObject({ ok: true })
    expect((await ask('POST', '/api/sources', { settings: source })).status).toBe(201)

    const { json } = await ask('GET', '/api/servers')
    expect(json['servers']).toMatchObject([{ number: 1, bucket: 'backups' }])
    const job = await ask('POST', '/api/runs', {})
    expect(job.status).toBe(202)
    await daemon!.follow(String(job.json['id']))
    const archives = await ask('GET', '/api/archives')
    expect(archives.json['archives']).toMatchObject([{ source: 'docs', state: 'stored' }])
    expect(world.models[0]!.heldBytes).toBeGreaterThan(200_000)
  }, 60_000)
})

describe('a change', () => {
  const comments = '# kept as it is\n'
  const began = async (): Promise<Document> => {
    await world.writeEnv()
    writeFileSync(world.envFile, `${comments}${text()}# the end\nOTHER_PROGRAM='of somebody'\n`)
    await start(undefined, { keepsFile: true })
    return settings()
  }

  it('shows what the file says, without its secrets', async () => {
    const { servers, sources, general } = await began()
    const { accessKey, secretKey } = world.models[0]!.keys
    expect(servers.map(({ number }) => number)).toEqual([1, 2])
    expect(servers[0]!.settings).toMatchObject({
      BUCKET: 'backups',
      ACCESS_KEY: `...${accessKey.slice(-4)}`,
    })
    expect(servers[0]!.secretsSet).toEqual(['SECRET_KEY'])
    expect(JSON.stringify(servers)).not.toContain(secretKey)
    expect(sources[0]).toMatchObject({ number: 1, label: 'docs', problems: [] })
    expect(general.settings).toEqual({ SERVER_ID: 'host' })
    expect(general.fromEnvironment).toEqual(['LISTEN'])
  })

  it('keeps comments, order and the lines of others, and is in use at once', async () => {
    const { revision } = await began()
    const before = text()
    const change = { revision, settings: { LABEL: 'first', STORAGE_LIMIT_GB: '2.5' } }
    const { status, json } = await ask('PATCH', '/api/servers/1', change)
    expect([status, json['number']]).toEqual([200, 1])
    const { servers } = (await ask('GET', '/api/servers')).json as {
      servers: readonly { label: string; limitBytes: number }[]
    }
    expect(servers[0]).toMatchObject({ label: 'first', limitBytes: 2_500_000_000 })
    const expected = before.replace(
      /(S3_SERVER_1_STORAGE_LIMIT_GB=)1\n/,
      '$12.5\nS3_SERVER_1_LABEL=first\n',
    )
    expect(text()).toBe(expected)
    const back = { settings: { LABEL: null, STORAGE_LIMIT_GB: '1' } }
    await ask('PATCH', '/api/servers/1', back)
    expect(text()).toBe(before)
    // What a form was shown, it sends back.
    const shown = (await settings()).servers[0]!.settings
    expect((await ask('PATCH', '/api/servers/1', { settings: shown })).status).toBe(200)
    expect(text()).toBe(before)
  })

  it.each([
    ['PATCH', '/api/settings', { SCHEDULE: 'every day' }, ['SCHEDULE']],
    ['PATCH', '/api/settings', { COPIES: '3' }, ['COPIES']],
    ['PATCH', '/api/settings', { SCHEDUL: '1' }, ['SCHEDUL']],
    [
      'POST',
      '/api/servers',
      { ENDPOINT: 'https://s3.example.net' },
      ['REGION', 'BUCKET', 'ACCESS_KEY', 'SECRET_KEY'],
    ],
    ['PATCH', '/api/servers/1', { BUCKET: 'a/b' }, ['BUCKET']],
    ['PATCH', '/api/servers/1', { LABEL: 'x\nS3_SERVER_1_SECRET_KEY=y' }, ['LABEL']],
    ['PATCH', '/api/sources/1', { KEEP_LAST: '-1' }, ['KEEP_LAST']],
    ['POST', '/api/notifications', { URL: 'nfty+https://ntfy.example/x' }, ['URL']],
  ])('that makes a problem is not written: %s %s %j', async (method, path, changed, names) => {
    await began()
    const before = text()
    const answer = await ask(method, path, { settings: changed })
    expect([answer.status, answer.json['code']]).toEqual([422, 'SETTINGS_WRONG'])
    expect(errorsOf(answer)).toEqual(names)
    expect(text()).toBe(before)
  })

  it.each([
    ['SOURCE_2_COMMAND', 'COMMAND at /api/sources/2'],
    ['S3_SERVER_1_BUCKET', 'BUCKET at /api/servers/1'],
    ['NOTIFY_3_URL', 'URL at /api/notifications/3'],
  ])('of %s among the common settings is told where it belongs', async (name, place) => {
    await began()
    const answer = await ask('PATCH', '/api/settings', { settings: { [name]: 'x' } })
    expect(answer.status).toBe(422)
    expect(answer.text).toContain(`it is ${place}`)
  })

  it('of a file that somebody changed meanwhile is refused', async () => {
    const { revision } = await began()
    writeFileSync(world.envFile, `${text()}# by hand\n`)
    const before = text()
    for (const [method, path, body] of [
      ['PATCH', '/api/settings', { revision, settings: { COPIES: '2' } }],
      ['PATCH', '/api/servers/1', { revision, settings: { LABEL: 'x' } }],
      ['PUT', '/api/servers/order', { revision, order: [2, 1] }],
      ['DELETE', `/api/servers/1?revision=${revision}`, undefined],
    ] as const) {
      const answer = await ask(method, path, body)
      expect([answer.status, answer.json['code']], path).toEqual([409, 'SETTINGS_CHANGED'])
    }
    expect(text()).toBe(before)
  })

  it('of two at once with one revision only one is made; without one both are', async () => {
    const { revision } = await began()
    const labelled = (number: number, more: object) =>
      ask('PATCH', `/api/servers/${number}`, { ...more, settings: { LABEL: `l${number}` } })
    const guarded = await Promise.all([labelled(1, { revision }), labelled(2, { revision })])
    expect(guarded.map(({ status }) => status)).toEqual([200, 409])
    await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        ask('PATCH', '/api/settings', {
          settings: { [KEEPS[at % KEEPS.length]!]: String(at + 1) },
        }),
      ),
    )
    const { general } = await settings()
    expect(general.settings).toMatchObject({ KEEP_LAST: '6', KEEP_DAILY: '7', KEEP_WEEKLY: '8' })
  })

  it('of the order deals the numbers out anew, and loses nothing', async () => {
    await world.noise('a.bin', 50_000)
    await world.run()
    await began()
    const held = (await ask('GET', '/api/status')).json['servers'] as { archives: number }[]
    expect(held.map(({ archives }) => archives)).toEqual([1, 0])
    expect((await ask('PUT', '/api/servers/order', { order: [2] })).status).toBe(400)
    expect((await ask('PUT', '/api/servers/order', { order: [2, 1] })).status).toBe(200)
    const now = (await ask('GET', '/api/status')).json['servers'] as { archives: number }[]
    expect(now.map(({ archives }) => archives)).toEqual([0, 1])
    expect(text()).toContain(comments)
  })

  it('that removes a server with archives says so, and putting it back finds them', async () => {
    await world.noise('a.bin', 50_000)
    await world.run()
    await began()
    const removed = await ask('DELETE', '/api/servers/1')
    expect(removed.json['note']).toMatch(/^1 archive stays on 1: 127\.0\.0\.1:\d+\/backups/)
    expect((await ask('DELETE', '/api/servers/1')).status).toBe(404)
    expect(text()).not.toContain('S3_SERVER_1_')
    expect((await ask('POST', '/api/servers', { settings: form(0) })).json['number']).toBe(3)
    const { json } = await ask('GET', '/api/status')
    expect(json['servers']).toMatchObject([{ number: 2 }, { number: 3, archives: 1 }])
  })

  it('of what the environment says is refused, and it is told which that is', async () => {
    await world.writeEnv()
    const env = { S3_SERVER_1_LABEL: 'of the unit', S3_SERVER_7_ENABLED: 'false' }
    for (const [name, value] of Object.entries(form(1, { PREFIX: 'seventh' })))
      Object.assign(env, { [`S3_SERVER_7_${name}`]: value })
    await start(undefined, { env })
    const { servers, general } = await settings()
    expect(servers.map(({ number }) => number)).toEqual([1, 2, 7])
    expect(servers[0]!.fromEnvironment).toEqual(['LABEL'])
    expect(general.fromEnvironment).toEqual(['LISTEN'])
    const before = text()
    for (const [method, path, body] of [
      ['PATCH', '/api/servers/1', { settings: { LABEL: 'mine' } }],
      ['DELETE', '/api/servers/1', undefined],
      ['PUT', '/api/servers/order', { order: [2, 1, 7] }],
    ] as const) {
      const answer = await ask(method, path, body)
      expect([answer.status, answer.text], path).toEqual([
        403,
        expect.stringContaining('is set in the environment'),
      ])
    }
    expect(text()).toBe(before)
    // The keys that lie there for number 7 belong to nobody else.
    const added = await ask('POST', '/api/servers', { settings: form(0, { PREFIX: 'other' }) })
    expect(added.json['number']).toBe(8)
  })

  it('mends a file with faults one after the other', async () => {
    const { revision } = await began()
    const faults = text()
      .replace(/REGION=.*/g, '')
      .replace('SERVER_ID=host', 'SERVER_ID=')
    writeFileSync(world.envFile, faults)
    const { problems, servers } = await settings()
    expect(problems.map(({ variable }) => variable)).toEqual([
      'S3_SERVER_1_REGION',
      'S3_SERVER_2_REGION',
    ])
    expect(servers[0]).toMatchObject({ label: null, problems: [{ name: 'REGION' }] })
    expect((await settings()).revision).not.toBe(revision)
    for (const number of [1, 2]) {
      const change = { settings: { REGION: world.models[0]!.keys.region } }
      expect((await ask('PATCH', `/api/servers/${number}`, change)).status).toBe(200)
    }
    expect((await settings()).problems).toEqual([])
    expect((await ask('GET', '/api/status')).json['configProblem']).toBeNull()
  })
})

const ID = '01a1ffed-0d53-73be-8648-e5e22ae4b5d6'
const KEEPS = ['KEEP_LAST', 'KEEP_DAILY', 'KEEP_WEEKLY', 'KEEP_MONTHLY', 'KEEP_YEARLY']
