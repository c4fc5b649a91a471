// What a backup of a real MariaDB server must bring back, and what may be in its way: option files of the tools,
// views across databases, folders that are no databases, rows that are too large for the server.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DatabaseList } from '../../src/sources/database-list.ts'
import { DatabaseWorld } from '../support/database-world.ts'
import { hasMariaDb, MariaDbServer } from '../support/mariadb-server.ts'
import { ODD_BYTES, ODD_TABLES } from '../support/odd-bytes-mariadb.ts'

if (!hasMariaDb()) throw new Error('MariaDB is not installed: see scripts/test-servers.sh')

// As it is where nobody has set it.
const PACKET = '--max-allowed-packet=16M'

let server: MariaDbServer
let target: MariaDbServer
beforeAll(async () => {
  ;[server, target] = await Promise.all([
    MariaDbServer.start([PACKET]),
    MariaDbServer.start([PACKET]),
  ])
  await server.sql(`create database plain; use plain; create table t (a int);
    insert into t values (4711);
    create trigger tg before insert on t for each row set new.a = 1`)
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

describe('option files, where the settings have no password', () => {
  const LOGIN = 'open-sesame'
  beforeAll(async () => {
    for (const each of [server, target])
      await each.sql(
        `create user filed@'127.0.0.1' identified by '${LOGIN}'; grant all on *.* to filed@'127.0.0.1'`,
      )
  })

  it.each([
    ['mysqldump', 'no-data'],
    ['mysqldump', 'where="1 = 0"'],
    ['mariadb-dump', 'ignore_table=plain.t'],
    ['client-mariadb', 'loose-no-data'],
    ['mysqldump', 'skip-triggers'],
    ['mysqldump', 'no-dat'],
    ['mysql', 'force'],
    ['client', 'init-command="set names latin1"'],
  ])('stop the archive: [%s] %s', async (section, line) => {
    const home = asFiled('plain', `[${section}]\n${line}\n`)
    const { exit, err } = await at.cli(['run'], home)
    expect(exit, err).toBe(14)
    const [name = ''] = line.replace('loose-', '').split('=')
    if (name !== 'no-dat')
      expect(err).toMatch(new RegExp(`option files.*: .*${name.replace('_', '.')}`))
    expect(err).toContain('SOURCE_1_PASSWORD')
    expect(err).not.toContain(LOGIN)
    expect((await at.cli(['run', '--dry-run'], home)).exit).toBe(14)
  })

  it('with how to log in, and with what is usual, count', async () => {
    const usual = `[mysqldump]\nquick\nquote-names\nmax_allowed_packet = 1M\nsingle-transaction\n
      [client]\ndefault-character-set=latin1\nssl-verify-server-cert=0\n[mysql]\nprompt="\\\\u> "\nno-auto-rehash\n`
    const home = asFiled('plain', usual)
    const report = await at.run(home)
    expect(report.sources[0]?.message ?? '').toBe('')
    const dump = readFileSync(join(at.extract(report), 'databases/plain.sql'), 'utf8')
    expect(dump).toContain('(4711)')
    expect(dump).toContain('trigger tg')

    const into = ['latest:db', '--into', target.url('filed_plain').replace('root@', 'filed@')]
    const restored = await at.cli(['restore', ...into], home)
    expect(restored.exit, restored.err).toBe(0)
    await target.sql('drop database filed_plain')
  })

  it('that would change a restore stop it', async () => {
    const home = asFiled('plain', '')
    expect(await at.run(home)).toMatchObject({ exit: 0 })
    asFiled('plain', '[mysql]\nforce\n')
    const into = ['latest:db', '--into', target.url('forced').replace('root@', 'filed@')]
    const { exit, err } = await at.cli(['restore', ...into], home)
    expect(exit, err).toBe(35)
    expect(err).toMatch(/option files.*: force/)
    expect(err).toContain('--password-file')
    expect(await target.sql("show databases like 'forced'")).toBe('')
  })

  function asFiled(database: string, more: string): Record<string, string> {
    at.set({ MYSQL: server.url(database).replace('root@', 'filed@') })
    delete at.world.env['SOURCE_1_PASSWORD']
    at.fakeHome(`[client]\npassword="${LOGIN}"\n${more}`)
    return { HOME: at.world.folder }
  }
})

describe('a server whose databases look into one another', () => {
  const CREATED = ['xa', 'xb', 'xz']
  beforeAll(() =>
    server.sql(`create database xa; create database xb; create database xz;
      create table xz.t (n int); insert into xz.t values (7);
      create function xz.twice(n int) returns int deterministic return 2 * n;
      create view xb.v as select xz.twice(n) as n from xz.t;
      create table xa.own as select 1 as n;
      create view xa.v as select n from xb.v`),
  )
  afterAll(() => server.sql('drop database xa; drop database xb; drop database xz'))
  afterEach(async () => {
    for (const name of [...CREATED, 'plain']) await target.sql(`drop database if exists ${name}`)
  })

  it('comes back whole, in whatever order they are needed', async () => {
    expect((await at.run()).archives[0]?.state).toBe('stored')
    const { err } = await restore([`--into=${target.url()}`])
    expect(err).not.toContain('dropped again')
    expect(await target.sql('select n from xa.v; select n from xb.v; select n from xa.own')).toBe(
      '14\n14\n1',
    )
  })

  it('hears which one could not come back, and the rest does', async () => {
    at.set({ EXCLUDE: 'xz' })
    expect((await at.run()).archives[0]?.state).toBe('stored')
    const { exit, err } = await restore([`--into=${target.url()}`])
    expect(exit).toBe(35)
    expect(err).toMatch(/xa: .*the database xa, created for this, was dropped again/)
    expect(err).toMatch(/xb: .*the database xb, created for this, was dropped again/)
    expect(err).toContain('of another database')
    expect(await target.sql("show databases like 'x_'")).toBe('')
    expect(await target.sql('select a from plain.t')).toBe('4711')
  })
})

describe('a folder in the data directory', () => {
  const made = (name: string): string => join(server.folder, 'data', name)

  it('is left out, and noted, where it is no database', async () => {
    mkdirSync(made('lost+found'), { mode: 0o700 })
    mkdirSync(made('.snapshot'), { mode: 0o755 })
    try {
      const report = await at.run()
      expect(report.archives[0]?.state).toBe('stored')
      const list = listIn(at.extract(report))
      const reason = 'a folder in the data directory of the server, no database'
      expect(list.leftOut).toContainEqual({ name: '#mysql50#lost+found', reason })
      expect(list.leftOut).toContainEqual({ name: '#mysql50#.snapshot', reason })
      expect(list.databases.map(({ name }) => name)).toEqual(['plain'])
      const { out, err } = await at.cli(['run'])
      expect(out + err).toContain('lost+found')
    } finally {
      for (const name of ['lost+found', '.snapshot']) rmSync(made(name), { recursive: true })
    }
  })

  // Of root, who does not run the server.
  it.skipIf(process.getuid?.() !== 0)(
    'that looks like a database and cannot be read is a failure, which says what to do',
    async () => {
      mkdirSync(made('strange'), { mode: 0o700 })
      try {
        const { exit, err } = await at.cli(['run'])
        expect(exit).toBe(14)
        expect(err).toMatch(/database strange: .*\b1018\b/)
        expect(err).toMatch(/folder in the data directory.*SOURCE_1_EXCLUDE/)
      } finally {
        rmSync(made('strange'), { recursive: true })
      }
    },
  )
})

describe('rows', () => {
  it('of ten million random bytes come back into a server that is set the same', async () => {
    await server.sql(`set session group_concat_max_len = 1 << 30; create database big; use big;
      create table big.t (id int, b longblob); insert into big.t
      select 1, group_concat(unhex(sha2(seq, 512)) order by seq separator '') from seq_1_to_163840`)
    at.set({ MYSQL: server.url('big') })
    expect(await at.run()).toMatchObject({ exit: 0 })
    const { exit, err } = await restore(['big', `--into=${target.url()}`])
    expect(exit, err).toBe(0)
    const sum = 'select length(b), sha1(b) from big.t'
    expect(await target.sql(sum)).toBe(await server.sql(sum))
    expect(await target.sql(sum)).toMatch(/^10485760\t/)
  })

  it('that are too large for the server are told when dumped, and before anything is changed', async () => {
    await server.sql(`create database zeros; create table zeros.t (b longblob);
      insert into zeros.t values (repeat('\\0', 10 << 20))`)
    at.set({ MYSQL: server.url('zeros') })
    const report = await at.run()
    expect(report).toMatchObject({ exit: 3, archives: [{ state: 'stored' }] })
    expect(report.archives[0]?.warnings).toEqual([
      {
        path: 'databases/zeros.sql',
        reason: expect.stringMatching(
          /a row of 21.0 MB.*max_allowed_packet, 16.8 MB.*SET GLOBAL max_allowed_packet = 20\d{6}/,
        ) as string,
      },
    ])
    const [dumped] = listIn(at.extract(report)).databases
    expect(dumped?.longestLineBytes).toBeGreaterThan(20 << 20)

    for (const more of [['--dry-run'], []]) {
      const { exit, out, err } = await restore(['zeros', `--into=${target.url()}`, ...more])
      expect(exit).toBe(35)
      expect(out + err).toMatch(/SET GLOBAL max_allowed_packet = \d+/)
      if (more.length === 0) expect(err).toContain('nothing was changed')
    }
    expect(await target.sql("show databases like 'zeros'")).toBe('')
    const { err } = await restore(['zeros', `--into=${target.url()}`])
    const [statement = ''] = /SET GLOBAL max_allowed_packet = \d+/.exec(err) ?? []
    await target.sql(statement)
    const done = await restore(['zeros', `--into=${target.url()}`])
    await target.sql('set global max_allowed_packet = 16777216')
    expect(done.exit, done.err).toBe(0)
    expect(await target.sql("select length(b), length(trim(both x'00' from b)) from zeros.t")).toBe(
      '10485760\t0',
    )
  })

  it('of all bytes and character sets come back as they were, however servers are set', async () => {
    await server.sql(ODD_BYTES)
    const SETTINGS = `set global sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ANSI_QUOTES';
      set global character_set_server = sjis; set global collation_server = sjis_japanese_ci`
    const NORMAL = `set global sql_mode = default; set global character_set_server = default;
      set global collation_server = default`
    const sums = `checksum table ${ODD_TABLES.map((name) => `odd.\`${name}\``).join(', ')}`
    for (const [ofServer, ofTarget] of [
      [NORMAL, NORMAL],
      [NORMAL, SETTINGS],
      [SETTINGS, NORMAL],
    ] as const) {
      await Promise.all([server.sql(ofServer), target.sql(ofTarget)])
      at.set({ MYSQL: server.url('odd') })
      const report = await at.run()
      const { exit, err } = await restore(['odd', `--into=${target.url()}`])
      await Promise.all([server.sql(NORMAL), target.sql(NORMAL)])
      expect(report.archives[0]?.state).toBe('stored')
      expect(exit, err).toBe(0)
      expect(await target.sql(sums)).toBe(await server.sql(sums))
      expect(await hexDump(target)).toBe(await hexDump(server))
      await target.sql('drop database odd')
    }
  }, 120_000)
})

/** By the server's own tool, in digits. */
async function hexDump(of: MariaDbServer): Promise<string> {
  return of.client('mariadb-dump', ['--hex-blob', '--skip-comments', 'odd'])
}

function listIn(folder: string): DatabaseList {
  return JSON.parse(readFileSync(join(folder, 'spillway-database.json'), 'utf8')) as DatabaseList
}

function passwordFile(): string {
  return join(at.world.folder, 'password')
}

async function restore(args: readonly string[]) {
  return at.cli(['restore', 'latest:db', ...args, `--password-file=${passwordFile()}`])
}
