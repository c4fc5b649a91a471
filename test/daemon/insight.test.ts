// What the page asks besides: pages of archives, retention as it would be, usage, who asked for what; and restores
// into databases, as far as they can be refused.

import Database from 'better-sqlite3'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { AuditLog } from '../../src/daemon/audit-log.ts'
import { intoArgs } from '../../src/daemon/restore-args.ts'
import { openState } from '../../src/state/open-state.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'
import type { Source } from '../../src/domain/source.ts'

type Listed = { readonly id: string; readonly source: string; readonly action: string }

let world: World
let daemon: TestDaemon
beforeAll(async () => {
  world = await World.make([{}])
  world.env['KEEP_LAST'] = '5'
  world.env['SOURCE_2_NAME'] = 'notes'
  world.env['SOURCE_2_PATH'] = join(world.folder, 'notes')
  world.env['SOURCE_2_COMMAND'] = 'echo'
  delete world.env['SOURCE_2_PATH']
  world.env['SOURCE_2_KEEP_LAST'] = '3'
  await world.noise('one.bin', 10_000)
  for (let night = 0; night < 3; night += 1) await world.run()
  daemon = await TestDaemon.start(world)
}, 60_000)
afterAll(async () => {
  await daemon.stop()
  await world.close()
})

describe('archives by pages', () => {
  const ids = async (query: string): Promise<readonly string[]> => {
    const found: string[] = []
    let before = ''
    for (let page = 0; page < 10; page += 1) {
      const { status, json } = await daemon.ask('GET', `/api/archives?${query}${before}`)
      expect(status).toBe(200)
      found.push(...(json['archives'] as Listed[]).map(({ id }) => id))
      if (json['next'] === null) return found
      before = `&before=${json['next'] as string}`
    }
    throw new Error('it has no end')
  }

  it('are the same archives, however large a page is', async () => {
    const all = await ids('limit=1000')
    expect(all).toHaveLength(6)
    expect(await ids('limit=1')).toEqual(all)
    expect(await ids('limit=4')).toEqual(all)
    const docs = await ids('limit=2&source=docs')
    expect(docs).toHaveLength(3)
    expect(await ids('limit=2&text=DOCS-')).toEqual(docs)
    expect(await ids('location=s3&server=1')).toEqual(all)
    expect(await ids('location=local')).toEqual([])
    expect(await ids('server=7')).toEqual([])
  })
})

describe('the preview of retention', () => {
  const preview = (body: unknown) =>
    daemon.ask('POST', '/api/retention/preview', { scope: 'read', body })
  const decided = (json: Readonly<Record<string, unknown>>) =>
    (json['archives'] as Listed[]).map(({ source, action }) => `${source} ${action}`)
  const keep = (source: string) => Array<string>(3).fill(`${source} keep`)

  it('is what prune says, with the rules as they would be, and changes nothing', async () => {
    const asItIs = await preview({ settings: {} })
    expect(asItIs.json).toMatchObject({ dryRun: true, exit: 0, deleted: [] })
    expect(decided(asItIs.json)).toEqual([...keep('docs'), ...keep('notes')])
    // The rule for all is not that of who has his own.
    const { json } = await preview({ settings: { KEEP_LAST: '1' } })
    const gone = ['docs keep', 'docs delete', 'docs delete']
    expect(decided(json)).toEqual([...gone, ...keep('notes')])
    const one = await preview({ source: 'notes', settings: { KEEP_LAST: '2' } })
    expect(decided(one.json)).toEqual(['notes keep', 'notes keep', 'notes delete'])
    const inherits = await preview({ source: 'notes', settings: { KEEP_LAST: null } })
    expect(decided(inherits.json)).toEqual(keep('notes'))
    const after = (await daemon.ask('GET', '/api/archives')).json['archives'] as unknown[]
    expect(after).toHaveLength(6)
  })

  it.each([
    [{ KEEP_DAILY: 'many' }, 'KEEP_DAILY', 'KEEP_DAILY', undefined],
    [{ KEEP_LAST: '0' }, 'SOURCE_2_KEEP_*', 'KEEP_*', 'notes'],
    [{ KEEP_LAST: '0' }, 'KEEP_*', 'KEEP_*', undefined],
    [{ KEEP_DAYLY: '1' }, 'KEEP_DAYLY', 'KEEP_DAYLY', undefined],
    [{ DATA_DIR: '/tmp' }, 'DATA_DIR', 'DATA_DIR', undefined],
  ])('of %j says what is wrong, and what to do', async (settings, variable, name, source) => {
    const body = source === undefined ? { settings } : { settings, source }
    const { status, json } = await preview(body)
    expect(status).toBe(422)
    const errors = json['errors'] as { remedy: string }[]
    expect(errors).toMatchObject([{ variable, name, reason: expect.any(String) as string }])
    expect(errors[0]!.remedy).not.toBe('')
  })

  it('of a source that there is not is refused', async () => {
    expect((await preview({ source: 'nobody', settings: {} })).status).toBe(422)
  })
})

