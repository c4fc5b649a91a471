// A real MariaDB server, archived by the real program, extracted by tar, restored into an empty server and
// compared; then tools that lie about it, and what of its password anybody could see.

import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DatabaseList } from '../../src/sources/database-list.ts'
import { commonLies } from '../support/lies.ts'
import { DatabaseWorld, sampleProcesses } from '../support/database-world.ts'
import { hasMariaDb, MariaDbServer } from '../support/mariadb-server.ts'
import { ODD_DATABASES, SHOP } from '../support/shop-mariadb.ts'

if (!hasMariaDb()) throw new Error('MariaDB is not installed: see scripts/test-servers.sh')
const REAL_DUMP = '/usr/bin/mariadb-dump'

let server: MariaDbServer
let empty: MariaDbServer
beforeAll(async () => {
  ;[server, empty] = await Promise.all([MariaDbServer.start(), MariaDbServer.start()])
  for (const name of ODD_DATABASES) {
    await server.sql(`create database ${quoted(name)}`)
    await server.sql(`create table t as select ${literal(name)} as named`, name)
  }
  await server.sql('create database shop character set utf8mb4 collate utf8mb4_german2_ci')
  await server.sql(SHOP, 'shop')
  await server.sql(`create user clerk@'%' identified by 'of the clerk';
    create role 'odd '' role'; grant select on shop.* to 'odd '' role'; grant 'odd '' role' to clerk@'%';
    create user few@'127.0.0.1' identified by 'few';
    grant show databases on *.* to few@'127.0.0.1'; grant select on mysql.proc to few@'127.0.0.1'`)
  for (const name of [...ODD_DATABASES, 'shop'])
    await server.sql(
      `grant select, show view, trigger, event on ${quoted(name).replace(/[%_\\]/g, '\\$&')}.* to few@'127.0.0.1'`,
    )
}, 120_000)
afterAll(async () => {
  await server.stop()
  await empty.stop()
})

let at: DatabaseWorld
beforeEach(async () => {
  at = await DatabaseWorld.make({ MYSQL: server.url(), PASSWORD: server.password })
})
afterEach(() => at.close())

function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

function listIn(folder: string): DatabaseList {
  return JSON.parse(readFileSync(join(folder, 'spillway-database.json'), 'utf8')) as DatabaseList
}

/** As statements, by the server's own tool and not in our way; without the time. */
async function plainDump(of: MariaDbServer, database: string): Promise<string> {
  const options = ['--routines', '--events', '--skip-dump-date', '--skip-extended-insert']
  const text = await of.client('mariadb-dump', [...options, '--', database])
  return text.replace(/^-- Host: .*$/m, '')
}

async function rowCounts(of: MariaDbServer, database: string): Promise<string> {
  const tables = await of.sql(
    `select table_name from information_schema.tables where table_schema = ${literal(database)} and table_type not in ('VIEW', 'SEQUENCE') order by 1`,
  )
  const counts = tables
    .split('\n')
    .map((table) => `select '${table}', count(*) from ${quoted(table)}`)
  return of.sql(counts.join('; '), database)
}

