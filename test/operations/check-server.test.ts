// The self-test of a server takes every trace away, also what it does not know that it laid down, and says
// what it could not.

import { afterEach, describe, expect, it } from 'vitest'
import { checkServer } from '../../src/operations/check-server.ts'
import type { ServerCheck } from '../../src/operations/check-server.ts'
import { selfTest } from '../../src/operations/self-test.ts'
import type { Config } from '../../src/domain/config.ts'
import { openServices } from '../../src/compose.ts'
import { QUICK, World } from '../support/world.ts'
import { openWorld } from '../storage/faults.ts'
import type { FaultyWorld } from '../storage/faults.ts'
import type { FaultRule } from '../support/fault-proxy.ts'
import { never, s3Server } from '../support/storages.ts'

const worlds: FaultyWorld[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})
const open = async (...rules: FaultRule[]): Promise<FaultyWorld> => {
  const world = await openWorld({ rules, model: { partBytesMin: 5 * 1024 * 1024 } })
  worlds.push(world)
  return world
}
const serverOf = ({ model, proxy }: FaultyWorld) =>
  s3Server({ endpoint: proxy.endpoint, bucket: model.bucket, keys: model.keys })
const check = (world: FaultyWorld): Promise<ServerCheck> => {
  const server = serverOf(world)
  const input = { server, storage: world.storage, serverId: 'host', spareBytes: 1e9 }
  return checkServer(input, never)
}
const expectEmpty = ({ model }: FaultyWorld): void => {
  expect(model.objects()).toEqual([])
  expect(model.uploads()).toEqual([])
}
const outcomes = ({ checks }: ServerCheck) =>
  checks.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name)

describe('the self-test of a server leaves nothing behind', () => {
  it('when all is well', async () => {
    const world = await open()
    const result = await check(world)
    expect(outcomes(result)).toEqual([])
    expect(result.leftovers).toEqual([])
    expectEmpty(world)
  })

  it('when the answer to a small object is lost', async () => {
    const fault = { kind: 'drop-answer' } as const
    const world = await open({ operation: 'Put', fault })
    const result = await check(world)
    expect(outcomes(result)).toContain('put')
    expect(result.leftovers).toEqual([])
    expectEmpty(world)
  })

  it('when the answer to Create is lost', async () => {
    const world = await open({ operation: 'Create', fault: { kind: 'drop-answer' } })
    const result = await check(world)
    expect(outcomes(result)).toContain('multipart')
    expect(world.model.count('Create')).toBeGreaterThan(0)
    expect(result.leftovers).toEqual([])
    expectEmpty(world)
  })

  it('when the first Abort fails', async () => {
    const fault = { kind: 'answer', status: 403, code: 'AccessDenied' } as const
    const world = await open({ operation: 'Abort', times: 1, fault })
    const result = await check(world)
    expect(outcomes(result)).toEqual(['abort'])
    expect(result.leftovers).toEqual([])
    expectEmpty(world)
  })
})

describe('what a self-test had to leave', () => {
  const fault = { kind: 'answer', status: 403, code: 'AccessDenied' } as const

  it('is told: an upload that could not be aborted', async () => {
    const world = await open({ operation: 'Abort', fault })
    const { leftovers } = await check(world)
    expect(world.model.uploads()).toHaveLength(1)
    expect(leftovers).toHaveLength(1)
    expect(leftovers[0]).toMatch(/^an unfinished upload of spillway-self-test\/host\/.*-aborted \(/)
  })

  it('is no success, and named among the remarks', async () => {
    const world = await open({ operation: 'Abort', fault })
    const config = {
      servers: [serverOf(world)],
      sources: [],
      serverId: 'host',
    } as unknown as Config
    const openStorage = () => world.storage
    const services = { config, catalog: undefined, openStorage, nodeVersion: 'v22.0.0' }
    const report = await selfTest(services, { numbers: [], onTested: () => undefined }, never)
    expect(report.servers[0]?.remarks.join()).toContain('could not remove an unfinished upload')
    expect(report.exit).toBe(3)
  })
})

it('tells the copies of our own catalog from what others put there', async () => {
  const world = await World.make([{}])
  try {
    await world.noise('file', 20_000)
    expect((await world.run()).exit).toBe(0)
    const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
    const openStorage = await services.openStorage()
    const more = { catalog: await services.catalog(), openStorage, nodeVersion: 'v22.0.0' }
    const { config } = services
    const report = await selfTest({ config, ...more }, { numbers: [], onTested: () => {} }, never)
    await services.close()

    expect(report.servers[0]).toMatchObject({ otherBytes: 0 })
    expect(report.servers[0]?.catalogBytes).toBeGreaterThan(0)
  } finally {
    await world.close()
  }
})
