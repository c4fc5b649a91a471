// The tables of the catalog, as Kysely sees them. What they mean is said in migrations.ts.
//
// Integers come back as numbers from SQLite and as strings from PostgreSQL (int8), so reading one
// gives a StoredInteger: nothing but safeInteger() of rows.ts makes a number of it. Times are text,
// ISO 8601 in UTC with milliseconds: 24 characters that sort by time in every database.

import type { ColumnType, Generated } from 'kysely'
import type { ArchiveState, CopyState } from '../domain/archive.ts'
import type { AttemptOutcome } from '../domain/errors.ts'
import type { Health } from './catalog.ts'

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
  size_bytes: DefaultedInteger
  reserved_bytes: DefaultedInteger
  etag: string | null
  version_id: string | null
  stored_at: string | null
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

type SchemaVersionsTable = { version: Integer; name: string; applied_at: string }

export type Tables = {
  s3_servers: ServersTable
  server_health: ServerHealthTable
  archives: ArchivesTable
  s3_archives: CopiesTable
  attempts: AttemptsTable
  schema_versions: SchemaVersionsTable
}

/** Every column that the queries use. The compiler sees to it that none is missing here. */
export const COLUMNS: { readonly [T in keyof Tables]: Readonly<Record<keyof Tables[T], true>> } = {
  s3_servers: {
    id: true,
    identity: true,
    label: true,
    endpoint: true,
    bucket: true,
    prefix: true,
    used_bytes: true,
    reserved_bytes: true,
    catalog_bytes: true,
    other_bytes: true,
    used_copies: true,
    listed_at: true,
  },
  server_health: { host: true, server_id: true, health: true, reason: true, checked_at: true },
  archives: {
    id: true,
    host: true,
    source: true,
    source_kind: true,
    state: true,
    file: true,
    key: true,
    local_path: true,
    size_bytes: true,
    source_bytes: true,
    member_count: true,
    sha256: true,
    started_at: true,
    ended_at: true,
    verified_at: true,
    is_pinned: true,
    warning_count: true,
    warnings: true,
    reason: true,
    stored_copies: true,
    first_stored_at: true,
  },
  s3_archives: {
    id: true,
    archive_id: true,
    server_id: true,
    state: true,
    key: true,
    token: true,
    upload_id: true,
    size_bytes: true,
    reserved_bytes: true,
    etag: true,
    version_id: true,
    stored_at: true,
    reason: true,
  },
  attempts: {
    id: true,
    archive_id: true,
    server_id: true,
    server_number: true,
    outcome: true,
    code: true,
    message: true,
    bytes_sent: true,
    seconds: true,
    at: true,
  },
  schema_versions: { version: true, name: true, applied_at: true },
}
