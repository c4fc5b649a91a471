// Servers of databases in the settings: what a URL may say, where a password must not stand, and what the
// tools get.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { holdsSecrets } from '../../src/config/load.ts'
import { parse, secretsOf } from '../../src/config/parse.ts'
import { formatProblem } from '../../src/config/problem.ts'
import type { Source } from '../../src/domain/source.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const read = (env: Readonly<Record<string, string>>) =>
  parse({ SOURCE_1_NAME: 'db', ...env }, { envFileDir: folder })

function sourceOf(env: Readonly<Record<string, string>>): Source {
  const { config, problems } = read(env)
  expect(problems.map(formatProblem)).toEqual([])
  return config!.sources[0]!
}

function problemOf(env: Readonly<Record<string, string>>): string {
  return read(env).problems.map(formatProblem).join('\n')
}

describe('the URL of a server', () => {
  it.each([
    [
      'postgres://backup@db.example.net:5433/app',
      { host: 'db.example.net', port: '5433', user: 'backup' },
      'app',
    ],
    ['postgresql://db.example.net', { host: 'db.example.net' }, undefined],
    ['postgres://[2001:db8::1]:5432/', { host: '2001:db8::1', port: '5432' }, undefined],
    ['postgres:///app?host=/run/postgresql', { host: '/run/postgresql' }, 'app'],
    [
      'postgres://me@/?host=%2Frun%2Fpg&port=5433',
      { user: 'me', host: '/run/pg', port: '5433' },
      undefined,
    ],
    ["postgres://u%40h@h/a%2Fb%20'c", { user: 'u@h', host: 'h' }, "a/b 'c"],
    ['postgres://h/x?sslmode=verify-full', { host: 'h', sslmode: 'verify-full' }, 'x'],
  ])('%s is understood', (url, parameters, database) => {
    expect(sourceOf({ SOURCE_1_POSTGRES: url })).toMatchObject({
      ...{ kind: 'postgres', text: url, parameters },
      database,
    })
  })

  it.each([
    ['mysql://me@db:3307/shop', { host: 'db', port: '3307', user: 'me' }, 'shop'],
    [
      'mariadb://me@/?socket=/run/mysqld/mysqld.sock',
      { user: 'me', socket: '/run/mysqld/mysqld.sock' },
      undefined,
    ],
  ])('%s is understood', (url, options, database) => {
    expect(sourceOf({ SOURCE_1_MYSQL: url })).toMatchObject({ kind: 'mysql', options, database })
  })

  it.each([
    ['mongodb://me@db:27018/shop?authSource=admin', undefined, 'shop', false],
    ['mongodb://db', 'mongodb://db/', undefined, false],
    ['mongodb://db?tls=true', 'mongodb://db/?tls=true', undefined, false],
    ['mongodb://[::1]:27017/', undefined, undefined, false],
    ['mongodb://%2Ftmp%2Fmongodb-27017.sock/', undefined, undefined, false],
    ['mongodb://u%40h@h1:27017,h2,h3:27019/?replicaSet=rs0', undefined, undefined, true],
    ['mongodb://h1,h2/shop?replicaSet=rs0', undefined, 'shop', false],
    [
      'MONGODB+SRV://me@cluster0.example.net/?retryWrites=true&w=majority&appName=Cluster0',
      'mongodb+srv://me@cluster0.example.net/?retryWrites=true&w=majority&appName=Cluster0',
      undefined,
      false,
    ],
  ])('%s is understood', (url, uri, database, withOplog) => {
    expect(sourceOf({ SOURCE_1_MONGODB: url })).toMatchObject({
      ...{ kind: 'mongodb', text: url, uri: uri ?? url, database, withOplog },
    })
  })

  it.each([
    ['postgres://me:geheim@h/x', /has a password in it.*_PASSWORD_FILE/],
    ['postgres://me:ge:he@im@h/x', /has a password in it/],
    ['postgres://h/x?password=geheim', /has a password in it/],
    ['mysql://h/x?user=me&passwd=geheim', /has a password in it/],
    ['mongodb://me:geheim@h1,h2/x', /has a password in it.*_PASSWORD_FILE/],
    ['mongodb+srv://me:ge:he@im@h/', /has a password in it/],
    ['mongodb://h/?tlsCertificateKeyFilePassword=geheim', /has a password in it/],
    ['mongodb://', /names no server/],
    ['mongodb://me@/shop', /names no server/],
    ['mongo://h', /must be mongodb:\/\/user@host:port\/database/],
    ['mongodb://h/a.b', /names a database that cannot be one/],
    ['mongodb://h/%24external', /names a database that cannot be one.*authSource/],
    ['mongodb://h/?authsource=x', /has \?authsource, which is not among authSource/],
    ['mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:geheim', /has a password in it/],
    ['http://h/x', /must be postgres:\/\/user@host:port\/database/],
    ['h/x', /must be postgres:/],
    ['postgres://h/a/b', /must be postgres:/],
    ['postgres://h/%zz', /has a % that is no escape/],
    ['postgres://h/x?dbname=other', /has \?dbname, which is not among/],
    ['postgres://h/x?options=-csearch_path%3Dx', /has \?options/],
  ])('%s is refused, and a password is not repeated', (url, problem) => {
    const [scheme = ''] = /^(?:mysql|mongo)/.exec(url) ?? []
    const name = { mysql: 'MYSQL', mongo: 'MONGODB' }[scheme] ?? 'POSTGRES'
    const said = problemOf({ [`SOURCE_1_${name}`]: url })
    expect(said).toMatch(problem)
    expect(said).not.toMatch(/geheim|ge:he@im/)
  })
})

