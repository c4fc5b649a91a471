// Rows of the tables <-> what the interface speaks. Nothing is trusted on the way in: a state, a
// number or a date that cannot be is damage, and is said before anybody counts on it.

import type { Selectable } from 'kysely'
import type { ArchiveState, CopyState, Warning } from '../domain/archive.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { AttemptOutcome } from '../domain/errors.ts'
import type { ArchiveRow, AttemptRow, CopyRow, Health, ServerRow } from './catalog.ts'
import type { StoredInteger, Tables } from './tables.ts'

export const ARCHIVE_STATES = ['packing', 'ready', 'gone', 'failed'] as const
const COPY_STATES = [
  'uploading',
  'uncertain',
  'stored',
  'missing',
  'deleting',
  'deleted',
  'failed',
] as const
const OUTCOMES = ['stored', 'full', 'dead', 'misconfigured', 'failed'] as const
const HEALTHS = ['alive', 'full', 'dead', 'misconfigured', 'unknown'] as const

// Fails to compile when domain/ or the interface gains a word that is missing above.
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
const _complete: [
  Same<ArchiveState, (typeof ARCHIVE_STATES)[number]>,
  Same<CopyState, (typeof COPY_STATES)[number]>,
  Same<AttemptOutcome, (typeof OUTCOMES)[number]>,
  Same<Health, (typeof HEALTHS)[number]>,
] = [true, true, true, true]
void _complete

/** PostgreSQL gives int8 as text: "100" + 5 must not become "1005". */
export function safeInteger(value: StoredInteger, column: string): number {
  const number = typeof value === 'string' && !/^-?\d+$/.test(value) ? NaN : Number(value)
  if (Number.isSafeInteger(number)) return number
  throw impossible(column, value)
}

function optionalInteger(value: StoredInteger | null, column: string): number | undefined {
  return value === null ? undefined : safeInteger(value, column)
}

export function date(value: string, column: string): Date {
  const parsed = new Date(value)
  if (ISO.test(value) && !Number.isNaN(parsed.getTime())) return parsed
  throw impossible(column, value)
}

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function optionalDate(value: string | null, column: string): Date | undefined {
  return value === null ? undefined : date(value, column)
}

export function word<T extends string>(words: readonly T[], value: string, column: string): T {
  const found = words.find((candidate) => candidate === value)
  if (found !== undefined) return found
  throw impossible(column, value)
}

function warnings(text: string): Warning[] {
  try {
    const parsed: unknown = JSON.parse(text)
    if (Array.isArray(parsed) && parsed.every(isWarning)) return parsed
  } catch (cause) {
    throw impossible('archives.warnings', text.slice(0, 40), cause)
  }
  throw impossible('archives.warnings', text.slice(0, 40))
}

function isWarning(value: unknown): value is Warning {
  return (
    typeof value === 'object' &&
    value !== null &&
    'path' in value &&
    typeof value.path === 'string' &&
    'reason' in value &&
    typeof value.reason === 'string'
  )
}

function impossible(column: string, value: unknown, cause?: unknown): SpillwayError {
  return new SpillwayError('CATALOG_CORRUPT', `the catalog holds ${column} = "${String(value)}"`, {
    cause,
    facts: { column },
    hint:
      'move the catalog aside; then put back a copy of it from before, or have those that lie on the servers ' +
      'brought back: spillway reconcile --rebuild',
  })
}

/** Sorts as text, in every database. Years from 10000 on would not: a clock that is broken. */
export function timeText(at: Date): string {
  const text = at.toISOString()
  if (ISO.test(text)) return text
  throw new RangeError(`${text} cannot be stored as a time`)
}

export function archiveFrom(row: Selectable<Tables['archives']>): ArchiveRow {
  return {
    id: row.id,
    host: row.host,
    source: row.source,
    sourceKind: row.source_kind,
    state: word(ARCHIVE_STATES, row.state, 'archives.state'),
    file: row.file,
    key: row.key,
    localPath: row.local_path ?? undefined,
    sizeBytes: optionalInteger(row.size_bytes, 'archives.size_bytes'),
    sourceBytes: optionalInteger(row.source_bytes, 'archives.source_bytes'),
    memberCount: optionalInteger(row.member_count, 'archives.member_count'),
    sha256: row.sha256 ?? undefined,
    startedAt: date(row.started_at, 'archives.started_at'),
    endedAt: optionalDate(row.ended_at, 'archives.ended_at'),
    verifiedAt: optionalDate(row.verified_at, 'archives.verified_at'),
    isPinned: safeInteger(row.is_pinned, 'archives.is_pinned') === 1,
    warningCount: safeInteger(row.warning_count, 'archives.warning_count'),
    warnings: warnings(row.warnings),
    reason: row.reason ?? undefined,
  }
}

export function copyFrom(row: Selectable<Tables['s3_archives']> & { identity: string }): CopyRow {
  return {
    id: safeInteger(row.id, 's3_archives.id'),
    archiveId: row.archive_id,
    identity: row.identity,
    state: word(COPY_STATES, row.state, 's3_archives.state'),
    key: row.key,
    token: row.token,
    uploadId: row.upload_id ?? undefined,
    isCompleting: safeInteger(row.is_completing, 's3_archives.is_completing') === 1,
    completingAt: optionalDate(row.completing_at, 's3_archives.completing_at'),
    sizeBytes: safeInteger(row.size_bytes, 's3_archives.size_bytes'),
    reservedBytes: safeInteger(row.reserved_bytes, 's3_archives.reserved_bytes'),
    etag: row.etag ?? undefined,
    versionId: row.version_id ?? undefined,
    storedAt: optionalDate(row.stored_at, 's3_archives.stored_at'),
    reason: row.reason ?? undefined,
  }
}

export function attemptFrom(
  row: Selectable<Tables['attempts']> & { identity: string },
): AttemptRow {
  return {
    archiveId: row.archive_id,
    identity: row.identity,
    serverNumber: safeInteger(row.server_number, 'attempts.server_number'),
    outcome: word(OUTCOMES, row.outcome, 'attempts.outcome'),
    code: row.code ?? undefined,
    message: row.message ?? undefined,
    bytesSent: safeInteger(row.bytes_sent, 'attempts.bytes_sent'),
    seconds: row.seconds,
    at: date(row.at, 'attempts.at'),
  }
}

type HealthColumns = {
  health: string | null
  reason: string | null
  checked_at: string | null
}

export function serverFrom(row: Selectable<Tables['s3_servers']> & HealthColumns): ServerRow {
  return {
    identity: row.identity,
    label: row.label,
    endpoint: row.endpoint,
    bucket: row.bucket ?? undefined,
    prefix: row.prefix,
    usedBytes: safeInteger(row.used_bytes, 's3_servers.used_bytes'),
    reservedBytes: safeInteger(row.reserved_bytes, 's3_servers.reserved_bytes'),
    catalogBytes: safeInteger(row.catalog_bytes, 's3_servers.catalog_bytes'),
    otherBytes: safeInteger(row.other_bytes, 's3_servers.other_bytes'),
    listedAt: optionalDate(row.listed_at, 's3_servers.listed_at'),
    archives: safeInteger(row.used_copies, 's3_servers.used_copies'),
    health: word(HEALTHS, row.health ?? 'unknown', 'server_health.health'),
    healthReason: row.reason ?? undefined,
    checkedAt: optionalDate(row.checked_at, 'server_health.checked_at'),
  }
}
