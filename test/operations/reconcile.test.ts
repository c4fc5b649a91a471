// The catalog against servers that lost, gained, changed or hid something.

import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openServices } from '../../src/compose.ts'
import { applyPlan, planReconcile, reconcile } from '../../src/operations/reconcile.ts'
import { planJson } from '../../src/operations/reconcile-plan.ts'
import { runSql } from '../catalog/fixtures.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { QUICK, World } from '../support/world.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { Reconciled } from '../../src/operations/reconcile.ts'

let world: World
beforeEach(async () => {
  world = await World.make([{}])
  await world.noise('one', 5_000)
})
afterEach(async () => {
  await world.close()
})

it('finds nothing where nothing is wrong, and changes nothing', async () => {
  await world.run()
  const before = await ledger()
  const { exit, plan, problems } = await reconciled()
  expect([exit, findingsOf(plan), problems, plan.failed]).toEqual([0, [], [], []])
  expect(await ledger()).toEqual(before)
  expect(await world.audit()).toEqual([])
})

describe('a copy that is gone', () => {
  it('is missing at once, counted until it is gone for a day, and then given up', async () => {
    const key = await storedKey()
    const { usedBytes } = await ledger()
    await removeObject(key)

    const first = await reconciled()
    expect(findingsOf(first.plan)).toMatchObject([{ what: 'it is gone', step: 'mark-missing' }])
    expect([first.exit, first.plan.lost.length]).toEqual([36, 1])
    expect(await states()).toEqual(['missing'])
    expect(await ledger()).toMatchObject({ usedBytes })

    const second = await reconciled()
    expect(findingsOf(second.plan)).toMatchObject([{ action: 'asked again after a day' }])
    expect([second.exit, await ledger()]).toMatchObject([3, { usedBytes }])

    await aDayPasses()
    const third = await reconciled()
    expect(findingsOf(third.plan)).toMatchObject([{ step: 'settle-missing' }])
    expect(await states()).toEqual(['deleted'])
    expect(await ledger()).toMatchObject({ usedBytes: 0 })
    expect((await reconciled()).exit).toBe(0)
    expect(await world.audit()).toEqual([])
    const [archive] = await world.withCatalog((catalog) => catalog.archives())
    expect(archive?.reason).toMatch(/was asked on .* and on .*: it is gone/)
  })

  it('is stored again when it is seen again, and nothing was lost', async () => {
    const key = await storedKey()
    const bytes = world.models[0]!.bytesOf(key)
    const { metadata } = world.models[0]!.objects().find((object) => object.key === key)!
    await removeObject(key)
    await reconciled()
    world.models[0]!.seed(key, bytes, metadata)

    const { exit, plan } = await reconciled()
    expect([exit, findingsOf(plan)]).toMatchObject([0, [{ step: 'mark-found' }]])
    expect(await states()).toEqual(['stored'])
    expect(await world.audit()).toEqual([])
  })

  it('is not given up while something else lies at its key, until a day has passed', async () => {
    const key = await storedKey()
    await removeObject(key)
    world.models[0]!.seed(key, Buffer.alloc(9_999), { 'spillway-token': 'of another' })

    const { plan } = await reconciled()
    expect(findingsOf(plan)).toMatchObject([{ what: 'what lies there has 10.0 kB' }])
    const { usedBytes, otherBytes } = await ledger()
    expect(usedBytes + otherBytes).toBe(9_999)
    await aDayPasses()
    await reconciled()
    expect(await ledger()).toMatchObject({ usedBytes: 0, otherBytes: 9_999 })
    // Nobody's bytes but ours are ever deleted.
    expect(world.models[0]!.bytesOf(key)).toHaveLength(9_999)
  })

  it('which another server still holds is a warning, and no loss', async () => {
    world.env['COPIES'] = '2'
    await addServer()
    const key = await storedKey()
    await removeObject(key)

    const { exit, plan } = await reconciled()
    expect([exit, plan.lost]).toEqual([3, []])
    expect((await states()).sort()).toEqual(['missing', 'stored'])
  })

  it('is no loss where another one is there again', async () => {
    world.env['COPIES'] = '2'
    await addServer()
    const key = await storedKey()
    const [near, far] = world.models
    const { pieces, metadata } = far!.store.current('backups', key)!
    const bytes = Buffer.concat(pieces.map((piece) => piece.read(0, piece.sizeBytes)))
    far!.store.remove('backups', key, undefined)
    await reconciled()
    expect((await states()).sort()).toEqual(['missing', 'stored'])
    far!.seed(key, bytes, metadata)
    near!.store.remove('backups', key, undefined)

    const { exit, plan } = await reconciled()

    expect([exit, plan.lost]).toEqual([3, []])
    expect((await states()).sort()).toEqual(['missing', 'stored'])
  })
})

