// The long form of test/e2e/killed.test.ts: a hundred kills, on model servers.

import { expect, it } from 'vitest'
import { killAndRecover } from '../e2e/killed.ts'
import { World } from '../support/world.ts'

it('a hundred runs killed at random moments leave nothing that the next run does not finish [F01d]', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  // Room for two archives of 40 MB in each round.
  const world = await World.make([{ limitGb: 20 }, {}])
  try {
    await world.noise('big', 40_000_000)
    await killAndRecover(world, 100, seed)
    expect(world.models[0]!.uploads()).toEqual([])
  } finally {
    await world.close()
  }
}, 1_200_000)
