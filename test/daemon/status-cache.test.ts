// Many askers, one computation; and never what was before the last change, unless a run goes on.

import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { StatusCache } from '../../src/daemon/status-cache.ts'
import type { Config } from '../../src/domain/config.ts'
import type { Status } from '../../src/operations/status.ts'

let folder: string
let path: string
let count = 0
let isRunning = false
let waiting: { readonly end: () => void; readonly fail: () => void }[] = []
let cache: StatusCache

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-status-'))
  path = join(folder, 'catalog.db')
  writeFileSync(path, 'x')
  ;[count, isRunning, waiting] = [0, false, []]
  cache = new StatusCache({ last: () => undefined }, () => new Date())
})
afterEach(() => rmSync(folder, { recursive: true }))

const config = (): Config => ({ catalogPath: path }) as Config
const services = (given: Config) => ({
  config: given,
  currentRun: async () => (isRunning ? { pid: 1, since: '2026-01-01T00:00:00.000Z' } : undefined),
  questions: {
    status: () => {
      const number = (count += 1)
      return new Promise<Status>((resolve, reject) =>
        waiting.push({
          end: () => resolve({ copies: number } as unknown as Status),
          fail: () => reject(new Error('the catalog is away')),
        }),
      )
    },
    prunePlan: async () => undefined,
    close: async () => undefined,
  },
})
const turn = () => new Promise((resolve) => setImmediate(resolve))
const change = () => appendFileSync(path, 'y')

it('computes once for all who ask, and again for those who ask after a change', async () => {
  const given = config()
  const first = Array.from({ length: 10 }, () => cache.get(services(given)))
  await turn()
  expect(count).toBe(1)
  change()
  // Behind the one that may not have seen the change; one for all of them.
  const second = Array.from({ length: 10 }, () => cache.get(services(given)))
  await turn()
  change()
  second.push(cache.get(services(given)))
  await turn()
  expect(count).toBe(1)
  waiting[0]!.end()
  expect((await Promise.all(first)).map(({ copies }) => copies)).toEqual(Array(10).fill(1))
  await turn()
  expect(count).toBe(2)
  waiting[1]!.end()
  expect((await Promise.all(second)).map(({ copies }) => copies)).toEqual(Array(11).fill(2))
  // Nothing changed: nothing is computed.
  expect((await cache.get(services(given))).copies).toBe(2)
  expect(count).toBe(2)
})

it('waits for nobody while a run goes on, and says at once that it ended', async () => {
  const given = config()
  const first = cache.get(services(given))
  await turn()
  waiting[0]!.end()
  await first
  isRunning = true
  change()
  const inRun = await cache.get(services(given))
  expect(inRun).toMatchObject({ copies: 1, run: { pid: 1 } })
  expect(count).toBe(2)
  isRunning = false
  change()
  const after = cache.get(services(given))
  await turn()
  waiting[1]!.end()
  await turn()
  waiting[2]!.end()
  expect(await after).toMatchObject({ copies: 3, run: null })
})

it('forgets what it knew when the settings change, and what failed', async () => {
  const first = cache.get(services(config()))
  await turn()
  waiting[0]!.fail()
  await expect(first).rejects.toThrow('away')
  const second = cache.get(services(config()))
  await turn()
  waiting[1]!.end()
  expect((await second).copies).toBe(2)
  const other = cache.get(services(config()))
  await turn()
  waiting[2]!.end()
  expect((await other).copies).toBe(3)
})
