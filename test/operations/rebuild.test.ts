// A catalog that was lost comes back from the servers alone, field by field.

import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openServices } from '../../src/compose.ts'
import { makeArchives } from '../support/many-archives.ts'
import { reconcile } from '../../src/operations/reconcile.ts'
import { rebuild } from '../../src/operations/rebuild.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { snapshotName } from '../../src/operations/catalog-snapshot-key.ts'
import { startRebuild } from '../../src/operations/rebuild-snapshot.ts'
import { startS3Model } from '../support/s3-model.ts'
import { surveyRebuild } from '../../src/operations/rebuild-survey.ts'
import { QUICK, World } from '../support/world.ts'
import type { ArchiveWithCopies } from '../../src/catalog/catalog.ts'
import type { Rebuilt } from '../../src/operations/rebuild.ts'
import type { SpillwayError } from '../../src/domain/errors.ts'
import type { ReconcilePlan } from '../../src/operations/reconcile-plan.ts'

const never = new AbortController().signal

let world: World
beforeEach(async () => {
  world = await World.make([{}])
  await world.noise('one', 5_000)
})
afterEach(async () => {
  await world.close()
})

it('brings back every row of a thousand archives, with one read of each tail', async () => {
  const count = 1_000
  await makeArchives(world, count)
  const saved = await rows()
  expect(saved).toHaveLength(count)
  loseCatalog()
  const from = world.models[0]!.log.length

  const rebuilt = await rebuilding()

  expect(rebuilt).toMatchObject({ exit: 0, isComplete: true, problems: [] })
  expect(rebuilt.servers).toMatchObject([{ added: count, joined: 0, known: 0, refused: 0 }])
  expect((await rows()).map(withoutTimeStored)).toEqual(saved.map(withoutTimeStored))
  for (const [index, archive] of (await rows()).entries())
    expect(secondsApart(archive, saved[index]!)).toBeLessThan(2)
  expect(await world.audit()).toEqual([])

  const log = world.models[0]!.log.slice(from)
  const readBytes = new Map<string, number>()
  for (const { operation, key, headers } of log) {
    if (operation === 'Get')
      readBytes.set(key, (readBytes.get(key) ?? 0) + rangeBytes(String(headers.range)))
  }
  expect(readBytes.size).toBe(count)
  expect(Math.max(...readBytes.values())).toBeLessThan(256 * 1024)
  expect(log.filter(({ operation }) => operation === 'Get')).toHaveLength(count)
  expect(log.filter(({ operation }) => operation === 'Head')).toHaveLength(count)
}, 300_000)

