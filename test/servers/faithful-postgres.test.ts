// What a real PostgreSQL server must get back, or somebody must be told: how a database sorts, its tablespace,
// templates; what is lost when one is replaced, what is not restored; and nothing else than what happened.

import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { PostgresPair } from '../support/postgres-pair.ts'
import { ownerOfServers, postgresPrograms } from '../support/postgres-server.ts'
import { onTerminal } from '../support/on-terminal.ts'
import type { DatabaseList } from '../../src/sources/database-list.ts'
import type { DatabaseWorld } from '../support/database-world.ts'
import type { PostgresServer } from '../support/postgres-server.ts'

const PROGRAMS = postgresPrograms() ?? ''
if (PROGRAMS === '') throw new Error('PostgreSQL is not installed: see scripts/test-servers.sh')

let pair: PostgresPair
let origin: PostgresServer
let target: PostgresServer
let at: DatabaseWorld
beforeAll(async () => {
  pair = await PostgresPair.start()
  ;({ origin, target } = pair)
}, 120_000)
afterAll(() => pair.stop())
afterEach(async () => {
  await at.close()
  for (const server of [origin, target]) await emptied(server)
})

async function emptied(server: PostgresServer): Promise<void> {
  const names = await server.sql(
    `select datname from pg_database where datname !~ '^(postgres|template[01])$'`,
  )
  for (const name of names.split('\n').filter((each) => each !== ''))
    await server.sql(`alter database ${name} is_template false; drop database ${name}`)
}

/** All of the origin, or one database. Returns what the archive says of itself. */
async function archived(database = ''): Promise<DatabaseList> {
  at = await pair.world(database)
  const report = await at.run()
  expect(report, JSON.stringify(report.sources)).toMatchObject({ exit: 0 })
  return JSON.parse(
    readFileSync(join(at.extract(report), 'spillway-database.json'), 'utf8'),
  ) as DatabaseList
}

const restore = (args: readonly string[]): ReturnType<PostgresPair['restore']> =>
  pair.restore(at, args)

describe('how a database sorts', () => {
  const LOCALE = `select datlocprovider, daticulocale, datcollate, datctype from pg_database where datname = 'words'`
  const ORDER = `select string_agg(name, ',' order by name) from words`

  async function wordsOfIcu(): Promise<void> {
    await origin.sql(`create database words template template0 locale_provider icu
      icu_locale 'de-u-kn-true' lc_collate 'C' lc_ctype 'C'`)
    await origin.sql(
      `create table words (name text); insert into words values ('Zebra'), ('f10'), ('f2'), ('Ärger')`,
      'words',
    )
  }

  it('comes back with ICU', async () => {
    await wordsOfIcu()
    const list = await archived('words')
    expect(list.databases[0]?.properties).toMatchObject({
      localeProvider: 'icu',
      locale: 'de-u-kn-true',
      collation: 'C',
    })
    const { exit, err } = await restore(['latest:db', `--into=${target.url()}`])
    expect(exit, err).toBe(0)
    expect(await target.sql(ORDER, 'words')).toBe('Ärger,f2,f10,Zebra')
    expect(await target.sql(LOCALE)).toBe(await origin.sql(LOCALE))
  })

  it('is told where a database that is there does it in another way', async () => {
    await wordsOfIcu()
    await archived('words')
    await target.sql(`create database words template template0 lc_collate 'C' lc_ctype 'C'`)
    const { exit, json } = await restore(['latest:db', `--into=${target.url()}`])
    expect(exit).toBe(3)
    expect(json?.notes).toEqual([
      'words: it sorts and compares by C here, and did by de-u-kn-true of icu (C) where it comes from',
    ])
  })
})

describe('an empty database that is there', () => {
  it('is refused where its encoding is another one', async () => {
    await origin.sql('create database latin')
    await origin.sql('create table t (n int)', 'latin')
    await archived('latin')
    await target.sql(
      `create database latin template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'`,
    )
    const { exit, err } = await restore(['latest:db', `--into=${target.url()}`])
    expect(exit).toBe(35)
    expect(err).toContain('its encoding is SQL_ASCII, and that of the dump is UTF8')
    expect(await target.sql(`select count(*) from pg_class where relname = 't'`, 'latin')).toBe('0')
  })

  it('gets the settings, and its other owner is told', async () => {
    await origin.sql(`create role somebody; create database settled owner somebody`)
    await origin.sql(`alter database settled set timezone to 'Pacific/Chatham'`)
    await target.sql('create role somebody; create database settled')
    try {
      await archived('settled')
      const { exit, json } = await restore(['latest:db', `--into=${target.url()}`])
      expect(exit).toBe(3)
      expect(json?.notes).toEqual([
        'settled: it belongs to postgres here, and did to somebody where it comes from',
      ])
      expect(await target.sql('show timezone', 'settled')).toBe('Pacific/Chatham')
    } finally {
      for (const server of [origin, target]) {
        await emptied(server)
        await server.sql('drop role somebody')
      }
    }
  })
})

