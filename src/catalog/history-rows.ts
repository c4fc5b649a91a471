// The queries of the history of files.

import type { Kysely } from 'kysely'
import type { HistoryCalls } from './history-calls.ts'
import type { Tables } from './tables.ts'

export function createHistoryCalls(_db: Kysely<Tables>, _host: string): HistoryCalls {
  return {}
}
