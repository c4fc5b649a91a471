// The schedule of the daemon, with a clock of the test's own and a real queue on disk.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { JobQueue } from '../../src/daemon/job-queue.ts'
import { openState } from '../../src/state/open-state.ts'
import { Scheduler } from '../../src/daemon/scheduler.ts'
import type { State } from '../../src/state/open-state.ts'

let folder: string
let state: State
let now: Date
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))
  state = openState(folder)
  now = new Date(2026, 2, 1, 12)
})
afterEach(() => {
  state.close()
  rmSync(folder, { recursive: true, force: true })
})

function daemon(schedule = '30 2 * * *'): { scheduler: Scheduler; queue: JobQueue } {
  const jobs = state.jobs
  const log = (): void => undefined
  const queue = new JobQueue({
    ...{ jobs, log, now: () => now },
    runJob: async () => ({ exit: 0, result: {}, reason: undefined }),
  })
  queue.start()
  const scheduler = new Scheduler({
    jobs,
    queue,
    log,
    now: () => now,
    schedule: async () => schedule,
  })
  return { scheduler, queue }
}

const RUN = ['run', '--json', '--events']
const queued = () =>
  state.jobs.list({ kind: 'run', before: undefined, limit: 100 }).map(({ args }) => args)

it('queues one run a night, and none at its first start', async () => {
  const { scheduler, queue } = daemon()
  for (let minute = 0; minute < 3 * 1_440; minute += 10) {
    await scheduler.look()
    now = new Date(now.getTime() + 600_000)
  }
  await queue.stop()
  expect(queued()).toEqual([RUN, RUN, RUN])
})

it('catches up once what was missed while it was down', async () => {
  const first = daemon()
  await first.scheduler.look()
  await first.queue.stop()
  now = new Date(now.getTime() + 5 * 86_400_000)
  const second = daemon()
  await second.scheduler.look()
  await second.scheduler.look()
  await second.queue.stop()
  expect(queued()).toEqual([RUN])
})

it('does not run again when the clock is put back [F33c]', async () => {
  const { scheduler, queue } = daemon()
  await scheduler.look()
  now = new Date(now.getTime() + 86_400_000)
  await scheduler.look()
  now = new Date(now.getTime() - 2 * 86_400_000)
  await scheduler.look()
  now = new Date(now.getTime() + 3_600_000)
  await scheduler.look()
  await queue.stop()
  expect(queued()).toEqual([RUN])
})
