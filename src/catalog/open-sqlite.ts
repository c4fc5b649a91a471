// The catalog on SQLite: opening it, its pragmas, its checks. The only file that touches
// better-sqlite3.
//
// Never open a database file by node:fs while a handle is open in this process: closing any file
// handle drops all of the process's POSIX locks on that file, SQLite's among them.

import { resolve } from 'node:path'
import Database from 'better-sqlite3'
import { Kysely } from 'kysely'
import { SpillwayError } from '../domain/errors.ts'
import type { Catalog } from './catalog.ts'
import {
  isCutWithinPage,
  makePrivateFile,
  placeGuard,
  prepareCatalogFile,
  publishCopy,
} from './catalog-file.ts'
import { corrupt } from './damage.ts'
import { createKyselyCatalog } from './kysely-catalog.ts'
import { findLedgerFaults } from './ledger-check.ts'
import { migrate, recordedSchema } from './migrate.ts'
import { MIGRATIONS } from './migrations.ts'
import type { Migration } from './migrations.ts'
import { PatientSqliteDialect, SQLITE_TYPES } from './sqlite-dialect.ts'
import { fromSqlite, sqliteCode } from './sqlite-errors.ts'
import type { Tables } from './tables.ts'

/** The members that are used, of a statement and of a database. */
type SqliteStatement = {
  readonly reader: boolean
  all(parameters: readonly unknown[]): unknown[]
  run(parameters: readonly unknown[]): {
    changes: number | bigint
    lastInsertRowid: number | bigint
  }
  iterate(parameters: readonly unknown[]): IterableIterator<unknown>
}

export type SqliteHandle = {
  readonly open: boolean
  readonly inTransaction: boolean
  prepare(sql: string): SqliteStatement
  exec(sql: string): unknown
  pragma(source: string, options?: { readonly simple?: boolean }): unknown
  close(): unknown
}

const MEMORY = ':memory:'

/**
 * Above this size a file is checked by `check` only, not at every opening. It is some 28 000 archives,
 * and 70 ms; a million are 1.2 GB, and quick_check takes more than two seconds.
 */
const CHECKED_ON_OPEN_BYTES_MAX = 32 * 1024 * 1024

// While a handle is being set up there is nothing else to do, and SQLite's own wait is the only one
// that covers pragmas. Afterwards the dialect waits, without blocking: 50 ms is what a transaction
// of another process usually takes, fsync included.
const STATEMENT_BLOCKS_MS = 50

export type CatalogOptions = {
  /** Made when it is not there, with its folder. `:memory:` for one that is gone when closed. */
  readonly path: string
  /** SERVER_ID. */
  readonly host: string
  /** How long a call waits for other processes; without blocking this one. */
  readonly busyTimeoutMs?: number
  /** For tests of older and newer schemas. */
  readonly migrations?: readonly Migration[]
}

// Ours hold the write lock for milliseconds. What holds it for longer is a shell or a backup that
// somebody left open, or a migration of a big catalog, which is worth waiting for.
const BUSY_TIMEOUT_MS = 15_000

type Connection = { readonly handle: SqliteHandle; readonly db: Kysely<Tables> }

type Setting = {
  readonly path: string
  readonly busyTimeoutMs: number
  readonly migrations: readonly Migration[]
}

/** Rejects with CATALOG_UNAVAILABLE, CATALOG_NEWER or CATALOG_CORRUPT; nothing is left open then. */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  const setting = {
    path: options.path === MEMORY ? MEMORY : resolve(options.path),
    busyTimeoutMs: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS,
    migrations: options.migrations ?? MIGRATIONS,
  }
  const { path } = setting
  if (path !== MEMORY) {
    await prepareCatalogFile(path, async (newPath) => {
      await disconnect(await connect({ ...setting, path: newPath }))
    })
  }
  const connection = await connect(setting)
  return createKyselyCatalog({
    db: connection.db,
    host: options.host,
    name: path,
    findDamage: () => {
      try {
        return findDamage(connection.handle, 'full')
      } catch (error) {
        throw fromDamaged(error, path)
      }
    },
    close: () => disconnect(connection),
  })
}