describe('an option that stands twice in the URL of a server', () => {
  it.each([
    ['POSTGRES', 'postgres://me@h/x?host=h&host=/hidden', 'host'],
    ['POSTGRES', 'postgres://me@h/x?sslmode=require&port=1&sslmode=hidden', 'sslmode'],
    ['POSTGRES', 'postgres://me@h/x?host=hidden&host=hidden', 'host'],
    ['MYSQL', 'mysql://me@h/x?protocol=tcp&protocol=hidden', 'protocol'],
    ['MONGODB', 'mongodb://me@h/?authMechanism=SCRAM-SHA-1&authMechanism=hidden', 'authMechanism'],
    ['REDIS', 'rediss://me@h?sslrootcert=/a&sslrootcert=/hidden', 'sslrootcert'],
  ])('is refused by its name, without its values: %s=%s', (name, url, option) => {
    const said = problemOf({ [`SOURCE_1_${name}`]: url })
    expect(said).toMatch(`SOURCE_1_${name} has ?${option} more than once; leave one of them`)
    expect(said).not.toContain('hidden')
  })

  it('is right where its order means something: tags of MongoDB', () => {
    const url = 'mongodb://h/?readPreferenceTags=dc:a&readPreferenceTags=dc:b'
    expect(sourceOf({ SOURCE_1_MONGODB: url })).toMatchObject({ text: url })
  })

  it.each(['authMechanism=hidden', 'tlsCertificateKeyFilePassword=hidden'])(
    'does not hide behind a semicolon, which the tools of MongoDB take for an &: %s',
    (more) => {
      const said = problemOf({ SOURCE_1_MONGODB: `mongodb://me@h/?appName=x;${more}` })
      expect(said).toMatch(/SOURCE_1_MONGODB has (?:a ; among its options|a password in it)/)
      expect(said).not.toContain('hidden')
    },
  )
})

describe('the password of a server', () => {
  const url = { SOURCE_1_POSTGRES: 'postgres://me@h/x' }

  it('stands in a setting or in a file, is a secret, and is in no environment', () => {
    const file = join(folder, 'password')
    writeFileSync(file, ' with: spaces\\ \n')
    chmodSync(file, 0o600)
    for (const [env, password] of [
      [{ SOURCE_1_PASSWORD: 'a b:c' }, 'a b:c'],
      [{ SOURCE_1_PASSWORD_FILE: 'password' }, ' with: spaces\\ '],
    ] as const) {
      const { config } = read({ ...url, ...env })
      const source = config!.sources[0]!
      expect(source).toMatchObject({ password, secrets: [password] })
      expect(secretsOf(config!)).toContain(password)
      expect(JSON.stringify('environment' in source && source.environment)).not.toContain('spaces')
    }
    expect(holdsSecrets('SOURCE_1_PASSWORD=x\n')).toBe(true)
  })

  it('is not both, not of two lines, and nothing to other kinds', () => {
    writeFileSync(join(folder, 'password'), 'x')
    const both = { SOURCE_1_PASSWORD: 'a', SOURCE_1_PASSWORD_FILE: 'password' }
    expect(problemOf({ ...url, ...both })).toMatch(
      /PASSWORD_FILE.* is set, and SOURCE_1_PASSWORD as/,
    )
    const lines = { SOURCE_1_PASSWORD: 'geheim\nb' }
    expect(problemOf({ ...url, ...lines })).toBe(
      'SOURCE_1_PASSWORD must not contain control characters',
    )
    expect(problemOf({ SOURCE_1_COMMAND: 'true', SOURCE_1_PASSWORD: 'a' })).toMatch(
      /SOURCE_1_PASSWORD means nothing to a command/,
    )
  })
})

