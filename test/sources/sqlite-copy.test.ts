// Consistent copies of SQLite databases: with a writer, after a crash, for a user who may only read, and
// never a trace beside the original.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copySqlite } from '../../src/sources/sqlite-copy.ts'
import { makeAccounts, SqliteWriter, SUM, sumOf } from '../support/sqlite-writer.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/sqlite-program.js')

let folder: string
let data: string
let spool: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-sqlite-'))
  data = join(folder, 'data')
  spool = join(folder, 'spool')
  for (const each of [data, spool]) mkdirSync(each)
  path = join(data, 'app.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const copied = async (from = path, busyMs = 60_000) => {
  const { path: copy, unchecked } = await copySqlite({ path: from, folder: spool, busyMs })
  if (copy === undefined) throw new Error('no copy')
  // The file alone is the database: nothing of it may be left in a log.
  const alone = join(folder, 'alone.db')
  copyFileSync(copy, alone)
  return { copy, alone, unchecked }
}

/** What a restart finds: the files of a moment at which a writer was killed. */
async function crash(journalMode: 'wal' | 'delete'): Promise<void> {
  makeAccounts(path, journalMode)
  const writer = await SqliteWriter.start(path)
  await writer.kill()
}

describe.each(['wal', 'delete'] as const)('with journal_mode=%s', (journalMode) => {
  it('copies one moment while a writer goes on without a pause', async () => {
    makeAccounts(path, journalMode, 5_000)
    const writer = await SqliteWriter.start(path)
    try {
      for (let turn = 0; turn < 3; turn += 1) {
        const before = writer.written
        const { alone } = await copied()
        expect(sumOf(alone)).toBe(SUM)
        await expect.poll(() => writer.written, { timeout: 10_000 }).toBeGreaterThan(before)
      }
    } finally {
      await writer.kill()
    }
  })

  it('copies what a killed writer has left, and leaves it as it is', async () => {
    await crash(journalMode)
    const before = filesOf(data)
    const { alone } = await copied()
    expect(sumOf(alone)).toBe(SUM)
    expect(filesOf(data)).toEqual(before)
  })

  it('makes nothing beside a database at rest', async () => {
    makeAccounts(path, journalMode)
    const before = filesOf(data)
    const { alone } = await copied()
    expect(sumOf(alone)).toBe(SUM)
    expect(filesOf(data)).toEqual(before)
  })

  it.skipIf(process.getuid?.() !== 0)('copies for a user who may only read', async () => {
    await crash(journalMode)
    const before = filesOf(data)
    const ended = asNobody(path)
    expect(ended.stderr.toString()).toBe('')
    expect(ended.status).toBe(0)
    const copy = join(folder, 'streamed.db')
    writeFileSync(copy, ended.stdout)
    expect(sumOf(copy)).toBe(SUM)
    expect(filesOf(data)).toEqual(before)
  })
})

it('rolls a hot journal back in the copy, not beside the original', async () => {
  makeAccounts(path, 'delete')
  // A transaction larger than its cache writes the file before it commits: what is killed then is hot.
  const script = `
    import Database from 'better-sqlite3'
    const database = new Database(process.argv[1])
    database.pragma('cache_size=5')
    database.exec('begin; update a set amount = amount + 1, filling = randomblob(3000)')
    process.kill(process.pid, 'SIGKILL')`
  spawnSync(process.execPath, ['--input-type=module', '-e', script, path], {
    cwd: import.meta.dirname,
  })
  expect(statSync(`${path}-journal`).size).toBeGreaterThan(100_000)
  const before = filesOf(data)
  const { alone } = await copied()
  expect(sumOf(alone)).toBe(SUM)
  expect(filesOf(data)).toEqual(before)
})

it('takes what stands in the log of a database that is open and quiet', async () => {
  const database = new Database(path)
  database.pragma('journal_mode=wal')
  database.exec('create table t (a); insert into t values (1), (2)')
  try {
    const { alone } = await copied()
    expect(rowsOf(alone)).toBe(2)
  } finally {
    database.close()
  }
})

it('finds the log through a link', async () => {
  await crash('wal')
  const link = join(folder, 'link.db')
  symlinkSync(path, link)
  expect(sumOf((await copied(link)).alone)).toBe(SUM)
})

it('keeps the copy to its owner', async () => {
  makeAccounts(path, 'wal')
  chmodSync(path, 0o444)
  const { copy } = await copied()
  expect(statSync(copy).mode & 0o777).toBe(0o600)
})

it('waits for a lock no longer than it was told, and names it', async () => {
  makeAccounts(path, 'delete', 10)
  const database = new Database(path)
  database.exec('begin exclusive')
  try {
    await expect(copied(path, 200)).rejects.toMatchObject({
      code: 'SOURCE_DATABASE_FAILED',
      message: `${path} was locked by another program for 0.2 seconds`,
    })
  } finally {
    database.close()
  }
})

it('says no to a damaged page, and names the file', async () => {
  makeAccounts(path, 'delete')
  overwrite(path, 4096 * 20, Buffer.alloc(4096, 0xff))
  await expect(copied()).rejects.toMatchObject({
    code: 'SOURCE_DATABASE_FAILED',
    message: expect.stringMatching(`^${path} is damaged: .*malformed`) as string,
  })
})