describe('from a copy of the catalog', () => {
  it('everything comes back, also what no archive tells, and nothing is read that it knows', async () => {
    await world.run()
    const saved = await rows()
    await world.withCatalog(async (catalog) => {
      await catalog.setPinned(saved[0]!.id, true)
      await catalog.setVerified(saved[0]!.id, new Date('2026-05-05T05:05:05Z'))
    })
    await nextNight()
    await world.run()
    const all = await rows()
    const attempts = await world.withCatalog((catalog) => catalog.attempts(saved[0]!.id))
    expect(attempts).toHaveLength(1)
    loseCatalog()
    const gets = archiveReads()

    const rebuilt = await rebuilding()

    expect(rebuilt).toMatchObject({ exit: 0, isComplete: true, start: { from: 'snapshot' } })
    expect(rebuilt.start.name).toMatch(/spillway-catalog\/host\/catalog-/)
    expect(await rows()).toEqual(all)
    expect(await world.withCatalog((catalog) => catalog.attempts(saved[0]!.id))).toEqual(attempts)
    expect(archiveReads()).toBe(gets)
    expect(await world.audit()).toEqual([])
    expect(await world.run()).toMatchObject({ exit: 0 })
  })

  it('after more nights than copies are kept: what was trimmed since is no cause for alarm', async () => {
    for (let night = 0; night < 9; night += 1) await world.run()
    expect(snapshots()).toHaveLength(7)
    const all = await rows()
    loseCatalog()

    const rebuilt = await rebuilding()

    expect([rebuilt.exit, rebuilt.problems]).toEqual([0, []])
    expect(await rows()).toEqual(all)
    expect(await world.audit()).toEqual([])
  }, 60_000)

  it('only what is newer is read', async () => {
    await world.run()
    const older = snapshots()
    await nextNight()
    await world.run()
    const all = await rows()
    for (const key of snapshots()) if (!older.includes(key)) await remove(key)
    loseCatalog()
    const gets = archiveReads()

    const rebuilt = await rebuilding()

    expect(rebuilt.servers).toMatchObject([{ added: 1, known: 1 }])
    expect(archiveReads()).toBe(gets + 1)
    expect((await rows()).map(withoutTimeStored)).toEqual(all.map(withoutTimeStored))
  })

  it('a damaged one is passed by for the next', async () => {
    await world.run()
    await nextNight()
    await world.run()
    const all = await rows()
    const [older, newer] = snapshots()
    world.models[0]!.corrupt(newer!, 1_000)
    loseCatalog()

    const rebuilt = await rebuilding()

    expect(rebuilt.start.name).toContain(older)
    expect(rebuilt.start.warnings.join()).toMatch(/cannot be used/)
    expect((await rows()).map(withoutTimeStored)).toEqual(all.map(withoutTimeStored))
    expect(await world.audit()).toEqual([])
  })

  it('one named after a time to come is never the newest', async () => {
    await world.run()
    const [own] = snapshots()
    const planted = 'spillway-catalog/host/catalog-20990101-000000.db.zst'
    world.models[0]!.seed(planted, world.models[0]!.bytesOf(own!), { 'spillway-token': 'x' })
    loseCatalog()

    const { start } = await rebuilding()

    expect(start.name).toContain(own)
    expect(start.warnings.join()).toMatch(/20990101-000000.*named after a time to come/)
    expect(await world.run()).toMatchObject({ exit: 0 })
  })

  it('one that no disk could hold, or that grows on, is passed by for the next', async () => {
    await world.run()
    const [own] = snapshots()
    await addServer()
    const proxy = await startFaultProxy({ target: world.models[1]!.endpoint })
    world.env['S3_SERVER_2_ENDPOINT'] = proxy.endpoint
    const key = `spillway-catalog/host/${snapshotName(new Date(Date.now() + 3_600_000))}`
    const body =
      `<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>${key}</Key>` +
      `<Size>${2 ** 52}</Size></Contents></ListBucketResult>`
    const headers = { 'content-type': 'application/xml' }
    proxy.add({ operation: 'List', fault: { kind: 'answer', status: 200, body, headers } })
    loseCatalog()
    try {
      const { start } = await rebuilding()
      proxy.assertFired()
      expect(start.name).toContain(own)
      expect(start.warnings.join()).toMatch(/it has 4.50 PB, and there is room for/)
      expect(world.models[1]!.count('Get')).toBe(0)
    } finally {
      await proxy.close()
    }
  })

  it('every row is asked for: a listing alone does not bear out what a server may have made up', async () => {
    await world.run()
    const [archive] = await rows()
    const { key } = archive!.copies[0]!
    // As large as ours, and not ours.
    loseCatalog()
    const bytes = world.models[0]!.bytesOf(key)
    world.models[0]!.seed(key, Buffer.alloc(bytes.length), { 'spillway-token': 'another' })

    const rebuilt = await rebuilding()

    expect(rebuilt.exit).toBe(36)
    expect((await rows())[0]?.copies[0]?.state).toBe('missing')
  })

  it('what has gone since is missing, not stored', async () => {
    await world.run()
    const [archive] = await rows()
    await remove(archive!.key)
    loseCatalog()
    const rebuilt = await rebuilding()
    expect([rebuilt.exit, rebuilt.plan.lost]).toEqual([36, [archive!.file]])
    expect((await rows())[0]?.copies[0]?.state).toBe('missing')
  })

  it('nothing is stored on a server that cannot be asked: retention may have been there since', async () => {
    await addServer()
    world.env['COPIES'] = '2'
    await world.run()
    const older = await rows()
    const kept = snapshots()
    await nextNight()
    await world.run()
    await remove(older[0]!.key, ...snapshots().filter((key) => !kept.includes(key)))
    world.models[1]!.change({ secretKey: 'another' })
    loseCatalog()

    const first = await rebuilding()

    expect(first).toMatchObject({ exit: 21, isComplete: false, start: { from: 'snapshot' } })
    expect(first.plan.lost).toEqual([])
    const states = async () => (await rows()).map(({ copies }) => copies.map(({ state }) => state))
    expect(await states()).toEqual([['missing', 'missing'], ['stored']])

    world.models[1]!.change({ secretKey: world.models[1]!.keys.secretKey })
    const second = await rebuilding()
    expect(second).toMatchObject({ exit: 36, isComplete: true })
    expect(second.plan.lost).toEqual([older[0]!.file])
    expect(await states()).toEqual([
      ['missing', 'missing'],
      ['stored', 'stored'],
    ])
    // It was asked once now, and is given up when it was asked again a day later.
    expect((await reconciling()).servers.map(({ findings }) => findings)).toMatchObject(
      [1, 2].map(() => [{ step: { kind: 'nothing' }, what: 'still missing: it is gone' }]),
    )
  })

  it('what lies on a server that could not be asked is stored again once it shows it', async () => {
    await addServer()
    world.env['COPIES'] = '2'
    await world.run()
    const saved = await rows()
    loseCatalog()
    world.models[1]!.change({ secretKey: 'another' })
    await rebuilding()
    world.models[1]!.change({ secretKey: world.models[1]!.keys.secretKey })

    const plan = await reconciling()

    expect(plan.servers).toMatchObject([{ confirmed: [] }, { confirmed: [expect.any(Number)] }])
    expect(await rows()).toEqual(saved)
  })

  it('no path that it names is believed: nothing outside of the spool is touched', async () => {
    const treasure = join(world.folder, 'treasure.tar.zst')
    await writeFile(treasure, 'not yours')
    await world.withCatalog(async (catalog) => {
      await catalog.beginArchive({
        ...{ id: '01900000-0000-7000-8000-000000000001', source: 'docs', sourceKind: 'folder' },
        ...{ startedAt: new Date(), spoolDir: world.folder },
      })
    })
    const { runSql } = await import('../catalog/fixtures.ts')
    await world.run()
    await runSql(catalogPath(), `update archives set state = 'packing', local_path = '${treasure}'`)
    await world.withCatalog((catalog) => catalog.copyTo(join(world.folder, 'evil.db')))
    const { packSnapshot } = await import('../../src/operations/catalog-snapshot-file.ts')
    const packed = join(world.folder, 'evil.db.zst')
    await packSnapshot(join(world.folder, 'evil.db'), packed)
    const { readFileSync, existsSync } = await import('node:fs')
    await removeSnapshots()
    const key = 'spillway-catalog/host/catalog-20260101-000000.db.zst'
    world.models[0]!.seed(key, readFileSync(packed), { 'spillway-token': 'evil' })
    loseCatalog()

    await rebuilding()
    await world.run()

    expect(existsSync(treasure)).toBe(true)
    const paths = (await rows()).map(({ localPath }) => localPath)
    expect(paths.every((path) => path === undefined)).toBe(true)
  })
})