describe('a MariaDB server', () => {
  it('comes back whole, whatever its databases are called', async () => {
    const report = await at.run()
    // One table has no transactions, which is told.
    expect(report).toMatchObject({ exit: 3, sources: [{ outcome: 'warnings' }] })
    expect(report.archives[0]?.warnings).toEqual([
      {
        path: 'databases/shop.sql',
        reason: 'not of one moment with the rest, having no transactions: counters (MyISAM)',
      },
    ])

    const folder = at.extract(report)
    const list = listIn(folder)
    expect(list).toMatchObject({
      kind: 'mysql',
      isWholeServer: true,
      tool: { name: 'mariadb-dump' },
    })
    expect(list.databases.map(({ name }) => name).sort()).toEqual([...ODD_DATABASES, 'shop'].sort())
    expect(new Set(list.databases.map(({ file }) => file)).size).toBe(ODD_DATABASES.length + 1)

    for (const { name, file, dumpBytes, properties } of list.databases) {
      expect(readFileSync(join(folder, file)).length, name).toBe(dumpBytes)
      const { characterSet, collation } = properties
      await empty.sql(
        `create database ${quoted(name)} character set ${characterSet} collate ${collation}`,
      )
      await empty.source(join(folder, file), name)
      expect(await rowCounts(empty, name), name).toBe(await rowCounts(server, name))
      expect(await plainDump(empty, name), name).toBe(await plainDump(server, name))
    }
    expect(await rowCounts(empty, 'shop')).toMatch(/^audit\t0\ncounters\t3\ncustomers\t5000\n/)
    const globals = readFileSync(join(folder, 'globals.sql'), 'utf8')
    await empty.sql(globals)
    const grants = "show grants for clerk@'%'; show grants for 'odd '' role'"
    expect(await empty.sql(grants)).toBe(await server.sql(grants))
  }, 180_000)

  it('is one database where one is named, over its socket, and restored by Spillway', async () => {
    const name = 'line\nbreak'
    at.set({ MYSQL: server.url(name, 'socket') })
    const report = await at.run()
    expect(report).toMatchObject({ exit: 0 })
    const to = join(at.world.folder, 'restored')
    const { exit, err } = await at.cli(['restore', 'latest:db', '--to', to])
    expect(exit, err).toBe(0)
    expect(listIn(to)).toMatchObject({
      ...{ isWholeServer: false, globals: null },
      databases: [{ name, file: 'databases/line%0Abreak.sql' }],
    })
  })

  it('is shown before it is dumped, and leaves out what is to be left out', async () => {
    at.set({ EXCLUDE: 'shop' })
    const { exit, out } = await at.cli(['run', '--dry-run', '--json'])
    expect(exit).toBe(0)
    const { archives } = JSON.parse(out) as { archives: { parts: { name: string }[] }[] }
    expect(archives[0]!.parts.map(({ name }) => name).sort()).toEqual([...ODD_DATABASES].sort())
    expect(readdirSync(at.disk)).toEqual([])
  })

  it('is dumped by a user who may not read users, with a warning', async () => {
    at.set({ MYSQL: server.url().replace('root@', 'few@'), PASSWORD: 'few' })
    const report = await at.run()
    expect(report.exit).toBe(3)
    expect(report.archives[0]?.warnings).toContainEqual({
      path: 'globals.sql',
      reason: expect.stringMatching(/may not read the users/) as string,
    })
    const list = listIn(at.extract(report))
    expect(list.globals).toBeNull()
    expect(list.databases.map(({ name }) => name).sort()).toEqual([...ODD_DATABASES, 'shop'].sort())
  })

  it("is dumped as it is, whatever somebody's option file says", async () => {
    at.set({ MYSQL: server.url('plain') })
    const options = '[client]\npassword=wrong\n[mysqldump]\nno-data\nskip-comments\n'
    const home = at.world.folder
    at.fakeHome(options)
    const report = await at.run({ HOME: home })
    expect(report).toMatchObject({ exit: 0 })
    const dump = readFileSync(join(at.extract(report), 'databases/plain.sql'), 'utf8')
    expect(dump).toContain('INSERT INTO `t` VALUES')
  })
})

