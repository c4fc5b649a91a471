// Brings the schema of a catalog up to date, in one transaction: all steps or none.
//
// Two processes may do this at once, and either may be killed at any moment: the version is read
// again under the write lock, and what was not committed is not there.

import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { SpillwayError } from '../domain/errors.ts'
import { corrupt } from './damage.ts'
import type { ColumnTypes, Migration } from './migrations.ts'
import { safeInteger } from './rows.ts'
import type { Tables } from './tables.ts'

export type MigrateInput = {
  readonly db: Kysely<Tables>
  readonly types: ColumnTypes
  readonly migrations: readonly Migration[]
  /** The tables that are there now; asked again after the write lock is taken. */
  readonly tableNames: () => ReadonlySet<string>
  /** The schema as it is now; kept with the version, see `recordedSchema`. */
  readonly schemaText: () => string
  /** Keeps a copy of a catalog that is about to change; called under the write lock. */
  readonly beforeChange: (change: { readonly from: number; readonly to: number }) => Promise<void>
  /** For messages. */
  readonly path: string
}

export async function migrate(input: MigrateInput): Promise<void> {
  const latest = input.migrations.length
  if ((await readVersion(input.db, input)) === latest) return
  await input.db.transaction().execute(async (trx) => {
    // Another process may have done all of it while this one waited for the lock.
    const from = await readVersion(trx, input)
    if (from === latest) return
    if (from > 0) await input.beforeChange({ from, to: latest })
    else await createVersions(trx, input.types)
    for (const migration of input.migrations.slice(from)) {
      await migration.apply(trx as unknown as Kysely<unknown>, input.types)
      await trx
        .insertInto('schema_versions')
        .values({
          version: migration.version,
          name: migration.name,
          applied_at: new Date().toISOString(),
          schema: input.schemaText(),
        })
        .execute()
    }
  })
}

/** The schema as the last migration left it. */
export async function recordedSchema(db: Kysely<Tables>): Promise<string> {
  const { schema } = await db
    .selectFrom('schema_versions')
    .select('schema')
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  return schema
}

async function createVersions(db: Kysely<Tables>, t: ColumnTypes): Promise<void> {
  await sql`create table schema_versions (
    version ${t.integer} not null primary key,
    name ${t.text} not null,
    applied_at ${t.text} not null,
    schema ${t.text} not null
  ) ${t.tableEnd}`.execute(db)
}

/** 0 for a database without a catalog. */
async function readVersion(db: Kysely<Tables>, input: MigrateInput): Promise<number> {
  if (!input.tableNames().has('schema_versions')) return 0
  const { version } = await db
    .selectFrom('schema_versions')
    .select((eb) => eb.fn.coalesce(eb.fn.max('version'), sql.lit(0)).as('version'))
    .executeTakeFirstOrThrow()
  const found = safeInteger(version, 'schema_versions.version')
  if (found < 1) throw corrupt(input.path, 'it has tables, and no schema version')
  if (found <= input.migrations.length) return found
  throw new SpillwayError(
    'CATALOG_NEWER',
    `the catalog ${input.path} has schema version ${found}, and this Spillway knows ${input.migrations.length}`,
    { facts: { path: input.path, found, known: input.migrations.length } },
  )
}
