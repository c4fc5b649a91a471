// What opens late is opened again after it failed: a daemon lives longer than a full disk.

import { mkdirSync, rmdirSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openServices } from '../src/compose.ts'
import { World } from './support/world.ts'

let world: World
beforeEach(async () => (world = await World.make([{}])))
afterEach(() => world.close())

it('a catalog that could not be opened is opened by whoever asks next', async () => {
  const services = await openServices({ configFile: await world.writeEnv() })
  const { catalogPath } = services.config
  // A folder in its place: nobody can open that, not even root.
  mkdirSync(catalogPath, { recursive: true })
  await expect(services.catalog()).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
  await expect(services.catalog()).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
  rmdirSync(catalogPath)
  const catalog = await services.catalog()
  expect(await catalog.archives()).toEqual([])
  // And once it is open, everybody has the same.
  expect(await services.catalog()).toBe(catalog)
  await services.close()
})
