// A real PostgreSQL server, archived by the real program, extracted by tar, restored into an empty server and
// compared; then tools that lie about it, and what of its password anybody could see.

import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createPacker } from '../../src/compose-packer.ts'
import { parse } from '../../src/config/parse.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import type { PostgresSource } from '../../src/domain/source.ts'
import type { DatabaseList } from '../../src/sources/database-list.ts'
import { commonLies } from '../support/lies.ts'
import { DatabaseWorld, sampleProcesses } from '../support/database-world.ts'
import { PostgresServer, postgresPrograms } from '../support/postgres-server.ts'
import { ODD_DATABASES, ROW_COUNTS, SHOP } from '../support/shop-postgres.ts'

const PROGRAMS = postgresPrograms() ?? ''
if (PROGRAMS === '') throw new Error('PostgreSQL is not installed: see scripts/test-servers.sh')
const realDump = join(PROGRAMS, 'pg_dump')

let server: PostgresServer
let empty: PostgresServer
beforeAll(async () => {
  ;[server, empty] = await Promise.all([PostgresServer.start(), PostgresServer.start()])
  await server.sql(`create role clerk login password 'of the clerk' connection limit 9;
    create role "odd "" role"; grant clerk to "odd "" role";
    create role nosuper login password '${server.password.replaceAll("'", "''")}' `)
  for (const name of [...ODD_DATABASES, 'shop']) await server.sql(`create database ${quoted(name)}`)
  await server.sql(`${SHOP}; alter table customers owner to clerk`, 'shop')
  for (const name of ODD_DATABASES)
    await server.sql(
      `create table t as select ${literal(name)} as named; grant select on t to nosuper`,
      name,
    )
  await server.sql(`create database closed; alter database closed allow_connections false`)
}, 120_000)
afterAll(async () => {
  await server.stop()
  await empty.stop()
})

let at: DatabaseWorld
beforeEach(async () => {
  at = await DatabaseWorld.make({ POSTGRES: server.url(), PASSWORD: server.password })
})
afterEach(() => at.close())

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function listIn(folder: string): DatabaseList {
  return JSON.parse(readFileSync(join(folder, 'spillway-database.json'), 'utf8')) as DatabaseList
}

/** As statements, without what is different in every dump. */
async function plainDump(of: PostgresServer, database: string): Promise<string> {
  const text = await of.client('pg_dump', ['--format=plain'], database)
  return text.replace(/^\\(?:un)?restrict .*$/gm, '')
}

