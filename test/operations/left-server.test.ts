// A server that died and was taken out of the settings: what its copies were good for, they are no more.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

let world: World
beforeEach(async () => {
  world = await World.make([{}, {}])
  await world.noise('a', 100_000)
})
afterEach(() => world.close())

function takeOut(number: number): void {
  for (const name of Object.keys(world.env))
    if (name.startsWith(`S3_SERVER_${number}_`)) delete world.env[name]
}

it.each(['run', 'copies'])(
  'what lies in the spool goes to those that are left: by %s',
  async (command) => {
    world.env['LOCAL_KEEP'] = '3'
    const [first] = (await world.run()).archives
    expect(world.models[1]!.objects().map(({ key }) => key)).not.toContain(first!.key)
    takeOut(1)
    world.env['LOCAL_KEEP'] = '0'

    const { exit, err } = await spillway([command, '--config', await world.writeEnv()])

    expect(exit, err).toBe(0)
    expect(world.models[1]!.objects().map(({ key }) => key)).toContain(first!.key)
    await world.withCatalog(async (catalog) => {
      const { copies } = await catalog.findArchive(first!.id)
      expect(copies.map(({ state }) => state)).toEqual(['stored', 'stored'])
    })
  },
)

it('an archive that waits for a second server is not done with because it is on one that is gone', async () => {
  world.env['COPIES'] = '2'
  world.env['S3_SERVER_2_STORAGE_LIMIT_GB'] = '0.00001'
  const first = await world.run()
  expect(first).toMatchObject({ exit: 3, archives: [{ copies: [{ number: 1 }] }] })
  takeOut(1)
  world.env['COPIES'] = '1'

  const second = await world.run()

  const ids = [...first.archives, ...second.archives.slice(1)].map(({ id }) => id)
  expect([second.exit, second.archives.length]).toEqual([23, 2])
  world.env['S3_SERVER_2_STORAGE_LIMIT_GB'] = '1'
  const third = await world.run()
  expect(third.exit).toBe(0)
  expect(third.archives.slice(0, 2).map(({ id, state }) => [id, state])).toEqual(
    ids.map((id) => [id, 'stored']),
  )
})
