// The schedules of the daemon, with a clock of the test's own and a real queue on disk.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { JobQueue } from '../../src/daemon/job-queue.ts'
import { openState } from '../../src/state/open-state.ts'
import { delayOf, Scheduler } from '../../src/daemon/scheduler.ts'
import type { Plan } from '../../src/daemon/scheduler.ts'
import type { State } from '../../src/state/open-state.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

let folder: string
let state: State
let now: Date
let plan: Plan
let isRunGoingOn: boolean
const zone = process.env['TZ']
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))
  state = openState(folder)
  now = new Date(2026, 2, 1, 12)
  plan = planOf({ docs: undefined })
  isRunGoingOn = false
})
afterEach(() => {
  state.close()
  rmSync(folder, { recursive: true, force: true })
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

/** name: its own schedule. */
function planOf(
  sources: Readonly<Record<string, string | undefined>>,
  more: Partial<Plan> = {},
): Plan {
  return {
    ...{ serverId: 'web1', schedule: '30 2 * * *', randomDelayMs: 0, ...more },
    sources: Object.entries(sources).map(([name, schedule]) =>
      schedule === undefined ? { name } : { name, schedule },
    ),
  }
}

/** `runs`: false: jobs stay in the queue, as while a long one is going on. */
function daemon({ runs = true } = {}) {
  const jobs = state.jobs
  const log = (): void => undefined
  const queue = new JobQueue({
    ...{ jobs, log, now: () => now },
    runJob: async () => ({ exit: 0, result: {}, reason: undefined }),
  })
  if (runs) queue.start()
  const scheduler = new Scheduler({
    ...{ jobs, log, now: () => now, plan: async () => plan },
    isRunGoingOn: async () => isRunGoingOn,
    queue: runs
      ? queue
      : { add: (input) => jobs.add({ ...input, id: `${now.getTime()}`, createdAt: now }, 20) },
  })
  return { scheduler, stop: () => queue.stop() }
}

/** Looks every ten minutes until `until`. */
async function live(scheduler: Scheduler, until: Date): Promise<void> {
  for (; now <= until; now = new Date(now.getTime() + 10 * MINUTE_MS)) await scheduler.look()
}

async function day(scheduler: Scheduler, days = 1): Promise<void> {
  await live(scheduler, new Date(now.getTime() + days * DAY_MS - 1))
}

const RUN = ['run', '--json', '--events']
const STOPPED_END = {
  state: 'failed',
  exit: 130,
  result: undefined,
  reason: 'the daemon was stopped',
} as const
const runOf = (...names: string[]) => [...RUN, '--', ...names]
/** As its process did. */
function endNext(exit: number): void {
  const { id } = state.jobs.next() ?? { id: '' }
  state.jobs.start(id, now)
  const end = { result: undefined, reason: undefined }
  state.jobs.end(id, now, { state: exit === 0 ? 'done' : 'failed', exit, ...end })
}
const queued = () =>
  state.jobs
    .list({ kind: 'run', before: undefined, limit: 1_000 })
    .map(({ args }) => args)
    .toReversed()

describe('the schedule of the host', () => {
  it('queues one run a night, and none at its first start', async () => {
    const { scheduler, stop } = daemon()
    await day(scheduler, 3)
    await stop()
    expect(queued()).toEqual([RUN, RUN, RUN])
  })

  it('catches up once what was missed while it was down', async () => {
    const first = daemon()
    await first.scheduler.look()
    await first.stop()
    now = new Date(now.getTime() + 5 * DAY_MS)
    const second = daemon()
    await second.scheduler.look()
    await second.scheduler.look()
    await second.stop()
    expect(queued()).toEqual([RUN])
  })

  it.each([
    ['killed', () => state.jobs.settleLost(now, 'killed')],
    ['stopped', (id: string) => state.jobs.end(id, now, STOPPED_END)],
  ])('begins a run once more that was cut off when the daemon was %s, once', async (_how, end) => {
    const first = daemon({ runs: false })
    await first.scheduler.look()
    now = new Date(now.getTime() + DAY_MS)
    await first.scheduler.look()
    for (const runs of [2, 2]) {
      const { id } = state.jobs.next() ?? { id: '' }
      state.jobs.start(id, now)
      end(id)
      now = new Date(now.getTime() + MINUTE_MS)
      const next = daemon({ runs: false })
      await next.scheduler.start()
      next.scheduler.stop()
      expect(queued()).toHaveLength(runs)
    }
  })

  it('follows once the run that somebody began by hand is over, and not again', async () => {
    const { scheduler } = daemon({ runs: false })
    await scheduler.look()
    now = new Date(now.getTime() + DAY_MS)
    await scheduler.look()
    isRunGoingOn = true
    endNext(75)
    await live(scheduler, new Date(now.getTime() + HOUR_MS))
    expect(queued()).toEqual([RUN])
    isRunGoingOn = false
    await live(scheduler, new Date(now.getTime() + HOUR_MS))
    expect(queued()).toEqual([RUN, RUN])
    // Somebody was quicker once more.
    endNext(75)
    await live(scheduler, new Date(now.getTime() + HOUR_MS))
    expect(queued()).toEqual([RUN, RUN, RUN])
    endNext(0)
    await live(scheduler, new Date(now.getTime() + HOUR_MS))
    expect(queued()).toEqual([RUN, RUN, RUN])
  })

  it('begins once more what followed a run that was met, and was cut off', async () => {
    const { scheduler } = daemon({ runs: false })
    await scheduler.look()
    now = new Date(now.getTime() + DAY_MS)
    await scheduler.look()
    endNext(75)
    now = new Date(now.getTime() + MINUTE_MS)
    await scheduler.look()
    expect(queued()).toEqual([RUN, RUN])
    const { id } = state.jobs.next()!
    state.jobs.start(id, now)
    state.jobs.end(id, now, STOPPED_END)
    now = new Date(now.getTime() + MINUTE_MS)
    const next = daemon({ runs: false })
    await next.scheduler.start()
    next.scheduler.stop()
    expect(queued()).toEqual([RUN, RUN, RUN])
  })

  it('asks for a run that nobody can see less and less often', async () => {
    const { scheduler } = daemon({ runs: false })
    await scheduler.look()
    now = new Date(now.getTime() + DAY_MS)
    await scheduler.look()
    // As when it goes on in another container: the lock is held, and by whom is not known.
    const end = now.getTime() + 2 * HOUR_MS
    while (now.getTime() < end) {
      if (state.jobs.next() !== undefined) endNext(75)
      now = new Date(now.getTime() + 20_000)
      await scheduler.look()
    }
    // The night's own, at once, after 1, 5 and 15 min, and every 15 min from then on.
    expect(queued().length).toBeGreaterThan(8)
    expect(queued().length).toBeLessThan(13)
  })

  it('does not come back to a run that was met days ago', async () => {
    const first = daemon({ runs: false })
    await first.scheduler.look()
    now = new Date(now.getTime() + DAY_MS)
    await first.scheduler.look()
    endNext(75)
    plan = planOf({ docs: undefined, mail: '0 * * * *' })
    now = new Date(now.getTime() + 2 * DAY_MS)
    const second = daemon({ runs: false })
    plan = planOf({ mail: '30 2 * * *' })
    await second.scheduler.look()
    expect(queued()).toEqual([RUN])
  })

  it('does not run again when the clock is put back by hours, and goes on the night after [F33c]', async () => {
    const { scheduler, stop } = daemon()
    await live(scheduler, new Date(2026, 2, 2, 4))
    now = new Date(now.getTime() - 3 * HOUR_MS)
    await live(scheduler, new Date(2026, 2, 2, 12))
    expect(queued()).toEqual([RUN])
    await day(scheduler)
    await stop()
    expect(queued()).toEqual([RUN, RUN])
  })

  it('misses nothing when the clock is put back by days, and follows the calendar from there', async () => {
    const { scheduler, stop } = daemon()
    await live(scheduler, new Date(2026, 2, 2, 4))
    now = new Date(now.getTime() - 2 * DAY_MS)
    await scheduler.look()
    expect(queued()).toEqual([RUN])
    await live(scheduler, new Date(2026, 2, 2, 4))
    await stop()
    expect(queued()).toEqual([RUN, RUN, RUN])
  })

  it('goes on after the clock was years ahead', async () => {
    const { scheduler, stop } = daemon()
    now = new Date(2031, 0, 1)
    await scheduler.look()
    now = new Date(2026, 2, 1, 12)
    await day(scheduler)
    await stop()
    expect(queued()).toEqual([RUN])
  })

  it('runs once in the night in which the clock is changed', async () => {
    process.env['TZ'] = 'Europe/Berlin'
    for (const [from, until] of [
      ['2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z'],
      ['2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z'],
    ] as const) {
      const { scheduler, stop } = daemon()
      state.jobs.keepScheduleMarks([])
      const before = queued().length
      now = new Date(from)
      await live(scheduler, new Date(until))
      await stop()
      expect(queued().length - before, from).toBe(1)
    }
  })

  it('runs nothing while there are no sources', async () => {
    plan = planOf({})
    const { scheduler, stop } = daemon()
    await day(scheduler, 2)
    expect(await scheduler.next()).toBeUndefined()
    await stop()
    expect(queued()).toEqual([])
  })
})

describe('schedules of sources', () => {
  it('are followed beside that of the host, and what is due at one moment is one run', async () => {
    plan = planOf({ www: undefined, db: '30 2,14 * * *', mail: undefined, logs: '0 4 * * *' })
    const { scheduler, stop } = daemon()
    await day(scheduler)
    await stop()
    expect(queued()).toEqual([runOf('db'), runOf('www', 'db', 'mail'), runOf('logs')])
  })

  it('name no source where all are due', async () => {
    plan = planOf({ a: '0 3 * * *', b: '0 3 * * *' })
    const { scheduler, stop } = daemon()
    await day(scheduler)
    await stop()
    expect(queued()).toEqual([RUN])
  })

  it('may have names that look like flags', async () => {
    plan = planOf({ '--force': '0 3 * * *', b: undefined })
    const { scheduler, stop } = daemon()
    await day(scheduler)
    await stop()
    expect(queued()).toEqual([runOf('b'), runOf('--force')])
  })

  it('catch up what each has missed, together', async () => {
    plan = planOf({ www: undefined, db: '0 * * * *', year: '0 0 1 1 *' })
    const first = daemon()
    await first.scheduler.look()
    await first.stop()
    now = new Date(now.getTime() + 3 * DAY_MS)
    const second = daemon()
    await second.scheduler.look()
    await second.scheduler.look()
    await second.stop()
    expect(queued()).toEqual([runOf('www', 'db')])
  })

  it('begin when they are set: a source that is new, or changed, or comes back has missed nothing', async () => {
    plan = planOf({ www: '0 3 * * 0', db: undefined }, { schedule: '0 0 1 1 *' })
    const { scheduler, stop } = daemon()
    await scheduler.look()
    now = new Date(now.getTime() + 4 * DAY_MS)
    // The Sunday's is not missed, and of a daily one four nights would be.
    plan = planOf({ www: '0 3 * * *', db: undefined, mail: '0 4 * * *' }, { schedule: '0 0 1 1 *' })
    await scheduler.look()
    expect(queued()).toEqual([])
    await day(scheduler)
    expect(queued()).toEqual([runOf('www'), runOf('mail')])

    const all = plan
    plan = planOf({ db: undefined }, { schedule: '0 0 1 1 *' })
    await day(scheduler, 10)
    plan = all
    await scheduler.look()
    await stop()
    expect(queued()).toHaveLength(2)
  })

  it('do not pile up behind a run that takes long', async () => {
    plan = planOf({ db: '*/10 * * * *', www: undefined })
    const { scheduler } = daemon({ runs: false })
    await live(scheduler, new Date(now.getTime() + 5 * HOUR_MS))
    expect(queued()).toEqual([runOf('db')])
  })
})

describe('the delay', () => {
  it('is one for each host, and spreads them evenly', () => {
    const randomDelayMs = 60 * MINUTE_MS
    const delays = Array.from({ length: 6_000 }, (_, at) =>
      delayOf({ serverId: `web${at}`, randomDelayMs }),
    )
    const perTenMinutes = Array.from(
      { length: 6 },
      (_, at) => delays.filter((delay) => Math.floor(delay / (10 * MINUTE_MS)) === at).length,
    )
    for (const count of perTenMinutes) expect(Math.abs(count - 1_000)).toBeLessThan(150)
    expect(delayOf({ serverId: 'web1', randomDelayMs })).toBe(delays[1])
    expect(delayOf({ serverId: 'web1', randomDelayMs: 0 })).toBe(0)
  })

  it('makes a run later, and a restart in between no second one', async () => {
    plan = planOf({ docs: undefined }, { randomDelayMs: 60 * MINUTE_MS })
    const delayMs = delayOf(plan)
    expect(delayMs).toBeGreaterThan(2 * MINUTE_MS)
    const due = new Date(2026, 2, 2, 2, 30).getTime()
    const first = daemon()
    await first.scheduler.look()
    expect(await first.scheduler.next()).toEqual(new Date(due + delayMs))
    const at = async (ms: number) => {
      now = new Date(ms)
      const { scheduler, stop } = daemon()
      await scheduler.look()
      await stop()
      return queued().length
    }
    await first.stop()
    expect(await at(due + delayMs - 1_000)).toBe(0)
    expect(await at(due + delayMs + 1_000)).toBe(1)
    expect(await at(due + delayMs + 2_000)).toBe(1)
    // A longer delay from now on is no second run of this night either.
    plan = planOf({ docs: undefined }, { randomDelayMs: 600 * MINUTE_MS })
    expect(await at(due + delayMs + HOUR_MS)).toBe(1)
    expect(await at(due + DAY_MS + delayOf(plan) + 1_000)).toBe(2)
  })
})