describe('copies and the spool', () => {
  it('two copies of one archive join in one row', async () => {
    await addServer()
    world.env['COPIES'] = '2'
    await world.run()
    const saved = await rows()
    expect(saved[0]?.copies).toHaveLength(2)
    await removeSnapshots()
    loseCatalog()

    const rebuilt = await rebuilding()

    const counts = rebuilt.servers.map(({ added, joined }) => added + joined)
    expect([counts, rebuilt.exit]).toEqual([[1, 1], 0])
    expect((await rows()).map(withoutTimeStored)).toEqual(saved.map(withoutTimeStored))
  })

  it.each(['nothing', 'snapshot'])(
    'what lies on a disabled server comes back as well, from %s',
    async (from) => {
      await addServer()
      await world.run()
      const saved = await rows()
      // What is left of it lies on the server that is disabled.
      if (from === 'nothing') await removeSnapshots()
      else await removeFrom([2], snapshots())
      loseCatalog()
      world.env['S3_SERVER_1_ENABLED'] = 'false'

      const rebuilt = await rebuilding()

      expect(rebuilt).toMatchObject({ exit: 0, isComplete: true, start: { from } })
      expect((await rows()).map(withoutTimeStored)).toEqual(saved.map(withoutTimeStored))
    },
  )

  it('a disabled server that cannot be read leaves the rebuild open, as any other does', async () => {
    await addServer()
    await world.run()
    loseCatalog()
    world.env['S3_SERVER_1_ENABLED'] = 'false'
    world.env['S3_SERVER_1_ENDPOINT'] = 'http://127.0.0.1:1'
    expect(await rebuilding()).toMatchObject({ exit: 20, isComplete: false })
    for (const name of Object.keys(world.env))
      if (name.startsWith('S3_SERVER_1_')) delete world.env[name]
    expect(await rebuilding()).toMatchObject({ isComplete: true, start: { from: 'resumed' } })
  })

  it('gives the folder of a disabled server whose disk is not mounted no new marker', async () => {
    const folder = join(world.folder, 'mount-point')
    await mkdir(folder)
    world.env['S3_SERVER_2_ENDPOINT'] = `file://${folder}`
    await world.run()
    await rm(folder, { recursive: true })
    await mkdir(folder)
    loseCatalog()
    world.env['S3_SERVER_2_ENABLED'] = 'false'

    expect(await rebuilding()).toMatchObject({ exit: 21, isComplete: false })
    expect(await readdir(folder)).toEqual([])
  })

  it('what waits in the spool waits again, and is sent by the next run', async () => {
    const { limit, lift } = noRoom()
    limit()
    expect((await world.run()).exit).toBe(23)
    const saved = await rows()
    loseCatalog()
    lift()

    const rebuilt = await rebuilding()

    expect([rebuilt.inSpool, rebuilt.exit, rebuilt.problems]).toEqual([1, 0, []])
    expect(await rows()).toEqual(saved.map((archive) => ({ ...archive, copies: [] })))
    const { archives } = await world.run()
    expect(archives.map(({ id, state }) => [id === saved[0]!.id, state])).toEqual([
      [true, 'stored'],
      [false, 'stored'],
    ])
    expect(await world.audit()).toEqual([])
  })

  it('what waited in a spool that is lost, too, is said to be lost', async () => {
    const { limit, lift } = noRoom()
    await world.run()
    await nextNight()
    limit(7_000)
    expect((await world.run()).exit).toBe(23)
    const waiting = (await rows()).find(({ state }) => state === 'ready')!
    lift()
    await world.withCatalog((catalog) => catalog.copyTo(join(world.folder, 'now.db')))
    const { packSnapshot } = await import('../../src/operations/catalog-snapshot-file.ts')
    await packSnapshot(join(world.folder, 'now.db'), join(world.folder, 'now.zst'))
    const { readFileSync } = await import('node:fs')
    const key = `spillway-catalog/host/${snapshotName(new Date(Date.now() + 3_600_000))}`
    world.models[0]!.seed(key, readFileSync(join(world.folder, 'now.zst')), {
      'spillway-token': 'now',
    })
    loseCatalog()
    await rename(join(world.folder, 'data/spool'), join(world.folder, 'data/spool-lost'))
    await mkdir(join(world.folder, 'data/spool'))

    const { exit, problems } = await rebuilding()

    expect(exit).toBe(36)
    expect(problems.map(({ message }) => message).join()).toContain(`${waiting.file} waited`)
  })
})

