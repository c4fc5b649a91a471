// Every operation of a run in turn: its answer is lost, or the key may not do it. Afterwards the oracle finds nothing
// wrong. Model servers; it is here because it takes its time.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { violations } from '../support/oracle.ts'
import { World } from '../support/world.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { S3Model } from '../support/s3-model.ts'
import type { S3Operation } from '../support/s3-operation.ts'

let world: World
let proxy: FaultProxy
beforeEach(async () => {
  world = await World.make([{}, {}])
  await world.noise('file', 30_000)
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.configure(1, proxy.endpoint, world.models[0]!)
  // The audit looks for the server under the address that the catalog knows.
  world.models[0] = Object.create(world.models[0]!, { port: { value: proxy.port } }) as S3Model
})
afterEach(async () => {
  await proxy.close()
  await world.close()
})

const archivesOn = (index: number): readonly string[] =>
  world.models[index]!.objects()
    .map(({ key }) => key)
    .filter((key) => key.startsWith('host/'))

/** All that a run asks of a server: two nights, of which the second deletes the archive of the first. */
const OPERATIONS: readonly S3Operation[] = [
  'Create',
  'UploadPart',
  'Complete',
  'Head',
  'Put',
  'Delete',
  'List',
]

describe('an answer that is lost, in a run', () => {
  it.each(
    OPERATIONS.flatMap((operation) =>
      (['result', 'NoSuchUpload'] as const).flatMap((second) =>
        (['reset', 'close'] as const).map((how) => [operation, how, second] as const),
      ),
    ),
  )(
    'to %s, by a %s, leaves nothing (second Complete: %s) [F37 F40c]',
    async (operation, how, secondComplete) => {
      world.models[0]!.change({ secondComplete })
      world.env['KEEP_LAST'] = '1'
      proxy.add({ operation, times: 1, fault: { kind: 'drop-answer', how } })

      for (let night = 0; night < 2; night += 1) {
        const report = await world.run()
        expect(report.exit, JSON.stringify(report.warnings)).toBe(0)
        expect(report.archives[0]?.attempts).toMatchObject([{ server: 1, outcome: 'stored' }])
      }

      proxy.assertFired()
      expect(archivesOn(0)).toHaveLength(1)
      expect(archivesOn(1)).toEqual([])
      expect(await violations(world)).toEqual([])
    },
  )
})

describe('a key that may not', () => {
  it.each([
    { denied: 'Create', stored: [0, 1] },
    { denied: 'UploadPart', stored: [0, 1] },
    { denied: 'Complete', stored: [0, 1] },
    { denied: 'Head', stored: [0, 1] },
    { denied: 'Abort', stored: [1, 0] },
    { denied: 'List', stored: [1, 0] },
    { denied: 'ListUploads', stored: [1, 0] },
    { denied: 'ListParts', stored: [1, 0] },
    { denied: 'Put', stored: [1, 0] },
    { denied: 'Get', stored: [1, 0] },
  ] as const)(
    '$denied: the archive is stored, and all is settled when it may [F30b F30c]',
    async ({ denied, stored }) => {
      world.models[0]!.change({ denies: [denied] })

      const report = await world.run()

      expect(report.archives).toMatchObject([{ state: 'stored' }])
      expect([0, 3], JSON.stringify(report.warnings)).toContain(report.exit)
      const servers = [0, 1].map((index) => archivesOn(index).length)
      // Where HEAD is denied the object may be there; it is not called a copy.
      if (denied !== 'Head') expect(servers).toEqual(stored)
      expect(report.archives[0]?.copies.map(({ number }) => number)).toEqual([
        stored[0] === 1 ? 1 : 2,
      ])

      world.models[0]!.change({ denies: [] })
      expect((await world.run()).exit).toBe(0)
      expect(await violations(world)).toEqual([])
    },
  )
})
