// Each way in which a server can fail a run: the archive must arrive whole on the next one, the journal
// must call the failure by its name, and afterwards not a byte may be unaccounted for.

import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { FaultProxy, FaultRule } from '../support/fault-proxy.ts'
import type { RunReport } from '../../src/domain/run-report.ts'
import { World } from '../support/world.ts'

const MB = 1_000_000

let world: World
let proxy: FaultProxy
beforeEach(async () => {
  world = await World.make([{}, {}])
  proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  world.configure(1, proxy.endpoint, world.models[0]!)
  // Four parts, the first of them under way while the rest is still being packed.
  await world.noise('big', 60 * MB)
})
afterEach(async () => {
  await proxy.close()
  await world.close()
})

type Case = {
  readonly what: string
  readonly rule: FaultRule
  readonly outcome: 'dead' | 'misconfigured' | 'full' | 'failed'
  readonly code?: string
}

describe('the archive goes on to the next server when the first one', () => {
  const cases: readonly Case[] = [
    {
      what: 'answers 503 for ever',
      rule: { fault: { kind: 'answer', status: 503, code: 'SlowDown' } },
      outcome: 'dead',
      code: 'SlowDown',
    },
    {
      what: 'accepts and never answers',
      rule: { fault: { kind: 'hang' } },
      outcome: 'dead',
    },
    {
      what: 'stalls in the middle of part 2',
      rule: { operation: 'UploadPart', partNumber: 2, fault: { kind: 'hang', afterBytes: 5 * MB } },
      outcome: 'dead',
    },
    {
      what: 'resets the connection in every part',
      rule: { operation: 'UploadPart', fault: { kind: 'reset', afterBytes: MB } },
      outcome: 'dead',
    },
    {
      what: 'is full at part 3',
      rule: {
        operation: 'UploadPart',
        partNumber: 3,
        fault: { kind: 'answer', status: 403, code: 'QuotaExceeded', readsBody: false },
      },
      outcome: 'full',
      code: 'QuotaExceeded',
    },
    {
      what: 'says at Complete that its storage cap is exceeded',
      rule: {
        operation: 'Complete',
        fault: {
          kind: 'answer',
          status: 403,
          code: 'AccessDenied',
          message: 'Bucket size quota is reached',
        },
      },
      outcome: 'full',
      code: 'AccessDenied',
    },
    {
      what: 'has its keys revoked in the middle',
      rule: {
        operation: 'UploadPart',
        nth: 2,
        times: 100,
        fault: { kind: 'answer', status: 403, code: 'InvalidAccessKeyId' },
      },
      outcome: 'misconfigured',
      code: 'InvalidAccessKeyId',
    },
    {
      what: 'has no such bucket',
      rule: { fault: { kind: 'answer', status: 404, code: 'NoSuchBucket' } },
      outcome: 'misconfigured',
      code: 'NoSuchBucket',
    },
    {
      what: 'answers Complete with 200 and an error in its body',
      rule: {
        operation: 'Complete',
        fault: {
          kind: 'answer',
          status: 200,
          body: '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>try again</Message></Error>',
        },
      },
      outcome: 'dead',
    },
  ]

  it.each(cases)('$what [F21 F23 F27a F29 F30a F31 F36a]', async ({ rule, outcome, code }) => {
    proxy.add(rule)

    const report = await world.run()

    expect(attemptsOf(report)).toMatchObject([
      { server: 1, outcome, ...(code === undefined ? {} : { code }) },
      { server: 2, outcome: 'stored' },
    ])
    expect(report.exit).toBe(outcome === 'full' ? 0 : 3)
    proxy.assertFired()
    proxy.clear()
    expect((await settled()).exit).toBe(0)
  })

  it('refuses connections [F20]', async () => {
    const port = await closedPort()
    world.configure(1, `http://127.0.0.1:${port}`, world.models[0]!)

    const report = await world.run()

    expect(attemptsOf(report)).toMatchObject([
      { server: 1, outcome: 'dead', code: 'ECONNREFUSED' },
      { server: 2, outcome: 'stored' },
    ])
    expect(report.exit).toBe(3)
  })
})

