// Databases of a real PostgreSQL server go back into another one, straight from the archive, and are compared; and
// what anybody could see, or would be left, while that goes on.

import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { fillOddServer, ODD_NAME, quoted } from '../support/odd-postgres.ts'
import { onTerminal } from '../support/on-terminal.ts'
import { PostgresServer, postgresPrograms } from '../support/postgres-server.ts'
import { spillway } from '../support/command-sources.ts'
import { World } from '../support/world.ts'
import type { RunReport } from '../../src/domain/run-report.ts'

let origin: PostgresServer
let target: PostgresServer
let world: World
let config: string[]
let archivePath: string

type Into = {
  readonly exit: number
  readonly outcome: string
  readonly roles: { readonly created: string[]; readonly existing: string[] } | null
  readonly databases: {
    readonly into: string
    readonly action: string
    readonly outcome?: string
    readonly tables: number
  }[]
  readonly problems: { readonly message: string }[]
  readonly notes: string[]
}

if (postgresPrograms() === undefined)
  throw new Error('PostgreSQL is not installed: see scripts/test-servers.sh')

describe('restore --into postgres', () => {
  beforeAll(async () => {
    ;[origin, target] = await Promise.all([PostgresServer.start(), PostgresServer.start()])
    await fillOddServer(origin)
    world = await World.make([])
    const disk = join(world.folder, 'disk')
    await mkdir(disk)
    world.env['S3_SERVER_1_ENDPOINT'] = `file://${disk}`
    delete world.env['SOURCE_1_PATH']
    world.env['SOURCE_1_NAME'] = 'db'
    world.env['SOURCE_1_POSTGRES'] = origin.url()
    world.env['SOURCE_1_PASSWORD'] = origin.password
    config = ['--config', await world.writeEnv()]
    const ran = await spillway(['run', '--json', ...config])
    expect(ran.exit, ran.err).toBe(0)
    const { archives } = JSON.parse(ran.out.toString()) as RunReport
    archivePath = join(disk, archives[0]!.key)
    await writeFile(join(world.folder, 'password'), `${target.password}\n`, { mode: 0o600 })
  }, 120_000)

  afterAll(async () => {
    await Promise.all([origin?.stop(), target?.stop(), world?.close()])
  })

  beforeEach(async () => {
    await emptyTarget()
  })

  it('gives a whole server back: roles first, then every database', async () => {
    await target.sql(`create role "Read Only" createdb`)
    const { json, err, exit } = await restore(['latest:db', `--into=${target.url()}`])
    expect(exit, err).toBe(0)
    expect(json.roles).toEqual({
      created: ['app_owner', 'reader'],
      existing: ['Read Only', 'postgres'],
    })
    for (const name of ['app', ODD_NAME, 'empty_one', 'postgres'])
      expect(await dumpOf(target, name), name).toBe(await dumpOf(origin, name))
    expect(await counts(target)).toEqual(await counts(origin))
    expect(await settingsOf(target)).toEqual(await settingsOf(origin))
    // What was there has neither lost nor gained anything.
    const role = `select rolcreatedb from pg_roles where rolname = 'Read Only'`
    expect(await target.sql(role)).toBe('t')
    const login = `select rolpassword from pg_authid where rolname = 'app_owner'`
    expect(await target.sql(login)).toBe(await origin.sql(login))
  })

  it('gives one database out of it a new name', async () => {
    await createRoles()
    const into = ['latest:db', 'app', `--into=${target.url("app's copy")}`]
    const { json, exit, err } = await restore(into)
    expect(exit, err).toBe(0)
    expect(json.databases).toMatchObject([{ into: "app's copy", action: 'create', outcome: 'ok' }])
    expect(await dumpOf(target, "app's copy")).toBe(await dumpOf(origin, 'app'))
    const setting = await target.sql('show timezone', "app's copy")
    expect(setting).toBe('Pacific/Chatham')
    expect(await databases()).toEqual(["app's copy"])
  })

  it('names the roles that are missing before anything is done, or leaves them out', async () => {
    const into = ['latest:db', 'app', `--into=${target.url()}`]
    const refused = await restore(into)
    expect(refused.exit).toBe(35)
    expect(refused.err).toContain('2 roles that the dump names: Read Only, app_owner')
    expect(await databases()).toEqual([])

    // What policies name cannot be left out.
    const named = await restore([...into, '--no-owner'])
    expect(named.err).toContain('lacks a role that the dump names: Read Only')
    await target.sql('create role "Read Only"')
    const done = await restore([...into, '--no-owner'])
    expect(done.err).toBe('')
    expect(done.exit).toBe(0)
    const owner = `select pg_get_userbyid(relowner) from pg_class where relname = 'customer'`
    expect(await target.sql(owner, 'app')).toBe('postgres')
  })

  it('refuses a database that is not empty, and says what is there', async () => {
    await createRoles()
    await target.sql('create database app')
    await target.sql('create table mine (n int); insert into mine values (1)', 'app')
    const into = ['latest:db', 'app', `--into=${target.url()}`]
    const refused = await restore(into)
    expect(refused.exit).toBe(35)
    expect(refused.err).toMatch(
      /nothing was changed: the database app on .* is not empty: 1 table, /,
    )
    expect(refused.err).toContain('--overwrite=always')
    expect(await target.sql('select n from mine', 'app')).toBe('1')

    const planned = await restore([...into, '--dry-run'])
    expect(planned.exit).toBe(35)
    expect(planned.json.problems[0]?.message).toContain('is not empty')

    const done = await restore([...into, '--overwrite=always', '--yes'])
    expect(done.exit, done.err).toBe(0)
    expect(done.json.databases).toMatchObject([{ action: 'overwrite', outcome: 'ok' }])
    expect(await dumpOf(target, 'app')).toBe(await dumpOf(origin, 'app'))
    expect(await databases()).toEqual(['app'])
  })

  it('leaves a database as it was when the dump does not go in', async () => {
    await createRoles()
    // The server takes nothing there.
    await target.sql(
      `create database app; alter database app set default_transaction_read_only to on`,
    )
    const { exit, err } = await restore(['latest:db', 'app', `--into=${target.url()}`])
    expect(exit).toBe(35)
    expect(err).toMatch(/cannot execute CREATE SCHEMA in a read-only transaction/)
    expect(err).toContain('the database app is as it was')
  })

  it('takes no password in the URL, and says which one was wrong', async () => {
    const secret = 'hunter2hunter2'
    const url = target.url('x').replace('postgres@', `postgres:${secret}@`)
    const refused = await spillway(['restore', 'latest:db', 'app', `--into=${url}`, ...config])
    expect(refused.exit).toBe(2)
    expect(refused.err).toContain('has a password in it')
    expect(refused.err).toContain('--password-file')
    expect(refused.err).not.toContain(secret)

    const file = join(world.folder, 'wrong')
    await writeFile(file, `${secret}\n`)
    const into = ['latest:db', 'app', `--into=${target.url('x')}`, `--password-file=${file}`]
    const wrong = await spillway(['restore', ...into, ...config])
    expect(wrong.exit).toBe(35)
    expect(wrong.err).toContain('password authentication failed for user "postgres"')
    expect(wrong.err).not.toContain(secret)
    // The origin's entry is another server's, and its password is not tried there.
    const none = await spillway(['restore', ...into.slice(0, 3), ...config])
    expect(none.err).toMatch(/no password supplied/)
  })

  it('goes where it came from only when somebody says so', async () => {
    const asked = ['restore', 'latest:db', 'empty_one', '--into=origin', ...config]
    const refused = await spillway(asked)
    expect(refused.exit).toBe(2)
    expect(refused.err).toContain('--yes')
    const planned = await spillway([...asked, '--dry-run'])
    expect(planned.exit, planned.err).toBe(0)
    expect(planned.out.toString()).toMatch(/fill +empty_one, .* there: 0 tables/)
    const done = await spillway([...asked, '--yes'])
    expect(done.exit, done.err).toBe(0)
    // On a terminal the name of the database must be typed; another one is not taken.
    const question = /Type empty_one to go on:/
    const left = await onTerminal(asked, [
      [question, 'empty_two\r'],
      [/type empty_one, or press Ctrl-C/, '\x03'],
    ])
    expect(left.exit).toBe(130)
    expect(left.shown).not.toContain('1 of 1 database of')
    const typed = await onTerminal(asked, [[question, 'empty_one\r']])
    expect(typed.shown).toContain('1 of 1 database of')
    expect(typed.exit).toBe(0)
  })

  it('asks for a password that nobody has, without showing it', async () => {
    const into = ['restore', 'latest:db', 'empty_one', `--into=${target.url()}`, ...config]
    const { shown, exit } = await onTerminal(into, [
      [/Password for 127\.0\.0\.1:\d+:/, `${target.password}\r`],
    ])
    expect(shown).toContain('1 of 1 database of')
    expect(shown).not.toContain(target.password)
    expect(exit).toBe(0)
  })

  it('ends with 31 and takes everything back where the archive is damaged', async () => {
    await createRoles()
    const whole = readFileSync(archivePath)
    const file = await open(archivePath, 'r+')
    try {
      // Somewhere in the middle of the first dump, by far the largest.
      await file.write(Buffer.from('damaged'), 0, 7, Math.floor((whole.length * 2) / 3))
      const { exit, err } = await restore(['latest:db', 'app', `--into=${target.url()}`])
      expect(exit).toBe(31)
      expect(err).toMatch(
        /is damaged in the archive; the database app, created for this, was dropped again/,
      )
      expect(await databases()).toEqual([])
    } finally {
      await file.write(whole, 0, whole.length, 0)
      await file.close()
    }
  })

  it('shows no secret while it runs, and leaves nothing when it is interrupted', async () => {
    await createRoles()
    const program = join(import.meta.dirname, '../../dist/src/main.js')
    const into = ['latest:db', 'app', `--into=${target.url()}`, ...passwordFile()]
    const { path, seen: seenByPsql } = recordingPsql()
    const env = { ...process.env, PATH: path }
    const child = spawn(process.execPath, [program, 'restore', ...into, ...config], { env })
    let err = ''
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve))
    const seen = new Map<number, Seen>()
    let atWork: Seen | undefined
    while (atWork === undefined && child.exitCode === null) {
      for (const each of processesBelow(child.pid!)) seen.set(each.pid, each)
      atWork = [...seen.values()].find(({ cmdline }) => /^\S*pg_restore /.test(cmdline))
      await new Promise(setImmediate)
    }
    expect(atWork, err).toBeDefined()
    // Stopped in the middle, so that it is at work when it is ended, and does not notice.
    process.kill(atWork!.pid, 'SIGSTOP')
    expect(seenByPsql()).toMatch(/psql .*\n(?:.*\n)*PATH=/)
    const all = [...seen.values()].map(({ cmdline, environ }) => cmdline + environ)
    for (const secret of [target.password, origin.password])
      expect([...all, seenByPsql()].join('\n')).not.toContain(secret)
    const atMs = performance.now()
    child.kill('SIGTERM')
    expect(await exited).toBe(130)
    expect(performance.now() - atMs).toBeLessThan(8_000)
    expect(err).toContain('the database app, created for this, was dropped again')
    expect(await databases()).toEqual([])
    expect([...seen.keys()].filter(isAlive)).toEqual([])
    const left = readdirSync(tmpdir()).filter((name) => name.startsWith('.spillway-secrets-'))
    expect(left.filter((name) => name.includes(`-${child.pid}-`))).toEqual([])
  })
})