describe('a listing proves nothing', () => {
  it('that leaves out what is there changes no row', async () => {
    await world.run()
    const before = await states()
    const proxy = await behindProxy()
    try {
      const body =
        '<?xml version="1.0"?><ListBucketResult><Name>backups</Name><IsTruncated>false</IsTruncated>' +
        '<KeyCount>0</KeyCount></ListBucketResult>'
      proxy.add({ operation: 'List', fault: { kind: 'answer', status: 200, body } })
      const { exit, plan } = await reconciled()
      proxy.assertFired()
      expect([exit, findingsOf(plan)]).toEqual([0, []])
      expect(await states()).toEqual(before)
      expect(world.models[0]!.count('Head')).toBeGreaterThan(0)
    } finally {
      await proxy.close()
    }
  })

  it('that fails half way says nothing at all, and the command says so', async () => {
    for (let night = 0; night < 3; night += 1) await world.run()
    const [gone] = keys()
    world.models[0]!.change({ pageEntries: 2 })
    await removeObject(gone!)
    const before = await ledger()
    const proxy = await behindProxy()
    try {
      proxy.add({ operation: 'List', nth: 2, times: 99, fault: { kind: 'answer', status: 503 } })
      const { exit, plan } = await reconciled()
      proxy.assertFired()
      expect(exit).toBe(20)
      expect([plan.servers, plan.failed.length]).toEqual([[], 1])
      expect([...new Set(await states())]).toEqual(['stored'])
      expect(await ledger()).toEqual(before)
    } finally {
      await proxy.close()
    }
  })

  it('that is forbidden leaves every copy to be asked for', async () => {
    const key = await storedKey()
    world.models[0]!.change({ denies: ['List', 'ListUploads'] })
    expect((await reconciled()).plan.servers[0]?.listed).toBeUndefined()
    expect(await states()).toEqual(['stored'])
    await removeObject(key)
    await reconciled()
    expect(await states()).toEqual(['missing'])
  })

  it('and a HEAD that is forbidden proves nothing either', async () => {
    const key = await storedKey()
    await removeObject(key)
    world.models[0]!.change({ denies: ['Head'] })
    const { exit, plan } = await reconciled()
    expect(exit).toBe(3)
    expect(findingsOf(plan)).toContainEqual(
      expect.objectContaining({ key, what: 'cannot be looked at', step: 'nothing' }),
    )
    expect(await states()).toEqual(['stored'])
  })

  it('on one server does not keep the others from being reconciled', async () => {
    const key = await storedKey()
    await addServer()
    await removeObject(key)
    world.models[1]!.change({ secretKey: 'another' })
    const { exit, plan } = await reconciled()
    expect([exit, plan.failed.map(({ error }) => error.code)]).toEqual([21, ['SERVER_KEYS']])
    expect(await states()).toEqual(['missing'])
  })
})