describe('what a restore left behind that was cut off', () => {
  it('is not archived, and told of by the run and by the next restore', async () => {
    for (const name of ['spillway_restore_0123abcd', 'spillway_restore_0123abcd_old'])
      for (const server of [origin, target]) await server.sql(`create database ${name}`)
    at = await pair.world()
    const report = await at.run()
    expect(report.exit).toBe(3)
    const reason =
      'left by a restore that was cut off, and not archived; if none is at work: DROP DATABASE spillway_restore_0123abcd'
    expect(report.archives[0]?.warnings).toEqual([
      { path: 'spillway_restore_0123abcd', reason },
      { path: 'spillway_restore_0123abcd_old', reason: `${reason}_old` },
    ])
    const { exit, json } = await restore(['latest:db', `--into=${target.url()}`])
    expect(exit).toBe(3)
    expect(json?.databases.map(({ into }) => into)).toEqual(['postgres'])
    expect(json?.notes).toEqual([
      expect.stringContaining('DROP DATABASE spillway_restore_0123abcd'),
      expect.stringContaining('DROP DATABASE spillway_restore_0123abcd_old'),
    ])
  })
})

describe('a tablespace', () => {
  it('is where the database lies again, or its lack is told', async () => {
    const folders = [origin, target].map(() => mkdtempSync(join(tmpdir(), 'spillway-space-')))
    const { uid, gid } = ownerOfServers('postgres')
    for (const folder of folders) chownSync(folder, uid, gid)
    try {
      await origin.sql(`create tablespace fast location '${folders[0]}'`)
      await origin.sql('create database placed tablespace fast')
      await archived('placed')
      const into = ['latest:db', `--into=${target.url()}`]
      const without = await restore(into)
      expect(without.exit).toBe(3)
      expect(without.json?.notes).toEqual([
        'placed is made in the default tablespace: it lay in fast, which is not there',
      ])
      await target.sql('drop database placed')
      await target.sql(`create tablespace fast location '${folders[1]}'`)
      expect(await restore(into)).toMatchObject({ exit: 0, err: '' })
      const place = `select spcname from pg_database d join pg_tablespace t on t.oid = dattablespace where datname = 'placed'`
      expect(await target.sql(place)).toBe('fast')
    } finally {
      for (const server of [origin, target]) {
        await emptied(server)
        await server.sql('drop tablespace if exists fast')
      }
      for (const folder of folders) rmSync(folder, { recursive: true })
    }
  })
})