describe('a PostgreSQL server', () => {
  it('comes back whole, whatever its databases are called', async () => {
    const report = await at.run()
    expect(report).toMatchObject({ exit: 0, sources: [{ outcome: 'ok' }] })
    expect(report.archives[0]?.notes).toEqual([
      { path: 'closed', reason: 'does not allow connections' },
    ])

    const folder = at.extract(report)
    const list = listIn(folder)
    const globals = readFileSync(join(folder, 'globals.sql'), 'utf8')
    expect(list).toMatchObject({ kind: 'postgres', isWholeServer: true, tool: { name: 'pg_dump' } })
    expect(list.databases.map(({ name }) => name).sort()).toEqual(
      [...ODD_DATABASES, 'postgres', 'shop'].sort(),
    )
    expect(list.leftOut.map(({ name }) => name)).toEqual(['closed', 'template0', 'template1'])

    // The role that restores it is there already.
    await empty.sql(globals.replace(/^CREATE ROLE postgres;$/m, ''))
    for (const { name, file, dumpBytes } of list.databases) {
      if (name !== 'postgres') await empty.sql(`create database ${quoted(name)}`)
      expect(readFileSync(join(folder, file)).length, name).toBe(dumpBytes)
      await empty.client('pg_restore', ['--exit-on-error', join(folder, file)], name)
      expect(await empty.sql(ROW_COUNTS, name), name).toBe(await server.sql(ROW_COUNTS, name))
      expect(await plainDump(empty, name), name).toBe(await plainDump(server, name))
    }
    expect(await empty.sql(ROW_COUNTS, 'shop')).toContain('customers=5003')
    const passwords = 'select rolname, rolpassword from pg_authid where rolname like $$c%$$'
    expect(await empty.sql(passwords)).toBe(await server.sql(passwords))
  }, 180_000)

  it('is one database where one is named, over its socket, and restored by Spillway', async () => {
    at.set({ POSTGRES: server.url(ODD_DATABASES[4], 'socket') })
    const report = await at.run()
    expect(report.exit).toBe(0)
    const to = join(at.world.folder, 'restored')
    const { exit, err } = await at.cli(['restore', 'latest:db', '--to', to])
    expect(exit, err).toBe(0)
    const list = listIn(to)
    expect(list).toMatchObject({ isWholeServer: false, globals: null, leftOut: [] })
    expect(list.databases.map(({ name }) => name)).toEqual([ODD_DATABASES[4]])
    expect(
      await server.client('pg_restore', ['--list', join(to, list.databases[0]!.file)]),
    ).toContain('TABLE DATA public t')
    const cat = await at.cli(['cat', 'latest:db', list.databases[0]!.file])
    expect(cat.out.startsWith('PGDMP')).toBe(true)
  })

  it('is shown before it is dumped, and leaves out what is to be left out', async () => {
    at.set({ EXCLUDE: 'shop,plain' })
    const { exit, out } = await at.cli(['run', '--dry-run', '--json'])
    expect(exit).toBe(0)
    const plan = JSON.parse(out) as { archives: { parts: { name: string; sizeBytes: number }[] }[] }
    const { parts } = plan.archives[0]!
    expect(parts.map(({ name }) => name)).not.toContain('shop')
    expect(parts.map(({ name }) => name)).toContain('line\nbreak')
    for (const { sizeBytes } of parts) expect(sizeBytes).toBeGreaterThan(1_000_000)
    expect(readdirSync(at.disk)).toEqual([])
  })

  it('is dumped by a user who may not read passwords, with a warning', async () => {
    at.set({ POSTGRES: server.url().replace('postgres@', 'nosuper@'), EXCLUDE: 'shop' })
    const report = await at.run()
    expect(report).toMatchObject({ exit: 3, sources: [{ outcome: 'warnings' }] })
    expect(report.archives[0]?.warnings).toEqual([
      {
        path: 'globals.sql',
        reason: 'the roles are there without their passwords, which nosuper may not read',
      },
    ])
    expect(listIn(at.extract(report)).globals).toMatchObject({ hasPasswords: false })
  })

  it('whose tool warns is archived with that warning', async () => {
    at.set({ POSTGRES: server.url('plain') })
    at.fakeTool('pg_dump', realDump, 'echo "pg_dump: warning: odd" >&2; real "$@"')
    const report = await at.run()
    expect(report.exit).toBe(3)
    expect(report.archives[0]?.warnings).toEqual([
      { path: 'databases/plain.dump', reason: 'pg_dump said: pg_dump: warning: odd' },
    ])
  })
})

describe('a database of 1 GB', () => {
  it('is archived without a copy on disk, and comes back the same', async () => {
    await server.sql('create database bench')
    await server.client('pgbench', ['--initialize', '--scale=70', '--quiet'], 'bench', 'plain')
    at.set({ POSTGRES: server.url('bench'), MIN_BYTES: '500000000' })
    const begun = performance.now()
    const report = await at.run()
    const seconds = (performance.now() - begun) / 1_000
    expect(report).toMatchObject({ exit: 0 })
    const { sizeBytes, sourceBytes } = report.archives[0]!
    expect(sizeBytes).toBeLessThan(sourceBytes / 5)
    process.stdout.write(
      `bench: ${sourceBytes} bytes of dump, ${sizeBytes} of archive, ${seconds} s\n`,
    )
    const folder = at.extract(report)
    await empty.sql('create database bench')
    await empty.client('pg_restore', ['--jobs=2', join(folder, 'databases/bench.dump')], 'bench')
    const sums = 'select count(*), sum(hashtext(a::text)) from pgbench_accounts a'
    expect(await empty.sql(sums, 'bench')).toBe(await server.sql(sums, 'bench'))
    expect(await empty.sql(ROW_COUNTS, 'bench')).toContain('pgbench_accounts=7000000')
    await Promise.all([server, empty].map((each) => each.sql('drop database bench')))
  }, 900_000)
})

