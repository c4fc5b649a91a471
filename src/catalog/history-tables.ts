// The tables of the history of files.

import type { Kysely } from 'kysely'
import type { ColumnTypes } from './migrations.ts'

export type HistoryTables = Record<never, never>

export async function createHistoryTables(
  _db: Kysely<unknown>,
  _types: ColumnTypes,
): Promise<void> {}
