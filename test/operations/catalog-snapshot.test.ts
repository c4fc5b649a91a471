// Copies of the catalog on the servers: what is in them, how many, how they count, and what a failure in
// any of the steps leaves behind.

import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { snapshotName, snapshotTime } from '../../src/operations/catalog-snapshot-key.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { World } from '../support/world.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { RunEvent } from '../../src/domain/run-events.ts'

let world: World
beforeEach(async () => {
  world = await World.make([{}, {}])
  await world.noise('one', 5_000)
})
afterEach(async () => {
  await world.close()
})

const FOLDER = 'spillway-catalog/host/'

describe('after a run', () => {
  it('every server has a copy, and the ledger counts it to the byte', async () => {
    const { exit, warnings } = await world.run()

    expect([exit, warnings]).toEqual([0, []])
    expect(world.models.map((_, index) => snapshotsOn(index).length)).toEqual([1, 1])
    const servers = await world.withCatalog((catalog) => catalog.servers())
    const held = world.models.map((_, index) => bytesOfSnapshots(index))
    expect(servers.map(({ catalogBytes }) => catalogBytes)).toEqual(held)
    // Not a second time as somebody else's.
    expect(servers.map(({ otherBytes }) => otherBytes)).toEqual([0, 0])
    expect(await world.audit()).toEqual([])
    expect(readdirSync(join(world.folder, 'data/spool')).sort()).toEqual(['.spillway-spool'])
  })

  it('the copy is an ordinary SQLite file in an ordinary .zst, with the archive of this run', async () => {
    const { archives } = await world.run()

    const path = await unpacked()
    const catalog = await openCatalog({ path, host: 'host' })
    try {
      await catalog.check()
      expect((await catalog.findArchive(archives[0]!.id)).copies).toMatchObject([
        { state: 'stored' },
      ])
    } finally {
      await catalog.close()
    }
  })

  it('holds no secret [F101b]', async () => {
    world.env['S3_SERVER_2_SECRET_KEY'] = 'wrong-secret-of-server-two'
    await world.run()

    const copy = execFileSync('cat', [await unpacked()]).toString('latin1')
    expect(copy.includes('docs')).toBe(true)
    for (const [name, value] of Object.entries(world.env))
      if (/_(ACCESS|SECRET)_KEY$/.test(name)) expect(copy.includes(value), name).toBe(false)
  })

  it('the newest seven stay on each server, and the bytes of older ones are given back', async () => {
    for (let night = 0; night < 9; night += 1) await world.run()

    for (const index of [0, 1]) {
      const names = snapshotsOn(index).map(({ key }) => key)
      expect(names).toHaveLength(7)
      expect(names).toEqual(names.toSorted())
    }
    expect(await world.audit()).toEqual([])
    const rows = await world.withCatalog((catalog) => catalog.snapshots())
    expect(rows).toHaveLength(14)
  }, 60_000)
})

describe('within the limit', () => {
  it('a server without room is passed by without a warning while another took it', async () => {
    await limitTo(2, 100)
    const notes: string[] = []
    const { exit, notices } = await world.run({
      onEvent: (event) => notes.push(...noteOf(event)),
    })

    expect(exit).toBe(0)
    expect(snapshotsOn(1)).toEqual([])
    expect(notes.join()).toMatch(/the catalog was not copied to 2: .*Not enough space/)
    expect(notices.join()).toMatch(/the catalog was not copied to 2: .*Not enough space/)
    expect(await world.audit()).toEqual([])
  })

  it('no room anywhere is a warning, and fails nothing', async () => {
    await limitTo(2, 100)
    await world.run()
    const [row] = await world.withCatalog((catalog) => catalog.servers())
    // Room for one more archive with what it may grow by, and for nothing else.
    const limitBytes = row!.usedBytes * 2.05 + row!.catalogBytes + 200
    await limitTo(1, limitBytes)
    const { exit, sources, warnings } = await world.run()

    expect([exit, sources[0]?.outcome]).toEqual([3, 'ok'])
    expect(warnings.join()).toMatch(
      /the catalog was copied to 0 of 2 servers, and 1 is wanted: .*Not enough space/,
    )
    expect(world.models[0]!.highWaterBytes).toBeLessThanOrEqual(limitBytes)
    expect(await world.audit()).toEqual([])
  })

  it('older copies give way to tonight’s, but for the newest two', async () => {
    for (let night = 0; night < 4; night += 1) await world.run()
    const before = snapshotsOn(0).map(({ key }) => key)
    const [row] = await world.withCatalog((catalog) => catalog.servers())
    const archive = 5_200
    await limitTo(1, row!.usedBytes + row!.catalogBytes + archive)

    await world.run()

    const after = snapshotsOn(0).map(({ key }) => key)
    expect(after.slice(0, -1).every((key) => before.includes(key))).toBe(true)
    expect(after).toEqual(expect.arrayContaining(before.slice(-2)))
    expect(after).not.toContain(before[0])
    expect(after.at(-1)! > before.at(-1)!).toBe(true)
    expect(await world.audit()).toEqual([])
  }, 30_000)
})

