// What is told over HTTP of a failure: what the disk did is no bug of ours.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { join } from 'node:path'
import { mkdtempSync, rmSync } from 'node:fs'
import { openStateFile } from '../../src/state/state-file.ts'
import { problemOf } from '../../src/daemon/problem.ts'
import { tmpdir } from 'node:os'
import { Tokens } from '../../src/state/tokens.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function failureOf(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

it('a state file without room is told with the remedy, and a bug stays a bug', () => {
  const handle = openStateFile(folder)
  const tokens = new Tokens(handle)
  // SQLite's own way to say that a file may not grow: the same error as that of a full disk.
  handle.pragma(`max_page_count = ${handle.pragma('page_count', { simple: true }) as number}`)
  const full = failureOf(() => {
    for (let count = 0; count < 10_000; count += 1) tokens.create(`t${count}`, 'read', new Date())
  })
  const log: string[] = []
  const tell = (error: unknown) => problemOf(error, (line) => void log.push(line))

  expect(tell(full)).toMatchObject({
    status: 503,
    code: 'STATE_UNAVAILABLE',
    hint: 'its disk is full: free some room in DATA_DIR',
  })
  expect(log).toEqual([])

  expect(tell(failureOf(() => handle.exec('select from')))).toMatchObject({ code: 'BUG' })
  expect(log).toHaveLength(1)
  handle.close()
})
