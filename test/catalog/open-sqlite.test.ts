import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, it, onTestFinished } from 'vitest'
import { MIGRATIONS } from '../../src/catalog/migrations.ts'
import type { Migration } from '../../src/catalog/migrations.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { child, race, ready, server, stored, temporaryFolder } from './fixtures.ts'

const near = server(1)

describe('the files of a catalog', () => {
  it('are readable by their owner only, in a folder that is too', async () => {
    const path = join(temporaryFolder(), 'new', 'data', 'catalog.db')
    const catalog = await openCatalog({ path, host: 'alpha' })
    onTestFinished(() => catalog.close())
    await ready(catalog)

    expect(modes(path)).toEqual({ '': 0o600, '-wal': 0o600, '-shm': 0o600 })
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  })

  it('become so when they were not; the mode of a folder that exists is not ours', async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o755)
    const path = join(folder, 'catalog.db')
    await (await openCatalog({ path, host: 'alpha' })).close()
    chmodSync(path, 0o644)

    const catalog = await openCatalog({ path, host: 'alpha' })
    onTestFinished(() => catalog.close())
    await ready(catalog)

    expect(modes(path)).toEqual({ '': 0o600, '-wal': 0o600, '-shm': 0o600 })
    expect(statSync(folder).mode & 0o777).toBe(0o755)
  })

  it('are set up so that a commit is on disk and nothing in a schema is trusted', async () => {
    const path = join(temporaryFolder(), 'catalog.db')
    const script = `
      const { createRequire } = await import('node:module')
      const Database = createRequire(args[1])('better-sqlite3')
      // Every handle that is opened from here on, asked at its end.
      const close = Database.prototype.close
      Database.prototype.close = function () {
        const names = ['journal_mode', 'synchronous', 'foreign_keys', 'trusted_schema', 'busy_timeout']
        console.log(JSON.stringify(names.map((name) => this.pragma(name, { simple: true }))))
        return close.call(this)
      }
      const catalog = await openCatalog({ path: args[0], host: 'alpha' })
      await catalog.close()
    `
    await (await openCatalog({ path, host: 'alpha' })).close()

    const output = await child(script, path, import.meta.filename).output

    // 2 is FULL.
    expect(output).toBe('loaded\n["wal",2,1,0,50]\n')
  })

  it('may be reached by a symbolic link', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'link.db')
    await (await openCatalog({ path: join(folder, 'catalog.db'), host: 'alpha' })).close()
    symlinkSync('catalog.db', path)
    const catalog = await openCatalog({ path, host: 'alpha' })
    onTestFinished(() => catalog.close())
    await ready(catalog)
    expect(modes(join(folder, 'catalog.db'))).toMatchObject({ '-wal': 0o600 })
  })

  it('leave nothing of a catalog that was never finished', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, '.new-catalog-old'))
    mkdirSync(join(folder, '.new-catalog-fresh'))
    writeFileSync(join(folder, '.new-catalog-old', 'catalog.db'), 'half')
    utimesSync(join(folder, '.new-catalog-old'), 1, 1)

    await (await openCatalog({ path: join(folder, 'catalog.db'), host: 'alpha' })).close()

    expect(readdirSync(folder).sort()).toEqual(['.new-catalog-fresh', 'catalog.db'])
  })
})