describe('copies of the catalog give way to archives', () => {
  it('an archive takes the room of all of them, on the server that comes first', async () => {
    for (let night = 0; night < 3; night += 1) await world.run()
    const [row] = await world.withCatalog((catalog) => catalog.servers())
    const archiveBytes = row!.usedBytes / 3
    // Room for what lies there, and for an archive of 20 kB only without copies of the catalog.
    const limitBytes = row!.usedBytes + row!.catalogBytes + 20_000 - 16_000
    expect(row!.catalogBytes).toBeGreaterThan(16_000)
    await limitTo(1, limitBytes)
    await world.noise('two', 20_000 - archiveBytes)
    const notes: string[] = []
    const { archives, exit } = await world.run({
      onEvent: (event) => notes.push(...noteOf(event)),
    })

    expect([exit, archives[0]?.server?.number]).toEqual([0, 1])
    expect(archives[0]?.attempts.map(({ server, outcome }) => [server, outcome])).toEqual([
      [1, 'stored'],
    ])
    expect(notes.join()).toMatch(/copies of the catalog are deleted there: an archive needs/)
    expect(world.models[0]!.highWaterBytes).toBeLessThanOrEqual(limitBytes)
    expect(await world.audit()).toEqual([])
  }, 30_000)

  it('but not to one that would not fit even so', async () => {
    for (let night = 0; night < 3; night += 1) await world.run()
    const [row] = await world.withCatalog((catalog) => catalog.servers())
    await limitTo(1, row!.usedBytes + row!.catalogBytes + 1_000)
    const before = snapshotsOn(0).map(({ key }) => key)
    await world.noise('two', 60_000)

    const { archives } = await world.run()

    expect(archives[0]?.server?.number).toBe(2)
    // Tonight's took the place of the oldest.
    expect(snapshotsOn(0).map(({ key }) => key)).toEqual(expect.arrayContaining(before.slice(-2)))
    expect(await world.audit()).toEqual([])
  }, 30_000)
})

describe('when a server fails', () => {
  it('one that is down costs a note; its row is gone or settled by the next run', async () => {
    const proxy = await startFaultProxy({ target: world.models[1]!.endpoint })
    world.env['S3_SERVER_2_ENDPOINT'] = proxy.endpoint
    proxy.add({ operation: 'Put', key: /catalog-/, fault: { kind: 'drop-answer' } })
    try {
      const first = await world.run()
      expect(first.exit).toBe(0)
      proxy.assertFired()
      // The object is there, and nobody was told: its row keeps the bytes.
      const open = await world.withCatalog((catalog) => catalog.snapshots())
      expect(open.map(({ state }) => state).sort()).toEqual(['stored', 'uploading'])
      expect(await catalogBytesOf(1)).toBe(open[0]!.sizeBytes)

      proxy.clear()
      await world.run()
      const rows = await world.withCatalog((catalog) => catalog.snapshots())
      expect(rows.map(({ state }) => state)).toEqual(['stored', 'stored', 'stored', 'stored'])
      expect(await catalogBytesOf(1)).toBe(bytesOfSnapshots(1))
    } finally {
      await proxy.close()
    }
  }, 30_000)

  it('what was promised and never sent is given back by the next run', async () => {
    await world.run()
    await withCatalog(async (catalog) => {
      const [server] = await catalog.servers()
      const madeAt = new Date('2026-01-01T00:00:00Z')
      const { identity } = server!
      const key = FOLDER + snapshotName(madeAt)
      const input = { identity, key, token: 't', madeAt, sizeBytes: 12_345, limitBytes: 1e9 }
      expect(await catalog.reserveSnapshot(input)).toBeDefined()
      await catalog.check()
    })
    expect(await catalogBytesOf(0)).toBe(bytesOfSnapshots(0) + 12_345)

    await world.run()
    expect(await catalogBytesOf(0)).toBe(bytesOfSnapshots(0))
  })

  it('copies that may not be deleted pile up to fourteen, counted, and no further', async () => {
    world.models[0]!.change({ denies: ['Delete'] })
    await withCatalog(async (catalog) => {
      await world.run()
      const [{ identity } = { identity: '' }] = await catalog.servers()
      for (let night = 1; night <= 13; night += 1) {
        const madeAt = new Date(`2026-01-${String(night).padStart(2, '0')}T00:00:00Z`)
        const key = FOLDER + snapshotName(madeAt)
        world.models[0]!.seed(key, Buffer.alloc(100), { 'spillway-token': `t${night}` })
        await catalog.adoptSnapshot({ identity, key, token: `t${night}`, madeAt, sizeBytes: 100 })
      }
    })
    const { exit } = await world.run()

    expect(exit).toBe(0)
    expect(snapshotsOn(0)).toHaveLength(14)
    expect(await catalogBytesOf(0)).toBe(bytesOfSnapshots(0))
    world.models[0]!.change({ denies: [] })
    await world.run()
    await world.run()
    expect(snapshotsOn(0).length).toBeLessThanOrEqual(8)
    expect(await world.audit()).toEqual([])
  }, 60_000)

  it('never deletes what does not carry the token of its row', async () => {
    const key = FOLDER + snapshotName(new Date('2026-01-01T00:00:00Z'))
    world.models[0]!.seed(key, Buffer.from('of somebody else'), { 'spillway-token': 'theirs' })
    await world.run()
    await withCatalog(async (catalog) => {
      const [{ identity } = { identity: '' }] = await catalog.servers()
      const madeAt = new Date('2026-01-01T00:00:00Z')
      await catalog.adoptSnapshot({ identity, key, token: 'ours', madeAt, sizeBytes: 16 })
    })
    for (let night = 0; night < 8; night += 1) await world.run()

    expect(world.models[0]!.objects().some((object) => object.key === key)).toBe(true)
    const rows = await world.withCatalog((catalog) => catalog.snapshots())
    expect(rows.some((row) => row.key === key)).toBe(false)
  }, 60_000)
})

