// Two machines with one SERVER_ID, by mistake: a copied env file, a cloned disk. What the one stored is not replaced
// or settled by the other.

import { afterEach, expect, it } from 'vitest'
import { join } from 'node:path'
import { World } from '../support/world.ts'

let world: World
afterEach(() => world.close())

it('an object that came to the key during the upload is not replaced, also where Complete would replace it [F78c]', async () => {
  world = await World.make([{ model: { conditional: 'put-only' } }])
  await world.noise('one', 50_000)
  const model = world.models[0]!
  let key = ''

  const report = await world.run({
    change: (services) => ({
      ...services,
      catalog: {
        ...services.catalog,
        // The first that is known of an upload: the server has begun it, and no part was sent.
        setUploadId: async (copy, uploadId) => {
          key = model.uploads()[0]!.key
          model.seed(key, Buffer.from('theirs'))
          await services.catalog.setUploadId(copy, uploadId)
        },
      },
    }),
  })

  expect(report).toMatchObject({ exit: 23, archives: [{ state: 'waiting' }] })
  expect(report.archives[0]?.attempts).toMatchObject([{ outcome: 'failed', code: 'OBJECT_EXISTS' }])
  expect(model.bytesOf(key).toString()).toBe('theirs')
  expect(model.uploads()).toEqual([])
})

it('a run with the catalog of another data folder waits for that one, and settles nothing of it', async () => {
  world = await World.make([{}])
  await world.noise('one', 50_000)
  const first = join(world.folder, 'data')
  const other = { DATA_DIR: join(world.folder, 'other'), CATALOG_URL: `sqlite:${first}/catalog.db` }

  const report = await world.run({
    onEvent: (event) => {
      if (event.kind !== 'packed') return
      Object.assign(world.env, other)
    },
    change: (services) => ({
      ...services,
      catalog: {
        ...services.catalog,
        setUploadId: async (copy, uploadId) => {
          await expect(world.run()).rejects.toMatchObject({ code: 'RUN_LOCKED' })
          await services.catalog.setUploadId(copy, uploadId)
        },
      },
    }),
  })

  expect(report).toMatchObject({ exit: 0, archives: [{ state: 'stored' }] })
  expect((await world.run()).exit).toBe(0)
  expect(await world.audit()).toEqual([])
})