describe('what is not right', () => {
  it('is reported and passed by: damaged, foreign, of no host', async () => {
    await world.run()
    await nextNight()
    await world.run()
    const saved = await rows()
    const [damaged] = saved
    const model = world.models[0]!
    model.corrupt(damaged!.key, damaged!.sizeBytes! - 200)
    model.seed('host/2026/01/01/docs-20260101-000000.tar.zst', Buffer.alloc(9_999))
    await removeSnapshots()
    loseCatalog()

    const rebuilt = await rebuilding()

    expect(rebuilt).toMatchObject({ exit: 3, isComplete: true })
    expect(rebuilt.servers).toMatchObject([{ added: 1, refused: 2 }])
    const details = rebuilt.plan.servers.flatMap(({ findings }) => findings.map((f) => f.detail))
    expect(details.join()).toMatch(/no write token/)
    expect(await rows()).toHaveLength(1)
    const [server] = await world.withCatalog((catalog) => catalog.servers())
    expect(server).toMatchObject({ otherBytes: 9_999 + damaged!.sizeBytes! })
    // Read once, although the plan afterwards speaks of them again.
    expect(archiveReads()).toBe(2)
  })

  it('a server that is down is told, the others are rebuilt, and a second call finishes it', async () => {
    await addServer()
    world.env['COPIES'] = '2'
    await world.run()
    const saved = await rows()
    await removeSnapshots()
    loseCatalog()
    world.models[1]!.change({ secretKey: 'another' })

    const first = await rebuilding()

    expect(first).toMatchObject({ exit: 21, isComplete: false })
    expect((await rows())[0]?.copies).toHaveLength(1)
    world.models[1]!.change({ secretKey: world.models[1]!.keys.secretKey })
    const second = await rebuilding()
    expect(second).toMatchObject({ exit: 0, isComplete: true, start: { from: 'resumed' } })
    expect((await rows()).map(withoutTimeStored)).toEqual(saved.map(withoutTimeStored))
    await expect(rebuilding()).rejects.toMatchObject({ code: 'CATALOG_NOT_EMPTY' })
  })

  it('a listing that breaks off leaves the rebuild open, and what was read is kept', async () => {
    for (let night = 0; night < 3; night += 1) {
      await world.run()
      await nextNight()
    }
    await removeSnapshots()
    loseCatalog()
    world.models[0]!.change({ pageEntries: 1 })
    const proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
    const direct = world.env['S3_SERVER_1_ENDPOINT']!
    world.env['S3_SERVER_1_ENDPOINT'] = proxy.endpoint
    try {
      // The first listing counts others' bytes; the next one is the rebuild's.
      proxy.add({ operation: 'List', nth: 7, times: 99, fault: { kind: 'answer', status: 403 } })
      const first = await rebuilding()
      proxy.assertFired()
      expect(first).toMatchObject({ exit: 21, isComplete: false })
      expect((await rows()).length).toBeLessThan(3)
      proxy.clear()
      expect(await rebuilding()).toMatchObject({ exit: 0, isComplete: true })
      expect(await rows()).toHaveLength(3)
    } finally {
      world.env['S3_SERVER_1_ENDPOINT'] = direct
      await proxy.close()
    }
  })

  it('a catalog that is not empty is refused, by its name and with a way out', async () => {
    await world.run()
    const before = await rows()
    await expect(rebuilding()).rejects.toMatchObject({
      code: 'CATALOG_NOT_EMPTY',
      message: `the catalog ${catalogPath()} is not empty: it knows 1 archive`,
      hint: expect.stringContaining(
        `mkdir ${world.folder}/data/lost && mv ${catalogPath()}* ${world.folder}/data/lost/ && spillway reconcile --rebuild`,
      ) as string,
    })
    expect(await rows()).toEqual(before)
  })
})