it('a copy is never named as another one, also where the clock was a day ahead', async () => {
  await world.run()
  const tomorrowMs = Date.now() + 24 * 60 * 60 * 1_000
  await withCatalog(async (catalog) => {
    const [server] = await catalog.servers()
    // On both sides of what still counts as now, wherever the run's clock stands when it comes there.
    for (let second = -2; second < 8; second += 1) {
      const madeAt = new Date(tomorrowMs + second * 1_000)
      const key = `${FOLDER}${snapshotName(madeAt)}`
      const token = 'of a night with a wrong clock'
      await catalog.adoptSnapshot({ identity: server!.identity, key, token, madeAt, sizeBytes: 10 })
    }
  })

  const report = await world.run()

  expect([report.exit, report.warnings]).toEqual([0, []])
  expect(snapshotsOn(0)).toHaveLength(2)
}, 60_000)

it('in a bucket with versions the very version is deleted', async () => {
  await world.close()
  world = await World.make([{ model: { isVersioned: true } }])
  await world.noise('one', 5_000)
  for (let night = 0; night < 9; night += 1) await world.run()
  expect(snapshotsOn(0)).toHaveLength(7)
  expect(await world.audit()).toEqual([])
}, 60_000)

it('a directory takes copies, too', async () => {
  const folder = join(world.folder, 'disk')
  execFileSync('mkdir', [folder])
  world.env['S3_SERVER_3_ENDPOINT'] = `file://${folder}`
  for (let night = 0; night < 8; night += 1) await world.run()
  expect(readdirSync(join(folder, 'spillway-catalog/host'))).toHaveLength(7)
}, 60_000)

it('names of copies are read back as they were written, and nothing else is', () => {
  const at = new Date('2026-11-07T02:30:07Z')
  expect(snapshotTime(snapshotName(at))).toEqual(at)
  for (const name of ['catalog-20260231-000000.db.zst', 'catalog-20260101-250000.db.zst', 'x', ''])
    expect(snapshotTime(name), name).toBeUndefined()
})

function snapshotsOn(index: number) {
  return world.models[index]!.objects().filter(({ key }) => key.startsWith(FOLDER))
}

function bytesOfSnapshots(index: number): number {
  return snapshotsOn(index).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

async function catalogBytesOf(index: number): Promise<number | undefined> {
  const rows = await world.withCatalog((catalog) => catalog.servers())
  return rows[index]?.catalogBytes
}

async function withCatalog(work: (catalog: Catalog) => Promise<void>): Promise<void> {
  await world.withCatalog(work)
}

/** The newest copy on server 1, decompressed by the stock tool. */
async function unpacked(): Promise<string> {
  const packed = join(world.folder, 'copy.db.zst')
  writeFileSync(packed, world.models[0]!.bytesOf(snapshotsOn(0).at(-1)!.key))
  execFileSync('zstd', ['-q', '-d', '-f', packed])
  return packed.replace(/\.zst$/, '')
}

async function limitTo(number: number, bytes: number): Promise<void> {
  world.env[`S3_SERVER_${number}_STORAGE_LIMIT_GB`] = (bytes / 1e9).toFixed(9)
}

function noteOf(event: RunEvent): string[] {
  return event.kind === 'note' ? [event.message] : []
}