describe('a database that is replaced', () => {
  async function replaceable(): Promise<string[]> {
    await origin.sql('create database app')
    await origin.sql('create table kept (n int); insert into kept values (7)', 'app')
    await archived('app')
    await target.sql('create database app')
    await target.sql(
      'create table kept (n int); create schema other; create table other."Not in dump" (n int)',
      'app',
    )
    return ['latest:db', `--into=${target.url()}`, '--overwrite=always']
  }

  it('is replaced, also when the old one cannot be dropped', async () => {
    const args = await replaceable()
    await target.sql(
      `create subscription held connection 'host=127.0.0.1 port=1' publication p
        with (connect = false, enabled = false, slot_name = none)`,
      'app',
    )
    const { exit, json, err } = await restore([...args, '--yes'])
    expect(exit, err).toBe(3)
    expect(err).not.toContain('as it was')
    const [done] = json?.databases ?? []
    expect(done).toMatchObject({ outcome: 'ok', message: null })
    expect(done?.notes?.join()).toMatch(
      /^the old database could not be dropped, and is called (spillway_restore_\w+_old) now: .*subscription.*; drop it: DROP DATABASE \1$/,
    )
    expect(await target.sql('select n from kept', 'app')).toBe('7')
    const old = /spillway_restore_\w+_old/.exec(done?.notes?.join() ?? '')?.[0] ?? ''
    await target.sql('drop subscription held', old)
  })

  it('is replaced, however long the server needs to drop the old one', async () => {
    const args = await replaceable()
    // DROP DATABASE waits for a checkpoint.
    const checkpointer = Number(
      await target.sql(`select pid from pg_stat_activity where backend_type = 'checkpointer'`),
    )
    const waiting = `select count(*) from pg_stat_activity where query ~ '^DROP DATABASE' and wait_event ~ 'Checkpoint'`
    const restoring = restore([...args, '--yes'])
    try {
      await until(async () => /_old$/m.test(await target.sql('select datname from pg_database')))
      process.kill(checkpointer, 'SIGSTOP')
      await until(async () => (await target.sql(waiting)) === '1')
      await new Promise((resolve) => setTimeout(resolve, 11_000))
    } finally {
      process.kill(checkpointer, 'SIGCONT')
    }
    const { exit, err } = await restoring
    expect(exit, err).toBe(0)
    expect(await target.sql('select datname from pg_database')).not.toMatch(/spillway/)
    expect(await target.sql('select n from kept', 'app')).toBe('7')
  })

  it('is told of before, with what is lost, and only who types its name loses it', async () => {
    const args = await replaceable()
    const planned = await restore([...args, '--dry-run'])
    expect(planned).toMatchObject({ exit: 0, err: '' })
    expect(planned.json?.databases).toMatchObject([
      { action: 'overwrite', lost: ['other.Not in dump'] },
    ])
    const refused = await restore(args)
    expect(refused.exit).toBe(2)
    expect(refused.err).toContain('--yes')
    expect(await target.sql('select count(*) from other."Not in dump"', 'app')).toBe('0')

    const asked = ['restore', ...args, ...(await passwordAndConfig())]
    const question = /Type app to go on:/
    const left = await onTerminal(asked, [
      [question, 'apps\r'],
      [/type app, or press Ctrl-C/, '\x03'],
    ])
    expect(left.exit).toBe(130)
    expect(left.shown).toMatch(
      /the whole database is dropped and made anew; 1 table that the dump does not have is lost: other\.Not in dump/,
    )
    expect(await target.sql('select count(*) from other."Not in dump"', 'app')).toBe('0')
    const typed = await onTerminal(asked, [[question, 'app\r']])
    expect(typed.exit, typed.shown).toBe(0)
    expect(await target.sql('select n from kept', 'app')).toBe('7')
    expect(
      await target.sql(`select count(*) from pg_class where relname = 'Not in dump'`, 'app'),
    ).toBe('0')
  })
})