/** Open, sound, and of the latest schema. */
async function connect(setting: Setting): Promise<Connection> {
  const { path, busyTimeoutMs } = setting
  const handle = openSqlite(path, busyTimeoutMs)
  const requireInPlace = path === MEMORY ? () => undefined : placeGuard(path)
  const dialect = new PatientSqliteDialect({ handle, path, busyTimeoutMs, requireInPlace })
  const connection = { handle, db: new Kysely<Tables>({ dialect }) }
  try {
    if (path !== MEMORY && isCutWithinPage(path, pageBytes(handle)))
      throw corrupt(path, 'the file ends within a page: something cut it off')
    const isNew = tableNames(handle).size === 0
    const isChecked = !isNew && databaseBytes(handle) <= CHECKED_ON_OPEN_BYTES_MAX
    if (isChecked) requireNone(path, findDamage(handle, 'quick'))
    await bringUpToDate(connection, setting)
    requireSchema(handle, await recordedSchema(connection.db), path)
    endBlockingWaits(handle, busyTimeoutMs)
    if (isChecked) requireNone(path, await findLedgerFaults(connection.db))
    return connection
  } catch (error) {
    await disconnect(connection)
    throw fromDamaged(error, path)
  }
}

/** While a file is checked, SQL that does not fit its schema is damage; later it is our bug. */
function fromDamaged(error: unknown, path: string): unknown {
  return sqliteCode(error) === 'SQLITE_ERROR'
    ? corrupt(path, 'its schema is not what it says', error)
    : fromSqlite(error, path)
}

async function bringUpToDate({ handle, db }: Connection, setting: Setting): Promise<void> {
  const { path, busyTimeoutMs, migrations } = setting
  await migrate({
    db,
    types: SQLITE_TYPES,
    migrations,
    tableNames: () => tableNames(handle),
    schemaText: () => JSON.stringify(schemaOf(handle)),
    beforeChange: async ({ to }) => {
      const copyPath = `${path}.before-v${to}`
      makePrivateFile(`${copyPath}.partial`)
      copyDatabase(path, `${copyPath}.partial`, busyTimeoutMs)
      publishCopy(`${copyPath}.partial`, copyPath)
    },
    path,
  })
}

function requireNone(path: string, findings: readonly string[]): void {
  if (findings.length > 0) throw corrupt(path, findings.join('; '))
}

async function disconnect({ handle, db }: Connection): Promise<void> {
  await db.destroy()
  // Kysely closes only what it has used.
  if (handle.open) handle.close()
}

/** A handle without any setting, for an existing file. */
export function openHandle(
  path: string,
  options: { readonly busyTimeoutMs: number; readonly isReadOnly?: boolean },
): SqliteHandle {
  try {
    return new Database(path, {
      timeout: options.busyTimeoutMs,
      readonly: options.isReadOnly ?? false,
      fileMustExist: path !== MEMORY,
    })
  } catch (error) {
    throw fromSqlite(error, path)
  }
}

/** A handle with all that the catalog needs of SQLite. */
function openSqlite(path: string, busyTimeoutMs: number): SqliteHandle {
  const handle = openHandle(path, { busyTimeoutMs })
  try {
    // First: turning on the write-ahead log would change the file of another program.
    requireOurs(tableNames(handle), path)
    applyPragmas(handle, path)
    return handle
  } catch (error) {
    handle.close()
    throw fromDamaged(error, path)
  }
}

function requireOurs(tables: ReadonlySet<string>, path: string): void {
  const [first] = tables
  if (first === undefined || tables.has('schema_versions')) return
  throw new SpillwayError(
    'CATALOG_CORRUPT',
    `${path} is a database of another program: it has a table "${first}" and no table "schema_versions"`,
    { facts: { path }, hint: 'correct CATALOG_URL, or DATA_DIR' },
  )
}