describe('an object without a row', () => {
  it('that this catalog never knew is told and left alone, also by retention', async () => {
    // Another machine of the same name, or what somebody planted, looks the same.
    for (let night = 0; night < 2; night += 1) await world.run()
    const theirs = world.models[0]!.objects().map(({ key }) => key)
    await forgetCatalog()
    await nextSecond()
    world.env['KEEP_LAST'] = '1'
    await world.run()
    const { otherBytes } = await ledger()
    const before = await archives()

    const { exit, plan } = await reconciled()

    expect([exit, findingsOf(plan)]).toEqual([3, []])
    expect(plan.servers[0]?.unknown).toEqual({ archives: 2, catalogCopies: 2 })
    expect([await archives(), (await ledger()).otherBytes]).toEqual([before, otherBytes])
    await nextSecond()
    await world.run()
    const there = world.models[0]!.objects().map(({ key }) => key)
    expect(there).toEqual(expect.arrayContaining(theirs))
  })

  it('is adopted when that is asked for, with every field that its row had', async () => {
    await world.run()
    const before = await archives()
    await forgetCatalog()
    await nextSecond()
    await world.run()
    const { otherBytes } = await ledger()
    expect(otherBytes).toBeGreaterThan(0)

    const { exit, plan } = await reconciled({ isAdopting: true })

    expect(exit).toBe(0)
    expect(findingsOf(plan).filter(({ step }) => step === 'adopt')).toHaveLength(1)
    expect(await archives()).toEqual(expect.arrayContaining(before))
    expect(await ledger()).toMatchObject({ otherBytes: 0 })
    expect(await world.audit()).toEqual([])
  })

  it('is not adopted without a token, damaged, of another host or under another name', async () => {
    const key = await storedKey()
    const model = world.models[0]!
    const bytes = model.bytesOf(key)
    const token = { 'spillway-token': 'any' }
    const damaged = Buffer.from(bytes)
    damaged[damaged.length - 300]! ^= 1
    model.seed('host/2026/01/01/docs-20260101-000000.tar.zst', bytes, token)
    model.seed(key.replace('.tar.zst', '-2.tar.zst'), bytes)
    model.seed('host/2026/01/02/docs-20260102-000000.tar.zst', damaged, token)
    model.seed('host/2026/01/03/docs-20260103-000000.tar.zst', Buffer.alloc(10), token)
    model.seed('host/notes.txt', Buffer.alloc(7))
    model.seed(`other/${key.slice(5)}`, bytes, token)

    const { exit, plan } = await reconciled({ isAdopting: true })

    expect(exit).toBe(3)
    expect(findingsOf(plan).map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/its manifest says that it is of docs/),
      expect.stringMatching(/damaged|checksum|cannot be read/),
      'it is too small for an archive',
      expect.stringMatching(/no write token/),
    ])
    expect(plan.servers[0]?.strangers).toBe(1)
    expect(await states()).toEqual(['stored'])
    expect(await ledger()).toMatchObject({ otherBytes: 4 * bytes.length + 10 + 7 })
  })

  it('joins its archive when that is known: a second copy, not a second archive', async () => {
    const key = await storedKey()
    const object = world.models[0]!.objects().find((each) => each.key === key)!
    await addServer()
    world.models[1]!.seed(key, world.models[0]!.bytesOf(key), object.metadata)

    await reconciled()

    const [archive, ...more] = await world.withCatalog((catalog) => catalog.archives())
    expect(more).toEqual([])
    expect(archive?.copies.map(({ state }) => state)).toEqual(['stored', 'stored'])
  })
})

describe('open uploads', () => {
  it('of nobody are told and left alone', async () => {
    await world.run()
    const storage = await openStorage()
    await storage.begin({ key: 'host/2026/01/01/docs-x.tar.zst', token: 'x' }, never)
    await storage.begin({ key: 'other/2026/01/01/docs-x.tar.zst', token: 'x' }, never)
    storage.close()

    const { exit, plan } = await reconciled()

    expect([exit, findingsOf(plan)]).toMatchObject([
      3,
      [{ what: 'open upload', action: 'left alone', key: 'host/2026/01/01/docs-x.tar.zst' }],
    ])
    expect(world.models[0]!.uploads()).toHaveLength(2)
  })

  it('that a failed row names by its key alone are aborted: Create was begun, and its answer lost', async () => {
    const key = await storedKey()
    const storage = await openStorage()
    const open = await storage.begin({ key: `${key}-lost`, token: 'lost' }, never)
    storage.close()
    await runSql(
      catalogPath(),
      `insert into s3_archives (archive_id, server_id, state, key, token)
       select archive_id, server_id, 'failed', '${open.key}', 'lost' from s3_archives limit 1`,
    )

    const { exit, plan } = await reconciled()

    expect([exit, findingsOf(plan)]).toMatchObject([0, [{ what: 'open upload', step: 'abort' }]])
    expect(world.models[0]!.uploads()).toEqual([])
    expect(findingsOf((await reconciled()).plan)).toEqual([])
  })

  it('that a failed row names are aborted', async () => {
    const key = await storedKey()
    const storage = await openStorage()
    const open = await storage.begin({ key: `${key}-late`, token: 'late' }, never)
    storage.close()
    await runSql(
      catalogPath(),
      `insert into s3_archives (archive_id, server_id, state, key, token, upload_id)
       select archive_id, server_id, 'failed', '${open.key}', 'late', '${open.uploadId}'
       from s3_archives limit 1`,
    )

    const { plan } = await reconciled()

    expect(findingsOf(plan)).toMatchObject([{ what: 'open upload', step: 'abort' }])
    expect(world.models[0]!.uploads()).toEqual([])
  })
})