describe('a server of databases', () => {
  it('is one kind of source, with settings of that kind', () => {
    const url = { SOURCE_1_POSTGRES: 'postgres://h' }
    expect(problemOf({ ...url, SOURCE_1_PATH: '/srv' })).toMatch(
      /SOURCE_1_POSTGRES is set, and so is/,
    )
    expect(problemOf({ ...url, SOURCE_1_MYSQL: 'mysql://h' })).toMatch(/one or the other/)
    expect(problemOf({ ...url, SOURCE_1_ONE_FILE_SYSTEM: 'true' })).toMatch(
      /means nothing to a PostgreSQL server/,
    )
    expect(problemOf({ ...url, SOURCE_1_NAME: '' })).toMatch(/SOURCE_1_NAME is missing/)
    expect(problemOf({ SOURCE_1_POSTGRES: 'postgres://h/x', SOURCE_1_EXCLUDE: 'y' })).toMatch(
      /SOURCE_1_EXCLUDE means nothing where one database is named/,
    )
  })

  it('of MongoDB has its oplog where it can and is wanted', () => {
    const replicaSet = { SOURCE_1_MONGODB: 'mongodb://h/?replicaSet=rs0' }
    const single = { SOURCE_1_MONGODB: 'mongodb://h' }
    const one = { SOURCE_1_MONGODB: 'mongodb://h/shop' }
    expect(sourceOf({ ...replicaSet, SOURCE_1_OPLOG: 'auto' })).toMatchObject({ withOplog: true })
    expect(sourceOf({ ...replicaSet, SOURCE_1_OPLOG: 'false' })).toMatchObject({ withOplog: false })
    expect(sourceOf({ ...single, SOURCE_1_OPLOG: 'true' })).toMatchObject({ withOplog: true })
    expect(problemOf({ ...one, SOURCE_1_OPLOG: 'true' })).toMatch(
      /SOURCE_1_OPLOG means nothing where one database is named/,
    )
    expect(problemOf({ SOURCE_1_MYSQL: 'mysql://h', SOURCE_1_OPLOG: 'true' })).toMatch(
      /SOURCE_1_OPLOG means nothing to a MySQL server/,
    )
    expect(problemOf({ ...single, SOURCE_1_EXCLUDE: 'x' })).toMatch(
      /SOURCE_1_EXCLUDE means nothing to a MongoDB server/,
    )
  })

  it('has tools that speak English, find their programs, and get nothing else', () => {
    const source = sourceOf({
      ...{ SOURCE_1_POSTGRES: 'postgres://h', SOURCE_1_EXCLUDE: 'a,b\\,c', LANG: 'de_DE.UTF-8' },
      ...{
        PATH: '/opt/pg/bin',
        PGPASSFILE: '/x',
        PGPASSWORD: 'geheim',
        PGHOST: 'other',
        HOME: '/h',
      },
    })
    if (source.kind !== 'postgres') throw new Error(source.kind)
    expect(source.excludes).toEqual(['a', 'b,c'])
    const { environment } = source
    expect(environment).toMatchObject({
      ...{ PATH: '/opt/pg/bin', HOME: '/h', PGPASSFILE: '/x', LC_ALL: 'C.UTF-8' },
    })
    expect(Object.keys(environment)).not.toContain('PGPASSWORD')
    expect(Object.keys(environment)).not.toContain('PGHOST')
  })
})
