// Databases of a real MariaDB server go back into another one, straight from the archive, and are compared.

import { readdirSync } from 'node:fs'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { DatabaseWorld } from '../support/database-world.ts'
import { hasMariaDb, MariaDbServer } from '../support/mariadb-server.ts'
import { ODD_DATABASES, SHOP } from '../support/shop-mariadb.ts'

if (!hasMariaDb()) throw new Error('MariaDB is not installed: see scripts/test-servers.sh')

let origin: MariaDbServer
let target: MariaDbServer
let at: DatabaseWorld
beforeAll(async () => {
  ;[origin, target] = await Promise.all([MariaDbServer.start(), MariaDbServer.start()])
  for (const name of ODD_DATABASES) {
    await origin.sql(`create database ${quoted(name)}`)
    await origin.sql('create table t as select database() as named', name)
  }
  await origin.sql('create database shop character set utf8mb4 collate utf8mb4_german2_ci')
  await origin.sql(SHOP, 'shop')
  await origin.sql(
    `create table noise as select seq, sha2(seq, 512) as one, sha2(seq + 0.5, 512) as other from seq_1_to_60000`,
    'shop',
  )
  at = await DatabaseWorld.make({ MYSQL: origin.url(), PASSWORD: origin.password })
  // One table has no transactions, which is told.
  expect(await at.run()).toMatchObject({ exit: 3, archives: [{ state: 'stored' }] })
  await writeFile(passwordFile(), `${target.password}\n`)
}, 180_000)
afterAll(async () => {
  await Promise.all([origin.stop(), target.stop(), at.close()])
})
afterEach(async () => {
  for (const name of await databases()) await target.sql(`drop database ${quoted(name)}`)
})

it('gives a whole server back, whatever its databases are called, and says that users are not among it', async () => {
  const { exit, err } = await restore([`--into=${target.url()}`])
  expect(err).toContain('users and grants of the server are not restored')
  expect(exit).toBe(3)
  expect((await databases()).sort()).toEqual([...ODD_DATABASES, 'shop'].sort())
  for (const name of [...ODD_DATABASES, 'shop'])
    expect(await plainDump(target, name), name).toBe(await plainDump(origin, name))
  const collation = `select default_collation_name from information_schema.schemata where schema_name = 'shop'`
  expect(await target.sql(collation)).toBe('utf8mb4_german2_ci')
})

it('gives one database another name, and does not overwrite it unasked', async () => {
  const into = ['shop', `--into=${target.url('shop two')}`]
  const { exit, err } = await restore(into)
  expect(exit, err).toBe(0)
  expect(await plainDump(target, 'shop two')).toBe(await plainDump(origin, 'shop'))

  await target.sql('create table mine as select 1 as n', 'shop two')
  const refused = await restore(into)
  expect(refused.exit).toBe(35)
  expect(refused.err).toMatch(/the database shop two on .* is not empty: \d+ tables, /)
  expect(await target.sql('select n from mine', 'shop two')).toBe('1')
  const planned = await restore([...into, '--dry-run'])
  expect(planned.exit).toBe(35)
})

it('names the line of a statement that fails, and drops what it has created', async () => {
  await target.sql(`create user few@'127.0.0.1' identified by '${PLAIN}';
    grant create, drop, select, insert, alter, index, references, lock tables, process on *.* to few@'127.0.0.1'`)
  await writeFile(passwordFile('few'), PLAIN)
  const url = target.url('half').replace('root@', 'few@')
  const { exit, err } = await restore(['shop', `--into=${url}`], 'few')
  expect(exit).toBe(35)
  expect(err).toMatch(/ERROR \d+ \(\w+\) at line \d+: .*denied/)
  expect(err).toContain('the database half, created for this, was dropped again')
  expect(await databases()).toEqual([])
})

it('takes no password in the URL, and says when one is wrong', async () => {
  const url = target.url('x').replace('root@', `root:${PLAIN}@`)
  const refused = await at.cli(['restore', 'latest:db', 'shop', `--into=${url}`])
  expect(refused.exit).toBe(2)
  expect(refused.err).toContain('has a password in it')
  expect(refused.err).not.toContain(PLAIN)
  await writeFile(passwordFile('wrong'), PLAIN)
  const wrong = await restore(['shop', `--into=${target.url('x')}`], 'wrong')
  expect(wrong.exit).toBe(35)
  expect(wrong.err).toContain('Access denied for user')
  expect(wrong.err).toContain('--password-file')
})

it('ends with 31 where the archive is damaged, and drops the half', async () => {
  const path = join(at.disk, archiveName())
  const whole = await readFile(path)
  const file = await open(path, 'r+')
  try {
    // The shop comes late, and most of it is noise.
    await file.write(Buffer.from('damaged'), 0, 7, Math.floor((whole.length * 2) / 3))
    const { exit, err } = await restore(['shop', `--into=${target.url()}`])
    expect(err).toMatch(
      /is damaged in the archive; the database shop, created for this, was dropped again/,
    )
    expect(exit).toBe(31)
    expect(await databases()).toEqual([])
  } finally {
    await file.write(whole, 0, whole.length, 0)
    await file.close()
  }
})

const PLAIN = 'of-a-few-people'

function passwordFile(whose = 'root'): string {
  return join(at.world.folder, `password-of-${whose}`)
}

async function restore(args: readonly string[], whose?: string) {
  return at.cli(['restore', 'latest:db', ...args, `--password-file=${passwordFile(whose)}`])
}

function archiveName(): string {
  const names = readdirSync(at.disk, { recursive: true, encoding: 'utf8' })
  return names.find((name) => name.endsWith('.tar.zst') && !name.includes('catalog'))!
}

async function databases(): Promise<string[]> {
  const query = `select hex(schema_name) from information_schema.schemata
    where schema_name not in ('mysql', 'sys', 'information_schema', 'performance_schema')`
  const hex = (await target.sql(query)).split('\n').filter((each) => each !== '')
  return hex.map((each) => Buffer.from(each, 'hex').toString('utf8'))
}

function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** As statements, by the server's own tool and not in our way; without its comments. */
async function plainDump(of: MariaDbServer, database: string): Promise<string> {
  const options = ['--routines', '--events', '--skip-comments']
  return of.client('mariadb-dump', [...options, '--', database])
}
