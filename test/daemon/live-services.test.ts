// Settings that change while requests are answered with the old ones.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