describe('a dump that the server does not take in everything', () => {
  /** An index on a function whose body finds another one by a path that no restore has. */
  async function withBadIndex(): Promise<void> {
    await origin.sql('create database srch')
    await origin.sql(
      `create function low2(t text) returns text language sql immutable as 'select lower(t)';
      create function norm(t text) returns text language plpgsql immutable as 'begin return low2(t); end';
      create table words (w text); insert into words values ('A');
      create index words_norm on words (norm(w));
      create table many as select generate_series(1, 1000) n`,
      'srch',
    )
  }

  it('is refused as a whole, with the way out; --keep-going gives back all else', async () => {
    await withBadIndex()
    await archived('srch')
    const args = ['latest:db', `--into=${target.url()}`]
    const refused = await restore(args)
    expect(refused.exit).toBe(35)
    expect(refused.err).toMatch(/function low2\(text\) does not exist/)
    expect(refused.err).toContain('--keep-going')
    expect(await target.sql('select datname from pg_database')).not.toContain('srch')

    const { exit, json } = await restore([...args, '--keep-going'])
    expect(exit).toBe(3)
    expect(json?.databases).toMatchObject([
      {
        outcome: 'ok',
        errorCount: 1,
        errors: [expect.stringMatching(/words_norm.*low2\(text\) does not exist/)],
      },
    ])
    expect(await target.sql('select count(*) from many', 'srch')).toBe('1000')
    expect(await target.sql('select w from words', 'srch')).toBe('A')
  })

  it('is told of without a row of it', async () => {
    await origin.sql('create database strict')
    await origin.sql(
      `create function good(int) returns bool language sql immutable as 'select true';
      create table people (iban text, born int check (good(born)));
      insert into people values ('DE00-SECRET-4711', 1);
      create table numbers (n text); insert into numbers values ('DE00-SECRET-4712');
      create table after_it (n int); insert into after_it values (1);
      create or replace function good(int) returns bool language sql immutable as 'select false'`,
      'strict',
    )
    await archived('strict')
    const args = ['latest:db', `--into=${target.url()}`]
    const refused = await restore(args)
    expect(refused.exit).toBe(35)
    expect(refused.err).toMatch(/violates check constraint/)
    expect(refused.err).not.toContain('SECRET')
    const { exit, err, json } = await restore([...args, '--keep-going'])
    expect(exit, err).toBe(3)
    expect(json?.databases[0]?.errors).toEqual([
      expect.stringMatching(
        /^TABLE DATA people .*COPY failed for table "people": .*check constraint/,
      ),
    ])
    expect(JSON.stringify(json) + err).not.toContain('SECRET')
    expect(await target.sql('select n from after_it', 'strict')).toBe('1')
    const shown = await at.cli([
      'restore',
      ...args.slice(0, 1),
      ...(await intoAgain()),
      '--keep-going',
    ])
    expect(shown.exit, shown.err).toBe(3)
    expect(shown.err).toMatch(/warning: again: the server refused 1 statement of the dump/)
    expect(shown.err).toMatch(/warning: again: refused: TABLE DATA people/)
    expect(shown.err).not.toContain('SECRET')
  })

  async function intoAgain(): Promise<string[]> {
    const password = `--password-file=${join(at.world.folder, 'password')}`
    return [`--into=${target.url('again')}`, password]
  }

  it('by a user who may not do everything gives back all else', async () => {
    await target.sql(
      `create role maker createdb login password '${target.password.replaceAll("'", "''")}'`,
    )
    try {
      await origin.sql('create database ext')
      await origin.sql(
        `create extension file_fdw; comment on extension file_fdw is 'ours';
        create table kept (n int); insert into kept values (1);
        create function f() returns event_trigger language plpgsql as 'begin end';
        create event trigger watch on ddl_command_start execute function f();
        alter event trigger watch disable`,
        'ext',
      )
      await archived('ext')
      const url = target.url().replace('postgres@', 'maker@')
      const args = ['latest:db', `--into=${url}`, '--no-owner']
      const refused = await restore(args)
      expect(refused).toMatchObject({ exit: 35 })
      expect(refused.err).toContain('--keep-going')
      const { exit, json, err } = await restore([...args, '--keep-going'])
      expect(exit, err).toBe(3)
      const errors = json?.databases[0]?.errors ?? []
      expect(errors.join('\n')).toMatch(/EXTENSION file_fdw.*permission denied to create extension/)
      expect(errors.join('\n')).toMatch(/COMMENT EXTENSION file_fdw/)
      expect(errors.join('\n')).toMatch(/EVENT TRIGGER watch/)
      expect(json?.databases[0]?.errorCount).toBe(errors.length)
      expect(await target.sql('select n from kept', 'ext')).toBe('1')
    } finally {
      await emptied(target)
      await target.sql('drop role maker')
    }
  })

  it('goes on only in a database that is made for it', async () => {
    await withBadIndex()
    await archived('srch')
    await target.sql('create database srch')
    await target.sql('create table mine (n int)', 'srch')
    const args = ['latest:db', `--into=${target.url()}`, '--keep-going']
    const refused = await restore([...args, '--overwrite=always', '--yes'])
    expect(refused.exit).toBe(35)
    expect(refused.err).toMatch(/nothing was changed: .*--keep-going/)
    expect(await target.sql('select count(*) from mine', 'srch')).toBe('0')
    await target.sql('drop table mine', 'srch')
    const whole = await restore(args)
    expect(whole.exit).toBe(35)
    expect(whole.err).toContain('the database srch is as it was')
  })

  it('is not taken for restored when the server went away', async () => {
    await withBadIndex()
    await archived('srch')
    at.fakeTool(
      'pg_restore',
      join(PROGRAMS, 'pg_restore'),
      `cat > /dev/null; echo 'pg_restore: error: could not execute query: server closed the connection unexpectedly' >&2
      echo 'pg_restore: warning: errors ignored on restore: 1' >&2; exit 1`,
    )
    const { exit, err } = await restore(['latest:db', `--into=${target.url()}`, '--keep-going'])
    expect(exit).toBe(35)
    expect(err).toContain('the database srch, created for this, was dropped again')
  })
})

