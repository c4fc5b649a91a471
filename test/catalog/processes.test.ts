// Real processes on one catalog: they race, and they are killed.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { child, race, randomFrom, ready, reserved, server, temporaryFolder } from './fixtures.ts'

const near = server(1)

it('gives the last bytes of a limit to as many of 8 processes as fit, and not to one more [F72a]', async () => {
  const path = await catalogWithServer()
  const script = `
    const catalog = await openCatalog({ path: args[0], host: 'alpha' })
    const archives = []
    for (let count = 0; count < 5; count += 1)
      archives.push(await catalog.beginArchive({
        id: newArchiveId(Date.now()), source: 'home', sourceKind: 'folder',
        startedAt: new Date(), spoolDir: '/spool' }))
    console.log('waits')
    await go
    let won = 0
    for (const { id, key } of archives)
      if (await catalog.reserve({ archiveId: id, identity: args[1], key, token: id,
        bytes: 70, limitBytes: 980 }) !== undefined) won += 1
    await catalog.close()
    console.log('won ' + won)
  `
  const children = Array.from({ length: 8 }, () => child(script, path, near.identity))
  await Promise.all(children.map(({ prints }) => prints('waits')))

  const outputs = await race(children)

  // All 40 together asked for 2 800 bytes; 14 times 70 are 980, to the byte.
  const won = outputs.map((output) => Number(/won (\d+)/.exec(output)?.[1]))
  expect(won.reduce((sum, one) => sum + one, 0)).toBe(14)
  const catalog = await openCatalog({ path, host: 'alpha' })
  expect(await catalog.servers()).toMatchObject([{ reservedBytes: 980, usedBytes: 0 }])
  await catalog.check()
  await catalog.close()
})

// A transaction that reads before it writes fails at once under Kysely's deferred BEGIN, whatever
// the time limit, when another process wrote in between.
it('lets processes that read and then write wait for each other [F76]', async () => {
  const path = await catalogWithServer()
  const script = `
    const catalog = await openCatalog({ path: args[0], host: 'alpha' })
    const { id, key } = await catalog.beginArchive({
      id: newArchiveId(Date.now()), source: 'home', sourceKind: 'folder',
      startedAt: new Date(), spoolDir: '/spool' })
    const copyId = await catalog.reserve({ archiveId: id, identity: args[1], key, token: id,
      bytes: 1, limitBytes: 1000 })
    console.log('waits')
    await go
    for (let round = 1; round <= 100; round += 1)
      await catalog.resizeReservation(copyId, round, 1000)
    await catalog.close()
    console.log('done')
  `
  const children = Array.from({ length: 4 }, () => child(script, path, near.identity))
  await Promise.all(children.map(({ prints }) => prints('waits')))

  const outputs = await race(children)

  expect(outputs).toEqual(children.map(() => 'waits\ndone'))
  const catalog = await openCatalog({ path, host: 'alpha' })
  expect(await catalog.servers()).toMatchObject([{ reservedBytes: 400 }])
  await catalog.check()
  await catalog.close()
})

it('makes one catalog when 5 processes need a new one at once', async () => {
  const folder = join(temporaryFolder(), 'data')
  const path = join(folder, 'catalog.db')
  const script = `
    await go
    const catalog = await openCatalog({ path: args[0], host: 'alpha' })
    const archive = await catalog.beginArchive({ id: newArchiveId(Date.now()), source: 'home',
      sourceKind: 'folder', startedAt: new Date(0), spoolDir: '/spool' })
    await catalog.close()
    console.log(archive.file)
  `

  const files = await race(Array.from({ length: 5 }, () => child(script, path)))

  expect(new Set(files).size).toBe(5)
  const catalog = await openCatalog({ path, host: 'alpha' })
  expect((await catalog.archives()).map(({ file }) => file).sort()).toEqual(files.sort())
  await catalog.close()
  expect(readdirSync(folder)).toEqual(['catalog.db'])
})

