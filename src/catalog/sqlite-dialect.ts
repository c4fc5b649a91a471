// Kysely's SQLite dialect, with three habits changed.
//
// - A transaction that writes begins with BEGIN IMMEDIATE. Kysely's plain BEGIN takes the write lock
//   at the first write only; if another process wrote since the first read, SQLite then refuses at
//   once, however long busy_timeout is.
// - Waiting for another process does not block the event loop: an upload must not stop for it.
// - Errors leave as CATALOG_* failures, and a rollback never hides the error that caused it.

import { setTimeout as sleep } from 'node:timers/promises'
import { CompiledQuery, SqliteDialect, SqliteDriver, sql } from 'kysely'
import type { DatabaseConnection, Driver, QueryResult, TransactionSettings } from 'kysely'
import type { ColumnTypes } from './migrations.ts'
import type { SqliteHandle } from './open-sqlite.ts'
import { fromSqlite, isBusy } from './sqlite-errors.ts'

export type SqliteDialectOptions = {
  readonly handle: SqliteHandle
  /** For messages. */
  readonly path: string
  /** How long a statement waits for other processes. */
  readonly busyTimeoutMs: number
  /** Throws when the file that is open is no longer the one at `path`. */
  readonly requireInPlace: () => void
}

/** STRICT: a value of the wrong type is refused when written, and found by quick_check. */
export const SQLITE_TYPES: ColumnTypes = {
  id: sql`integer primary key autoincrement`,
  integer: sql`integer`,
  text: sql`text`,
  real: sql`real`,
  blob: sql`blob`,
  tableEnd: sql`strict`,
}

export class PatientSqliteDialect extends SqliteDialect {
  readonly #options: SqliteDialectOptions

  constructor(options: SqliteDialectOptions) {
    super({ database: options.handle })
    this.#options = options
  }

  override createDriver(): Driver {
    return new PatientSqliteDriver(this.#options)
  }
}

class PatientSqliteDriver extends SqliteDriver {
  readonly #options: SqliteDialectOptions
  #connection: DatabaseConnection | undefined

  constructor(options: SqliteDialectOptions) {
    super({ database: options.handle })
    this.#options = options
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    // Called every time: this is where Kysely waits its turn for the one connection.
    const connection = await super.acquireConnection()
    this.#connection ??= new PatientConnection(connection, this.#options)
    return this.#connection
  }

  override async beginTransaction(
    connection: DatabaseConnection,
    settings?: TransactionSettings,
  ): Promise<void> {
    const isReading = settings?.accessMode === 'read only'
    // SQLite goes on writing to a file that was removed, and all of it would be lost at the end.
    if (!isReading) this.#options.requireInPlace()
    await connection.executeQuery(CompiledQuery.raw(isReading ? 'begin' : 'begin immediate'))
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // After a full disk or an I/O error SQLite has rolled back by itself; a second rollback would
    // fail, and its error would take the place of the one that matters.
    if (this.#options.handle.inTransaction) await super.rollbackTransaction(connection)
  }
}

// Short enough for the timers of an upload, long enough that a waiting process costs no CPU.
const PAUSE_MS = 20

const CHANGES = /^\s*(?:insert|update|delete|replace)\b/i

class PatientConnection implements DatabaseConnection {
  readonly #inner: DatabaseConnection
  readonly #options: SqliteDialectOptions

  constructor(inner: DatabaseConnection, options: SqliteDialectOptions) {
    this.#inner = inner
    this.#options = options
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { path, busyTimeoutMs, handle, requireInPlace } = this.#options
    // As at the beginning of a transaction, for a change that stands alone.
    if (!handle.inTransaction && CHANGES.test(query.sql)) requireInPlace()
    const deadline = performance.now() + busyTimeoutMs
    for (;;) {
      try {
        return await this.#inner.executeQuery<R>(query)
      } catch (error) {
        // Inside a write transaction nothing is busy any more, so what is repeated here is a begin
        // or a statement that stands alone: nothing of it was done.
        if (!isBusy(error) || performance.now() >= deadline) throw fromSqlite(error, path)
      }
      await sleep(PAUSE_MS)
    }
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.#inner.streamQuery<R>(query, chunkSize)
  }
}
