// Opening a catalog: its files and their modes, and every place that is refused.

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
import { describe, expect, it, onTestFinished } from 'vitest'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { child, ready, runSql, temporaryFolder } from './fixtures.ts'

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

describe('openCatalog refuses [F77]', () => {
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
  it.runIf(process.getuid?.() === 0)('a place where it may not write [F12a]', async () => {
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

function modes(path: string): Record<string, number> {
  return Object.fromEntries(
    ['', '-wal', '-shm'].map((suffix) => [suffix, statSync(path + suffix).mode & 0o777]),
  )
}