describe('a dump that nobody can trust', () => {
  const cases: [string, { script: string; says: RegExp; code?: string; version?: string }][] = [
    [
      'exits with 1 after half of it',
      {
        script: 'real "$@" | head -c 200000; echo "pg_dump: error: query failed" >&2; exit 1',
        says: /^database shop: pg_dump ended with exit code 1; it said: pg_dump: error: query failed$/,
      },
    ],
    ...commonLies('pg_dump'),
    [
      'is killed',
      {
        script: 'real "$@" | head -c 9000; kill -9 $$',
        says: /shop: pg_dump was ended by SIGKILL$/,
      },
    ],
    [
      'is cut, and ends with 0',
      {
        script: 'real "$@" | head -c 300000; exit 0',
        says: /^database shop: pg_dump ended with exit code 0, but its dump ends in the middle, after 300000 bytes$/,
      },
    ],
    [
      'is no dump',
      {
        script: 'echo "-- PostgreSQL database dump"',
        says: /its dump does not begin like a dump of pg_dump, but with "-- Po"/,
      },
    ],
    [
      'is of another database',
      {
        script: `real "\${@/dbname=\\'shop\\'/dbname=\\'plain\\'}"`,
        says: /^database shop: pg_dump wrote a dump of another database, plain$/,
      },
    ],
    [
      'is by a tool that is too old',
      {
        script: 'real "$@"',
        version: 'echo "pg_dump (PostgreSQL) 9.6.24"',
        says: /pg_dump in PATH is of version 9\.6\.24, older than the server, 1\d\.\d+.*: it cannot dump that/,
      },
    ],
  ]
  it.each(cases)(
    'because it %s [F05 F62]',
    async (_what, { script, says, code, version }) => {
      at.set({ POSTGRES: server.url('shop'), KEEP_LAST: '1' })
      const before = await at.run()
      expect(before.exit).toBe(0)
      at.fakeTool('pg_dump', realDump, script, version)

      const report = await at.run()

      expect(report.archives).toEqual([])
      expect(report.sources).toMatchObject([
        { name: 'db', outcome: 'failed', code: code ?? 'SOURCE_DATABASE_FAILED' },
      ])
      expect(report.sources[0]?.message).toMatch(says)
      expect(report.retention.deleted).toEqual([])
      // The one of the night before, and nothing else.
      expect(existsSync(join(at.disk, before.archives[0]!.key))).toBe(true)
      expect(readdirSync(join(at.disk, before.archives[0]!.key, '..'))).toHaveLength(1)
      expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
    },
    60_000,
  )

  it('because it hangs [F62]', async () => {
    at.set({ POSTGRES: server.url('shop') })
    at.fakeTool('pg_dump', realDump, 'real "$@" | head -c 9000; sleep 1000')
    const env = { ...at.world.env, PATH: `${at.tools}:${process.env['PATH']}` }
    const { config } = parse(
      { ...env, SOURCE_1_PASSWORD: server.password },
      { envFileDir: at.disk },
    )
    const source = config!.sources[0] as PostgresSource
    const packing = createPacker().pack(
      {
        ...{ archiveId: newArchiveId(Date.now()), host: 'h', startedAt: new Date(), zstdLevel: 3 },
        ...{ verifies: true, ownPaths: [], outputBytesMax: undefined },
        // The shortest that can be set is a minute.
        source: { ...source, silenceMs: 4_000 },
        outputPath: join(at.disk, 'x.partial'),
      },
      () => undefined,
      new AbortController().signal,
    )
    await expect(packing).rejects.toMatchObject({
      code: 'SOURCE_DATABASE_FAILED',
      message: expect.stringMatching(
        /^database shop: pg_dump wrote nothing for .* minutes and did not end$/,
      ) as string,
    })
    expect(toolsOf(at)).toEqual([])
    expect(readdirSync(at.disk)).toEqual(['x.partial'])
  }, 60_000)

  it('because the roles end too early', async () => {
    at.fakeTool('pg_dumpall', join(PROGRAMS, 'pg_dumpall'), 'real "$@" | head -n 20')
    const report = await at.run()
    expect(report.exit).toBe(14)
    expect(report.sources[0]?.message).toMatch(/roles: pg_dumpall ended .* does not end with/)
  })

  it.each([
    ['the password is wrong', { PASSWORD: 'wrong' }, /password authentication failed/],
    ['there is none', { PASSWORD: '' }, /no password supplied/],
    [
      'there is no such database',
      { POSTGRES: 'DATABASE:nowhere' },
      /database "nowhere" does not exist/,
    ],
    ['nobody answers', { POSTGRES: 'postgres://u@127.0.0.1:1/x' }, /Connection refused/],
  ])('because %s', async (_what, settings: Record<string, string>, says) => {
    const { POSTGRES: url = '' } = settings
    at.set(settings)
    if (url.startsWith('DATABASE:')) at.set({ POSTGRES: server.url(url.slice(9)) })
    const report = await at.run()
    expect(report).toMatchObject({ exit: 14, archives: [] })
    expect(report.sources[0]?.message).toMatch(says)
    expect(JSON.stringify(report)).not.toContain(server.password)
  })

  it('because a program is missing [F62]', async () => {
    symlinkSync(join(PROGRAMS, 'psql'), join(at.tools, 'psql'))
    const report = await at.run({ PATH: at.tools })
    expect(report).toMatchObject({ exit: 14, archives: [] })
    expect(report.sources[0]?.message).toBe(`there is no program "pg_dump" in PATH (${at.tools})`)
  })

  it('because the server ends its connection [F63]', async () => {
    at.set({ POSTGRES: server.url('shop') })
    // It waits for its reader, in the middle of a table.
    const slow = 'set -o pipefail; real "$@" | { head -c 9000; sleep 6; cat; }'
    at.fakeTool('pg_dump', realDump, slow)
    const running = at.run()
    const dumping = "from pg_stat_activity where datname = 'shop'"
    await vi.waitFor(
      async () => expect(await server.sql(`select count(*) ${dumping}`)).not.toBe('0'),
      15_000,
    )
    // Time to fill the pipe.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await server.sql(`select pg_terminate_backend(pid) ${dumping}`)
    const report = await running
    expect(report).toMatchObject({ exit: 14, archives: [] })
    expect(report.sources[0]?.message).toMatch(
      /^database shop: pg_dump ended with exit code 1; it said: /,
    )
    expect(report.sources[0]?.message).toMatch(/terminat|closed the connection/)
    expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
  }, 60_000)

  it('because a database is dropped while others are dumped [F63]', async () => {
    await server.sql('create database zz_dropped')
    at.fakeTool('pg_dump', realDump, `case "$*" in *"'shop'"*) sleep 3;; esac; real "$@"`)
    const running = at.run()
    await vi.waitFor(() => expect(toolsOf(at).join('\n')).toContain("dbname='shop'"), 15_000)
    await server.sql('drop database zz_dropped')
    const report = await running
    expect(report.exit).toBe(14)
    expect(report.sources[0]?.message).toMatch(
      /^database zz_dropped: pg_dump ended .* database "zz_dropped" does not exist/,
    )
  }, 60_000)
})