// The child says what it has been promised ("is on disk when it resolves"), and dies at a random moment.
it('is whole, and has all that it promised, after kill -9 at any moment', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const random = randomFrom(seed)
  const path = await catalogWithServer()
  const script = `
    const catalog = await openCatalog({ path: args[0], host: 'alpha' })
    for (let round = 0; ; round += 1) {
      const { id, key } = await catalog.beginArchive({
        id: newArchiveId(Date.now()), source: 'home', sourceKind: 'folder',
        startedAt: new Date(0), spoolDir: '/spool' })
      const copyId = await catalog.reserve({ archiveId: id, identity: args[1], key, token: id,
        bytes: 10, limitBytes: 1e9 })
      await catalog.resizeReservation(copyId, 7, 1e9)
      if (round % 3 === 0) await catalog.markCopyFailed(copyId, 'no')
      else await catalog.markStored(copyId, { sizeBytes: 7, etag: 'e', versionId: undefined, at: new Date() })
      console.log('settled ' + copyId + ' ' + (round % 3 === 0 ? 'failed' : 'stored'))
    }
  `
  for (let round = 0; round < 12; round += 1) {
    const victim = child(script, path, near.identity)
    await victim.prints('settled')
    setTimeout(() => victim.process.kill('SIGKILL'), random() * 40)
    const promised = [...(await victim.output).matchAll(/settled (\d+) (\w+)\n/g)]

    const catalog = await openCatalog({ path, host: 'alpha' })
    await expect(catalog.check(), `seed ${seed}, round ${round}`).resolves.toBeUndefined()
    const copies = (await catalog.archives()).flatMap((archive) => archive.copies)
    const states = new Map(copies.map(({ id, state }) => [id, state]))
    expect(promised.length).toBeGreaterThan(0)
    for (const [, id, state] of promised) expect(states.get(Number(id))).toBe(state)
    // What was under way is found again, and can be settled.
    for (const { id } of await catalog.unsettledCopies()) await catalog.markCopyFailed(id, 'died')
    for (const { id } of await catalog.interruptedArchives())
      await catalog.markArchiveFailed(id, 'died', new Date())
    expect(await catalog.servers()).toMatchObject([{ reservedBytes: 0 }])
    await catalog.close()
  }
}, 120_000)

// Each stands for a moment: before anything, in the middle, and when all but the name is there.
it.each(['mkdtempSync', 'linkSync', 'rmSync'])(
  'begins again when it was killed while it made the catalog, at its %s',
  async (call) => {
    const path = join(temporaryFolder(), 'catalog.db')
    const victim = child(
      `
      const fs = (await import('node:fs')).default
      fs[args[1]] = () => process.kill(process.pid, 'SIGKILL')
      ;(await import('node:module')).syncBuiltinESMExports()
      await (await openCatalog({ path: args[0], host: 'alpha' })).close()
      console.log('survived')
    `,
      path,
      call,
    )
    expect(await victim.output).toBe('loaded\n')
    expect(victim.process.signalCode).toBe('SIGKILL')
    expect(existsSync(path)).toBe(false)

    const catalog = await openCatalog({ path, host: 'alpha' })
    await catalog.check()
    await catalog.close()
  },
)

it('does not stop timers while another process holds the catalog [F76]', async () => {
  const path = await catalogWithServer()
  const holder = child(
    `
    const { createRequire } = await import('node:module')
    const Database = createRequire(args[1])('better-sqlite3')
    const db = new Database(args[0])
    db.exec('begin immediate')
    console.log('holds')
    await go
    db.exec('rollback')
    db.close()
  `,
    path,
    import.meta.filename,
  )
  await holder.prints('holds')
  const catalog = await openCatalog({ path, host: 'alpha' })

  const archive = ready(catalog)
  // A dozen turns of the event loop go by while the call waits.
  for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setTimeout(resolve, 5))
  holder.start()

  await reserved(catalog, await archive, near)
  await holder.output
  await catalog.close()
})

it('says who is to blame when another program holds the catalog for too long [F76]', async () => {
  const path = await catalogWithServer()
  const holder = child(
    `
    const { createRequire } = await import('node:module')
    const Database = createRequire(args[1])('better-sqlite3')
    const db = new Database(args[0])
    db.exec('begin immediate')
    console.log('holds')
    await go
  `,
    path,
    import.meta.filename,
  )
  await holder.prints('holds')
  const catalog = await openCatalog({ path, host: 'alpha', busyTimeoutMs: 100 })

  await expect(ready(catalog)).rejects.toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    message: `the catalog ${path} is held by another program: database is locked (SQLITE_BUSY)`,
    facts: { path, code: 'SQLITE_BUSY' },
  })

  // Reading goes on, and writing works again once the other one has ended.
  expect((await catalog.servers()).length).toBe(1)
  holder.start()
  await holder.output
  await ready(catalog)
  await catalog.close()
})

it('has no open file of a catalog left after close', async () => {
  const path = await catalogWithServer()
  const catalog = await openCatalog({ path, host: 'alpha' })
  await ready(catalog)
  await catalog.close()
  await catalog.close()

  const open = spawnSync('ls', ['-l', `/proc/${process.pid}/fd`], { encoding: 'utf8' }).stdout
  expect(open).not.toContain(path)
})

async function catalogWithServer(): Promise<string> {
  const path = join(temporaryFolder(), 'catalog.db')
  const catalog = await openCatalog({ path, host: 'alpha' })
  await catalog.registerServers([near])
  await catalog.close()
  return path
}
