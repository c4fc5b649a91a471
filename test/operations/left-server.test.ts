// What a server that died and was taken out of the settings held counts no more; nor does retention come back from there.

import { mkdir, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runSql } from '../catalog/fixtures.ts'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'

let world: World
beforeEach(async () => {
  world = await World.make([{}, {}])
  await world.noise('a', 100_000)
})
afterEach(() => world.close())

const catalogPath = () => join(world.folder, 'data/catalog.db')

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
    const dry = await spillway(['run', '--dry-run', '--json', '--config', await world.writeEnv()])
    expect(JSON.parse(String(dry.out))).toMatchObject({
      archives: [{ file: first!.file, servers: [{ number: 2 }] }, {}],
    })

    const { exit, err } = await spillway([command, '--config', await world.writeEnv()])

    expect(exit, err).toBe(0)
    expect(world.models[1]!.objects().map(({ key }) => key)).toContain(first!.key)
    await world.withCatalog(async (catalog) => {
      const { copies } = await catalog.findArchive(first!.id)
      expect(copies.map(({ state }) => state)).toEqual(['stored', 'stored'])
    })
  },
)

it('the newest archive that can be had is told to be that, where a newer one was lost', async () => {
  const first = await world.run()
  const second = await world.run()
  const { key, file } = second.archives[0]!
  world.models[0]!.store.remove('backups', key, undefined)
  const config = ['--config', await world.writeEnv()]
  expect((await spillway(['verify', ...config])).exit).toBe(30)

  const restored = await spillway([
    'restore',
    'latest:docs',
    '--to',
    join(world.folder, 'to'),
    ...config,
  ])
  expect(restored.exit).toBe(3)
  expect(restored.err).toContain(`${file}: is newer, and no server has it any more`)
  expect((await spillway(['cat', 'latest:docs', 'a', ...config])).exit).toBe(3)
  // Also when it was given up for good.
  await runSql(catalogPath(), "update missing_copies set seen_at = '2020-01-01T00:00:00.000Z'")
  await spillway(['reconcile', ...config])
  const later = await spillway([
    'restore',
    'latest:docs',
    '--to',
    join(world.folder, 'to-3'),
    ...config,
  ])
  expect(later.err).toContain(`${file}: is newer, and no server has it any more`)
  // Whoever names it, means it.
  const named = ['restore', first.archives[0]!.id, '--to', join(world.folder, 'to-2'), ...config]
  expect((await spillway(named)).exit).toBe(0)
})

it('what retention deleted as far as it could is not copied once more', async () => {
  world.env['COPIES'] = '2'
  await world.run()
  Object.assign(world.env, { S3_SERVER_1_ENABLED: 'false', COPIES: '1', KEEP_LAST: '1' })
  const { retention } = await world.run()
  expect(retention.partlyDeleted).toMatchObject([{ copiesLeft: 1 }])
  await mkdir(join(world.folder, 'third'))
  world.env['S3_SERVER_3_ENDPOINT'] = `file://${world.folder}/third`
  world.env['COPIES'] = '2'

  const { out } = await spillway([
    'copies',
    '--dry-run',
    '--json',
    '--config',
    await world.writeEnv(),
  ])

  const { archives } = JSON.parse(String(out)) as { archives: { file: string }[] }
  const { file } = retention.partlyDeleted[0]!
  expect(archives.map((archive) => archive.file)).not.toContain(file)
  expect(archives).toHaveLength(1)
  // Unless somebody wants it since.
  expect((await spillway(['pin', file, '--config', await world.writeEnv()])).exit).toBe(0)
  const again = await spillway([
    'copies',
    '--dry-run',
    '--json',
    '--config',
    await world.writeEnv(),
  ])
  expect(String(again.out)).toContain(file)
})

it.each(['damaged', 'gone'])(
  'a file in the spool that is %s is told where only a server that is gone has it',
  async (what) => {
    world.env['LOCAL_KEEP'] = '3'
    const [first] = (await world.run()).archives
    takeOut(1)
    const path = join(world.folder, 'data/spool', first!.file)
    if (what === 'damaged') await truncate(path, 1_000)
    else await rm(path)

    const report = await world.run()

    expect(report.exit).toBe(36)
    expect(report.warnings.join()).toContain('on servers alone that are not configured any more')
    expect(
      report.archives.filter(({ id, state }) => id === first!.id && state === 'stored'),
    ).toEqual([])
  },
)

it('a spool that was moved to a disk that is not mounted yet loses nothing', async () => {
  const limits = [1, 2].map((number) => `S3_SERVER_${number}_STORAGE_LIMIT_GB`)
  for (const name of limits) world.env[name] = '0.00001'
  const [waiting] = (await world.run()).archives
  const [disk, mounted] = [join(world.folder, 'disk'), join(world.folder, 'mounted')]
  await rename(join(world.folder, 'data/spool'), disk)
  world.env['SPOOL_DIR'] = mounted
  await mkdir(mounted)
  for (const name of limits) world.env[name] = '1'

  expect((await world.run()).exit).toBe(34)

  await rm(mounted, { recursive: true })
  await rename(disk, mounted)
  const report = await world.run()
  expect([report.exit, report.archives[0]?.id, report.archives[0]?.state]).toEqual([
    0,
    waiting!.id,
    'stored',
  ])
})

it('what waits in the spool is sent from where DATA_DIR was moved to', async () => {
  const limits = [1, 2].map((number) => `S3_SERVER_${number}_STORAGE_LIMIT_GB`)
  for (const name of limits) world.env[name] = '0.00001'
  const [waiting] = (await world.run()).archives
  expect(waiting!.state).toBe('waiting')
  const data = join(world.folder, 'data')
  await rename(data, `${data}-on-a-larger-disk`)
  world.env['DATA_DIR'] = `${data}-on-a-larger-disk`
  for (const name of limits) world.env[name] = '1'

  const report = await world.run()

  expect(report).toMatchObject({ exit: 0, warnings: [] })
  expect(report.archives[0]).toMatchObject({ id: waiting!.id, state: 'stored' })
})

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
