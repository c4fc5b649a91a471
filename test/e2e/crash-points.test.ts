// A run killed around the proof of its copy, where it is hardest to say what a server has. Every other step:
// test/servers/crash-points.test.ts.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { dieAndRecover, momentsOf } from '../support/crash-points.ts'
import { World } from '../support/world.ts'

let world: World
let moments: readonly string[]
beforeEach(async () => {
  world = await World.make([{}])
  await world.noise('file', 20_000)
  moments = await momentsOf(world)
})
afterEach(() => world.close())

it('what had arrived when the run was killed is adopted, and not sent again [F01a]', async () => {
  const from = moments.indexOf('after storage.begin')
  for (const name of ['after storage.begin', 'after storage.complete', 'after storage.head']) {
    const at = moments.indexOf(name, from) + 1
    expect(at, name).toBeGreaterThan(0)
    const sentBefore = completed().length

    await dieAndRecover(world, 'SIGKILL', { number: at, name }, 1)

    // What the killed run was about, and the archive of the run after it. No key was completed twice.
    expect(completed().slice(sentBefore), name).toHaveLength(2)
    expect(new Set(completed()).size, name).toBe(completed().length)
  }
}, 60_000)

function completed(): readonly string[] {
  return world.models[0]!.log.filter(
    ({ operation, status, key }) =>
      operation === 'Complete' && status === 200 && key.startsWith('host/'),
  ).map(({ key }) => key)
}
