// Sources without a new archive: real runs, a real listener, the state of the host on disk, and a clock that
// only the watch follows.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { acquireRunLock } from '../../src/catalog/run-lock.ts'
import { openServices } from '../../src/compose.ts'
import { SilenceWatch } from '../../src/operations/notify-silence.ts'
import { openState } from '../../src/state/open-state.ts'
import { spillway } from '../support/command-sources.ts'
import { listenForWeb } from '../support/notify-listeners.ts'
import type { WebListener } from '../support/notify-listeners.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let world: World
let web: WebListener
let log: string[]
let begun: number
beforeEach(async () => {
  world = await World.make([{}])
  web = await listenForWeb()
  log = []
  begun = Date.now()
  await writeFile(join(world.source, 'a'), 'a')
  const other = join(world.folder, 'other')
  await mkdir(other)
  await writeFile(join(other, 'b'), 'b')
  Object.assign(world.env, {
    ...{ SOURCE_2_NAME: 'other', SOURCE_2_PATH: other, RANDOM_DELAY_MINUTES: '0' },
    // Due every hour and late after two; the other one never in this test.
    ...{ SOURCE_1_SCHEDULE: "'0 * * * *'", SCHEDULE: "'0 0 1 1 *'" },
  })
  hook(1, 'failure,recovery')
})
afterEach(async () => {
  await Promise.all([world.close(), web.close()])
})

function hook(number: number, on: string, kind = ''): void {
  world.env[`NOTIFY_${number}_URL`] = `${kind}http://127.0.0.1:${web.port}/${number}`
  world.env[`NOTIFY_${number}_ON`] = on
}

async function run(...sources: string[]): Promise<number | null> {
  const config = await world.writeEnv()
  return (await spillway(['run', '--config', config, ...sources])).exit
}

/** A daemon of its own, at each of these moments: it may be restarted between any two. */
async function lookAt(...hours: readonly number[]): Promise<void> {
  const services = await openServices({ configFile: await world.writeEnv() })
  const state = openState(services.config.dataDir)
  let at = 0
  const watch = new SilenceWatch({
    ...{ services: async () => services, marks: state.marks },
    now: () => new Date(begun + at),
    log: (line) => void log.push(line),
  })
  try {
    for (const hour of hours) {
      at = hour * HOUR_MS
      await watch.look()
    }
  } finally {
    state.close()
    await services.close()
  }
}

type Told = {
  readonly title: string
  readonly event: string
  readonly summary: string
  readonly sources?: unknown
}
const told = () => web.received.map(({ body }) => JSON.parse(body) as Told)
const titles = () => told().map(({ title }) => title)
const ALARM = 'host: NO GOOD ARCHIVE of docs for longer than scheduled'
const RECOVERED = 'host: recovered, 1 archive stored'

it('a silence is told once, also across restarts, and its end by the run that ends it', async () => {
  expect(await run()).toBe(0)
  await lookAt(0, 0.9)
  expect(titles()).toEqual([])
  // Late: noticed, and told ten minutes later.
  await lookAt(3, 3 + 5 / 60)
  expect(titles()).toEqual([])
  await lookAt(3.2)
  expect(titles()).toEqual([ALARM])
  const [alarm] = told()
  expect(alarm).toMatchObject({ event: 'silence', sources: [{ name: 'docs' }] })
  expect(alarm!.summary).toMatch(/^- docs has had no good archive for \d+ h, was due .* UTC\n/)
  expect(alarm!.summary).not.toContain('other')
  expect(log).toEqual([`${ALARM}: told 1: webhook 127.0.0.1:${web.port}`])

  await lookAt(3.3, 8, 30)
  await lookAt(100)
  expect(titles()).toEqual([ALARM])

  expect(await run('docs')).toBe(0)
  expect(titles()).toEqual([ALARM, RECOVERED])
  expect(await run('docs')).toBe(0)
  await lookAt(0.1)
  expect(titles()).toEqual([ALARM, RECOVERED])

  // Another silence is another alarm.
  await lookAt(50, 51)
  expect(titles()).toEqual([ALARM, RECOVERED, ALARM])
})

it('is not over by a run of other sources, nor by one that fails', async () => {
  expect(await run()).toBe(0)
  await lookAt(3, 4)
  expect(await run('other')).toBe(0)
  expect(titles()).toEqual([ALARM])
  world.env['SOURCE_1_PATH'] = join(world.folder, 'gone')
  expect(await run('docs')).toBe(10)
  await lookAt(5)
  expect(titles()).toEqual([ALARM, 'host: FAILED, 1 of 1 source'])
  world.env['SOURCE_1_PATH'] = world.source
  expect(await run('docs')).toBe(0)
  expect(titles()).toEqual([ALARM, 'host: FAILED, 1 of 1 source', RECOVERED])
})