it('archives of other hosts only when that is asked for', async () => {
  await world.run()
  world.env['SERVER_ID'] = 'second'
  world.env['DATA_DIR'] = join(world.folder, 'data2')
  await world.run()
  await removeSnapshots()

  world.env['DATA_DIR'] = join(world.folder, 'data3')
  await rebuilding()
  expect((await rows()).map(({ host }) => host)).toEqual(['second'])

  world.env['DATA_DIR'] = join(world.folder, 'data4')
  const rebuilt = await rebuilding({ isForAllHosts: true })
  expect((await rows()).map(({ host }) => host).toSorted()).toEqual(['host', 'second'])
  expect(rebuilt.exit).toBe(0)
  const [server] = await world.withCatalog((catalog) => catalog.servers())
  expect(server?.otherBytes).toBe(0)
})

it('a machine that is called otherwise than the lost one is told whose archives are there', async () => {
  await world.run()
  world.env['SERVER_ID'] = 'successor'
  world.env['DATA_DIR'] = join(world.folder, 'data2')
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const survey = await surveyRebuild(services, { isForAllHosts: false }, never)
  await services.close()
  const told =
    'no archive of successor was found; there are archives of host (1): if this machine takes the place of one of ' +
    'these, set SERVER_ID to that name and run it again; --all-hosts takes in all of them'
  expect([survey.exit, survey.problem?.message]).toEqual([3, told])

  const { exit, problems } = await rebuilding()
  expect([exit, problems.map(({ message }) => message)]).toEqual([3, [told]])

  // One that does not answer may hold them all: no other name is proposed.
  const silent = {
    ...{ ENDPOINT: 'http://127.0.0.1:1', REGION: 'r', BUCKET: 'backups' },
    ...{ ACCESS_KEY: 'k', SECRET_KEY: 's' },
  }
  for (const [name, value] of Object.entries(silent)) world.env[`S3_SERVER_2_${name}`] = value
  expect((await rebuilding()).problems.map(({ message }) => message)).not.toContain(told)
  for (const name of Object.keys(silent)) delete world.env[`S3_SERVER_2_${name}`]

  world.env['SERVER_ID'] = 'host'
  expect(await rebuilding()).toMatchObject({ exit: 0, problems: [] })
  expect(await rows()).toHaveLength(1)
})

