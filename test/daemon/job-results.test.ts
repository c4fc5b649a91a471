// What came of jobs can be megabytes each: it is read where it is shown, and of all of them no more is kept
// than fits.

import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { eventStream } from '../../src/daemon/job-events.ts'
import { JobQueue } from '../../src/daemon/job-queue.ts'
import { Jobs } from '../../src/state/jobs.ts'
import { openStateFile } from '../../src/state/state-file.ts'
import type { StateHandle } from '../../src/state/state-file.ts'

let folder: string
let handle: StateHandle
let jobs: Jobs
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))
  handle = openStateFile(folder)
  jobs = new Jobs(handle, 1_000)
})
afterEach(() => {
  handle.close()
  rmSync(folder, { recursive: true, force: true })
})

const ALL = { kind: undefined, before: undefined, limit: 100 }
const done = (id: string, result: unknown, state: 'done' | 'failed' = 'done'): void => {
  const job = { id, kind: 'prune', origin: 'api', requestedBy: 'me', args: ['prune'] } as const
  jobs.add({ ...job, createdAt: new Date() }, 20)
  jobs.start(id, new Date())
  jobs.end(id, new Date(), { state, exit: 0, result, reason: undefined })
}

it('lists, looks at and follows jobs without reading what came of them', async () => {
  done('1', { removed: 3 })
  // Whoever reads it fails.
  const other = new Database(join(folder, 'state.sqlite'))
  other.exec(`update jobs set result = 'no JSON'`)
  other.close()
  expect(jobs.list(ALL)).toMatchObject([{ id: '1', state: 'done' }])
  expect(jobs.find('1')).toMatchObject({ id: '1', exit: 0 })
  const now = (): Date => new Date()
  const runJob = async () => ({ exit: 0, result: {}, reason: undefined })
  const queue = new JobQueue({ jobs, now, runJob, log: () => undefined })
  const said: string[] = []
  const { signal } = new AbortController()
  await eventStream({ jobs, queue }, '1', 0, signal).write(async (piece) => {
    said.push(String(piece))
  })
  expect(said.join('')).toContain('job-ended')
  expect(() => jobs.result('1')).toThrow(/JSON/)
})

it('gives what came of a job to whoever asks for it', () => {
  done('1', { removed: 3 })
  expect(jobs.result('1')).toEqual({ removed: 3 })
  expect(jobs.result('2')).toBeUndefined()
})

it('keeps what came of the last jobs as far as there is room, and says so of those before', () => {
  const long = { text: 'ä'.repeat(200) }
  for (const id of ['1', '2', '3', '4']) done(id, long)
  // 411 bytes each: there is room for two, and for none beyond the first that has none.
  expect(['1', '2', '3', '4'].map((id) => jobs.result(id))).toEqual([
    ...[undefined, undefined, long, long],
  ])
  expect(jobs.list(ALL).map(({ reason }) => reason)).toEqual([
    ...[undefined, undefined],
    ...Array<string>(2).fill('what came of it is not kept any more: there was no room for it'),
  ])
  done('5', { text: 'x'.repeat(5_000) })
  expect(['3', '4'].map((id) => jobs.result(id))).toEqual([undefined, undefined])
  // However large it is: somebody waits for it.
  expect(jobs.result('5')).toEqual({ text: 'x'.repeat(5_000) })
})