describe('a standby', () => {
  it('is archived with a warning about the tables whose rows it does not have', async () => {
    await origin.sql('create database web')
    await origin.sql(
      `create unlogged table sessions as select generate_series(1, 500) n;
      create table "Kept; here" as select 1 as n`,
      'web',
    )
    const standby = await origin.standby()
    try {
      at = await pair.world('web')
      at.set({ POSTGRES: standby.url('web') })
      const report = await at.run()
      expect(report.exit).toBe(3)
      expect(report.archives[0]?.warnings).toEqual([
        {
          path: 'web',
          reason: 'a standby has no rows of unlogged tables: public.sessions is archived empty',
        },
      ])
      at.set({ POSTGRES: origin.url('web') })
      expect((await at.run()).exit).toBe(0)
    } finally {
      await standby.stop()
    }
  })
})

describe('a template', () => {
  it('that somebody made is archived, and is one again', async () => {
    await origin.sql('create database tenant_template')
    await origin.sql('create table seed as select generate_series(1, 1000) n', 'tenant_template')
    await origin.sql('alter database tenant_template is_template true')
    const list = await archived()
    expect(list.databases.map(({ name }) => name)).toEqual(['postgres', 'tenant_template'])
    expect(list.databases[1]?.properties).toMatchObject({ isTemplate: 'true' })
    expect(list.leftOut).toEqual([
      { name: 'template0', reason: 'as every server has it' },
      { name: 'template1', reason: 'as every server has it' },
    ])
    expect(await restore(['latest:db', `--into=${target.url()}`])).toMatchObject({
      exit: 0,
      err: '',
    })
    await target.sql('create database tenant template tenant_template')
    expect(await target.sql('select count(*) from seed', 'tenant')).toBe('1000')
    await target.sql('drop database tenant')
    // One that is a template is replaced, too.
    const again = ['latest:db', 'tenant_template', `--into=${target.url()}`]
    const replaced = await restore([...again, '--overwrite=always', '--yes'])
    expect(replaced, replaced.err).toMatchObject({ exit: 0, err: '' })
    expect(await target.sql('select datname from pg_database where datistemplate order by 1')).toBe(
      'template0\ntemplate1\ntenant_template',
    )
  })

  it.each([
    ['a schema', 'create schema house', 'drop schema house'],
    ['an extension', 'create extension citext', 'drop extension citext'],
    [
      'a function',
      `create function house() returns int language sql as 'select 1'`,
      'drop function house()',
    ],
    ['a large object', 'select lo_create(77)', 'select lo_unlink(77)'],
    [
      'other rights',
      'revoke all on schema public from public',
      'grant usage on schema public to public',
    ],
    [
      'a setting',
      `alter database template1 set timezone to 'UTC'`,
      'alter database template1 reset timezone',
    ],
  ])('template1 is archived when it has %s', async (_what, change, back) => {
    try {
      await origin.sql(change, 'template1')
      const list = await archived()
      expect(list.databases.map(({ name }) => name)).toEqual(['postgres', 'template1'])
    } finally {
      await origin.sql(back, 'template1')
    }
  })

  it('template1 comes back into an empty one, and one with content stays as it is', async () => {
    try {
      await origin.sql('create table house (n int)', 'template1')
      await archived()
      const args = ['latest:db', `--into=${target.url()}`]
      const first = await restore(args)
      expect(first, first.err).toMatchObject({ exit: 0, err: '' })
      expect(await target.sql('select count(*) from house', 'template1')).toBe('0')
      await target.sql('alter table house add kept int', 'template1')
      const { exit, json } = await restore([...args, '--overwrite=always', '--yes'])
      expect(exit).toBe(3)
      expect(json?.notes).toEqual([
        expect.stringMatching(/^template1 stays as it is: it holds 1 table/),
      ])
      expect(await target.sql('select count(kept) from house', 'template1')).toBe('0')
    } finally {
      for (const server of [origin, target])
        await server.sql('drop table if exists house', 'template1')
    }
  })

  it('that nobody may connect to is left out with a note', async () => {
    await origin.sql('create database shut is_template true allow_connections false')
    at = await pair.world()
    const report = await at.run()
    expect(report.archives[0]?.notes).toEqual([
      { path: 'shut', reason: 'does not allow connections' },
    ])
  })
})

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function passwordAndConfig(): Promise<string[]> {
  const file = join(at.world.folder, 'password')
  return [`--password-file=${file}`, '--config', await at.world.writeEnv()]
}
