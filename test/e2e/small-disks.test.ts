// Disks that are full, out of inodes, or read-only, at each place that Spillway writes to; and that it heals when there
// is room again. Skipped, loudly, where nothing may be mounted.

import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { canMount, onSmallDisk } from '../support/small-disk.ts'
import { spillway } from '../support/command-sources.ts'
import { violations } from '../support/oracle.ts'
import { World } from '../support/world.ts'

if (!canMount) console.error('SKIPPED: nothing may be mounted here, so no disk is small')

let world: World
let config: string
beforeEach(async () => {
  world = await World.make([{}])
  world.env['SPOOL_DIR'] = join(world.folder, 'data/spool')
  world.env['CATALOG_URL'] = `sqlite:${join(world.folder, 'catalog/catalog.db')}`
  mkdirSync(join(world.folder, 'catalog'))
  await world.noise('file', 12_000_000)
  config = await world.writeEnv()
})
afterEach(() => world.close())

const run = () => ({ argv: ['run', '--config', config] })

describe.skipIf(!canMount)('a disk with too little room', () => {
  it('for the spool fails the source by name, leaves nothing, and heals [F08]', async () => {
    const folder = join(world.folder, 'data/spool')
    const room = { remount: 'size=100m' }

    const [full, healed] = await onSmallDisk({ folder, options: 'size=4m' }, [run(), room, run()])

    expect(full).toMatchObject({
      exit: 33,
      output: expect.stringContaining('SPOOL_FULL') as string,
    })
    expect(full!.output).toContain('Not enough space')
    expect(healed!.exit, healed!.output).toBe(0)
    expect(readdirSync(folder)).toEqual(['.spillway-spool'])
    expect(await violations(world)).toEqual([])
  })

  it('for the catalog fails the run, loses count of nothing, and heals [F09b]', async () => {
    const folder = join(world.folder, 'catalog')
    const room = { remount: 'size=100m' }
    expect((await spillway(['run', '--config', config])).exit).toBe(0)

    // Room to open it, and for the first commits of a run.
    const kib = statSync(join(folder, 'catalog.db')).size / 1024 + 100

    const [full, healed] = await onSmallDisk({ folder, options: `size=${kib}k` }, [
      run(),
      room,
      run(),
    ])

    expect(full!.exit, full!.output).toBe(40)
    expect(full!.output).toContain('no room for the catalog')
    expect(healed!.exit, healed!.output).toBe(0)
    expect(await violations(world)).toEqual([])
  })

  it('where a restore writes fails it, and the folder stays closed to others [F10]', async () => {
    expect((await spillway(['run', '--config', config])).exit).toBe(0)
    const folder = join(world.folder, 'back')
    const argv = ['restore', 'latest:docs', '--to', join(folder, 'docs'), '--config', config]

    const [full] = await onSmallDisk({ folder, options: 'size=4m,mode=0755' }, [{ argv }])

    expect([full!.exit, full!.output]).toEqual([35, expect.stringContaining('ENOSPC')])
    expect(statSync(join(folder, 'docs')).mode & 0o777).toBe(0o700)
  })

  it('with no inode left is told as full, and heals [F13b]', async () => {
    const folder = join(world.folder, 'data/spool')
    const room = { remount: 'nr_inodes=500' }

    const [full, healed] = await onSmallDisk({ folder, options: 'size=100m,nr_inodes=2' }, [
      run(),
      room,
      run(),
    ])

    expect(full).toMatchObject({ exit: 33, output: expect.stringContaining('ENOSPC') as string })
    expect(healed!.exit, healed!.output).toBe(0)
    expect(await violations(world)).toEqual([])
  })

  it('below a source is left out, where that is asked for, and told [F59]', async () => {
    const folder = join(world.source, 'mounted')
    mkdirSync(folder)
    writeFileSync(join(folder, 'inside'), 'of another disk')
    for (const isAsked of ['true', 'false']) {
      world.env['SOURCE_1_ONE_FILE_SYSTEM'] = isAsked
      await world.writeEnv()
      const files = { argv: ['files', 'latest:docs', '--config', config] }

      const [ran, listed] = await onSmallDisk({ folder, options: 'size=4m' }, [run(), files])

      expect(ran!.exit, ran!.output).toBe(0)
      expect(ran!.output.includes('is another file system')).toBe(isAsked === 'true')
      expect(listed!.output).toContain('mounted/')
      expect(listed!.output.includes('mounted/inside')).toBe(isAsked === 'false')
    }
  })

  it('that is mounted read-only is told with its path, and heals [F12c]', async () => {
    const folder = join(world.folder, 'data/spool')
    expect((await spillway(['run', '--config', config])).exit).toBe(0)

    const [fixed, healed] = await onSmallDisk({ folder, options: 'size=100m' }, [
      { remount: 'ro' },
      run(),
      { remount: 'rw' },
      run(),
    ])

    expect(fixed!.exit, fixed!.output).toBe(34)
    expect(fixed!.output).toContain('EROFS')
    expect(fixed!.output).toContain(folder)
    expect(healed!.exit, healed!.output).toBe(0)
    expect(existsSync(join(folder, '.spillway-spool'))).toBe(true)
    expect(await violations(world)).toEqual([])
  })
})
