// Random lives of copies over several servers and limits, against a model of a few lines.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Catalog, CopyId } from '../../src/catalog/catalog.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { proof, ready, server } from './fixtures.ts'

const SERVERS = [server(1), server(2), server(3)]
// Small, so that limits are met all the time.
const bytes = fc.integer({ min: 0, max: 120 })
const limits = fc.integer({ min: 0, max: 300 })
const pick = fc.nat(1_000)

type Step = {
  readonly what: string
  readonly pick: number
  readonly bytes: number
  readonly limit: number
}

const steps: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('reserve', 'reserve', 'resize', 'store', 'uncertain', 'fail', 'other'),
  pick,
  bytes,
  limit: limits,
})

type ModelCopy = {
  readonly id: CopyId
  readonly server: number
  state: 'uploading' | 'uncertain' | 'stored' | 'failed'
  reservedBytes: number
  usedBytes: number
}

it('keeps the ledger equal to the sums, and never above the limit that was given [F72a]', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 60 }), async (sequence) => {
      const catalog = await openCatalog({ path: ':memory:', host: 'alpha' })
      try {
        await catalog.registerServers(SERVERS)
        const copies: ModelCopy[] = []
        const otherBytes = SERVERS.map(() => 0)
        for (const step of sequence) {
          await take(catalog, copies, otherBytes, step)
          await compare(catalog, copies, otherBytes)
        }
        await catalog.check()
      } finally {
        await catalog.close()
      }
    }),
    { numRuns: 60 },
  )
}, 120_000)

async function take(
  catalog: Catalog,
  copies: ModelCopy[],
  otherBytes: number[],
  step: Step,
): Promise<void> {
  if (step.what === 'other') {
    const index = step.pick % SERVERS.length
    otherBytes[index] = step.bytes
    await catalog.setOtherBytes(SERVERS[index]!.identity, step.bytes, new Date(0))
    return
  }
  if (step.what === 'reserve') return reserve(catalog, copies, otherBytes, step)
  const live = copies.filter(({ state }) => state === 'uploading' || state === 'uncertain')
  const copy = live[step.pick % live.length]
  if (copy === undefined) return
  if (step.what === 'resize' && copy.state === 'uploading') {
    const grown = step.bytes - copy.reservedBytes
    const fits = grown <= 0 || spentOn(copy.server, copies, otherBytes) + grown <= step.limit
    expect(await catalog.resizeReservation(copy.id, step.bytes, step.limit)).toBe(fits)
    if (fits) copy.reservedBytes = step.bytes
  } else if (step.what === 'store') {
    const sizeBytes = Math.min(step.bytes, copy.reservedBytes)
    await catalog.markStored(copy.id, proof(sizeBytes))
    Object.assign(copy, { state: 'stored', reservedBytes: 0, usedBytes: sizeBytes })
  } else if (step.what === 'uncertain' && copy.state === 'uploading') {
    await catalog.markUncertain(copy.id, 'lost')
    copy.state = 'uncertain'
  } else if (step.what === 'fail') {
    await catalog.markCopyFailed(copy.id, 'no')
    Object.assign(copy, { state: 'failed', reservedBytes: 0 })
  }
}

async function reserve(
  catalog: Catalog,
  copies: ModelCopy[],
  otherBytes: number[],
  step: Step,
): Promise<void> {
  const index = step.pick % SERVERS.length
  const archive = await ready(catalog)
  const fits = spentOn(index, copies, otherBytes) + step.bytes <= step.limit
  const id = await catalog.reserve({
    archiveId: archive.id,
    identity: SERVERS[index]!.identity,
    key: archive.key,
    token: 't',
    bytes: step.bytes,
    limitBytes: step.limit,
  })
  expect(id !== undefined).toBe(fits)
  if (id !== undefined)
    copies.push({ id, server: index, state: 'uploading', reservedBytes: step.bytes, usedBytes: 0 })
}

function spentOn(
  index: number,
  copies: readonly ModelCopy[],
  otherBytes: readonly number[],
): number {
  return copies
    .filter((copy) => copy.server === index)
    .reduce((sum, copy) => sum + copy.reservedBytes + copy.usedBytes, otherBytes[index]!)
}

async function compare(
  catalog: Catalog,
  copies: readonly ModelCopy[],
  otherBytes: readonly number[],
): Promise<void> {
  const rows = await catalog.servers()
  rows.forEach((row, index) => {
    const here = copies.filter((copy) => copy.server === index)
    const sum = (of: (copy: ModelCopy) => number) => here.reduce((all, copy) => all + of(copy), 0)
    expect(row.usedBytes).toBe(sum((copy) => copy.usedBytes))
    expect(row.reservedBytes).toBe(sum((copy) => copy.reservedBytes))
    expect(row.archives).toBe(here.filter(({ state }) => state === 'stored').length)
    expect(row.otherBytes).toBe(otherBytes[index])
  })
}