describe('the password', () => {
  it('is seen in no process, no message and no file that stays [F101b]', async () => {
    const secrets = [server.password, server.password.replace(/[\\:]/g, '\\$&')]
    const { result, sampled } = await sampleProcesses(secrets, () => at.cli(['run', '--json']))
    expect(result.exit).toBe(0)
    expect(sampled.leaks).toEqual([])
    expect([...sampled.programs]).toEqual(expect.arrayContaining(['pg_dump']))
    expect(result.out + result.err).not.toContain(server.password)
    expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
  }, 60_000)

  it('goes with an interrupted run, and what a killed one left with the next [F01i F03b]', async () => {
    at.fakeTool('pg_dump', realDump, 'sleep 1000')
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const program = join(import.meta.dirname, '../../dist/src/main.js')
      const child = spawn(
        process.execPath,
        [program, 'run', '--config', await at.world.writeEnv()],
        {
          env: { ...process.env, PATH: `${at.tools}:${process.env['PATH']}` },
          stdio: 'ignore',
        },
      )
      const ended = new Promise((resolve) => child.once('exit', resolve))
      await vi.waitFor(() => expect(toolsOf(at)).not.toEqual([]), 15_000)
      const left = () => readdirSync(at.spool).filter((name) => name.includes('secrets'))
      expect(left()).toHaveLength(1)
      child.kill(signal)
      await ended
      if (signal === 'SIGTERM') expect(left()).toEqual([])
      // The guard ends what we cannot end any more.
      await vi.waitFor(() => expect(toolsOf(at)).toEqual([]), 15_000)
    }
    at.fakeTool('pg_dump', realDump, 'real "$@"')
    const report = await at.run()
    expect(report.sources).toMatchObject([{ outcome: 'ok' }])
    expect(readdirSync(at.spool)).toEqual(['.spillway-spool'])
  }, 90_000)
})

/** Command lines of tools of this installation that are running. */
function toolsOf({ tools }: DatabaseWorld): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return text.includes(`${tools}/`) ? [text] : []
    } catch {
      // No process, or one that has ended.
      return []
    }
  })
}