it('says no to an index that lacks a row, which only a whole check can see', async () => {
  const database = new Database(path)
  database.exec(`create table t (a int, b int);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
      insert into t select i, i from n;
    create index by_a on t (a)`)
  // The row goes from the table alone: the schema no longer knows the index for a moment.
  database.unsafeMode(true)
  const root = database.prepare("select * from sqlite_schema where name = 'by_a'").get()
  database.pragma('writable_schema=on')
  database.exec("delete from sqlite_schema where name = 'by_a'")
  database.pragma('schema_version=100')
  database.close()
  const without = new Database(path)
  without.unsafeMode(true)
  without.exec('delete from t where a = 500')
  without.pragma('writable_schema=on')
  without
    .prepare('insert into sqlite_schema values (:type, :name, :tbl_name, :rootpage, :sql)')
    .run(root)
  without.pragma('schema_version=200')
  without.close()
  await expect(copied()).rejects.toMatchObject({
    message: expect.stringMatching('is damaged: .*by_a') as string,
  })
})

it('says no to a file that was cut', async () => {
  makeAccounts(path, 'delete')
  truncateSync(path, 4096 * 100 + 100)
  await expect(copied()).rejects.toMatchObject({
    message: expect.stringMatching('is damaged') as string,
  })
})

it('says no to what is no database', async () => {
  writeFileSync(path, 'something else altogether, and longer than a header')
  await expect(copied()).rejects.toMatchObject({
    message: `${path} is no SQLite database: it does not begin like one`,
  })
})

it('says no to a folder and to what is not there', async () => {
  await expect(copied(data)).rejects.toMatchObject({
    message: `${data} is no file, so it is no SQLite database`,
  })
  await expect(copied(`${path}x`)).rejects.toMatchObject({ message: `${path}x is not there` })
})

it('has no copy of an empty file', async () => {
  writeFileSync(path, '')
  expect(await copySqlite({ path, folder: spool, busyMs: 1 })).toEqual({
    path: undefined,
    unchecked: undefined,
  })
})

it('copies what sorts by a program of its own, and says what was not checked', async () => {
  const database = new Database(path)
  database.function('is_fine', { deterministic: true }, (a) => (a === null ? 0 : 1))
  database.exec('create table t (a int check (is_fine(a))); insert into t values (1), (2)')
  database.close()
  const { alone, unchecked } = await copied()
  expect(rowsOf(alone)).toBe(2)
  expect(unchecked).toMatch(/app\.db was copied, but not checked whole: .*is_fine/)
})

it.skipIf(process.getuid?.() !== 0)(
  'makes no file of its own where an application would then be locked out',
  async () => {
    makeAccounts(path, 'wal')
    // A folder that everybody may write.
    chmodSync(data, 0o777)
    chmodSync(path, 0o644)
    const ended = asNobody(path)
    expect(ended.status).toBe(0)
    expect(readdirSync(data)).toEqual(['app.db'])
  },
)

it.skipIf(process.getuid?.() !== 0)('says who may not read', () => {
  makeAccounts(path, 'wal')
  chmodSync(path, 0o600)
  const ended = asNobody(path)
  expect(ended.status).toBe(64)
  expect(ended.stderr.toString()).toBe(`${path} may not be read by this user\n`)
})

it('says before it begins that there is no room for the copy', async () => {
  makeAccounts(path, 'delete', 10)
  // Sparse: eight terabytes by its size.
  truncateSync(path, 2 ** 43)
  await expect(copied()).rejects.toMatchObject({
    message: expect.stringMatching(/^the copy of .* needs 8\.\d+ T/) as string,
  })
  expect(existsSync(join(spool, 'copy.db'))).toBe(false)
})

/** The program that a source runs, as a user who owns nothing here. */
function asNobody(file: string): ReturnType<typeof spawnSync> & { stdout: Buffer; stderr: Buffer } {
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' })),
  ) as [number, number]
  chmodSync(folder, 0o755)
  const own = join(folder, 'own')
  mkdirSync(own)
  chownSync(own, uid, gid)
  for (const name of readdirSync(data)) utimesSync(join(data, name), 1_000_000_000, 1_000_000_000)
  return spawnSync(process.execPath, [PROGRAM, 'copy', file, own, '1000'], {
    ...{ uid, gid, maxBuffer: 2 ** 28 },
  })
}

/** Names, owners and content; not -shm, whose locks and marks are written by whoever reads. */
function filesOf(place: string): string[] {
  return readdirSync(place).map((name) => {
    const { uid, mode, size } = statSync(join(place, name))
    const content = name.endsWith('-shm') ? '' : readFileSync(join(place, name)).toString('base64')
    return [name, uid, mode, size, content].join(' ')
  })
}

function rowsOf(file: string): number {
  const database = new Database(file, { readonly: true })
  try {
    return database.prepare('select count(*) from t').pluck().get() as number
  } finally {
    database.close()
  }
}

function overwrite(file: string, position: number, bytes: Buffer): void {
  const fd = openSync(file, 'r+')
  writeSync(fd, bytes, 0, bytes.length, position)
  closeSync(fd)
}