function passwordFile(): string[] {
  return [`--password-file=${join(world.folder, 'password')}`]
}

async function restore(
  args: readonly string[],
): Promise<{ json: Into; exit: number; err: string }> {
  const ended = await spillway(['restore', ...args, ...passwordFile(), '--json', ...config])
  return { json: JSON.parse(ended.out.toString()) as Into, exit: ended.exit ?? -1, err: ended.err }
}

async function emptyTarget(): Promise<void> {
  for (const name of await databases()) await target.sql(`drop database ${quoted(name)}`)
  const roles = await target.sql(`select rolname from pg_roles where rolname !~ '^pg_|^postgres$'`)
  for (const name of roles.split('\n').filter((each) => each !== ''))
    await target.sql(`drop role ${quoted(name)}`)
}

async function createRoles(): Promise<void> {
  await target.sql('create role app_owner; create role "Read Only"')
}

async function databases(): Promise<string[]> {
  const names = `select json_agg(datname) from pg_database where not datistemplate and datname <> 'postgres'`
  return (JSON.parse((await target.sql(names)) || 'null') as string[] | null) ?? []
}

/** All that is in it, as SQL; without the version, the time and what psql is told. */
async function dumpOf(server: PostgresServer, database: string): Promise<string> {
  const text = await server.client('pg_dump', [], database)
  return text.replace(/^(?:-- (?:Dumped|Started|Completed)|\\(?:un)?restrict).*\n/gm, '')
}