it('of another host, what is refused is named', async () => {
  await world.run()
  const [{ key } = { key: '' }] = world.models[0]!.objects()
  const strange = key.replace('host/', 'strange/')
  world.models[0]!.seed(strange, Buffer.from('no archive'), { 'spillway-token': 'x' })
  loseCatalog()
  const { exit, problems } = await rebuilding({ isForAllHosts: true })
  expect(exit).toBe(3)
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^strange\/.* is not adopted: /),
  ])
})

it('a directory gives back its archives, too', async () => {
  const disk = join(world.folder, 'disk')
  await mkdir(disk)
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  world.env['S3_SERVER_2_ENDPOINT'] = `file://${disk}`
  await world.run()
  const saved = await rows()
  rmSync(join(disk, 'spillway-catalog'), { recursive: true })
  loseCatalog()
  expect((await rebuilding()).exit).toBe(0)
  expect((await rows()).map(withoutTimeStored)).toEqual(saved.map(withoutTimeStored))
})

it('what is left of a lost catalog stands in the way, and the hint moves it away', async () => {
  await world.run()
  const saved = await rows()
  loseCatalog()
  writeFileSync(`${catalogPath()}-wal`, 'left')
  const refused = await rebuilding().catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
  const [, command] = /move what is left of the lost catalog away: (.*)/.exec(
    (refused as SpillwayError).hint!,
  )!
  execFileSync('sh', ['-c', command!])
  expect((await rebuilding()).exit).toBe(0)
  expect((await rows()).map(withoutTimeStored)).toEqual(saved.map(withoutTimeStored))
})

it('a dry run makes no catalog, and says what would be read', async () => {
  await world.run()
  loseCatalog()
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    const survey = await surveyRebuild(services, { isForAllHosts: false }, never)
    expect(survey).toMatchObject({
      exit: 0,
      start: { from: 'snapshot' },
      servers: [{ archives: 1, error: undefined }],
    })
  } finally {
    await services.close()
  }
  const { existsSync } = await import('node:fs')
  expect(existsSync(catalogPath())).toBe(false)
})

