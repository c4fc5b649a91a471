// What is asked of the daemon over HTTP happens as the commands do it, one after the other, and what it says
// of its queue is true, also after it was killed.

import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TestDaemon } from '../support/test-daemon.ts'
import type { Answer } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

let world: World
let daemon: TestDaemon
let back: string
beforeEach(async () => {
  world = await World.make([{}])
  back = join(world.folder, 'back')
  mkdirSync(back)
  world.env['RESTORE_ROOTS'] = back
  await world.noise('one.bin', 10_000)
  daemon = await TestDaemon.start(world)
})
afterEach(async () => {
  await daemon.stop()
  await world.close()
})

const jobOf = async (path: string, body: unknown): Promise<string> => {
  const { status, json } = await daemon.ask('POST', path, { body })
  expect(status).toBe(202)
  return json['id'] as string
}
const jobAt = (id: string): Promise<Answer> => daemon.ask('GET', `/api/jobs/${id}`)

/** The reading of the source waits until the file `go` is there, or for ever. */
const hold = (): void => {
  const go = join(world.folder, 'go')
  const begun = join(world.folder, 'begun')
  world.env['SOURCE_1_BEFORE'] =
    `bash -c 'touch ${begun}; until test -e ${go}; do sleep 0.05; done'`
}
const isBegun = () =>
  vi.waitFor(() => expect(existsSync(join(world.folder, 'begun'))).toBe(true), 10_000)

describe('a run', () => {
  it('is followed as it goes, and its report is the one of the command', async () => {
    const id = await jobOf('/api/runs', {})
    const events = await daemon.follow(id)
    const kinds = events.map(({ kind }) => kind)
    expect(kinds).toEqual(expect.arrayContaining(['source-started', 'stored', 'run-ended']))
    expect(kinds.at(-1)).toBe('job-ended')
    const { json } = await jobAt(id)
    expect(json).toMatchObject({ kind: 'run', state: 'done', exit: 0, requestedBy: 'admin' })
    expect(json['result']).toMatchObject({ outcome: 'ok', archives: [{ state: 'stored' }] })
    const { archives } = (await daemon.ask('GET', '/api/archives')).json as unknown as {
      archives: readonly { id: string; location: string }[]
    }
    expect(archives).toMatchObject([{ source: 'docs', location: 's3' }])
    expect((await daemon.ask('GET', `/api/archives/${archives[0]!.id}`)).json).toMatchObject({
      sizeBytes: expect.any(Number) as number,
    })
    const beyond = await daemon.ask('GET', `/api/archives?before=${id}`)
    expect(beyond.status).toBe(404)
    const within = await daemon.ask('GET', `/api/archives/${archives[0]!.id}/files?pattern=one*`)
    expect(within.json).toMatchObject({ files: [{ path: 'one.bin', kind: 'file' }] })
    const found = await daemon.ask('GET', '/api/files?pattern=one.bin')
    expect(found.json).toMatchObject({ files: [{ path: 'one.bin', sizeBytes: 10_000 }] })
    expect(await world.audit()).toEqual([])
  })

  it('that fails says why, and the next one goes on', async () => {
    const wrong = await jobOf('/api/runs', { sources: ['dox'] })
    await daemon.follow(wrong)
    expect((await jobAt(wrong)).json).toMatchObject({
      ...{ state: 'failed', exit: 2 },
      reason: 'there is no source "dox" (sources: docs)',
    })
    const right = await jobOf('/api/runs', { sources: ['docs'] })
    await daemon.follow(right)
    expect((await jobAt(right)).json).toMatchObject({ state: 'done', exit: 0 })
  })

  it('shares the lock with the command line', async () => {
    hold()
    await world.writeEnv()
    const id = await jobOf('/api/runs', {})
    await isBegun()
    await expect(world.run()).rejects.toMatchObject({ code: 'RUN_LOCKED' })
    expect((await daemon.ask('GET', '/api/status')).json['run']).toMatchObject({
      pid: expect.any(Number) as number,
    })
    writeFileSync(join(world.folder, 'go'), '')
    await daemon.follow(id)
    expect((await jobAt(id)).json).toMatchObject({ state: 'done' })
  })
})

