// The one way in which an object leaves a server, cut off after each of its steps and finished later.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addNights, lastNights } from '../support/past-nights.ts'
import { openServices } from '../../src/compose.ts'
import { QUICK, World } from '../support/world.ts'
import { removeCopy } from '../../src/operations/remove-copy.ts'
import type { Catalog, CopyRow } from '../../src/catalog/catalog.ts'
import type { RemoveServices } from '../../src/operations/remove-copy.ts'
import type { S3Model } from '../support/s3-model.ts'
import type { Storage } from '../../src/storage/storage.ts'

const never = new AbortController().signal
let world: World
let model: S3Model
let catalog: Catalog
let storage: Storage
let copy: CopyRow
let close: () => Promise<void>

beforeEach(async () => {
  await open({})
})
afterEach(async () => {
  await close()
  await world.close()
})

async function open(switches: Parameters<S3Model['change']>[0]): Promise<void> {
  world = await World.make([{ model: switches }, {}])
  await world.noise('file', 1_000)
  model = world.models[0]!
  // A delete that was cut off is finished only while another copy is proven.
  const [id] = await addNights(world, lastNights(1, { servers: [1, 2] }))
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  catalog = await services.catalog()
  storage = (await services.openStorage())(services.config.servers[0]!, true)
  copy = (await catalog.findArchive(id!)).copies[0]!
  close = async () => {
    storage.close()
    await services.close()
  }
}

async function reopen(switches: Parameters<S3Model['change']>[0]): Promise<void> {
  await close()
  await world.close()
  await open(switches)
}

const state = async () => (await catalog.findArchive(copy.archiveId)).copies[0]!.state
const used = async () => (await catalog.servers())[0]!.usedBytes
const archives = () => model.objects().filter(({ key }) => key.startsWith('host/'))

it('deletes the object, and then only frees the limit', async () => {
  await removeCopy({ catalog, storage }, copy, 'a test', never)

  expect([await state(), await used(), archives()]).toEqual(['deleted', 0, []])
  expect(model.log.slice(-3).map(({ operation }) => operation)).toEqual(['Head', 'Delete', 'Head'])
})

it('leaves alone what somebody else wrote while versioning is suspended: its id is `null`, too', async () => {
  model.seed(copy.key, Buffer.from('theirs'), { 'spillway-token': 'theirs' })
  const suspended = { ...copy, versionId: 'null' }

  await expect(removeCopy({ catalog, storage }, suspended, 'a test', never)).rejects.toMatchObject({
    code: 'SERVER_UNPROVEN',
    message: expect.stringMatching(/does not carry the token of our copy/) as string,
  })
  expect([await state(), archives().length]).toEqual(['stored', 1])
})

describe.each([{ isVersioned: false }, { isVersioned: true }])(
  'cut off with %o, what is left is true, and the next run finishes it [F01e]',
  (switches) => {
    // By the number of the step before which the process dies.
    const STEPS = ['head', 'markDeleting', 'remove', 'head again', 'markDeleted'] as const
    const AFTER: Record<(typeof STEPS)[number], [state: string, objects: number]> = {
      head: ['stored', 1],
      markDeleting: ['stored', 1],
      remove: ['deleting', 1],
      'head again': ['deleting', 0],
      markDeleted: ['deleting', 0],
    }

    it.each(STEPS)('before %s', async (step) => {
      await reopen(switches)
      const dying = dyingBefore(STEPS.indexOf(step))

      await expect(removeCopy(dying, copy, 'a test', never)).rejects.toThrow('power cut')

      const [stateAfter, objectsAfter] = AFTER[step]
      expect([await state(), archives().length]).toEqual([stateAfter, objectsAfter])
      // The bytes count until the server has confirmed that they are gone.
      expect(await used()).toBe(1_000)
      await world.run()
      expect(await world.audit()).toEqual([])
      expect(await state()).toBe(stateAfter === 'stored' ? 'stored' : 'deleted')
    })
  },
)

