import { afterEach, expect, it } from 'vitest'
import { killAndRecover } from './killed.ts'
import { World } from '../support/world.ts'

let world: World
afterEach(async () => {
  await world.close()
})

it('a run killed at a random moment is finished by the next one, and every byte is accounted for [F01d]', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  world = await World.make([{}, {}])
  await world.noise('big', 40_000_000)

  await killAndRecover(world, 10, seed)
  expect(world.models[0]!.uploads()).toEqual([])
}, 300_000)

it('so is one that was archiving three sources at the same time [F01d]', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  world = await World.make([{ limitGb: 0.5 }, {}])
  world.env['PARALLEL_SOURCES'] = '3'
  await world.noise('big', 20_000_000)
  for (const number of [2, 3]) {
    world.env[`SOURCE_${number}_NAME`] = `also-${number}`
    world.env[`SOURCE_${number}_COMMAND`] = 'head -c 20000000 /dev/urandom'
  }

  await killAndRecover(world, 10, seed)
  expect(world.models.flatMap((model) => model.uploads())).toEqual([])
}, 300_000)
