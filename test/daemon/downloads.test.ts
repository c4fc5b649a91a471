// Downloads as a browser makes them: a ticket, then bytes that are proven; what is damaged ends the connection.

import { request } from 'node:http'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Downloads, dispositionOf } from '../../src/daemon/downloads.ts'
import { createArchiveUses } from '../../src/catalog/archive-use.ts'
import { spillway } from '../support/command-sources.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const ODD = 'Ärger "1\\2"; x=\r\n.txt'

let world: World
let daemon: TestDaemon
let archive: { readonly id: string; readonly file: string; readonly key: string }
let whole: Buffer
beforeAll(async () => {
  world = await World.make([{}, {}])
  world.env['COPIES'] = '2'
  mkdirSync(join(world.source, 'sub'))
  writeFileSync(join(world.source, 'sub', ODD), 'odd')
  writeFileSync(join(world.source, 'empty'), '')
  await world.noise('large.bin', 20_000_000)
  daemon = await TestDaemon.start(world)
  const { json } = await daemon.ask('POST', '/api/runs', { body: {} })
  await daemon.follow(json['id'] as string)
  const list = await daemon.ask('GET', '/api/archives')
  ;[archive] = list.json['archives'] as [typeof archive]
  whole = world.models[0]!.bytesOf(archive.key)
})
afterAll(async () => {
  await daemon.stop()
  await world.close()
})

const ticket = (body: unknown, scope: 'restore' | 'run' = 'restore', id = archive.id) =>
  daemon.ask('POST', `/api/archives/${id}/download`, { scope, body })

type Got = {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly bytes: Buffer
  /** The end came, and the connection was not cut. */
  readonly isWhole: boolean
}

/** As a browser does it: without a token. */
const get = (url: unknown, stopsAfterBytes = Infinity): Promise<Got> =>
  new Promise((resolve, reject) => {
    const asked = request(new URL(String(url), daemon.url), (response) => {
      const pieces: Buffer[] = []
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        pieces.push(piece)
        bytes += piece.length
        if (bytes > stopsAfterBytes) response.destroy()
      })
      response.on('error', () => undefined)
      response.on('close', () =>
        resolve({
          ...{ status: response.statusCode!, headers: response.headers },
          ...{ bytes: Buffer.concat(pieces), isWhole: response.complete },
        }),
      )
    })
    asked.on('error', reject)
    asked.end()
  })
const download = async (body: unknown): Promise<Got> => get((await ticket(body)).json['url'])