function applyPragmas(handle: SqliteHandle, path: string): void {
  // Nothing in a schema may call functions with side effects: the file may come from elsewhere.
  handle.pragma('trusted_schema = OFF')
  // Damaged pages are noticed when they are read, not when they have been used.
  handle.pragma('cell_size_check = ON')
  handle.pragma('foreign_keys = ON')
  const mode = handle.pragma('journal_mode = WAL', { simple: true })
  if (mode !== 'wal' && path !== MEMORY) {
    throw new SpillwayError(
      'CATALOG_UNAVAILABLE',
      `the catalog ${path} cannot use a write-ahead log (journal mode ${String(mode)})`,
      { facts: { path }, hint: 'keep DATA_DIR on a local disk, not on a network file system' },
    )
  }
  // In WAL mode this binding's default may lose the last transactions at a power cut: a
  // reservation or the mark "stored" would be gone. A night has dozens of commits, not thousands.
  handle.pragma('synchronous = FULL')
}

/** From now on the dialect waits for other processes. */
function endBlockingWaits(handle: SqliteHandle, busyTimeoutMs: number): void {
  handle.pragma(`busy_timeout = ${Math.min(STATEMENT_BLOCKS_MS, busyTimeoutMs)}`)
}

function tableNames(handle: SqliteHandle): ReadonlySet<string> {
  const rows = handle.prepare(`select name from sqlite_master where type = 'table'`).all([])
  return new Set((rows as { name: string }[]).map(({ name }) => name))
}

type SchemaObject = { readonly name: string; readonly sql: string }

function schemaOf(handle: SqliteHandle): readonly SchemaObject[] {
  return handle
    .prepare('select name, sql from sqlite_master where sql is not null order by name')
    .all([]) as SchemaObject[]
}

/**
 * A changed bit in the schema would change a constraint, or what an index holds, and no check of
 * SQLite's would see it. What somebody added is his own.
 */
function requireSchema(handle: SqliteHandle, recorded: string, path: string): void {
  const found = new Map(schemaOf(handle).map(({ name, sql }) => [name, sql]))
  let made: readonly SchemaObject[]
  try {
    made = JSON.parse(recorded) as SchemaObject[]
  } catch (cause) {
    throw corrupt(path, 'its schema is not what it says', cause)
  }
  const changed = made.find(({ name, sql }) => found.get(name) !== sql)
  if (changed !== undefined)
    throw corrupt(path, `its schema is not what it says, at "${changed.name}"`)
}

function pageBytes(handle: SqliteHandle): number {
  return handle.pragma('page_size', { simple: true }) as number
}

function databaseBytes(handle: SqliteHandle): number {
  return (handle.pragma('page_count', { simple: true }) as number) * pageBytes(handle)
}

/** The first few things that are wrong with the file; none: it is sound. */
function findDamage(handle: SqliteHandle, depth: 'quick' | 'full'): readonly string[] {
  // A quick check does not compare rows with indices. For the few servers that costs nothing, and a
  // server whose identity was damaged would come back as a new one, with all of its limit to spend.
  const checks =
    depth === 'quick' ? ['quick_check(3)', 'integrity_check(s3_servers)'] : ['integrity_check(3)']
  const found = checks
    .flatMap((check) => handle.pragma(check) as Record<string, unknown>[])
    .map((row) => String(Object.values(row)[0]))
    .filter((line) => line !== 'ok')
    .slice(0, 3)
  if (found.length > 0 || depth === 'quick') return found
  const orphans = handle.pragma('foreign_key_check') as { table: string; parent: string }[]
  return orphans
    .slice(0, 3)
    .map(({ table, parent }) => `a row of ${table} points to no row of ${parent}`)
}

/**
 * Writes the database as it is now to an empty or missing file, while other handles may read and
 * one may hold the write lock: what that one has not committed is not in the copy.
 */
function copyDatabase(path: string, copyPath: string, busyTimeoutMs: number): void {
  const handle = openHandle(path, { busyTimeoutMs, isReadOnly: true })
  try {
    handle.prepare('vacuum into ?').run([copyPath])
  } catch (error) {
    throw fromSqlite(error, path)
  } finally {
    handle.close()
  }
}