it('usage ends with what lies there now', async () => {
  const { json } = await daemon.ask('GET', '/api/usage?days=3', { scope: 'read' })
  const days = json['days'] as { date: string; totalBytes: number; servers: unknown[] }[]
  const status = await daemon.ask('GET', '/api/status')
  const [server] = status.json['servers'] as { usedBytes: number; label: string }[]
  expect(days).toHaveLength(3)
  expect(days.at(-1)).toEqual({
    date: new Date().toISOString().slice(0, 10),
    servers: [{ number: 1, label: server!.label, usedBytes: server!.usedBytes }],
    totalBytes: server!.usedBytes,
  })
  expect(days[0]!.totalBytes).toBe(0)
  expect((await daemon.ask('GET', '/api/usage?days=0')).status).toBe(400)
})

describe('the audit', () => {
  it('tells who changed what and who was refused, and of no reading [F95b]', async () => {
    const list = await daemon.ask('GET', '/api/archives?limit=1')
    const [{ id }] = list.json['archives'] as [Listed]
    // The first is behind the page that is asked for.
    for (const scope of ['admin', 'admin', 'read'] as const)
      await daemon.ask('PUT', `/api/archives/${id}/pin`, { scope })
    await daemon.ask('GET', '/api/jobs?a=1', { headers: { authorization: '' } })
    // As a web page does it whose name was made to lead here.
    await daemon.raw('GET /api/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
    await daemon.ask('GET', '/api/jobs')
    const { json } = await daemon.ask('GET', '/api/audit?limit=4')
    const from = { remoteAddress: expect.stringContaining('127.0.0.1') as string }
    expect(json['entries']).toMatchObject([
      { ...from, token: null, method: 'GET', path: '/api/status', status: 421 },
      { ...from, token: null, method: 'GET', path: '/api/jobs?a=1', status: 401 },
      { ...from, token: 'read', method: 'PUT', path: `/api/archives/${id}/pin`, status: 403 },
      { ...from, token: 'admin', method: 'PUT', path: `/api/archives/${id}/pin`, status: 200 },
    ])
    expect(json['next']).toEqual(expect.any(Number))
    expect((await daemon.ask('GET', '/api/audit', { scope: 'restore' })).status).toBe(403)
  })

  it('is bounded, and nobody without a token pushes out what the others did', () => {
    const state = openState(join(world.folder, 'audit'))
    const entry = { at: new Date(), method: 'PUT', path: '/x', status: 200, remoteAddress: '' }
    try {
      state.audit.add([{ ...entry, token: 'me' }])
      const refused = { ...entry, token: undefined, status: 401 }
      state.audit.add(Array(12_000).fill(refused) as (typeof refused)[])
      const after = state.audit.list({ before: undefined, limit: 20_000 })
      expect([after.length, after.at(-1)!.token]).toEqual([2_001, 'me'])
      state.audit.add(Array(12_000).fill({ ...entry, token: 'me' }) as (typeof refused)[])
      expect(state.audit.list({ before: undefined, limit: 20_000 })).toHaveLength(10_000)
    } finally {
      state.close()
    }
  })

  it('that cannot be written keeps nobody from an answer, and is written when it can be', async () => {
    const other = new Database(join(world.folder, 'data/state.sqlite'))
    other.pragma('busy_timeout = 5000')
    // As a full disk does it.
    other.exec(
      `create trigger no_room before insert on audit begin select raise(abort, 'full'); end`,
    )
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        daemon.ask('GET', '/api/jobs', { headers: { authorization: '' } }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(401))
    await vi.waitFor(() => expect(daemon.log.join('\n')).toContain('cannot be kept: full'), 5_000)
    other.exec('drop trigger no_room')
    other.close()
    const { json } = await daemon.ask('GET', '/api/audit?limit=1000')
    const kept = (json['entries'] as { path: string }[]).filter(({ path }) => path === '/api/jobs')
    expect(kept).toHaveLength(20)
  })

  const entry = { at: new Date(), token: undefined, method: 'GET', status: 401 }
  const logInto = (noted: string[]): AuditLog =>
    new AuditLog(
      {
        add: (entries: readonly { path: string }[]) =>
          noted.push(...entries.map(({ path }) => path)),
      } as never,
      () => undefined,
    )

  it('has room for who has a token, however many were refused in that moment', () => {
    const noted: string[] = []
    const log = logInto(noted)
    for (let each = 0; each < 5_000; each += 1)
      log.note({ ...entry, path: '/x', remoteAddress: '' })
    log.note({ ...entry, token: 'me', path: '/api/prunes', remoteAddress: '' })
    log.write()
    expect(noted.at(-1)).toBe('/api/prunes')
  })

  it('shows no ticket', () => {
    const noted: string[] = []
    const log = logInto(noted)
    log.note({ ...entry, path: '/api/downloads/secret?x', remoteAddress: '' })
    log.note({ ...entry, path: `/${'\u00e4'.repeat(1_000)}`, remoteAddress: '' })
    log.write()
    expect(noted).toEqual(['/api/downloads/...', `/${'?'.repeat(299)}`])
  })
})

describe('a restore into a database', () => {
  const sources = [
    { kind: 'postgres', name: 'db' },
    { kind: 'mysql', name: 'shop' },
    { kind: 'folder', name: 'docs' },
  ] as Source[]
  const of = (sourceKind: string, source: string, more = {}) =>
    intoArgs(sources, { id: 'ID', file: 'F', sourceKind }, { source, ...more })

  it('has the arguments of the command', () => {
    const args = ['restore', '--json', '--yes', '--into=source:db']
    expect(of('postgres', 'db')).toEqual([...args, '--', 'ID'])
    const more = { database: 'app', replaceExisting: true }
    expect(of('postgres', 'db', more)).toEqual([...args, '--overwrite=always', '--', 'ID', 'app'])
  })

  it.each([
    ['mongodb', 'db', 'mongorestore'],
    ['sqlite', 'db', 'spillway restore ID --to=DIR'],
    ['folder', 'docs', 'spillway restore ID --to=DIR'],
    ['postgres', 'shop', 'sources of postgres: db'],
    ['postgres', 'docs', 'sources of postgres: db'],
    ['postgres', 'nobody', 'sources of postgres: db'],
  ])('of %s into %s is refused with what can be done', (kind, source, hint) => {
    expect(of(kind, source)).toMatchObject({
      status: 422,
      hint: expect.stringContaining(hint) as string,
    })
  })

  it('is asked for instead of a folder, and of what is there', async () => {
    const list = await daemon.ask('GET', '/api/archives?source=docs')
    const [{ id: archive }] = list.json['archives'] as [Listed]
    const ask = (body: unknown) => daemon.ask('POST', '/api/restores', { scope: 'restore', body })
    const into = { source: 'docs' }
    for (const body of [
      { archive },
      { archive, into, to: '/tmp/x' },
      { archive, into, paths: ['x'] },
      { archive, into: { source: 'docs', database: '--help' } },
    ])
      expect((await ask(body)).status).toBe(400)
    const { status, json } = await ask({ archive, into })
    expect([status, json['hint']]).toEqual([422, expect.stringContaining(archive)])
    expect((await ask({ archive: archive.replace(/^./, 'f'), into })).status).toBe(404)
  })
})