/** The services of a process that ends before its `step`th call. */
function dyingBefore(step: number): RemoveServices {
  let calls = 0
  const counted =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (calls === step) throw new Error('power cut')
      calls += 1
      return call(...args)
    }
  return {
    catalog: {
      markDeleting: counted((id, reason) => catalog.markDeleting(id, reason)),
      markDeleted: counted((id) => catalog.markDeleted(id)),
      markOverwritten: counted((id, bytes) => catalog.markOverwritten(id, bytes)),
    },
    storage: {
      head: counted((key, signal) => storage.head(key, signal)),
      remove: counted((key, version, signal) => storage.remove(key, version, signal)),
    },
  }
}

describe('on a server with versions [F42]', () => {
  beforeEach(() => reopen({ isVersioned: true }))

  it('names the version: no bytes stay behind a delete marker', async () => {
    await removeCopy({ catalog, storage }, copy, 'a test', never)

    expect(archives()).toEqual([])
    const [deletion] = model.log.filter(({ operation }) => operation === 'Delete')
    expect(copy.versionId).toBeDefined()
    expect(model.log.filter(({ operation }) => operation === 'Delete')).toHaveLength(1)
    expect(deletion!.status).toBe(204)
  })

  it('takes the version from the object where the row has none', async () => {
    await removeCopy({ catalog, storage }, { ...copy, versionId: undefined }, 'a test', never)
    expect(archives()).toEqual([])
    expect(await state()).toBe('deleted')
  })

  it('is not through where somebody has written over it and its own version is not known: it may lie below', async () => {
    await catalog.markDeleting(copy.id, 'a test')
    model.seed(copy.key, Buffer.from('of somebody else'))
    const deleting = { ...copy, state: 'deleting' as const, versionId: undefined }

    await expect(removeCopy({ catalog, storage }, deleting, 'a test', never)).rejects.toMatchObject(
      {
        code: 'SERVER_UNPROVEN',
      },
    )

    expect([await state(), await used(), model.count('Delete')]).toEqual(['deleting', 1_000, 0])
  })

  it('deletes a version that somebody has hidden behind a marker', async () => {
    await storage.remove(copy.key, undefined, never)
    expect(archives()).toHaveLength(1)

    await removeCopy({ catalog, storage }, copy, 'a test', never)

    expect([await state(), archives()]).toEqual(['deleted', []])
  })
})

it('never deletes what does not carry our token', async () => {
  model.seed(copy.key, Buffer.from('of somebody else'))

  await expect(removeCopy({ catalog, storage }, copy, 'a test', never)).rejects.toMatchObject({
    code: 'SERVER_UNPROVEN',
  })

  expect(model.count('Delete')).toBe(0)
  expect([await state(), await used()]).toEqual(['stored', 1_000])
})

it.each([undefined, 'null'])(
  'is through when somebody has written over what was being deleted (version %s), and counts their bytes',
  async (versionId) => {
    await catalog.markDeleting(copy.id, 'a test')
    model.seed(copy.key, Buffer.from('of somebody else'))
    const deleting = { ...copy, state: 'deleting' as const, versionId }

    expect(await removeCopy({ catalog, storage }, deleting, 'a test', never)).toBe('overwritten')

    expect([model.count('Delete'), archives().length]).toEqual([0, 1])
    expect([await state(), await used()]).toEqual(['deleted', 0])
    expect((await catalog.servers())[0]).toMatchObject({ otherBytes: 16 })
  },
)

it('finishes when the object is gone already', async () => {
  await storage.remove(copy.key, undefined, never)
  await removeCopy({ catalog, storage }, copy, 'a test', never)
  expect([await state(), await used()]).toEqual(['deleted', 0])
})

it('keeps the bytes counted when the server denies it', async () => {
  model.change({ denies: ['Delete'] })

  await expect(removeCopy({ catalog, storage }, copy, 'a test', never)).rejects.toMatchObject({
    code: 'SERVER_DENIED',
  })

  expect([await state(), await used(), archives().length]).toEqual(['deleting', 1_000, 1])
})

it('keeps the bytes counted when the server says that it is deleted and still has it', async () => {
  const lying: RemoveServices['storage'] = {
    head: (key, signal) => storage.head(key, signal),
    remove: async () => {},
  }

  await expect(
    removeCopy({ catalog, storage: lying }, copy, 'a test', never),
  ).rejects.toMatchObject({ code: 'SERVER_UNPROVEN' })

  expect([await state(), await used(), archives().length]).toEqual(['deleting', 1_000, 1])
})