describe('openCatalog refuses', () => {
  it.each([
    {
      what: 'a directory',
      make: (path: string) => mkdirSync(path),
      code: 'CATALOG_UNAVAILABLE',
      says: 'is not a file',
    },
    {
      what: 'a fifo, without waiting for a writer',
      make: (path: string) => spawnSync('mkfifo', [path]),
      code: 'CATALOG_UNAVAILABLE',
      says: 'is not a file',
    },
    {
      what: 'an empty file, which SQLite would take for a new catalog',
      make: (path: string) => writeFileSync(path, ''),
      code: 'CATALOG_CORRUPT',
      says: 'is empty (0 bytes)',
    },
    {
      what: 'a text',
      make: (path: string) => writeFileSync(path, 'a text, and no database\n'.repeat(400)),
      code: 'CATALOG_CORRUPT',
      says: 'is no SQLite database',
    },
    {
      what: 'a file of zeros',
      make: (path: string) => writeFileSync(path, Buffer.alloc(8_192)),
      code: 'CATALOG_CORRUPT',
      says: 'is no SQLite database',
    },
    {
      what: 'a link to nowhere',
      make: (path: string) => symlinkSync('/nowhere/catalog.db', path),
      code: 'CATALOG_UNAVAILABLE',
      says: 'is not a file',
    },
  ])('$what', async ({ make, code, says }) => {
    const folder = temporaryFolder()
    const path = join(folder, 'catalog.db')
    make(path)
    const before = existsSync(path) && statSync(path).isFile() ? readFileSync(path) : undefined

    const error: unknown = await openCatalog({ path, host: 'alpha' }).catch((e: unknown) => e)

    expect(error).toMatchObject({ code, facts: { path } })
    expect((error as Error).message).toContain(`the catalog ${path} ${says}`)
    expect((error as { hint?: string }).hint).toBeTruthy()
    if (before !== undefined) expect(readFileSync(path)).toEqual(before)
    expect(readdirSync(folder)).toEqual(['catalog.db'])
  })

  it("another program's database", async () => {
    const path = join(temporaryFolder(), 'catalog.db')
    await runSql(path, 'create table bookmarks (url text)')
    const before = readFileSync(path)

    await expect(openCatalog({ path, host: 'alpha' })).rejects.toMatchObject({
      code: 'CATALOG_CORRUPT',
      message: expect.stringContaining('it has a table "bookmarks"') as string,
    })
    expect(readFileSync(path)).toEqual(before)
  })

  // Root may write everywhere, so the child becomes nobody.
  it.runIf(process.getuid?.() === 0)('a place where it may not write', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'catalog.db')
    await (await openCatalog({ path, host: 'alpha' })).close()
    chmodSync(folder, 0o755)
    chmodSync(path, 0o644)
    const script = `
      process.setgroups([]); process.setgid(65534); process.setuid(65534)
      for (const path of args)
        await openCatalog({ path, host: 'alpha' }).catch((e) =>
          console.log(e.code + ': ' + e.message + ' / ' + e.hint))
    `

    const locked = join(folder, 'locked')
    mkdirSync(locked, { mode: 0o700 })
    const output = await child(
      script,
      path,
      join(folder, 'new.db'),
      join(folder, 'deep', 'new.db'),
      join(locked, 'catalog.db'),
    ).output

    expect(output.split('\n').slice(1)).toEqual([
      `CATALOG_UNAVAILABLE: the catalog ${path} cannot be written: EACCES: permission denied, access '${path}' / is ${path} mounted read-only, or owned by another user?`,
      expect.stringMatching(/^CATALOG_UNAVAILABLE: the catalog .*new.db cannot be created: EACCES/),
      expect.stringMatching(/^CATALOG_UNAVAILABLE: the folder .*deep cannot be created: EACCES/),
      expect.stringMatching(
        /^CATALOG_UNAVAILABLE: the catalog .*catalog.db cannot be reached: EAC/,
      ),
      '',
    ])
  })

  it.runIf(process.getuid?.() === 0)(
    'a file of another user in a folder it may not use',
    async () => {
      const folder = temporaryFolder()
      const path = join(folder, 'catalog.db')
      await (await openCatalog({ path, host: 'alpha' })).close()
      chownSync(path, 65_534, 65_534)
      chmodSync(folder, 0o755)
      const script = `
      process.setgroups([]); process.setgid(65534); process.setuid(65534)
      await openCatalog({ path: args[0], host: 'alpha' }).catch((e) => console.log(e.code, e.hint))
    `
      expect(await child(script, path).output).toBe(
        `loaded\nCATALOG_UNAVAILABLE is ${folder} mounted read-only, or owned by another user?\n`,
      )
    },
  )
})

const NEXT: Migration = {
  version: 2,
  name: 'a column for the test',
  apply: async (db, types) => {
    await sql`alter table archives add column mood ${types.text} not null default 'good'`.execute(
      db,
    )
  },
}
const TWO = [...MIGRATIONS, NEXT]

