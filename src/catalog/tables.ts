// The tables of the catalog, as Kysely sees them. What they mean is said in migrations.ts.
//
// Integers come back as numbers from SQLite and as strings from PostgreSQL (int8), so reading one
// gives a StoredInteger: nothing but safeInteger() of rows.ts makes a number of it. Times are text,
// ISO 8601 in UTC with milliseconds: 24 characters that sort by time in every database.

import type { ColumnType, Generated } from 'kysely'
import type { ArchiveState, CopyState } from '../domain/archive.ts'
import type { AttemptOutcome } from '../domain/errors.ts'
import type { Health } from './catalog.ts'
import type { HistoryTables } from './history-tables.ts'
import type { ProofTables } from './proof-tables.ts'
import type { RebuildTables } from './rebuild-tables.ts'

export type StoredInteger = number | string | bigint

type Integer = ColumnType<StoredInteger, number, number>
type OptionalInteger = ColumnType<StoredInteger | null, number | null, number | null>
type DefaultedInteger = ColumnType<StoredInteger, number | undefined, number>

type ServersTable = {
  id: Generated<StoredInteger>
  identity: string
  label: string
  endpoint: string
  bucket: string | null
  prefix: string
  used_bytes: DefaultedInteger
  reserved_bytes: DefaultedInteger
  catalog_bytes: DefaultedInteger
  other_bytes: DefaultedInteger
  used_copies: DefaultedInteger
  listed_at: string | null
  stored_copies: DefaultedInteger
  stored_bytes: DefaultedInteger
  headed_copies: DefaultedInteger
  deep_copies: DefaultedInteger
  proven_bytes: DefaultedInteger
}

type ServerHealthTable = {
  host: string
  server_id: Integer
  health: Health
  reason: string | null
  checked_at: string
}

type ArchivesTable = {
  id: string
  host: string
  source: string
  source_kind: string
  state: ArchiveState
  file: string
  key: string
  local_path: string | null
  size_bytes: OptionalInteger
  source_bytes: OptionalInteger
  member_count: OptionalInteger
  sha256: string | null
  started_at: string
  ended_at: string | null
  verified_at: string | null
  is_pinned: DefaultedInteger
  warning_count: DefaultedInteger
  warnings: Generated<string>
  reason: string | null
  stored_copies: DefaultedInteger
  first_stored_at: string | null
}

type CopiesTable = {
  id: Generated<StoredInteger>
  archive_id: string
  server_id: Integer
  state: CopyState
  key: string
  token: string
  upload_id: string | null
  is_completing: DefaultedInteger
  /** null also of what was sent before this was noted. */
  completing_at: string | null
  size_bytes: DefaultedInteger
  reserved_bytes: DefaultedInteger
  etag: string | null
  version_id: string | null
  stored_at: string | null
  /** null also of what was deleted before this was noted. */
  deleted_at: string | null
  reason: string | null
}

type AttemptsTable = {
  id: Generated<StoredInteger>
  archive_id: string
  server_id: Integer
  server_number: Integer
  outcome: AttemptOutcome
  code: string | null
  message: string | null
  bytes_sent: Integer
  seconds: number
  at: string
}

type SchemaVersionsTable = {
  version: Integer
  name: string
  applied_at: string
  /** The schema as this version left it, so that damage to it is found; '' where nobody looks. */
  schema: string
}

export type Tables = HistoryTables &
  ProofTables &
  RebuildTables & {
    s3_servers: ServersTable
    server_health: ServerHealthTable
    archives: ArchivesTable
    s3_archives: CopiesTable
    attempts: AttemptsTable
    schema_versions: SchemaVersionsTable
  }
