// Migrations of a real file: kept rows, a copy from before, races and kill -9.

import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, it, describe } from 'vitest'
import { MIGRATIONS } from '../../src/catalog/migrations.ts'
import type { Migration } from '../../src/catalog/migrations.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { child, NIGHT, race, ready, reserved, runSql, server, temporaryFolder } from './fixtures.ts'

const near = server(1)

const KNOWN = MIGRATIONS.length

const NEXT: Migration = {
  version: KNOWN + 1,
  name: 'a column for the test',
  apply: async (db, types) => {
    await sql`alter table archives add column mood ${types.text} not null default 'good'`.execute(
      db,
    )
  },
}
const NEWER = [...MIGRATIONS, NEXT]
/** What the table of versions holds after `count` migrations. */
const versions = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ version: index + 1 }))

describe('a migration', () => {
  it('keeps the rows, and a whole copy of the file from before', async () => {
    const path = await oldCatalog()

    const catalog = await openCatalog({ path, host: 'alpha', migrations: NEWER })
    expect(await catalog.servers()).toMatchObject([{ usedBytes: 100, archives: 1 }])
    await catalog.check()
    await catalog.close()

    expect(await runSql(path, 'select mood from archives')).toEqual([{ mood: 'good' }])
    expect(await runSql(path, 'select version from schema_versions')).toEqual(versions(KNOWN + 1))
    const copy = `${path}.before-v${KNOWN + 1}`
    expect(statSync(copy).mode & 0o777).toBe(0o600)
    const old = await openCatalog({ path: copy, host: 'alpha' })
    expect(await old.servers()).toMatchObject([{ usedBytes: 100, archives: 1 }])
    await old.close()
    expect(readdirSync(join(path, '..')).sort()).toEqual([
      'catalog.db',
      `catalog.db.before-v${KNOWN + 1}`,
    ])
  })

  it.each(versions(KNOWN - 1))(
    'brings a catalog of version $version up to date',
    async ({ version }) => {
      const path = await oldCatalog(MIGRATIONS.slice(0, version))

      const catalog = await openCatalog({ path, host: 'alpha' })
      expect(await catalog.servers()).toMatchObject([{ usedBytes: 100, archives: 1 }])
      await catalog.check()
      await catalog.close()
      expect(await runSql(path, 'select version from schema_versions')).toEqual(versions(KNOWN))
    },
  )

  it('sums up what an older catalog holds, and what its servers have shown', async () => {
    const path = await oldCatalog(MIGRATIONS.slice(0, 3))
    const at = NIGHT.toISOString()
    await runSql(path, `insert into copy_proofs values (1, '${at}', 4, 3, '${at}')`)

    const catalog = await openCatalog({ path, host: 'alpha' })

    expect(await catalog.standing()).toEqual([
      {
        ...{ identity: near.identity, copies: 1, bytes: 100, headedCopies: 1, headedAt: NIGHT },
        ...{ deepCopies: 0, provenBytes: 75, oldestAt: NIGHT },
      },
    ])
    await catalog.check()
    await catalog.close()
  })

  it('is not undone: an older program refuses the newer catalog [F77]', async () => {
    const path = await oldCatalog()
    await (await openCatalog({ path, host: 'alpha', migrations: NEWER })).close()
    const before = readFileSync(path)

    await expect(openCatalog({ path, host: 'alpha' })).rejects.toMatchObject({
      code: 'CATALOG_NEWER',
      message: `the catalog ${path} has schema version ${KNOWN + 1}, and this Spillway knows ${KNOWN}`,
      facts: { path, found: KNOWN + 1, known: KNOWN },
    })
    expect(readFileSync(path)).toEqual(before)
  })

  it('that fails changes nothing', async () => {
    const path = await oldCatalog()
    const broken: Migration = {
      version: KNOWN + 2,
      name: 'broken',
      apply: async () => Promise.reject(new Error('made for this test')),
    }

    await expect(
      openCatalog({ path, host: 'alpha', migrations: [...NEWER, broken] }),
    ).rejects.toThrow('made for this test')

    const catalog = await openCatalog({ path, host: 'alpha' })
    expect(await catalog.servers()).toMatchObject([{ usedBytes: 100 }])
    await catalog.check()
    await catalog.close()
  })

  it('is done once when 4 processes begin it together [F81]', async () => {
    const path = await oldCatalog()
    const script = `
      ${CHILD_MIGRATIONS}
      await go
      await (await openCatalog({ path: args[0], host: 'alpha', migrations })).close()
      console.log('opened')
    `

    const outputs = await race(Array.from({ length: 4 }, () => child(script, path, KYSELY)))

    expect(outputs).toEqual(['opened', 'opened', 'opened', 'opened'])
    expect(await runSql(path, 'select version from schema_versions')).toEqual(versions(KNOWN + 1))
    // Not the copy of a process that came second: that would be of the new schema.
    const old = await openCatalog({ path: `${path}.before-v${KNOWN + 1}`, host: 'alpha' })
    await old.close()
  })

  it('is begun again when it was killed in the middle [F81]', async () => {
    const path = await oldCatalog()
    const script = `
      ${CHILD_MIGRATIONS}
      migrations.push({ version: MIGRATIONS.length + 2, name: 'dies', apply: async () => process.kill(process.pid, 'SIGKILL') })
      await openCatalog({ path: args[0], host: 'alpha', migrations })
    `
    const victim = child(script, path, KYSELY)
    await victim.output
    expect(victim.process.signalCode).toBe('SIGKILL')

    expect(await runSql(path, 'select version from schema_versions')).toEqual(versions(KNOWN))
    const catalog = await openCatalog({ path, host: 'alpha', migrations: NEWER })
    await catalog.check()
    await catalog.close()
  })
})

// A script given on the command line has no folder from which it could resolve the name.
const KYSELY = import.meta.resolve('kysely')

const CHILD_MIGRATIONS = `
  const { MIGRATIONS } = await dist('catalog/migrations.js')
  const migrations = [...MIGRATIONS, { version: MIGRATIONS.length + 1, name: 'test', apply: async (db, types) => {
    const { sql } = await import(args[1])
    await sql\`alter table archives add column mood \${types.text} not null default 'good'\`.execute(db)
  } }]
`

/** A catalog with one stored archive, as these migrations leave it. */
/** Of 100 bytes on one server. */
async function oldCatalog(migrations = MIGRATIONS): Promise<string> {
  const path = join(temporaryFolder(), 'catalog.db')
  const catalog = await openCatalog({ path, host: 'alpha', migrations })
  await catalog.registerServers([near])
  await reserved(catalog, await ready(catalog), near)
  await catalog.close()
  // As the program of that version did: this one writes to tables that are not there yet.
  const at = `'${NIGHT.toISOString()}'`
  for (const statement of [
    `update s3_archives set state = 'stored', size_bytes = 100, reserved_bytes = 0, stored_at = ${at}`,
    `update s3_servers set used_bytes = 100, reserved_bytes = 0, used_copies = 1`,
    `update archives set stored_copies = 1, first_stored_at = ${at}`,
    ...(migrations.length < 4
      ? []
      : ['update s3_servers set stored_copies = 1, stored_bytes = 100']),
  ])
    await runSql(path, statement)
  return path
}