it('a dry run looks, and changes neither catalog nor servers', async () => {
  const key = await storedKey()
  await removeObject(key)
  const before = await world.withCatalog((catalog) => catalog.archives())
  const changes = () => world.models[0]!.count('Delete') + world.models[0]!.count('Abort')
  const changesBefore = changes()
  const { exit, plan, isApplied } = await reconciled({ isDryRun: true })
  expect([exit, isApplied, findingsOf(plan).length]).toEqual([36, false, 1])
  expect(await world.withCatalog((catalog) => catalog.archives())).toEqual(before)
  expect(changes()).toBe(changesBefore)
})

it('copies of the catalog are adopted and dropped like the truth', async () => {
  await world.run()
  await forgetCatalog()
  await nextSecond()
  await world.run()
  const [first] = world.models[0]!.objects().filter(({ key }) => key.includes('catalog-'))
  expect(await world.audit()).not.toEqual([])
  await reconciled({ isAdopting: true })
  expect(await world.audit()).toEqual([])
  await removeObject(first!.key)
  const { plan } = await reconciled()
  expect(findingsOf(plan)).toMatchObject([{ step: 'drop-snapshot', key: first!.key }])
  expect(await world.audit()).toEqual([])
})

it('a copy of the catalog from a time to come is never adopted', async () => {
  await world.run()
  const model = world.models[0]!
  const own = model.objects().find(({ key }) => key.startsWith('spillway-catalog/'))!
  const planted = 'spillway-catalog/host/catalog-99991231-235959.db.zst'
  model.seed(planted, model.bytesOf(own.key), own.metadata)

  const { exit, plan } = await reconciled({ isAdopting: true })

  expect([exit, findingsOf(plan)]).toMatchObject([
    3,
    [{ key: planted, step: 'nothing', detail: 'it is named after a time to come' }],
  ])
  expect(await world.run()).toMatchObject({ exit: 0, warnings: [] })
})

it('what verify noted at the same moment, without the lock, is no bug of reconcile', async () => {
  const key = await storedKey()
  const copyId = (await world.withCatalog((catalog) => catalog.archives()))[0]!.copies[0]!.id
  const bytes = world.models[0]!.bytesOf(key)
  const { metadata } = world.models[0]!.objects().find((object) => object.key === key)!
  await removeObject(key)
  await overtaken('mark-missing', (catalog) => catalog.markMissing(copyId, 'verify was first'))
  expect(await states()).toEqual(['missing'])

  await aDayPasses()
  await overtaken('settle-missing', async (catalog) => {
    world.models[0]!.seed(key, bytes, metadata)
    await catalog.markFound(copyId)
  })
  expect(await states()).toEqual(['stored'])
  await reconciled()
  expect(await world.audit()).toEqual([])
})

it('a directory is reconciled like a bucket', async () => {
  const disk = join(world.folder, 'disk')
  mkdirSync(disk)
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  world.env['S3_SERVER_2_ENDPOINT'] = `file://${disk}`
  const { archives: made } = await world.run()
  expect((await reconciled()).exit).toBe(0)
  const path = join(disk, made[0]!.key)
  expect(existsSync(path)).toBe(true)
  rmSync(path)
  const { plan } = await reconciled()
  expect(findingsOf(plan)).toMatchObject([{ step: 'mark-missing' }])
})