describe('a dump that nobody can trust', () => {
  const cases: [string, { script: string; says: RegExp; code?: string; version?: string }][] = [
    [
      'exits with 2 after half of it',
      {
        script: 'real "$@" | head -c 200000; echo "Error 2013: lost connection" >&2; exit 2',
        says: /^database shop: mariadb-dump ended with exit code 2; it said: .*Error 2013: lost connection$/,
      },
    ],
    ...commonLies('mariadb-dump'),
    [
      'is killed',
      {
        script: 'real "$@" | head -c 9000; kill -9 $$',
        says: /mariadb-dump was ended by SIGKILL/,
      },
    ],
    [
      'is cut before its trailer, and ends with 0',
      {
        script: 'real "$@" | grep -av "^-- Dump completed"',
        says: /^database shop: mariadb-dump ended with exit code 0, but its dump does not end with "-- Dump completed"$/,
      },
    ],
    [
      'is of another database',
      {
        script: 'real "${@:1:$#-1}" plain',
        says: /^database shop: mariadb-dump did not write a dump of it: its first lines do not name it$/,
      },
    ],
    [
      'is by a tool that is too old',
      {
        script: 'real "$@"',
        version: 'echo "mariadb-dump  Ver 10.19 Distrib 5.5.68-MariaDB, for Linux (x86_64)"',
        says: /the mariadb-dump in PATH is of version 5\.5\.68, older than the server, 1\d\.\d+.*-MariaDB/,
      },
    ],
  ]
  it.each(cases)(
    'because it %s [F62]',
    async (_what, { script, says, code, version }) => {
      at.set({ MYSQL: server.url('shop'), KEEP_LAST: '1' })
      const before = await at.run()
      expect(before.exit).toBe(3)
      at.fakeTool('mariadb-dump', REAL_DUMP, script, version)

      const report = await at.run()

      expect(report.archives).toEqual([])
      expect(report.sources).toMatchObject([
        { name: 'db', outcome: 'failed', code: code ?? 'SOURCE_DATABASE_FAILED' },
      ])
      expect(report.sources[0]?.message).toMatch(says)
      expect(report.retention.deleted).toEqual([])
      expect(existsSync(join(at.disk, before.archives[0]!.key))).toBe(true)
      expect(readdirSync(join(at.disk, before.archives[0]!.key, '..'))).toHaveLength(1)
      expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
    },
    60_000,
  )

  it.each([
    ['the password is wrong', { PASSWORD: 'wrong' }, /Access denied for user/],
    ['there is none', { PASSWORD: '' }, /Access denied for user/],
    ['there is no such database', { MYSQL: 'DATABASE:nowhere' }, /there is no database nowhere/],
    ['nobody answers', { MYSQL: 'mysql://u@127.0.0.1:1/x' }, /Can't connect/],
  ])('because %s', async (_what, settings: Record<string, string>, says) => {
    const { MYSQL: url = '' } = settings
    at.set(settings)
    if (url.startsWith('DATABASE:')) at.set({ MYSQL: server.url(url.slice(9)) })
    const report = await at.run()
    expect(report).toMatchObject({ exit: 14, archives: [] })
    expect(report.sources[0]?.message).toMatch(says)
  })

  it('because a view in it is broken', async () => {
    await server.sql('create table gone (a int); create view broken as select a from gone', 'plain')
    await server.sql('drop table gone', 'plain')
    at.set({ MYSQL: server.url('plain') })
    const report = await at.run()
    await server.sql('drop view broken', 'plain')
    expect(report).toMatchObject({ exit: 14, archives: [] })
    expect(report.sources[0]?.message).toMatch(/^database plain: mariadb-dump ended .*broken/)
  })

  it('because a program is missing', async () => {
    symlinkSync('/usr/bin/mariadb', join(at.tools, 'mariadb'))
    const report = await at.run({ PATH: at.tools })
    expect(report.sources[0]?.message).toBe(
      `there is no program "mariadb-dump" in PATH (${at.tools})`,
    )
  })
})

describe('the password', () => {
  it('is seen in no process, no message and no file that stays', async () => {
    const secrets = [server.password, server.password.replace(/[\\"]/g, '\\$&')]
    const { result, sampled } = await sampleProcesses(secrets, () => at.cli(['run', '--json']))
    expect(result.exit).toBe(3)
    expect(sampled.leaks).toEqual([])
    expect([...sampled.programs]).toEqual(expect.arrayContaining(['mariadb-dump']))
    expect(result.out + result.err).not.toContain(server.password)
    expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
  }, 60_000)
})
