// The daemon killed with SIGKILL while something goes on and more waits: what it says afterwards is true, what
// waited is done, in order and once, and nothing of it goes on without it.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { S3Operation } from '../support/s3-operation.ts'

let world: World
let proxy: FaultProxy
let daemon: TestDaemon
let back: string
beforeEach(async () => {
  world = await World.make([{}])
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.configure(1, proxy.endpoint, world.models[0]!)
  back = join(world.folder, 'back')
  mkdirSync(back)
  world.env['RESTORE_ROOTS'] = back
  await world.noise('one.bin', 3_000_000)
  await world.run()
  daemon = await TestDaemon.start(world)
}, 30_000)
afterEach(async () => {
  await daemon.stop()
  await proxy.close()
  await world.close()
}, 30_000)

type Job = {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly exit: number | null
  readonly reason: string | null
  readonly startedAt: string
  readonly endedAt: string
}

const jobOf = async (path: string, body: unknown): Promise<string> => {
  const { status, json } = await daemon.ask('POST', path, { body })
  expect(status).toBe(202)
  return json['id'] as string
}
const jobs = async (): Promise<readonly Job[]> => {
  const { json } = await daemon.ask('GET', '/api/jobs')
  return (json['jobs'] as readonly Job[]).toReversed()
}

/** The next request of this kind gets no answer; resolves when it is there. */
function holdNext(operation: S3Operation): Promise<void> {
  return new Promise((resolve) => {
    const until = (): Promise<never> => {
      resolve()
      return new Promise(() => undefined)
    }
    proxy.add({ operation, times: 1, fault: { kind: 'wait', until } })
  })
}

/** Of our installation, but this one and the daemon. */
function processes(): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === daemon.pid || Number(pid) === process.pid)
      return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(world.folder)
    } catch {
      return false
    }
  })
}

async function killAndRestart(): Promise<void> {
  expect(processes().length).toBeGreaterThan(0)
  await daemon.kill()
  await vi.waitFor(() => expect(processes()).toEqual([]), 5_000)
  daemon = await TestDaemon.start(world, daemon.tokens)
}

it('in the middle of a restore, and again of a run: both are lost, the rest is done in its order', async () => {
  const { json } = await daemon.ask('GET', '/api/archives')
  const [{ id: archive }] = json['archives'] as [{ id: string }]
  const reading = holdNext('Get')
  const ids = [
    await jobOf('/api/restores', { archive, to: join(back, 'first') }),
    await jobOf('/api/runs', {}),
    await jobOf('/api/restores', { archive, to: join(back, 'second') }),
    await jobOf('/api/runs', {}),
  ]
  await reading
  expect((await jobs()).map(({ state }) => state)).toEqual([
    'running',
    ...Array<string>(3).fill('queued'),
  ])
  const sending = holdNext('UploadPart')
  await killAndRestart()
  await sending
  expect((await jobs()).map(({ state }) => state)).toEqual(['lost', 'running', 'queued', 'queued'])
  await killAndRestart()
  await daemon.follow(ids.at(-1)!)

  const done = await jobs()
  expect(done.map(({ id, kind, state }) => [id, kind, state])).toEqual([
    [ids[0], 'restore', 'lost'],
    [ids[1], 'run', 'lost'],
    [ids[2], 'restore', 'done'],
    [ids[3], 'run', 'done'],
  ])
  for (const { state, reason, exit } of done)
    expect([reason, exit]).toEqual(
      state === 'lost' ? ['the daemon was killed while it was going on', null] : [null, 0],
    )
  // One after the other, each once.
  const times = done.flatMap(({ startedAt, endedAt }) => [startedAt, endedAt])
  expect(times).toEqual(times.toSorted())
  for (const { id, kind, state } of done) {
    const events = await daemon.follow(id)
    const count = (wanted: string): number =>
      events.filter((each) => each['kind'] === wanted).length
    if (kind === 'run') expect(count('run-ended'), id).toBe(state === 'done' ? 1 : 0)
    expect(events.at(-1)).toEqual({ kind: 'job-ended', state })
  }
  proxy.assertFired()
}, 60_000)

it('what was begun is settled: a restore is whole or not there, a run leaves no copy without its row', async () => {
  const { json } = await daemon.ask('GET', '/api/archives')
  const [{ id: archive }] = json['archives'] as [{ id: string }]
  const original = readFileSync(join(world.source, 'one.bin'))
  const reading = holdNext('Get')
  await jobOf('/api/restores', { archive, to: join(back, 'docs') })
  const run = await jobOf('/api/runs', {})
  await reading
  const sending = holdNext('Complete')
  await killAndRestart()
  const file = join(back, 'docs/one.bin')
  expect(existsSync(file)).toBe(false)
  await sending
  await killAndRestart()
  expect((await daemon.ask('GET', `/api/jobs/${run}`)).json).toMatchObject({ state: 'lost' })
  for (const [path, body] of [
    ['/api/runs', {}],
    ['/api/restores', { archive, to: join(back, 'docs') }],
  ] as const) {
    const id = await jobOf(path, body)
    await daemon.follow(id)
    const { json: job } = await daemon.ask('GET', `/api/jobs/${id}`)
    expect([path, job['state'], job['reason']]).toEqual([path, 'done', null])
  }
  expect(readFileSync(file).equals(original)).toBe(true)
  expect(await world.audit()).toEqual([])
}, 60_000)

it('a second daemon in the same data folder is refused, and the jobs of the first go on', async () => {
  const begun = holdNext('Complete')
  const id = await jobOf('/api/runs', {})
  await begun

  const second = await spillway(['serve', '--config', world.envFile])

  expect(second.exit).toBe(75)
  expect(second.err).toMatch(/another daemon serves this DATA_DIR \(pid \d+, since/)
  expect(await jobs()).toMatchObject([{ id, state: 'running' }])
})