const never = new AbortController().signal

async function reconciled({ isAdopting = false, isDryRun = false } = {}): Promise<Reconciled> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  try {
    return await services.withRun(
      () => {},
      (running) => reconcile(running, { isAdopting, isDryRun, onPlan: () => {} }, never),
    )
  } finally {
    await services.close()
  }
}

/** Something else changes the catalog after the plan was made, and before it is applied. */
async function overtaken(step: string, change: (catalog: Catalog) => Promise<void>): Promise<void> {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const asked = { isAdopting: false, refused: new Map<string, string>() }
  try {
    await services.withRun(
      () => {},
      async (running) => {
        const plan = await planReconcile(running, asked, never)
        expect(findingsOf(plan)).toMatchObject([{ step }])
        await change(running.catalog)
        expect(await applyPlan(running, plan, never)).toEqual([])
      },
    )
  } finally {
    await services.close()
  }
}

function findingsOf(plan: Reconciled['plan']) {
  return planJson(plan).servers.flatMap(({ findings }) => findings)
}

async function storedKey(): Promise<string> {
  const { archives: made } = await world.run()
  return made[0]!.key
}

function keys(): string[] {
  return world.models[0]!.objects()
    .map(({ key }) => key)
    .filter((key) => key.startsWith('host/'))
}

/** As another program would. */
async function removeObject(key: string): Promise<void> {
  const storage = await openStorage()
  await storage.remove(key, undefined, never)
  storage.close()
}

async function addServer(): Promise<void> {
  const { startS3Model } = await import('../support/s3-model.ts')
  const model = await startS3Model({ buckets: ['backups'] })
  world.models.push(model)
  world.configure(2, model.endpoint, model)
}

async function behindProxy() {
  const proxy = await startFaultProxy({ target: world.models[0]!.endpoint })
  // The same server by its identity: the catalog knows it under this port.
  const rows = await world.withCatalog((catalog) => catalog.servers())
  const host = `127.0.0.1:${proxy.port}`
  await runSql(
    catalogPath(),
    `update s3_servers set identity = replace(identity, '127.0.0.1:${world.models[0]!.port}', '${host}')`,
  )
  expect(rows).toHaveLength(1)
  world.env['S3_SERVER_1_ENDPOINT'] = proxy.endpoint
  return proxy
}

function catalogPath(): string {
  return join(world.folder, 'data/catalog.db')
}

async function aDayPasses(): Promise<void> {
  const past = new Date(Date.now() - 25 * 3_600_000).toISOString()
  await runSql(catalogPath(), `update missing_copies set seen_at = '${past}'`)
}

/** Names are made of seconds, and a catalog that was lost does not know which are taken. */
async function nextSecond(): Promise<void> {
  await sleep(1_000 - (Date.now() % 1_000))
}

async function forgetCatalog(): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) rmSync(catalogPath() + suffix, { force: true })
}

async function states() {
  const all = await world.withCatalog((catalog) => catalog.archives())
  return all.flatMap(({ copies }) => copies.map(({ state }) => state))
}

async function archives() {
  const all = await world.withCatalog((catalog) => catalog.archives())
  return all.map(({ copies, ...archive }) => ({
    ...archive,
    copies: copies.map(({ key, token, sizeBytes, etag, versionId, state }) => ({
      ...{ key, token, sizeBytes, etag, versionId, state },
    })),
  }))
}

async function ledger() {
  const [row] = await world.withCatalog((catalog) => catalog.servers())
  const { usedBytes, reservedBytes, catalogBytes, otherBytes } = row!
  return { usedBytes, reservedBytes, catalogBytes, otherBytes }
}

async function openStorage() {
  const services = await openServices({ configFile: await world.writeEnv() }, QUICK)
  const storage = (await services.openStorage())(services.config.servers[0]!, true)
  await services.close()
  return storage
}