it('an archive whose Complete succeeded and whose answer was lost is one object, stored once [F37]', async () => {
  proxy.add({ operation: 'Complete', times: 1, fault: { kind: 'drop-answer' } })

  const report = await world.run()

  proxy.assertFired()
  expect(attemptsOf(report)).toMatchObject([{ server: 1, outcome: 'stored' }])
  const archives = world.models.map((model) =>
    model.objects().filter(({ key }) => key.startsWith('host/')),
  )
  expect(archives.map(({ length }) => length)).toEqual([1, 0])
  expect(await world.audit()).toEqual([])
})

it('a Create whose answer was lost, and which was refused when it was repeated, leaves nothing open', async () => {
  proxy.add({ operation: 'Create', times: 1, fault: { kind: 'drop-answer' } })
  proxy.add({ operation: 'Create', fault: { kind: 'answer', status: 403, code: 'AccessDenied' } })

  const report = await world.run()

  proxy.assertFired()
  expect(attemptsOf(report)).toMatchObject([
    { server: 1, outcome: 'misconfigured' },
    { server: 2, outcome: 'stored' },
  ])
  expect(world.models[0]!.uploads()).toEqual([])
  expect(await world.audit()).toEqual([])
})

it('what such a Create left is swept by the next run, where the server did not answer then', async () => {
  proxy.add({ operation: 'Create', times: 1, fault: { kind: 'drop-answer' } })
  proxy.add({ operation: 'Create', fault: { kind: 'answer', status: 403, code: 'AccessDenied' } })
  proxy.add({ operation: 'ListUploads', times: 99, fault: { kind: 'answer', status: 503 } })
  await world.run()
  proxy.assertFired()
  expect(world.models[0]!.uploads()).toHaveLength(1)

  proxy.clear()
  expect((await world.run()).exit).toBe(0)
  expect(world.models[0]!.uploads()).toEqual([])
  expect(await world.audit()).toEqual([])
})

it('a server that is dead for the first source is not asked again for the second', async () => {
  world.env['SOURCE_2_NAME'] = 'again'
  world.env['SOURCE_2_PATH'] = `${world.source}/../again`
  world.env['SOURCE_2_ALLOW_EMPTY'] = 'true'
  await (await import('node:fs/promises')).mkdir(world.env['SOURCE_2_PATH'])
  proxy.add({ fault: { kind: 'answer', status: 503, code: 'SlowDown' } })

  const report = await world.run()

  const [first, second] = report.archives
  expect(first?.attempts[0]).toMatchObject({ server: 1, outcome: 'dead' })
  expect(second?.attempts[0]).toMatchObject({
    server: 1,
    outcome: 'dead',
    bytesSent: 0,
    seconds: 0,
  })
  expect(second?.attempts[1]).toMatchObject({ server: 2, outcome: 'stored' })
})

it('while nobody knows what a silent server holds, its bytes stay reserved; the next run settles it [F37]', async () => {
  proxy.add(
    { operation: 'Complete', times: 1, fault: { kind: 'drop-answer', how: 'hang' } },
    // The first two look whether the key is free.
    { operation: 'Head', nth: 3, times: 100, fault: { kind: 'hang' } },
    { operation: 'Abort', fault: { kind: 'hang' } },
  )

  const report = await world.run()
  expect(attemptsOf(report)).toMatchObject([
    { server: 1, outcome: 'dead' },
    { server: 2, outcome: 'stored' },
  ])
  const reserved = await world.withCatalog(async (catalog) =>
    (await catalog.servers()).map(({ reservedBytes }) => reservedBytes),
  )
  expect(reserved).toContain(report.archives[0]?.sizeBytes)

  const { warnings } = await world.run()
  expect(warnings).toContainEqual(
    expect.stringMatching(/^it is not known whether 1: .* \(\d+(\.\d+)? [kM]B stay reserved\): /),
  )

  proxy.clear()
  await world.run()
  // It turned out to be there: an extra copy, and the ledger knows it.
  expect(world.models[0]!.objects().map(({ key }) => key)).toContain(report.archives[0]?.key)
  expect(await world.audit()).toEqual([])
})

async function settled(): Promise<RunReport> {
  const report = await world.run()
  expect(await world.audit()).toEqual([])
  return report
}

function attemptsOf(report: RunReport) {
  return report.archives[0]?.attempts
}

async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
