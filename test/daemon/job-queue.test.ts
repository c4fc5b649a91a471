// The queue when what it works with fails: processes that cannot be started, a state file that cannot be
// written.

import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventStream } from '../../src/daemon/job-events.ts'
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

function queueWith(runJob: RunJob, chatterMax?: number): JobQueue {
  const { jobs } = state
  const now = (): Date => new Date()
  const note = (line: string) => log.push(line)
  return new JobQueue({ jobs, runJob, now, log: note, retryMs: 50, chatterMax })
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
    vi.waitFor(
      () => expect(log.join('\n')).toContain('the queue cannot go on, and tries again'),
      10_000,
    )

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

describe('a job that warns without end', () => {
  const STEPS = ['source-started', 'packed', 'attempt-ended', 'stored', 'run-ended'] as const
  const kindOf = (event: unknown): string => (event as { kind: string }).kind
  const warns: RunJob = async (_args, onLine) => {
    onLine({ kind: 'source-started' })
    for (let each = 0; each < 8; each += 1) onLine({ kind: 'warning', message: `${each}` })
    for (const kind of STEPS.slice(1)) onLine({ kind })
    return GOOD
  }

  it('keeps what became of its archives in its journal, and one line instead of the other warnings', async () => {
    const { id } = queueWith(warns, 3).add(RUN)!
    await becomes(id, 'done')
    const events = state.jobs.lines(id, 0).map(({ event }) => event)
    expect(events.map(kindOf)).toEqual([
      ...['source-started', 'warning', 'warning', 'warning', 'note'],
      ...STEPS.slice(1),
    ])
    expect(events[4]).toEqual({
      ...{ kind: 'note', at: expect.any(String) as string },
      message:
        'the journal has room for 3 of each kind: the warnings that came after these are not in it',
    })
  })

  it('tells all of them to those who look on', async () => {
    const queue = queueWith(warns, 3)
    const news: JobNews[] = []
    queue.watch((each) => news.push(each))
    const { id } = queue.add(RUN)!
    await becomes(id, 'done')
    const told = news.map(({ event }) => event)
    const warnings = told.filter((event) => kindOf(event) === 'warning')
    expect(warnings).toHaveLength(8)
    expect(told.map(kindOf)).toEqual(expect.arrayContaining([...STEPS]))
  })

  it('has room of its own again in the next job', async () => {
    const queue = queueWith(warns, 3)
    const [, second] = [queue.add(RUN)!, queue.add(RUN)!]
    await becomes(second.id, 'done')
    expect(state.jobs.lines(second.id, 0)).toHaveLength(9)
  })

  it.each([
    ['all that the journal did not take, in order', 8, 8],
    ['the last that the journal did not take, however many there are', 1_000, 203],
  ])('tells a listener %s', async (_what, count, toldMax) => {
    const { jobs } = state
    let go = (): void => undefined
    const begun = new Promise<void>((resolve) => (go = resolve))
    const queue = queueWith(async (_args, onLine) => {
      await begun
      for (let each = 0; each < count; each += 1) onLine({ kind: 'warning', message: `${each}` })
      return GOOD
    }, 3)
    const { id } = queue.add(RUN)!
    const said: string[] = []
    const { signal } = new AbortController()
    const following = eventStream({ jobs, queue }, id, 0, signal).write(async (piece) => {
      said.push(String(piece))
    })
    go()
    await following
    const told = [...said.join('').matchAll(/"kind":"warning","message":"(\d+)"/g)]
    const numbers = told.map(([, number]) => Number(number))
    const last = numbers.length - 3
    expect(numbers.slice(0, 3)).toEqual([0, 1, 2])
    expect(numbers.slice(3)).toEqual(Array.from({ length: last }, (_, at) => count - last + at))
    expect([numbers.length <= toldMax, numbers.length >= Math.min(count, 190)]).toEqual([
      true,
      true,
    ])
  })
})