describe('a restore', () => {
  const restore = (to: string, archive: string) =>
    daemon.ask('POST', '/api/restores', { scope: 'restore', body: { archive, to } })
  const archived = async (): Promise<string> => {
    await daemon.follow(await jobOf('/api/runs', {}))
    const { archives } = (await daemon.ask('GET', '/api/archives')).json as unknown as {
      archives: readonly { id: string }[]
    }
    return archives[0]!.id
  }

  it('gives back what was archived, below RESTORE_ROOTS and nowhere else [F92 F95a]', async () => {
    const archive = await archived()
    symlinkSync('/tmp', join(back, 'out'))
    for (const to of [
      '/etc',
      back,
      `${back}-evil`,
      `${back}/../x`,
      `${back}/out/x`,
      'x',
      `${back}//x`,
    ]) {
      const { status, json } = await restore(to, archive)
      expect([to, status, json['code']]).toEqual([to, 400, 'USAGE'])
    }
    const { json } = await restore(join(back, 'docs'), archive)
    await daemon.follow(json['id'] as string)
    expect((await jobAt(json['id'] as string)).json).toMatchObject({ state: 'done', exit: 0 })
    const original = readFileSync(join(world.source, 'one.bin'))
    expect(readFileSync(join(back, 'docs/one.bin')).equals(original)).toBe(true)
  })

  it('needs nobody to make the folder for it while RESTORE_ROOTS is not set', async () => {
    delete world.env['RESTORE_ROOTS']
    await world.writeEnv()
    const archive = await archived()
    const { restoreRoots } = (await daemon.ask('GET', '/api/session')).json as unknown as {
      restoreRoots: readonly string[]
    }
    const root = restoreRoots[0]!
    const { json } = await restore(join(root, 'docs'), archive)
    await daemon.follow(json['id'] as string)
    expect((await jobAt(json['id'] as string)).json).toMatchObject({ state: 'done', exit: 0 })
    expect(existsSync(join(root, 'docs/one.bin'))).toBe(true)
    expect(statSync(root).mode & 0o777).toBe(0o700)
  })

  it('makes no folder that RESTORE_ROOTS names: a disk may not be mounted there', async () => {
    const archive = await archived()
    rmSync(back, { recursive: true })
    const { json } = await restore(join(back, 'docs'), archive)
    await daemon.follow(json['id'] as string)
    expect((await jobAt(json['id'] as string)).json).toMatchObject({ state: 'failed', exit: 35 })
    expect(existsSync(back)).toBe(false)
  })

  it('of what nobody archived is told as that', async () => {
    await archived()
    const { json } = await restore(join(back, 'x'), '01a1ffed-0d53-73be-8648-e5e22ae4b5d6')
    await daemon.follow(json['id'] as string)
    expect((await jobAt(json['id'] as string)).json).toMatchObject({ state: 'failed', exit: 30 })
  })
})

describe('the queue', () => {
  it('is true after the daemon was killed: what ran is lost, what waited is done [F01j]', async () => {
    hold()
    await world.writeEnv()
    const running = await jobOf('/api/runs', {})
    const waiting = await jobOf('/api/verifications', {})
    await isBegun()
    await daemon.kill()
    // The run must not go on unseen: its group dies with the daemon.
    await vi.waitFor(async () => {
      delete world.env['SOURCE_1_BEFORE']
      expect((await world.run()).exit).toBeLessThanOrEqual(3)
    }, 10_000)

    daemon = await TestDaemon.start(world, daemon.tokens)
    await daemon.follow(waiting)
    expect((await jobAt(running)).json).toMatchObject({
      state: 'lost',
      reason: 'the daemon was killed while it was going on',
    })
    expect((await jobAt(waiting)).json).toMatchObject({ state: 'done', exit: 0 })
    expect(await world.audit()).toEqual([])
  })

  it('lets go of what waits, and asks what runs to end', async () => {
    hold()
    await world.writeEnv()
    const running = await jobOf('/api/runs', {})
    const waiting = await jobOf('/api/runs', {})
    await isBegun()
    const cancel = (id: string) => daemon.ask('DELETE', `/api/jobs/${id}`, { scope: 'run' })
    expect((await cancel(waiting)).json).toMatchObject({ state: 'cancelled' })
    expect((await cancel(running)).status).toBe(202)
    await daemon.follow(running)
    expect((await jobAt(running)).json).toMatchObject({ state: 'cancelled', exit: 130 })
    expect((await cancel(running)).status).toBe(409)
    expect(await world.audit()).toEqual([])
  })

  it('takes no more than can be meant', async () => {
    hold()
    await world.writeEnv()
    const asked = Array.from({ length: 25 }, () => daemon.ask('POST', '/api/runs', { body: {} }))
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 202).length).toBeGreaterThanOrEqual(20)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(4)
  })

  it('stops in order: the run that is going on ends as by Ctrl-C, what waits stays', async () => {
    hold()
    await world.writeEnv()
    const running = await jobOf('/api/runs', {})
    const waiting = await jobOf('/api/verifications', {})
    await isBegun()
    expect(await daemon.stop()).toBe(0)
    delete world.env['SOURCE_1_BEFORE']
    daemon = await TestDaemon.start(world, daemon.tokens)
    expect((await jobAt(running)).json).toMatchObject({ state: 'failed', exit: 130 })
    await daemon.follow(waiting)
    expect((await jobAt(waiting)).json).toMatchObject({ kind: 'verify', exit: 0 })
  })
})

describe('settings', () => {
  it('that change are taken up; with wrong ones the old ones are shown, and runs fail', async () => {
    world.env['SOURCE_2_PATH'] = world.source
    world.env['SOURCE_2_NAME'] = 'more'
    await world.writeEnv()
    const sources = async () => (await daemon.ask('GET', '/api/status')).json
    expect((await sources())['sources']).toMatchObject([{ name: 'docs' }, { name: 'more' }])
    world.env['COPIES'] = 'many'
    await world.writeEnv()
    const status = await sources()
    expect(status['configProblem']).toContain('COPIES')
    expect(status['sources']).toMatchObject([{ name: 'docs' }, { name: 'more' }])
    // As the log says of it.
    const id = await jobOf('/api/runs', {})
    await daemon.follow(id)
    expect((await jobAt(id)).json).toMatchObject({ state: 'failed', exit: 4 })
    expect(daemon.log.join('\n')).toContain('runs fail until they are mended')
  })

  it('never leave with their secrets [F101a]', async () => {
    const secret = world.env['S3_SERVER_1_SECRET_KEY']!
    for (const path of ['/api/servers', '/api/status', '/openapi.json', '/api/jobs'])
      expect((await daemon.ask('GET', path)).text).not.toContain(secret)
    const tested = await daemon.ask('POST', '/api/servers/1/test')
    expect(tested.json).toMatchObject({ wouldTake: true })
    expect(tested.text).not.toContain(secret)
  })
})
