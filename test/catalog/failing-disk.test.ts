// The disk says no while the catalog is open: the call fails and says why, nothing is half done, and
// when the disk is well again so is the catalog.

import { renameSync, rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { Kysely } from 'kysely'
import { expect, it, onTestFinished } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { createKyselyCatalog } from '../../src/catalog/kysely-catalog.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { PatientSqliteDialect } from '../../src/catalog/sqlite-dialect.ts'
import { fromSqlite } from '../../src/catalog/sqlite-errors.ts'
import type { Tables } from '../../src/catalog/tables.ts'
import { begin, ready, reserved, server, temporaryFolder } from './fixtures.ts'

const near = server(1, { limitBytes: 1e9 })

it('says that the disk is full, changes nothing, and goes on when there is room [F09a]', async () => {
  const path = await emptyCatalog()
  const database = new Database(path)
  const catalog = catalogOn(database, path)
  onTestFinished(() => catalog.close())
  database.pragma(`max_page_count = ${Number(database.pragma('page_count', { simple: true })) + 2}`)

  const error: unknown = await fillUp(catalog)

  expect(error).toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    facts: { path, code: 'SQLITE_FULL' },
    message: `no room for the catalog ${path}: database or disk is full (SQLITE_FULL)`,
    cause: { code: 'SQLITE_FULL' },
  })
  await catalog.check()

  database.pragma('max_page_count = 100000')
  await reserved(catalog, await ready(catalog), near)
  await catalog.check()
})

it('says that the disk failed when a write does [F09a]', async () => {
  const path = await emptyCatalog()
  const dist = pathToFileURL(join(import.meta.dirname, '../../dist/modules/src')).href
  const script = `
    const { openCatalog } = await import('${dist}/catalog/open-sqlite.js')
    const { newArchiveId } = await import('${dist}/domain/archive.js')
    const catalog = await openCatalog({ path: process.argv[1], host: 'alpha' })
    try {
      for (;;) await catalog.beginArchive({ id: newArchiveId(0), source: 'x'.repeat(2000),
        sourceKind: 'folder', startedAt: new Date(0), spoolDir: '/' })
    } catch (error) {
      console.log(error.code, error.facts.code)
    }
  `

  // The kernel refuses to let a file grow beyond 400 blocks of 512 bytes.
  const { stdout, stderr } = spawnSync(
    'sh',
    ['-c', `trap '' XFSZ; ulimit -f 400; exec "$@"`, 'sh', process.execPath].concat([
      '--input-type=module',
      '-e',
      script,
      path,
    ]),
    { encoding: 'utf8' },
  )

  expect(stdout + stderr).toBe('CATALOG_UNAVAILABLE SQLITE_IOERR_WRITE\n')
  const catalog = await openCatalog({ path, host: 'alpha' })
  expect((await catalog.interruptedArchives()).length).toBeGreaterThan(0)
  await catalog.check()
  await catalog.close()
})

it.each([
  { what: 'removed', how: (path: string) => rmSync(path), says: 'was removed while it was open' },
  {
    what: 'replaced',
    how: (path: string) => renameSync(`${path}.other`, path),
    says: 'was replaced by another file while it was open',
  },
])('writes nothing more to a file that was $what [F78a]', async ({ how, says }) => {
  const path = await emptyCatalog()
  await (await openCatalog({ path: `${path}.other`, host: 'alpha' })).close()
  const catalog = await openCatalog({ path, host: 'alpha' })
  onTestFinished(() => catalog.close())
  await begin(catalog)

  how(path)

  await expect(begin(catalog)).rejects.toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    message: `the catalog ${path} ${says}`,
  })
  // Of one statement, and so without a transaction of its own.
  const [archive] = await catalog.archives()
  await expect(catalog.setPinned(archive!.id, true)).rejects.toMatchObject({
    message: `the catalog ${path} ${says}`,
  })
})

// Codes that a test cannot bring about for real.
it.each([
  ['SQLITE_BUSY_SNAPSHOT', 'CATALOG_UNAVAILABLE'],
  ['SQLITE_FULL', 'CATALOG_UNAVAILABLE'],
  ['SQLITE_READONLY_DBMOVED', 'CATALOG_UNAVAILABLE'],
  ['SQLITE_CANTOPEN_ISDIR', 'CATALOG_UNAVAILABLE'],
  ['SQLITE_PERM', 'CATALOG_UNAVAILABLE'],
  ['SQLITE_IOERR_FSYNC', 'CATALOG_UNAVAILABLE'],
  ['SQLITE_PROTOCOL', 'CATALOG_UNAVAILABLE'],
  ['SQLITE_CORRUPT_VTAB', 'CATALOG_CORRUPT'],
  ['SQLITE_NOTADB', 'CATALOG_CORRUPT'],
])('translates %s to %s, with the path and what to do', (code, failure) => {
  const cause = Object.assign(new Error('made for this test'), { code })

  const error = fromSqlite(cause, '/data/catalog.db')

  expect(error).toMatchObject({ code: failure, cause, facts: { path: '/data/catalog.db', code } })
  expect((error as Error).message).toMatch(/catalog \/data\/catalog\.db.*made for this test/)
  expect((error as { hint?: string }).hint).toBeTruthy()
})

it.each([
  Object.assign(new Error('UNIQUE constraint failed'), { code: 'SQLITE_CONSTRAINT_UNIQUE' }),
  Object.assign(new Error('no such column'), { code: 'SQLITE_ERROR' }),
  new TypeError('not a function'),
  'text',
])('leaves a bug what it is: %s', (error) => {
  expect(fromSqlite(error, '/data/catalog.db')).toBe(error)
})

async function emptyCatalog(): Promise<string> {
  const path = join(temporaryFolder(), 'catalog.db')
  const catalog = await openCatalog({ path, host: 'alpha' })
  await catalog.registerServers([near])
  await catalog.close()
  return path
}

function catalogOn(handle: Database.Database, path: string): Catalog {
  const options = { handle, path, busyTimeoutMs: 1_000, requireInPlace: () => undefined }
  const db = new Kysely<Tables>({ dialect: new PatientSqliteDialect(options) })
  const close = () => db.destroy()
  return createKyselyCatalog({ db, host: 'alpha', name: path, findDamage: () => [], close })
}

/** The error of the first call that does not fit any more. */
async function fillUp(catalog: Catalog): Promise<unknown> {
  try {
    // Bounded: 10 000 rows are far more than two pages.
    for (let count = 0; count < 10_000; count += 1)
      await reserved(catalog, await begin(catalog, `source-${count}`), near, 1)
  } catch (error) {
    return error
  }
  return undefined
}
