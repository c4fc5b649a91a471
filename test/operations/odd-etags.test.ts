// A server whose composite ETags have a formula of their own (SeaweedFS, rclone), under whole runs: it is a server like
// any other, and what is known of the others' formula goes on being proof.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { violations } from '../support/oracle.ts'
import { World } from '../support/world.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { S3Model } from '../support/s3-model.ts'

// Three parts: one of them is neither the first nor the last.
const NOISE_BYTES = 36_000_000

let world: World
let model: S3Model
let proxy: FaultProxy
beforeEach(async () => {
  world = await World.make([{}])
  await world.noise('file', NOISE_BYTES)
  model = world.models[0]!
  proxy = await startFaultProxy({ target: model.endpoint })
  world.configure(1, proxy.endpoint, model)
  // The audit looks for the server under the address that the catalog knows.
  world.models[0] = Object.create(model, { port: { value: proxy.port } }) as S3Model
})
afterEach(async () => {
  await proxy.close()
  await world.close()
})

const count = (operation: string): number =>
  proxy.requests.filter((request) => request === operation).length

describe('a server with a formula of its own', () => {
  beforeEach(() => model.change({ etag: 'odd-composite' }))

  it('stores archives, and they are whole', async () => {
    const report = await world.run()

    expect(report).toMatchObject({ exit: 0, archives: [{ attempts: [{ outcome: 'stored' }] }] })
    expect(count('Complete')).toBe(1)
    expect(await violations(world)).toEqual([])
    const verified = await spillway(['verify', '--deep', '--config', await world.writeEnv()])
    expect(verified.exit, verified.err).toBe(0)
  })

  it('is believed by the same proof when the answer to Complete is lost', async () => {
    proxy.add({ operation: 'Complete', fault: { kind: 'drop-answer', how: 'hang' } })

    const report = await world.run()

    proxy.assertFired()
    expect(report).toMatchObject({ exit: 0, archives: [{ attempts: [{ outcome: 'stored' }] }] })
    // The first and the last part were read back.
    expect(count('Get')).toBe(2)
    expect(await violations(world)).toEqual([])
  })

  it('is believed by the same proof when only the settling hears of it', async () => {
    proxy.add({ operation: 'Complete', fault: { kind: 'drop-answer', how: 'hang' } })
    // The first one looks whether the key is free, the second one would be the proof.
    proxy.add({ operation: 'Head', key: /^host/, nth: 3, times: 1, fault: { kind: 'hang' } })

    await world.run()

    proxy.assertFired()
    expect(count('Get')).toBe(2)
    expect([count('Complete'), count('Delete')]).toEqual([1, 0])
    expect(await states()).toEqual(['stored'])
    expect(await violations(world)).toEqual([])
  })

  it('is believed by token and size when a later run settles what is there', async () => {
    proxy.add({ operation: 'Complete', fault: { kind: 'drop-answer', how: 'hang' } })
    proxy.add({ operation: 'Head', key: /^host/, nth: 3, fault: { kind: 'hang' } })
    await world.run()
    expect(await states()).toEqual(['uncertain'])
    proxy.clear()

    await world.run()

    expect(await states()).toEqual(['stored', 'stored'])
    expect(await violations(world)).toEqual([])
  })

  it('is not believed when it shows another ETag than it gave to Complete', async () => {
    const replace = async () => void Object.assign(model.objects()[0]!, { etag: OTHER_ETAG })
    const fault = { kind: 'wait', until: replace } as const
    proxy.add({ operation: 'Head', key: /^host/, nth: 3, times: 1, fault })

    const report = await world.run()

    proxy.assertFired()
    expect(report.archives[0]?.attempts).toMatchObject([{ code: 'SERVER_DAMAGED_DATA' }])
    expect(archivesThere()).toEqual([])
  })
})

describe('a server of the known formula', () => {
  it('is not believed when an ETag is not what the parts make, and no bytes are asked for', async () => {
    world.env['SOURCE_2_NAME'] = 'again'
    world.env['SOURCE_2_PATH'] = world.source
    const damage = async () => model.change({ etag: 'odd-composite' })
    const fault = { kind: 'wait', until: damage } as const
    proxy.add({ operation: 'Complete', nth: 2, times: 1, fault })

    const report = await world.run()

    proxy.assertFired()
    expect(report.archives.map(({ attempts }) => attempts)).toMatchObject([
      [{ outcome: 'stored' }],
      [{ outcome: 'dead', code: 'EtagMismatch' }],
    ])
    expect(count('Get')).toBe(0)
    expect(archivesThere()).toHaveLength(1)
  })

  it('is not believed by the settling either, when the answer to Complete is lost', async () => {
    world.env['SOURCE_2_NAME'] = 'again'
    world.env['SOURCE_2_PATH'] = world.source
    const damage = async () => model.change({ etag: 'odd-composite' })
    proxy.add({ operation: 'Create', nth: 2, fault: { kind: 'wait', until: damage } })
    proxy.add({ operation: 'Complete', nth: 2, fault: { kind: 'drop-answer', how: 'hang' } })
    proxy.add({ operation: 'Head', key: /^host/, nth: 6, times: 1, fault: { kind: 'hang' } })

    await world.run()

    proxy.assertFired()
    expect(count('Get')).toBe(0)
    expect(archivesThere()).toHaveLength(1)
    expect(await states()).toEqual(['stored', 'deleted'])
  })
})

it('damage in the only part of an archive, of which only its ETag tells, is not stored', async () => {
  await world.noise('file', 30_000)
  model.change({ ignoresHashes: true })
  proxy.add({ operation: 'UploadPart', times: 1, fault: { kind: 'flip', position: 9_000 } })

  const report = await world.run()

  proxy.assertFired()
  expect(report.archives[0]?.attempts).toMatchObject([{ outcome: 'dead', code: 'EtagMismatch' }])
  expect(archivesThere()).toEqual([])
})

const OTHER_ETAG = `${'0'.repeat(32)}-3`

function archivesThere(): readonly string[] {
  return model
    .objects()
    .map(({ key }) => key)
    .filter((key) => key.startsWith('host/'))
}

async function states(): Promise<readonly string[]> {
  const archives = await world.withCatalog((catalog) => catalog.archives())
  return archives
    .flatMap(({ copies }) => copies.map(({ state }) => state))
    .toSorted()
    .toReversed()
}
