// SQLite as a source, from the settings to a database that was extracted from its archive: the real program,
// a local server, and GNU tar.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { RunReport } from '../../src/domain/run-report.ts'
import { spillway } from '../support/command-sources.ts'
import { makeAccounts, SqliteWriter, SUM, sumOf } from '../support/sqlite-writer.ts'
import { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
let disk: string
let path: string
beforeEach(async () => {
  world = await World.make([])
  disk = join(world.folder, 'disk')
  path = join(world.source, 'app.db')
  mkdirSync(disk)
  delete world.env['SOURCE_1_PATH']
  Object.assign(world.env, {
    S3_SERVER_1_ENDPOINT: `file://${disk}`,
    SOURCE_1_NAME: 'app',
    SOURCE_1_SQLITE: path,
  })
})
afterEach(() => world.close())

async function run(): Promise<RunReport> {
  const { out } = await spillway(['run', '--json', '--config', await world.writeEnv()])
  return JSON.parse(out.toString()) as RunReport
}

/** The archive of a run, by GNU tar. */
function extract(report: RunReport): string {
  const to = join(world.folder, 'extracted')
  mkdirSync(to)
  execFileSync('tar', ['--zstd', '-xpf', join(disk, report.archives[0]!.key), '-C', to])
  return to
}

const spooled = (): string[] => {
  const spool = join(world.folder, 'data', 'spool')
  return existsSync(spool) ? readdirSync(spool).filter((name) => name !== '.spillway-spool') : []
}

it('archives a database that is written all the time, with its time and a list', async () => {
  makeAccounts(path, 'wal')
  const writer = await SqliteWriter.start(path)
  let report
  try {
    report = await run()
  } finally {
    await writer.kill()
  }
  expect(report).toMatchObject({ outcome: 'ok', exit: 0, archives: [{ fileCount: 3 }] })
  const to = extract(report)
  expect(readdirSync(to)).toEqual(['databases', 'spillway-database.json'])
  expect(readdirSync(join(to, 'databases'))).toEqual(['app.db'])
  expect(sumOf(join(to, 'databases', 'app.db'))).toBe(SUM)
  expect(statSync(join(to, 'databases', 'app.db')).mode & 0o777).toBe(0o600)
  expect(JSON.parse(readFileSync(join(to, 'spillway-database.json'), 'utf8'))).toMatchObject({
    kind: 'sqlite',
    server: { version: expect.stringMatching(/^3\.\d+\.\d+$/) as string },
    databases: [{ name: path, file: 'databases/app.db' }],
  })
  expect(spooled()).toEqual([])
  // Spillway itself is stricter than tar: everything must lie in a folder that the archive has.
  const back = join(world.folder, 'back')
  const config = ['--config', await world.writeEnv()]
  expect((await spillway(['restore', 'latest:app', '--to', back, ...config])).exit).toBe(0)
  expect(sumOf(join(back, 'databases', 'app.db'))).toBe(SUM)
})

it.each([
  [
    'in two folders',
    ['a/zz.db', 'z/aa.db'],
    (folder: string) => `${folder}/a/zz.db,${folder}/z/aa.db`,
  ],
  ['by a pattern', ['a~x.db', 'aax.db'], (folder: string) => `${folder}/*.db`],
])('archives several %s in the order that members have', async (_how, names, setting) => {
  const folder = join(world.folder, 'several')
  for (const name of names) {
    mkdirSync(join(folder, dirname(name)), { recursive: true })
    makeAccounts(join(folder, name), 'delete', 10)
  }
  world.env['SOURCE_1_SQLITE'] = setting(folder)
  const report = await run()
  expect(report).toMatchObject({ outcome: 'ok', archives: [{ fileCount: 4 }] })
  const files = readdirSync(join(extract(report), 'databases'))
  expect(files).toHaveLength(2)
})

it('archives one that sorts as only its own program can, and says that it was not checked whole', async () => {
  makeAccounts(path, 'delete', 10)
  const database = new Database(path)
  database.unsafeMode(true)
  database.exec('create table notes (x text collate nocase primary key)')
  database.exec("insert into notes values ('one'), ('two')")
  database.pragma('writable_schema = on')
  database.exec("update sqlite_master set sql = replace(sql, 'nocase', 'weird')")
  database.close()
  const report = await run()
  expect(report).toMatchObject({ exit: 3, archives: [{ state: 'stored' }] })
  expect(report.archives[0]!.warnings[0]!.reason).toMatch(/not checked whole.*weird/)
  expect(sumOf(join(extract(report), 'databases', 'app.db'))).toBe(sumOf(path))
})

it('gives the file in the archive the time of the last change', async () => {
  makeAccounts(path, 'delete', 10)
  const { mtimeMs } = statSync(path)
  expect(statSync(join(extract(await run()), 'databases/app.db')).mtimeMs).toBeCloseTo(mtimeMs, -1)
})

it('archives several files, and tells two of one name apart', async () => {
  for (const folder of ['a', 'b']) {
    mkdirSync(join(world.source, folder))
    makeAccounts(join(world.source, folder, 'x.db'), 'wal', 10)
  }
  makeAccounts(path, 'wal', 10)
  writeFileSync(join(world.source, 'notes.txt'), 'no database')
  world.env['SOURCE_1_SQLITE'] =
    `${world.source}/*.db,${world.source}/a/x.db,${world.source}/b/x.d?`
  const config = ['--config', await world.writeEnv()]
  const plan = await spillway(['run', '--dry-run', '--json', ...config])
  expect(JSON.parse(plan.out.toString())).toMatchObject({
    archives: [{ memberCount: 5, parts: [{ name: path }, {}, {}] }],
  })
  const to = extract(await run())
  const escaped = (folder: string) =>
    `${join(world.source, folder, 'x.db').slice(1).replaceAll('/', '%2F')}`
  expect(readdirSync(join(to, 'databases')).sort()).toEqual(
    ['app.db', escaped('a'), escaped('b')].sort(),
  )
})

it('stores nothing of a damaged database, and names it', async () => {
  makeAccounts(path, 'delete')
  const bytes = readFileSync(path)
  bytes.fill(0xff, 4096 * 20, 4096 * 21)
  writeFileSync(path, bytes)
  const report = await run()
  expect(report).toMatchObject({
    outcome: 'failed',
    sources: [{ code: 'SOURCE_DATABASE_FAILED' }],
  })
  expect(report.sources[0]!.message).toContain(`${path} is damaged`)
  expect(report.archives.filter(({ state }) => state !== 'failed')).toEqual([])
  expect(spooled()).toEqual([])
})

it('warns of what could not be checked', async () => {
  const database = new Database(path)
  database.function('is_fine', { deterministic: true }, (a) => (a === null ? 0 : 1))
  database.exec('create table t (a int check (is_fine(a))); insert into t values (1), (2)')
  database.close()
  const report = await run()
  expect(report).toMatchObject({ outcome: 'warnings', exit: 3 })
  expect(report.archives[0]!.warnings[0]!.reason).toMatch(/not checked whole: .*is_fine/)
})

it('an empty file is no archive, unless that is meant', async () => {
  writeFileSync(path, '')
  expect(await run()).toMatchObject({ sources: [{ code: 'SOURCE_EMPTY' }] })
  world.env['SOURCE_1_ALLOW_EMPTY'] = 'true'
  expect(await run()).toMatchObject({ outcome: 'ok' })
})

it('a pattern that matches nothing is a failure', async () => {
  world.env['SOURCE_1_SQLITE'] = `${world.source}/*.sqlite`
  expect(await run()).toMatchObject({ sources: [{ code: 'SOURCE_EMPTY' }] })
})

it('can archive our own catalog while it is in use', async () => {
  makeAccounts(path, 'delete', 10)
  expect(await run()).toMatchObject({ exit: 0 })
  world.env['SOURCE_1_SQLITE'] = join(world.folder, 'data', 'catalog.db')
  expect(await run()).toMatchObject({ exit: 0 })
  expect(await world.audit()).toEqual([])
})

it('a run that is killed leaves a copy in the spool, and the next one removes it', async () => {
  makeAccounts(path, 'wal', 20_000)
  const child = spawn(process.execPath, [PROGRAM, 'run', '--config', await world.writeEnv()], {
    stdio: 'ignore',
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  const copies = (): string[] =>
    spooled().flatMap((name) =>
      name.startsWith('.spillway-secrets-')
        ? readdirSync(join(world.folder, 'data', 'spool', name)).filter(
            (each) => each === 'copy.db',
          )
        : [],
    )
  await expect.poll(copies, { timeout: 20_000, interval: 1 }).toEqual(['copy.db'])
  child.kill('SIGKILL')
  await ended
  expect(spooled().filter((name) => name.startsWith('.spillway-secrets-'))).toHaveLength(1)
  expect(await run()).toMatchObject({ exit: 0 })
  expect(spooled()).toEqual([])
})

it.each([
  ['/srv/*/app.db', 'may have * and ? in the name of the file only'],
  ['/srv/app.db-wal', 'names a part of a database'],
])('refuses SOURCE_1_SQLITE=%s', async (value, reason) => {
  world.env['SOURCE_1_SQLITE'] = value
  const { exit, err } = await spillway(['run', '--config', await world.writeEnv()])
  expect(exit).toBe(4)
  expect(err).toContain(reason)
})
