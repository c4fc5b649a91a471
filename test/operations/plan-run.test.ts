// What `run --dry-run` foretells about copies is what the run then does.

import { spawnSync } from 'node:child_process'
import { afterEach, expect, it } from 'vitest'
import { openServices } from '../../src/compose.ts'
import { planRun } from '../../src/operations/plan-run.ts'
import type { RunPlan } from '../../src/operations/plan-run.ts'
import { makeDeepFolders } from '../support/deep-folders.ts'
import { QUICK, World } from '../support/world.ts'

const worlds: World[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})

it('says that copies will be missing when only some servers have room, as the run does', async () => {
  const world = await twoCopies([1, 0.0001])

  const { exit, archives } = await planned(world)
  expect([exit, archives[0]?.code]).toEqual([3, 'COPIES_MISSING'])
  expect(archives[0]?.servers.map(({ number }) => number)).toEqual([1])
  expect(archives[0]?.reasons.at(-1)).toContain('1 of 2 servers would have it')

  const report = await world.run()
  expect([report.exit, report.sources[0]?.code]).toEqual([3, 'COPIES_MISSING'])
  // It waits for the second server alone, which has as little room as before.
  const [waiting] = (await planned(world)).archives
  expect(waiting).toMatchObject({ code: 'COPIES_MISSING', servers: [] })
})

it('sends what waits for one more server to a server that does not have it', async () => {
  const world = await twoCopies([1, 0.0001])
  const first = await world.run()
  expect([first.exit, first.sources[0]?.code]).toEqual([3, 'COPIES_MISSING'])
  world.env['S3_SERVER_2_STORAGE_LIMIT_GB'] = '1'

  const { exit, archives } = await planned(world)
  expect([exit, archives[0]?.servers.map(({ number }) => number)]).toEqual([0, [2]])
  const second = await world.run()
  expect(second.exit).toBe(0)
  const sent = second.archives.find(({ id }) => id === first.archives[0]?.id)
  expect(sent?.copies.map(({ number }) => number).toSorted()).toEqual([1, 2])
})

it('exits with 23 when no server has room', async () => {
  const world = await twoCopies([0.0001, 0.0001])
  expect(await planned(world)).toMatchObject({ exit: 23, archives: [{ code: 'NO_SERVER_LEFT' }] })
})

it('tells what a run would warn of, as far as folders show it', async () => {
  const world = await World.make([{}])
  worlds.push(world)
  makeDeepFolders(world.source, 4_100)
  try {
    const plan = await planned(world)
    expect(plan).toMatchObject({ exit: 3, archives: [{ code: null }] })
    expect(plan.archives[0]?.reasons.join()).toContain('they lie deeper than 4096 folders')
    expect((await world.run()).exit).toBe(3)
  } finally {
    // Node's own way to remove a tree ends at paths of 4 096 bytes.
    spawnSync('rm', ['-rf', `${world.source}/d`])
  }
})

it('foretells enough for what does not compress, and follows what a source grows by', async () => {
  const world = await World.make([{ limitGb: 0.002 }])
  worlds.push(world)
  await world.noise('file', 900_000)
  const first = (await planned(world)).archives[0]
  const stored = (await world.run()).archives[0]
  expect(first?.sizeFrom).toBe('source size')
  expect(first?.sizeBytes).toBeGreaterThanOrEqual(stored!.sizeBytes)

  await world.noise('more', 2_700_000)
  const grown = await planned(world)
  expect(grown).toMatchObject({ exit: 23, archives: [{ sizeFrom: 'last archive' }] })
  expect(grown.archives[0]?.sizeBytes).toBeGreaterThan(3_600_000)
  expect((await world.run()).exit).toBe(23)
})

async function twoCopies(limits: readonly number[]): Promise<World> {
  const world = await World.make(limits.map((limitGb) => ({ limitGb })))
  worlds.push(world)
  world.env['COPIES'] = '2'
  await world.noise('file', 500_000)
  return world
}

async function planned(world: World): Promise<RunPlan> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    return await services.withRun(
      () => {},
      (running) => planRun(running, { sourceNames: [] }, new AbortController().signal),
    )
  } finally {
    await services.close()
  }
}
