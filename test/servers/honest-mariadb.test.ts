// What a backup of a real MariaDB server must not leave out, and a restore must not do, without a word: objects
// that its user may not see, history of tables, commands of the client in a dump, rows in messages, users
// that definitions name.

import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DatabaseWorld } from '../support/database-world.ts'
import { hasMariaDb, MariaDbServer } from '../support/mariadb-server.ts'

if (!hasMariaDb()) throw new Error('MariaDB is not installed: see scripts/test-servers.sh')
const REAL_DUMP = '/usr/bin/mariadb-dump'
const run = promisify(execFile)
const PASSWORD = 'of-the-backup'

let server: MariaDbServer
let target: MariaDbServer
beforeAll(async () => {
  ;[server, target] = await Promise.all([MariaDbServer.start(), MariaDbServer.start()])
  await server.sql(OBJECTS)
}, 120_000)
afterAll(async () => {
  await Promise.all([server.stop(), target.stop()])
})

let at: DatabaseWorld
beforeEach(async () => {
  at = await DatabaseWorld.make({ MYSQL: server.url(), PASSWORD: server.password })
  writeFileSync(passwordFile(), `${target.password}\n`)
})
afterEach(() => at.close())

/** One of everything that a user may not see. */
const OBJECTS = `
  create database a_shop; use a_shop;
  create table t (a int primary key, b varchar(20)); insert into t values (1, 'x');
  create table other (a int);
  create view v as select * from t;
  delimiter //
  create procedure pp() begin select 1; end//
  create function ff() returns int deterministic return 1//
  create trigger tr before insert on t for each row begin set new.b = 'y'; end//
  create event ev on schedule every 1 day do select 1//
  delimiter ;
  create database hidden; create table hidden.h (a int)`

const ALL_FOUR = 'select, show view, trigger, event'

describe('a user who may not see everything', () => {
  const cases: [string, { url?: string; grants: string[]; lacks: string[]; give: string[] }][] = [
    [
      'routines',
      {
        grants: [`${ALL_FOUR}, lock tables on a_shop.*`],
        lacks: ['SELECT on mysql.proc'],
        give: ['GRANT SELECT ON `mysql`.`proc` TO `bak`@`127.0.0.1`'],
      },
    ],
    [
      'triggers and events',
      {
        grants: ['select, show view on a_shop.*', 'select on mysql.proc'],
        lacks: ['TRIGGER, EVENT on a_shop'],
        give: ['GRANT TRIGGER, EVENT ON `a\\_shop`.* TO `bak`@`127.0.0.1`'],
      },
    ],
    [
      'most tables',
      {
        grants: ['select on a_shop.t', 'lock tables, event on a_shop.*'],
        lacks: ['SELECT, SHOW VIEW, TRIGGER on a_shop', 'SELECT on mysql.proc'],
        give: ['GRANT SELECT, SHOW VIEW, TRIGGER ON `a\\_shop`.* TO `bak`@`127.0.0.1`'],
      },
    ],
    [
      'what only a narrower grant takes away',
      {
        // Of several patterns the server takes one, the most exact.
        grants: [`${ALL_FOUR} on \`a%\`.*`, 'select on `a\\_shop`.*', 'select on mysql.proc'],
        lacks: ['SHOW VIEW, TRIGGER, EVENT on a_shop'],
        give: ['GRANT SHOW VIEW, TRIGGER, EVENT ON `a\\_shop`.* TO'],
      },
    ],
    [
      'other databases of the server',
      {
        ...{ url: '', grants: [`${ALL_FOUR} on a_shop.*`, 'select on mysql.proc'] },
        lacks: ['SHOW DATABASES'],
        give: ['GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO `bak`@`127.0.0.1`'],
      },
    ],
    [
      'triggers anywhere',
      {
        ...{ url: '', grants: ['select, show view, event on *.*'] },
        lacks: ['TRIGGER on a_shop', 'TRIGGER on hidden'],
        give: ['GRANT TRIGGER ON *.* TO `bak`@`127.0.0.1`'],
      },
    ],
  ]
  it.each(cases)('is refused: %s', async (_what, { url = 'a_shop', grants, lacks, give }) => {
    await asBackup(grants, url)
    const report = await at.run()
    expect(report).toMatchObject({ exit: 14, archives: [] })
    const { err } = await at.cli(['run'])
    for (const words of [...lacks, ...give]) expect(err).toContain(words)
    expect(err).toContain('without a word')
    expect((await at.cli(['run', '--dry-run'])).exit).toBe(14)
  })

  it.each([
    ['of the one database', 'a_shop', [`${ALL_FOUR} on a_shop.*`, 'select on mysql.proc']],
    ['by a pattern', 'a_shop', [`${ALL_FOUR} on \`a\\_sh%\`.*`, 'select on mysql.*']],
    ['of the whole server', '', [`${ALL_FOUR} on *.*`]],
    ['everything', '', ['all on *.*']],
    ['by a role', '', ['ROLE']],
  ])('is good enough with the rights %s', async (_what, url, grants) => {
    await asBackup(grants, url)
    const report = await at.run()
    expect(report.sources[0]?.message ?? '').toBe('')
    const dump = readFileSync(join(at.extract(report), 'databases/a_shop.sql'), 'utf8')
    for (const object of ['PROCEDURE `pp`', 'FUNCTION `ff`', 'trigger tr ', 'EVENT `ev`'])
      expect(dump).toContain(object)
  })

  it('hears which right it lacks where a routine is seen and not readable', async () => {
    await asBackup(['all on a_shop.*'], 'a_shop')
    const { exit, err } = await at.cli(['run'])
    expect(exit).toBe(14)
    expect(err).toMatch(/insufficient privileges to SHOW CREATE/)
    expect(err).toContain('GRANT SELECT ON mysql.proc')
  })

  it('is told of databases that are left out, and may leave them out', async () => {
    await asBackup([`${ALL_FOUR} on a_shop.*`, 'select on mysql.proc', 'show databases on *.*'], '')
    at.set({ EXCLUDE: 'hidden' })
    const report = await at.run()
    expect(report).toMatchObject({ exit: 3, archives: [{ state: 'stored' }] })
    expect(report.archives[0]?.warnings).toMatchObject([{ path: 'globals.sql' }])
  })
})