async function rebuilding({ isForAllHosts = false } = {}): Promise<Rebuilt> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    const start = await startRebuild(services, { isDryRun: false }, never)
    return await services.withRun(
      () => {},
      (running) =>
        rebuild(
          { ...running, openStorage: services.openStorage },
          { start, isForAllHosts, onProgress: () => {}, onPlan: () => {} },
          never,
        ),
    )
  } finally {
    await services.close()
  }
}

async function reconciling(): Promise<ReconcilePlan> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    const input = { isDryRun: false, isAdopting: false, onPlan: () => {} }
    const { plan } = await services.withRun(
      () => {},
      (running) => reconcile(running, input, never),
    )
    return plan
  } finally {
    await services.close()
  }
}

/** Every field but numbers that the database gives, in an order of their own. */
async function rows(): Promise<ArchiveWithCopies[]> {
  const all = await world.withCatalog((catalog) => catalog.archives())
  return all
    .map((archive) => ({
      ...archive,
      copies: archive.copies
        .map((copy) => ({ ...copy, id: 0 }))
        .toSorted((a, b) => (a.identity < b.identity ? -1 : 1)),
    }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/** When a copy was proven is not written anywhere but in the catalog; the server's own time is near. */
function withoutTimeStored(archive: ArchiveWithCopies) {
  // The others are of the upload, which is over.
  const unknown = { storedAt: undefined, uploadId: undefined, completingAt: undefined }
  const copies = archive.copies.map((copy) => ({ ...copy, ...unknown }))
  return { ...archive, copies }
}

function secondsApart(a: ArchiveWithCopies, b: ArchiveWithCopies): number {
  const at = (archive: ArchiveWithCopies) => archive.copies[0]?.storedAt?.getTime() ?? Infinity
  return Math.abs(at(a) - at(b)) / 1_000
}

/** Names are made of seconds; a night has more of them. */
async function nextNight(): Promise<void> {
  const { setTimeout: sleep } = await import('node:timers/promises')
  await sleep(1_000 - (Date.now() % 1_000))
}

function rangeBytes(range: string): number {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? []
  return Number(last) - Number(first) + 1
}

function archiveReads(): number {
  return world.models[0]!.log.filter(
    ({ operation, key }) => operation === 'Get' && key.endsWith('.tar.zst'),
  ).length
}

function snapshots(): string[] {
  return world.models[0]!.objects()
    .map(({ key }) => key)
    .filter((key) => key.startsWith('spillway-catalog/'))
    .toSorted()
}

function remove(...keys: readonly string[]): Promise<void> {
  return removeFrom([1, 2], keys)
}

async function removeFrom(numbers: readonly number[], keys: readonly string[]): Promise<void> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const open = await services.openStorage()
  for (const server of services.config.servers) {
    if (!numbers.includes(server.number)) continue
    const storage = open(server, true)
    for (const key of keys) await storage.remove(key, undefined, never)
    storage.close()
  }
  await services.close()
}

async function removeSnapshots(): Promise<void> {
  const all = world.models.flatMap((model) => model.objects().map(({ key }) => key))
  await remove(...all.filter((key) => key.startsWith('spillway-catalog/')))
}

function catalogPath(): string {
  return join(world.folder, 'data/catalog.db')
}

function loseCatalog(): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(catalogPath() + suffix, { force: true })
}

async function addServer(): Promise<void> {
  const model = await startS3Model({ buckets: ['backups'] })
  world.models.push(model)
  world.configure(2, model.endpoint, model)
}

function noRoom() {
  const name = 'S3_SERVER_1_STORAGE_LIMIT_GB'
  const before = world.env[name]!
  return {
    limit: (bytes = 1) => void (world.env[name] = (bytes / 1e9).toFixed(9)),
    lift: () => void (world.env[name] = before),
  }
}