describe('a download', () => {
  it('of an archive is the archive, byte by byte', async () => {
    const { status, json } = await ticket({})
    expect([status, json['name'], json['sizeBytes']]).toEqual([200, archive.file, whole.length])
    const got = await get(json['url'])
    expect([got.status, got.isWhole, got.bytes.equals(whole)]).toEqual([200, true, true])
    expect(got.headers).toMatchObject({
      'content-type': 'application/zstd',
      'content-length': String(whole.length),
      'content-disposition': `attachment; filename="${archive.file}"`,
      'x-content-type-options': 'nosniff',
    })
  })

  it('of a file is its content under its name, whatever that is', async () => {
    const large = await download({ path: 'large.bin' })
    const original = readFileSync(join(world.source, 'large.bin'))
    expect([large.isWhole, large.bytes.equals(original)]).toEqual([true, true])
    const odd = await download({ path: `sub/${ODD}` })
    expect(odd.bytes.toString()).toBe('odd')
    expect(odd.headers['content-disposition']).toBe(
      `attachment; filename="_rger _1_2__ x=__.txt"; filename*=UTF-8''%C3%84rger%20%221%5C2%22%3B%20x%3D%0D%0A.txt`,
    )
    const empty = await download({ path: 'empty' })
    expect([empty.status, empty.isWhole, empty.bytes.length]).toEqual([200, true, 0])
  })

  it.each(['../../../etc/passwd', '/etc/passwd', 'sub/../../x', 'nothing', '*', '\\', 'sub'])(
    'of %j is of nothing',
    async (path) => {
      expect((await ticket({ path })).status).toBe(404)
    },
  )

  it('needs a ticket that is whole, new, and was given to who may restore', async () => {
    expect((await ticket({}, 'run')).status).toBe(403)
    expect((await ticket({}, 'restore', archive.id.replace(/^./, 'f'))).status).toBe(404)
    const { url } = (await ticket({})).json as { url: string }
    const wrong = [`${url.slice(0, -1)}${url.endsWith('A') ? 'B' : 'A'}`, '/api/downloads/x']
    for (const each of wrong) expect((await get(each)).status).toBe(401)
    const head = await daemon.ask('HEAD', url, { headers: { authorization: '' } })
    expect(head.status).toBe(401)
    expect((await get(url, 1)).status).toBe(200)
    expect((await get(url)).status).toBe(401)
    const { json } = await daemon.ask('GET', '/api/audit')
    expect(JSON.stringify(json)).not.toContain(url.slice(-20))
  })

  it('needs that the token of its ticket is still there', async () => {
    const config = ['--config', world.envFile]
    const made = await spillway(['token', 'create', 'short', '--scope', 'restore', ...config])
    const headers = { authorization: `Bearer ${made.out.toString().trim()}` }
    const asked = { headers, body: {} }
    const urls: unknown[] = []
    for (let count = 0; count < 2; count += 1)
      urls.push(
        (await daemon.ask('POST', `/api/archives/${archive.id}/download`, asked)).json['url'],
      )
    expect((await get(urls[0])).status).toBe(200)
    await spillway(['token', 'revoke', 'short', ...config])
    expect((await get(urls[1])).status).toBe(401)
  })

  it('that is given up closes all that it had opened', async () => {
    const uses = createArchiveUses(join(world.folder, 'data'))
    for (let times = 0; times < 12; times += 1) {
      const got = await get((await ticket({})).json['url'], 100_000)
      expect([got.status, got.isWhole]).toEqual([200, false])
    }
    // Nobody uses the archive any more, and there is room for others.
    await vi.waitFor(() => expect(uses.isInUse(archive.id)).toBe(false), 5_000)
    expect((await download({})).isWhole).toBe(true)
  })
})

describe('a copy that is damaged', () => {
  const spoil = (index: number, atByte: number): void =>
    world.models[index]!.corrupt(archive.key, atByte)

  it('is made up for by another one', async () => {
    spoil(0, 9_000_000)
    const got = await download({})
    expect([got.isWhole, got.bytes.equals(whole)]).toEqual([true, true])
    const file = await download({ path: 'large.bin' })
    expect(file.bytes.equals(readFileSync(join(world.source, 'large.bin')))).toBe(true)
  })

  it('in the same place everywhere ends the connection, and nothing wrong was sent', async () => {
    spoil(1, 9_000_000)
    const got = await download({})
    expect([got.status, got.isWhole]).toEqual([200, false])
    expect(got.bytes.equals(whole.subarray(0, got.bytes.length))).toBe(true)
    expect(got.bytes.length).toBeLessThan(9_000_000)
    const file = await download({ path: 'large.bin' })
    expect([file.status, file.isWhole]).toEqual([200, false])
  })

  it('or another one everywhere is told before the first byte', async () => {
    for (const model of world.models) model.seed(archive.key, Buffer.from('something else'))
    const got = await download({})
    expect([got.status, got.headers['content-type']]).toEqual([
      500,
      'application/problem+json; charset=utf-8',
    ])
  })
})

it('a ticket is good for a minute, and so many are good at once', () => {
  let now = new Date(1_000_000)
  const downloads = new Downloads(() => now)
  const asked = { archive: 'a', path: undefined, name: 'n', sizeBytes: 1 }
  const ticketFor = () => downloads.ticketFor(asked, () => true)
  const first = ticketFor()!
  expect(first).toMatch(/^[\w-]{43}$/)
  now = new Date(1_060_001)
  expect(downloads.take(first)).toBeUndefined()
  for (let count = 0; count < 200; count += 1) expect(ticketFor()).toBeDefined()
  expect(ticketFor()).toBeUndefined()
  now = new Date(1_200_000)
  expect(downloads.take(ticketFor()!)?.download).toEqual(asked)
  expect(dispositionOf('\ud800')).toBe(`attachment; filename="_"; filename*=UTF-8''%EF%BF%BD`)
})
