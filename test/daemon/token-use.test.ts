// When a token was last used is noted beside the answer: a state file that cannot be written, or that somebody
// holds, keeps nobody with a right token waiting, or out.

import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AuditLog } from '../../src/daemon/audit-log.ts'
import { openState } from '../../src/state/open-state.ts'
import { TokenUse } from '../../src/daemon/token-use.ts'
import type { State } from '../../src/state/open-state.ts'

let folder: string
let state: State
let other: Database.Database
let uses: TokenUse
let log: string[]
let nowMs: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))
  state = openState(folder)
  other = new Database(join(folder, 'state.sqlite'))
  log = []
  nowMs = Date.parse('2026-01-01T00:00:00Z')
  uses = new TokenUse(
    state.tokens,
    () => new Date(nowMs),
    (line) => log.push(line),
  )
})
afterEach(() => {
  uses.write()
  other.close()
  state.close()
  rmSync(folder, { recursive: true, force: true })
})

const lastUse = (): string | undefined => state.tokens.all()[0]?.lastUsedAt?.toISOString()
const make = (): string => state.tokens.create('me', 'admin', new Date(nowMs))
/** Far less than the five seconds for which a statement of the daemon waits otherwise. */
const SOON_MS = 1_500

describe('the last use of a token', () => {
  it('is written a moment later, once a minute', async () => {
    const secret = make()
    uses.find(secret)
    await vi.waitFor(() => expect(lastUse()).toBe('2026-01-01T00:00:00.000Z'), 10_000)
    nowMs += 30_000
    uses.find(secret)
    uses.write()
    expect(lastUse()).toBe('2026-01-01T00:00:00.000Z')
    nowMs += 31_000
    uses.find(secret)
    uses.write()
    expect(lastUse()).toBe('2026-01-01T00:01:01.000Z')
  })

  it.each(['begin immediate', 'begin exclusive'])(
    'delays nobody while another process holds the file (%s), and is written once it lets go',
    (hold) => {
      const secret = make()
      other.exec(hold)
      const begun = performance.now()
      expect(uses.find(secret)).toMatchObject({ name: 'me', scope: 'admin' })
      uses.write()
      expect(performance.now() - begun).toBeLessThan(SOON_MS)
      expect(log).toEqual([
        'when tokens were last used cannot be kept: database is locked; they work all the same',
      ])
      other.exec('rollback')
      uses.write()
      expect(lastUse()).toBe('2026-01-01T00:00:00.000Z')
    },
  )

  it('keeps nobody out when the disk is full', () => {
    const secret = make()
    other.exec(`create trigger full before update on tokens
      begin select raise(fail, 'database or disk is full'); end`)
    for (let minute = 0; minute < 3; minute += 1) {
      expect(uses.find(secret)).toMatchObject({ name: 'me' })
      uses.write()
      nowMs += 61_000
    }
    expect(log[0]).toContain('database or disk is full')
    other.exec('drop trigger full')
  })
})

it('who asked for what is written later while another process holds the file, and delays nobody', async () => {
  const audit = new AuditLog(state.audit, (line) => log.push(line))
  const asked = { method: 'POST', path: '/api/runs', status: 202, remoteAddress: '127.0.0.1' }
  other.exec('begin immediate')
  const begun = performance.now()
  audit.note({ ...asked, at: new Date(nowMs), token: 'me' })
  await vi.waitFor(() => expect(log).toHaveLength(1), 10_000)
  expect(performance.now() - begun).toBeLessThan(SOON_MS)
  other.exec('rollback')
  expect(audit.list({ before: undefined, limit: 10 })).toMatchObject([{ path: '/api/runs' }])
})