describe('a migration', () => {
  it('keeps the rows, and a whole copy of the file from before', async () => {
    const path = await oldCatalog()

    const catalog = await openCatalog({ path, host: 'alpha', migrations: TWO })
    expect(await catalog.servers()).toMatchObject([{ usedBytes: 100, archives: 1 }])
    await catalog.check()
    await catalog.close()

    expect(await runSql(path, 'select mood, version from archives, schema_versions')).toEqual([
      { mood: 'good', version: 1 },
      { mood: 'good', version: 2 },
    ])
    const copy = `${path}.before-v2`
    expect(statSync(copy).mode & 0o777).toBe(0o600)
    const old = await openCatalog({ path: copy, host: 'alpha' })
    expect(await old.servers()).toMatchObject([{ usedBytes: 100, archives: 1 }])
    await old.close()
    expect(readdirSync(join(path, '..')).sort()).toEqual(['catalog.db', 'catalog.db.before-v2'])
  })

  it('is not undone: an older program refuses the newer catalog', async () => {
    const path = await oldCatalog()
    await (await openCatalog({ path, host: 'alpha', migrations: TWO })).close()
    const before = readFileSync(path)

    await expect(openCatalog({ path, host: 'alpha' })).rejects.toMatchObject({
      code: 'CATALOG_NEWER',
      message: `the catalog ${path} has schema version 2, and this Spillway knows 1`,
      facts: { path, found: 2, known: 1 },
    })
    expect(readFileSync(path)).toEqual(before)
  })

  it('that fails changes nothing', async () => {
    const path = await oldCatalog()
    const broken: Migration = {
      version: 3,
      name: 'broken',
      apply: async () => Promise.reject(new Error('made for this test')),
    }

    await expect(
      openCatalog({ path, host: 'alpha', migrations: [...TWO, broken] }),
    ).rejects.toThrow('made for this test')

    const catalog = await openCatalog({ path, host: 'alpha' })
    expect(await catalog.servers()).toMatchObject([{ usedBytes: 100 }])
    await catalog.check()
    await catalog.close()
  })

  it('is done once when 4 processes begin it together', async () => {
    const path = await oldCatalog()
    const script = `
      ${CHILD_MIGRATIONS}
      await go
      await (await openCatalog({ path: args[0], host: 'alpha', migrations })).close()
      console.log('opened')
    `

    const outputs = await race(Array.from({ length: 4 }, () => child(script, path, KYSELY)))

    expect(outputs).toEqual(['opened', 'opened', 'opened', 'opened'])
    expect(await runSql(path, 'select version from schema_versions')).toEqual([
      { version: 1 },
      { version: 2 },
    ])
    // Not the copy of a process that came second: that would be of the new schema.
    const old = await openCatalog({ path: `${path}.before-v2`, host: 'alpha' })
    await old.close()
  })

  it('is begun again when it was killed in the middle', async () => {
    const path = await oldCatalog()
    const script = `
      ${CHILD_MIGRATIONS}
      migrations.push({ version: 3, name: 'dies', apply: async () => process.kill(process.pid, 'SIGKILL') })
      await openCatalog({ path: args[0], host: 'alpha', migrations })
    `
    const victim = child(script, path, KYSELY)
    await victim.output
    expect(victim.process.signalCode).toBe('SIGKILL')

    expect(await runSql(path, 'select version from schema_versions')).toEqual([{ version: 1 }])
    const catalog = await openCatalog({ path, host: 'alpha', migrations: TWO })
    await catalog.check()
    await catalog.close()
  })
})

// A script given on the command line has no folder from which it could resolve the name.
const KYSELY = import.meta.resolve('kysely')

const CHILD_MIGRATIONS = `
  const { MIGRATIONS } = await dist('catalog/migrations.js')
  const migrations = [...MIGRATIONS, { version: 2, name: 'test', apply: async (db, types) => {
    const { sql } = await import(args[1])
    await sql\`alter table archives add column mood \${types.text} not null default 'good'\`.execute(db)
  } }]
`

function modes(path: string): Record<string, number> {
  return Object.fromEntries(
    ['', '-wal', '-shm'].map((suffix) => [suffix, statSync(path + suffix).mode & 0o777]),
  )
}

/** A catalog of schema version 1 with one stored archive. */
async function oldCatalog(): Promise<string> {
  const path = join(temporaryFolder(), 'catalog.db')
  const catalog = await openCatalog({ path, host: 'alpha' })
  await catalog.registerServers([near])
  await stored(catalog, await ready(catalog), near)
  await catalog.close()
  return path
}

/** Runs SQL on a file in a process of its own, as a shell would. */
async function runSql(path: string, statement: string): Promise<unknown> {
  const script = `
    const { createRequire } = await import('node:module')
    const db = new (createRequire(args[2])('better-sqlite3'))(args[0])
    const prepared = db.prepare(args[1])
    console.log(JSON.stringify(prepared.reader ? prepared.all() : prepared.run()))
    db.close()
  `
  const output = await child(script, path, statement, import.meta.filename).output
  return JSON.parse(output.replace('loaded\n', '')) as unknown
}
