// Archives that somebody else had his hands on: whatever stands in them, restoring them into a real server runs
// no program on the machine that restores.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresPair } from '../support/postgres-pair.ts'
import { postgresPrograms } from '../support/postgres-server.ts'
import type { DatabaseWorld } from '../support/database-world.ts'

const PROGRAMS = postgresPrograms() ?? ''
if (PROGRAMS === '') throw new Error('PostgreSQL is not installed: see scripts/test-servers.sh')

let pair: PostgresPair
let at: DatabaseWorld
beforeAll(async () => {
  pair = await PostgresPair.start()
  await pair.origin.sql(`create role app; create database evil;
    alter database evil set spillway.word to '${'A'.repeat(200)}'`)
}, 120_000)
afterAll(() => pair.stop())
beforeEach(async () => {
  at = await pair.world()
})
afterEach(async () => {
  await at.close()
  await pair.target.sql('drop database if exists evil; drop role if exists app')
})

/** The file that a command of the archive would make. */
const proof = (): string => join(at.world.folder, 'ran')

/** With a psql that is older than `\restrict`: what is refused there, our own look has found. */
function oldPsql(): void {
  const filter = `real "$@" | grep -v restrict`
  const script = `case "$*" in --help=commands) ${filter}; exit;; *) exec ${join(PROGRAMS, 'psql')} "$@";; esac`
  at.fakeTool('psql', join(PROGRAMS, 'psql'), script)
}

describe('a dump of roles', () => {
  const ends = 'ALTER ROLE app SET work_mem TO 1;'
  const cases: [string, (command: string) => string][] = [
    ['in a setting', (command) => `ALTER ROLE app SET work_mem TO 1 ${command}\n;`],
    ['on a line of its own', (command) => `${ends}\n${command}\n`],
    ['behind a line that is allowed', (command) => `\\restrict abc\n${command}\n${ends}`],
    [
      'behind a quote that is escaped',
      (command) => `ALTER ROLE app SET a.b TO E'\\' ${command}\n'`,
    ],
    [
      'behind a text that goes on in the next line',
      (command) => `ALTER ROLE app SET a.b TO E'a'\n'\\'' ${command}\n, 'x';`,
    ],
    [
      'behind quotes that are read in another way',
      (command) =>
        `SET standard_conforming_strings = off;\nALTER ROLE app SET a.b TO '\\'' ${command}\n, 'x';`,
    ],
    [
      'in dollar quotes that end early',
      (command) => `ALTER ROLE app SET a.b TO $a$b$a$ ${command}\n;`,
    ],
    [
      'behind a comment that ends early',
      (command) => `ALTER ROLE app /* ' */ ${command} /* ' */\n;`,
    ],
    ['from a variable', (command) => `ALTER ROLE app SET a.b TO :'HOST' ${command}\n;`],
  ]
  it.each(cases.flatMap((each) => [[...each, 'new'] as const, [...each, 'old'] as const]))(
    'runs no command that stands %s',
    async (_where, text, psql) => {
      const hostile = text(`\\! touch ${proof()}`).replaceAll("'", `'\\''`)
      at.fakeTool(
        'pg_dumpall',
        join(PROGRAMS, 'pg_dumpall'),
        `real "$@" | while IFS= read -r line; do printf '%s\\n' "$line"
          case $line in "CREATE ROLE app;") printf '%s\\n' '${hostile}';; esac; done`,
      )
      expect(await at.run()).toMatchObject({ exit: 0 })
      if (psql === 'old') oldPsql()
      const { exit, err } = await pair.restore(at, ['latest:db', `--into=${pair.target.url()}`])
      expect(existsSync(proof()), err).toBe(false)
      expect(exit).toBe(35)
      expect(err).toContain('globals.sql')
      expect(await pair.target.sql(`select count(*) from pg_roles where rolname = 'app'`)).toBe('0')
    },
  )
})

describe('the settings of a database', () => {
  it.each(['new', 'old'])('run no command, with a psql that is %s', async (psql) => {
    const command = `'A' \\! touch ${proof()}`
    // As long as what it replaces: the length stands in front of it.
    const hostile = `${command}\n`.padEnd(202)
    at.fakeTool(
      'pg_dump',
      join(PROGRAMS, 'pg_dump'),
      `real "$@" | perl -0777 -pe ${quotedForShell(`s{'A{200}'}{${hostile.replaceAll('\\', '\\\\')}}`)}`,
    )
    expect(await at.run()).toMatchObject({ exit: 0 })
    if (psql === 'old') oldPsql()
    const { exit, json, err } = await pair.restore(at, [
      ...['latest:db', 'evil'],
      `--into=${pair.target.url()}`,
    ])
    expect(existsSync(proof()), err).toBe(false)
    expect(exit).toBe(3)
    expect(json?.databases[0]?.notes?.join()).toMatch(/^not run: ALTER DATABASE evil SET/)
  })
})

describe('the owner of a database', () => {
  const GRAB = `create schema m;
    create function m.current_setting(text) returns text language plpgsql as
      $f$ begin alter role mallory superuser; return pg_catalog.current_setting($1); end $f$;
    create function m.eq(name, name) returns bool language plpgsql as
      $f$ begin alter role mallory superuser; return true; end $f$;
    create operator m.= (leftarg = name, rightarg = name, function = m.eq);
    grant all on schema m to public;
    create table mine (n int)`

  it.each(['mdb', 'postgres', 'template1'])(
    'does not become superuser by an archive, or a restore, of %s',
    async (database) => {
      const servers = [pair.origin, pair.target]
      for (const server of servers) {
        await server.sql(`create role mallory`)
        if (database === 'mdb') await server.sql('create database mdb owner mallory')
        await server.sql(GRAB, database)
        await server.sql(
          `alter database ${database} set search_path = m, pg_catalog, public`,
          database,
        )
      }
      const names = database === 'mdb' ? ['mdb', ''] : ['']
      try {
        for (const name of names) {
          at.set({ POSTGRES: pair.origin.url(name) })
          expect((await at.run()).exit).toBe(0)
        }
        for (const args of [['latest:db'], ['latest:db', database, '--overwrite=always', '--yes']])
          await pair.restore(at, [...args, `--into=${pair.target.url()}`])
        for (const server of servers)
          expect(
            await server.sql(`select pg_catalog.count(*) from pg_catalog.pg_roles
              where rolname operator(pg_catalog.=) 'mallory' and rolsuper`),
          ).toBe('0')
      } finally {
        for (const server of servers) {
          if (database === 'mdb') await server.sql('drop database mdb')
          else
            await server.sql(
              `alter database ${database} reset search_path; set search_path to public;
              drop schema m cascade; drop table mine`,
              database,
            )
          await server.sql('drop role mallory')
        }
      }
    },
  )
})

function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