it('an archive that waits in the spool is no end of it', async () => {
  expect(await run()).toBe(0)
  await lookAt(3, 4)
  await world.models[0]!.close()
  expect(await run('docs')).toBe(23)
  await lookAt(5)
  expect(titles()).toEqual([ALARM, expect.stringContaining('FAILED')])
})

it('of a source that never had an archive is told from when it was first looked for', async () => {
  await lookAt(0, 1)
  expect(titles()).toEqual([])
  await lookAt(3, 4)
  expect(titles()).toEqual([ALARM])
  expect(told()[0]!.summary).toContain('docs has no good archive at all')
  await lookAt(5)
  expect(await run('docs')).toBe(0)
  expect(titles()).toEqual([ALARM, RECOVERED])
})

it('a look while the clock was years ahead keeps no alarm back', async () => {
  await lookAt(10_000)
  await lookAt(0, 3, 4)
  expect(titles()).toEqual([ALARM])
  expect(await run()).toBe(0)
  expect(titles()).toEqual([ALARM, RECOVERED.replace('1 archive', '2 archives')])
  // Noticed by that clock, and not told yet.
  await lookAt(20_000)
  await lookAt(3, 4)
  expect(titles().slice(2)).toEqual([ALARM])
})

it('several at once are one message', async () => {
  world.env['SCHEDULE'] = "'0 * * * *'"
  await lookAt(0, 3, 4)
  expect(titles()).toEqual(['host: NO GOOD ARCHIVE of 2 sources for longer than scheduled'])
  expect(told()[0]!.summary.split('\n').slice(0, 2)).toEqual([
    '- docs has no good archive at all',
    '- other has no good archive at all',
  ])
})

it('is told to those who want it, and a ping shows it as a failure', async () => {
  hook(2, 'recovery')
  hook(3, 'always', 'ping+')
  hook(4, 'warning', 'slack+')
  await lookAt(0, 3, 4)
  expect(web.received.map(({ path }) => path).toSorted()).toEqual(['/1', '/3/fail', '/4'])
  web.received.length = 0
  expect(await run('docs')).toBe(0)
  expect(web.received.map(({ path }) => path).toSorted()).toEqual(['/1', '/2', '/3', '/3/start'])
})

it('who could not be told is tried again, and nobody else is told twice', async () => {
  hook(2, 'failure', 'slack+')
  world.env['NOTIFY_3_URL'] = 'slack+http://127.0.0.1:1/x'
  web.answer = 404
  await lookAt(0, 3, 4)
  expect(web.received.map(({ path }) => path)).toEqual(['/1', '/2'])
  expect(log.join('\n')).toMatch(/notification 3: slack 127\.0\.0\.1:1 was not delivered/)
  web.answer = 200
  // Five minutes later, ten, twenty: not at each look.
  await lookAt(4.1, 4.12)
  expect(web.received.map(({ path }) => path)).toEqual(['/1', '/2', '/1', '/2'])
  delete world.env['NOTIFY_3_URL']
  await lookAt(5)
  expect(web.received).toHaveLength(4)
})

it('is retried ever more rarely', async () => {
  web.answer = 404
  const minutes = Array.from({ length: 240 }, (_, at) => 4 + at / 60)
  await lookAt(0, 3, ...minutes)
  // At 0, 5, 15, 35, 75, 135, 195 minutes.
  expect(web.received).toHaveLength(7)
})

it('waits for a run that goes on, and not for ever', async () => {
  const services = await openServices({ configFile: await world.writeEnv() })
  const { dataDir } = services.config
  await services.close()
  expect(await run()).toBe(0)
  const lock = await acquireRunLock(dataDir)
  try {
    await lookAt(3, 4, 8.9)
    expect(titles()).toEqual([])
    await lookAt(9.1)
    expect(titles()).toEqual([ALARM])
    expect(told()[0]!.summary).toContain('A run has been going on since')
  } finally {
    await lock.release()
  }
})

it('the daemon looks by itself', async () => {
  expect(await run()).toBe(0)
  // What the watch of a daemon long ago has noticed.
  const state = openState(join(world.folder, 'data'))
  const past = new Date(begun - 90 * 24 * HOUR_MS).toISOString()
  state.marks.set(
    'SILENCE gone',
    { seenAt: past, lastGoodAt: null, noticedAt: past, told: [] },
    new Date(),
  )
  state.close()
  Object.assign(world.env, { SOURCE_3_NAME: 'gone', SOURCE_3_PATH: join(world.folder, 'gone') })
  world.env['SOURCE_3_SCHEDULE'] = "'0 0 * * *'"
  const daemon = await TestDaemon.start(world)
  const alarm = 'host: NO GOOD ARCHIVE of gone for longer than scheduled'
  await expect.poll(titles).toEqual([alarm])
  expect(await daemon.stop()).toBe(0)
  expect(daemon.log.join('\n')).toContain(alarm)
})
