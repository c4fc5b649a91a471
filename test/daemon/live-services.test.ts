// Settings that change while requests are answered with the old ones.

import { existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { configOf } from '../support/catalog-story.ts'
import { LiveServices } from '../../src/daemon/live-services.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'spillway-test-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

type Opened = ConstructorParameters<typeof LiveServices>[0]

it('closes the old services only once their requests are long over', async () => {
  const envFile = join(folder, '.env')
  const closed: number[] = []
  let opened = 0
  const open = async (): Promise<Opened> => {
    opened += 1
    const number = opened
    // The rest is handed on as it is.
    const services = { config: configOf({ envFile }), close: async () => void closed.push(number) }
    return services as unknown as Opened
  }
  writeFileSync(envFile, '1')
  const live = new LiveServices(await open(), open, () => undefined)
  await live.get()
  writeFileSync(envFile, 'two')
  await live.get()
  expect([opened, closed]).toEqual([2, []])
  writeFileSync(envFile, 'three')
  await live.get()
  expect([opened, closed]).toEqual([3, [1]])
  await live.close()
  expect(closed).toEqual([1, 2, 3])
})

it('reads again what looks as it did when it is told that it was written', async () => {
  const envFile = join(folder, '.env')
  let opened = 0
  const open = async (): Promise<Opened> => {
    opened += 1
    return { config: configOf({ envFile }), close: async () => undefined } as unknown as Opened
  }
  writeFileSync(envFile, 'a')
  const live = new LiveServices(await open(), open, () => undefined)
  const { mtime } = statSync(envFile)
  writeFileSync(envFile, 'b')
  utimesSync(envFile, mtime, mtime)
  await Promise.all([live.reload(), live.get()])
  expect(opened).toBeGreaterThan(1)
  const before = opened
  await live.get()
  expect(opened).toBe(before)
})

it('notices a file that was not there yet', async () => {
  const envFile = join(folder, '.env')
  const open = async (): Promise<Opened> => {
    const known = existsSync(envFile) ? envFile : undefined
    const config = configOf({ envFile: known })
    return { config, close: async () => undefined } as unknown as Opened
  }
  const live = new LiveServices(await open(), open, () => undefined, envFile)
  expect((await live.get()).config.envFile).toBeUndefined()
  writeFileSync(envFile, 'a')
  expect((await live.get()).config.envFile).toBe(envFile)
})