describe('a system-versioned table', () => {
  const HISTORY = 'select a, b, row_start, row_end from hist for system_time all order by row_end'
  const SPANS = 'select a, s, e from spans for system_time all order by e'
  beforeAll(() =>
    server.sql(`create database versions; use versions;
      create table hist (a int primary key, b int) with system versioning;
      insert into hist values (1, 1); update hist set b = 2; update hist set b = 3;
      create table spans (a int, s timestamp(6) generated always as row start,
        e timestamp(6) generated always as row end, period for system_time (s, e)) with system versioning;
      insert into spans (a) values (1); update spans set a = 2; delete from spans`),
  )

  it('comes back with its history', async () => {
    at.set({ MYSQL: server.url('versions') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    const { exit, err } = await restore(['versions', `--into=${target.url()}`])
    expect(exit, err).toBe(0)
    const history = await target.sql(HISTORY, 'versions')
    expect(history).toBe(await server.sql(HISTORY, 'versions'))
    expect(history.split('\n')).toHaveLength(3)
    const spans = await target.sql(SPANS, 'versions')
    expect(spans).toBe(await server.sql(SPANS, 'versions'))
    expect(spans.split('\n')).toHaveLength(2)
  })

  it('is named where its history cannot be dumped', async () => {
    await server.sql(`create database precise; use precise; create table p (a int,
      s bigint unsigned generated always as row start, e bigint unsigned generated always as row end,
      period for system_time (s, e)) with system versioning`)
    at.set({ MYSQL: server.url('precise') })
    const report = await at.run()
    expect(report).toMatchObject({ exit: 3, archives: [{ state: 'stored' }] })
    const [warning] = report.archives[0]!.warnings
    expect(warning?.reason).toMatch(/without the history of system-versioned tables: p/)

    at.set({ MYSQL: server.url('versions') })
    const old = 'echo "mariadb-dump  Ver 10.19 Distrib 10.6.12-MariaDB, for Linux"'
    at.fakeTool('mariadb-dump', REAL_DUMP, 'real "$@"', old)
    const [other] = (await at.run()).archives[0]!.warnings
    expect(other?.reason).toMatch(/without the history of system-versioned tables: hist/)
  })
})

describe('a dump with commands for the client', () => {
  const COMMANDS = [
    '\\! FILE',
    'system FILE',
    'select 1 \\! FILE',
    'delimiter $$\\n\\! FILE\\n$$',
    '\\T PWNED',
    'tee PWNED',
    '\\e',
    'edit',
    '\\. SQL',
    'source SQL',
    'pager FILE',
  ]
  it.each(COMMANDS)('runs none: %s', async (command) => {
    const pwned = join(at.world.folder, 'pwned')
    const sql = join(at.world.folder, 'evil.sql')
    writeFileSync(sql, 'create table sourced (a int);\n')
    const line = command
      .replace('FILE', `touch ${pwned}`)
      .replace('PWNED', pwned)
      .replace('SQL', sql)
    // A real one begins with the words for the sandbox.
    const script = `real "$@" | tail -n +2 | while IFS= read -r l; do case "$l" in "-- Dump completed"*) printf '${line.replaceAll('\\', '\\\\').replaceAll('\\\\n', '\\n')}\\n';; esac; printf '%s\\n' "$l"; done`
    at.fakeTool('mariadb-dump', REAL_DUMP, script)
    at.set({ MYSQL: server.url('hidden') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    const editor = { EDITOR: `touch ${pwned} #`, VISUAL: `touch ${pwned} #` }
    const { exit } = await restore(['hidden', `--into=${target.url('evil')}`], editor)
    expect(existsSync(pwned)).toBe(false)
    expect(exit).toBe(35)
    expect(await target.sql("show databases like 'evil'")).toBe('')
  })

  it('sends no file of this machine to the server', async () => {
    const secret = join(at.world.folder, 'secret')
    writeFileSync(secret, '4711\n')
    const script = `real "$@" | sed "s|^-- Dump completed|LOAD DATA LOCAL INFILE '${secret}' INTO TABLE h;\\n&|"`
    at.fakeTool('mariadb-dump', REAL_DUMP, script)
    at.set({ MYSQL: server.url('hidden') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    const { exit, err } = await restore(['hidden', `--into=${target.url('evil')}`])
    expect(exit).toBe(35)
    expect(err).toContain('local infile')
  })
})

describe('a restore that fails', () => {
  const SECRET = '"DE00-SECRET-IBAN-4711"'
  const TWICE = `(-1,${SECRET}),(-2,${SECRET}),`
  it.each([
    ['a check', '(n int check (n > 0), iban varchar(40))', TWICE, 'CONSTRAINT'],
    ['a key', '(n int, iban varchar(40) primary key) engine=aria', TWICE, 'Duplicate entry'],
    ['its syntax', '(n int, iban varchar(40))', `(-1 oops ${SECRET}),`, "near '...' at line"],
  ])('shows no rows: %s', async (_what, columns, rows, says) => {
    const table = `create table people ${columns}`
    const script = `real "$@" | sed 's/^INSERT INTO .people. VALUES/&\\n${rows}/; s/^CREATE TABLE .people. (/${table}; create table if not exists people (/'`
    await server.sql(
      'create or replace database private; create table private.people (n int, iban varchar(40)); insert into private.people values (1, 2)',
    )
    at.fakeTool('mariadb-dump', REAL_DUMP, script)
    at.set({ MYSQL: server.url('private') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    const into = ['private', `--into=${target.url()}`]
    const { exit, err } = await restore(into)
    expect(exit).toBe(35)
    expect(err).toMatch(/ERROR \d+ \(\w+\) at line \d+/)
    expect(err).toContain(says)
    expect(err).not.toContain('SECRET')
    const json = await restore([...into, '--json'])
    expect(json.out + json.err).not.toContain('SECRET')
  })
})

describe('a database that is overwritten', () => {
  beforeAll(() =>
    server.sql(`create database shapes; use shapes; create table x (a int); insert into x values (1);
      create view y as select a from x; create sequence s`),
  )

  it('keeps what the dump does not have, and that is told; a table makes room for a view', async () => {
    at.set({ MYSQL: server.url('shapes') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    await target.sql(`create or replace database shapes; use shapes; create table y (a int);
      create table mine as select 7 as n`)
    const { exit, err } = await restore(['shapes', `--into=${target.url()}`, '--overwrite=always'])
    expect(err).toContain('tables that the dump does not have are there as they were: mine')
    expect(exit).toBe(3)
    expect(await target.sql('select a from y; select n from mine', 'shapes')).toBe('1\n7')
  })

  it('is left alone where a view is in the way of a table', async () => {
    at.set({ MYSQL: server.url('shapes') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    await target.sql(`create or replace database shapes; use shapes; create table z (a int);
      create view x as select a from z`)
    const { exit, err } = await restore(['shapes', `--into=${target.url()}`, '--overwrite=always'])
    expect(exit).toBe(35)
    expect(err).toContain('nothing was changed')
    expect(err).toMatch(/views of the database shapes on .* are tables in the dump, .*: x/)
    const tables = "select table_name from information_schema.tables where table_schema = 'shapes'"
    expect((await target.sql(tables)).split('\n').sort()).toEqual(['x', 'z'])
  })
})

describe('definitions', () => {
  it('whose users are missing after a restore are told', async () => {
    await server.sql(`create database def; use def; create user app@'%'; create role actor;
      create table t (a int);
      create definer=app@'%' trigger tg before insert on t for each row set new.a = 1;
      create definer=actor view v as select * from t;
      create user gone@'%'; create definer=gone@'%' sql security invoker view harmless as select * from t`)
    at.set({ MYSQL: server.url('def') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    const into = [`--into=${target.url()}`]
    const { exit, err } = await restore(['def', ...into])
    expect(err).toMatch(/def: .*app@%.*trigger|def: .*actor/)
    expect(err).toContain('actor')
    expect(err).toContain('app@%')
    expect(err).not.toContain('gone@%')
    expect(exit).toBe(3)

    // Who may not read users hears that nobody knows.
    await target.sql(
      `drop database def; create user half@'127.0.0.1' identified by '${PASSWORD}'; grant all on def.* to half@'127.0.0.1'; grant set user on *.* to half@'127.0.0.1'`,
    )
    writeFileSync(passwordFile(), `${PASSWORD}\n`)
    const asHalf = target.url().replace('root@', 'half@')
    const uncertain = await restore(['def', `--into=${asHalf}`])
    expect(uncertain.err).toMatch(/could not be asked, and .* without them: actor@%, app@%/)
    expect(uncertain.exit).toBe(3)

    writeFileSync(passwordFile(), `${target.password}\n`)
    await target.sql("create user app@'%'; create role actor; drop database def")
    expect(await restore(['def', ...into])).toMatchObject({ exit: 0 })
  })

  it('that are broken stop the archive, and the message says what to do', async () => {
    await server.sql(`create database bv; use bv; create table gone (a int);
      create view bad as select a from gone; drop table gone`)
    const { exit, err } = await at.cli(['run'])
    await server.sql('drop database bv')
    expect(exit).toBe(14)
    expect(err).toContain('references invalid table(s)')
    expect(err).toMatch(/mend or drop that view.* SOURCE_1_EXCLUDE/)
  })
})

describe('the users of a server', () => {
  it('can be loaded into a new one as they are, as the restore says', async () => {
    await server.sql(`create user clerk@'127.0.0.1' identified by 'of the clerk';
      create role clerks; grant select on a_shop.* to clerks; grant clerks to clerk@'127.0.0.1';
      set default role clerks for clerk@'127.0.0.1'`)
    expect((await at.run()).archives[0]?.state).toBe('stored')
    // The restore of all databases needs an empty one.
    const fresh = await MariaDbServer.start()
    try {
      const restored = await restore([`--into=${fresh.url()}`])
      expect(restored.exit, restored.err).toBe(3)
      expect(restored.err).toMatch(/spillway cat ARCHIVE globals\.sql \| mariadb --binary-mode/)

      const { exit, out } = await at.cli(['cat', 'latest:db', 'globals.sql'])
      expect(exit).toBe(0)
      const file = join(at.world.folder, 'globals.sql')
      writeFileSync(file, out)
      await fresh.source(file)

      const asClerk = [
        ...['--no-defaults', '--host=127.0.0.1', `--port=${fresh.port}`, '--user=clerk'],
        ...['--password=of the clerk', '--batch', '--skip-column-names'],
      ]
      const { stdout } = await run('mariadb', [...asClerk, '--execute=select b from a_shop.t'])
      expect(stdout).toBe('x\n')
    } finally {
      await fresh.stop()
    }
  }, 120_000)

  it('are told to be without what is granted to PUBLIC', async () => {
    await server.sql('grant select on a_shop.t to public')
    const report = await at.run()
    await server.sql('revoke select on a_shop.t from public')
    expect(report.archives[0]?.warnings).toContainEqual({
      path: 'globals.sql',
      reason: 'is without what is granted to PUBLIC: mariadb-dump leaves that out',
    })
  })
})

async function asBackup(grants: readonly string[], database: string): Promise<void> {
  const user = "bak@'127.0.0.1'"
  const given = grants.map((each) =>
    each === 'ROLE'
      ? `create or replace role reader; grant ${ALL_FOUR} on *.* to reader; grant reader to ${user};
         set default role reader for ${user}`
      : `grant ${each} to ${user}`,
  )
  await server.sql(
    [`create or replace user ${user} identified by '${PASSWORD}'`, ...given].join(';\n'),
  )
  at.set({ MYSQL: server.url(database).replace('root@', 'bak@'), PASSWORD })
}

function passwordFile(): string {
  return join(at.world.folder, 'password')
}

async function restore(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return at.cli(['restore', 'latest:db', ...args, `--password-file=${passwordFile()}`], env)
}