async function counts(server: PostgresServer): Promise<string> {
  const tables = ['customer', 'orders_2025', 'orders_2026', 'turnover', 'turnover_kept']
  const each = tables.map((table) => `select '${table}', count(*) from shop.${table};`)
  return server.sql(
    each.join('') + 'select sum(length(lo_get(oid))) from pg_largeobject_metadata',
    'app',
  )
}

/** What belongs to databases and roles themselves. */
async function settingsOf(server: PostgresServer): Promise<string> {
  return server.sql(`
    select datname, pg_get_userbyid(datdba), encoding, datcollate, datctype,
      (select array_agg(a order by a::text) from unnest(datacl) a),
      shobj_description(oid, 'pg_database') from pg_database where datname in ('app', 'empty_one') order by 1;
    select rolname, rolcanlogin, rolvaliduntil, shobj_description(oid, 'pg_authid') from pg_roles
      where rolname in ('app_owner', 'reader') order by 1;
    select setconfig from pg_db_role_setting order by 1;
    select r.rolname, m.rolname from pg_auth_members a join pg_roles r on r.oid = a.roleid
      join pg_roles m on m.oid = a.member where m.rolname = 'reader'`)
}

/** A psql that writes down what anybody could see of it, since each lives too briefly to be sampled. */
function recordingPsql(): { readonly path: string; readonly seen: () => string } {
  const folder = join(world.folder, 'tools')
  const file = join(folder, 'seen')
  mkdirSync(folder)
  const real = execFileSync('sh', ['-c', 'command -v psql']).toString().trim()
  const lines = [
    '#!/bin/sh',
    `{ tr '\\0' ' ' < /proc/$$/cmdline; echo; tr '\\0' '\\n' < /proc/$$/environ; } >> '${file}'`,
    `exec '${real}' "$@"`,
  ]
  writeFileSync(join(folder, 'psql'), `${lines.join('\n')}\n`, { mode: 0o755 })
  return { path: `${folder}:${process.env['PATH']}`, seen: () => readFileSync(file, 'utf8') }
}

type Seen = { readonly pid: number; readonly cmdline: string; readonly environ: string }

/** With their arguments and environment, as far as they are still there. */
function processesBelow(root: number): Seen[] {
  const found: Seen[] = []
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const parents = new Map(all.map((pid) => [Number(pid), parentOf(pid)]))
  for (const pid of parents.keys()) {
    let at: number | undefined = pid
    while (at !== undefined && at !== root) at = parents.get(at)
    if (at === undefined) continue
    const [cmdline, environ] = [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].map(contentOf)
    found.push({ pid, cmdline: cmdline!.replaceAll('\0', ' '), environ: environ! })
  }
  return found
}

function parentOf(pid: string): number | undefined {
  const [, parent] = /\) \S (\d+)/.exec(contentOf(`/proc/${pid}/stat`)) ?? []
  return parent === undefined ? undefined : Number(parent)
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It has ended meanwhile.
    return ''
  }
}

function isAlive(pid: number): boolean {
  return contentOf(`/proc/${pid}/stat`) !== '' && !/\) Z /.test(contentOf(`/proc/${pid}/stat`))
}
