// The queue when what it works with fails: processes that cannot be started, a state file that cannot be
// written.

import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { JobQueue } from '../../src/daemon/job-queue.ts'
import { openState } from '../../src/state/open-state.ts'
import type { JobNews, RunJob } from '../../src/daemon/job-queue.ts'
import type { State } from '../../src/state/open-state.ts'

let folder: string
let state: State
let log: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))
  state = openState(folder)
  log = []
})
afterEach(() => {
  state.close()
  rmSync(folder, { recursive: true, force: true })
})

function queueWith(runJob: RunJob): JobQueue {
  const { jobs } = state
  const now = () => new Date()
  return new JobQueue({ jobs, runJob, now, log: (line) => log.push(line), retryMs: 50 })
}

const RUN = { kind: 'run', origin: 'api', requestedBy: 'me', args: ['run'] } as const
const GOOD = { exit: 0, result: {}, reason: undefined }
const stateOf = (id: string) => state.jobs.find(id)?.state
const becomes = (id: string, wanted: string) =>
  vi.waitFor(() => expect(stateOf(id)).toBe(wanted), 5_000)

it('a job that cannot be started has failed, and the next one is done', async () => {
  let calls = 0
  const queue = queueWith(async () => {
    calls += 1
    if (calls === 1) throw new Error('no more processes')
    return GOOD
  })
  const [first, second] = [queue.add(RUN)!, queue.add(RUN)!]
  await becomes(second.id, 'done')
  expect(state.jobs.find(first.id)).toMatchObject({
    ...{ state: 'failed', exit: undefined },
    reason: 'it cannot be run: no more processes',
  })
})

it('a journal that cannot be written costs its lines, and neither the job nor the daemon', async () => {
  const other = new Database(join(folder, 'state.sqlite'))
  other.exec(`create trigger full before insert on job_lines
    begin select raise(fail, 'database or disk is full'); end`)
  other.close()
  const news: JobNews[] = []
  const queue = queueWith(async (_args, onLine) => {
    onLine({ kind: 'stored' })
    return GOOD
  })
  queue.watch((each) => news.push(each))
  const { id } = queue.add(RUN)!
  await becomes(id, 'done')
  expect(log.join('\n')).toContain('cannot be written: database or disk is full')
  expect(news.map(({ event }) => (event as { kind: string }).kind)).toContain('stored')
})

it('jobs are done in the order in which they were asked for, however fast they come', async () => {
  const done: string[] = []
  const queue = queueWith(async (_args, _onLine, _signal, { id }) => {
    done.push(id)
    return GOOD
  })
  const asked = Array.from({ length: 20 }, () => queue.add(RUN)!.id)
  await becomes(asked.at(-1)!, 'done')
  await vi.waitFor(() => expect(done).toHaveLength(20), 5_000)
  expect(done).toEqual(asked)
})

it('who follows a job that waits hears that it was cancelled', async () => {
  let finish = (): void => undefined
  const queue = queueWith(() => new Promise((resolve) => (finish = () => resolve(GOOD))))
  const [running, waiting] = [queue.add(RUN)!, queue.add(RUN)!]
  await becomes(running.id, 'running')
  const news: JobNews[] = []
  queue.watch((each) => news.push(each))
  expect(queue.cancel(waiting.id, 'me')).toBe(true)
  expect(news).toMatchObject([
    { jobId: waiting.id, event: { kind: 'job-ended', state: 'cancelled' } },
  ])
  finish()
  await becomes(running.id, 'done')
})

describe('while the state file cannot be written, as on a full disk', () => {
  let other: Database.Database
  beforeEach(() => {
    state.setPatience(20)
    other = new Database(join(folder, 'state.sqlite'))
  })
  afterEach(() => other.close())
  const isTold = () =>
    vi.waitFor(() => expect(log.join('\n')).toContain('the queue cannot go on, and tries again'))

  it('a job waits, and is done once it can be', async () => {
    const queue = queueWith(async () => GOOD)
    const { id } = queue.add(RUN)!
    // Before the queue can note that it begins.
    other.exec('begin immediate')
    await isTold()
    expect(stateOf(id)).toBe('queued')
    other.exec('rollback')
    await becomes(id, 'done')
    await queue.stop()
  })

  it('the end of a job is kept, and the next one waits for that', async () => {
    let calls = 0
    const queue = queueWith(async () => {
      calls += 1
      if (calls === 1) other.exec('begin immediate')
      return GOOD
    })
    const [first, second] = [queue.add(RUN)!, queue.add(RUN)!]
    await isTold()
    expect([stateOf(first.id), stateOf(second.id), calls]).toEqual(['running', 'queued', 1])
    other.exec('rollback')
    await becomes(second.id, 'done')
    expect([stateOf(first.id), calls]).toEqual(['done', 2])
    await queue.stop()
  })
})
