// A catalog of ten years of nights, row by row as runs write them: 10 sources every hour and 34 every night are
// 274 archives a day, a million in ten years.
//
// Every second source is under retention from the first night on, the others keep everything. One archive in
// fifty failed, one in five has a second copy, some were refused by a server first; two in five copies were shown
// by HEAD since, and half of these read back. Servers were filled one after the other.

import Database from 'better-sqlite3'
import { CATALOG_HOST, recordFirst } from './ten-years-history.ts'
import { FILL_SUMS } from '../../src/catalog/standing-tables.ts'
import { identityOf } from '../../src/domain/server.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { planRetention } from '../../src/domain/retention.ts'
import { archiveFileName, archiveKey } from '../../src/domain/archive.ts'
import type { KeepPolicy } from '../../src/domain/keep-policy.ts'
import type { Server } from '../../src/domain/server.ts'

export const KEEP: KeepPolicy = {
  ...{ last: 24, daily: 30, weekly: 52, monthly: 120 },
  ...{ yearly: undefined, withinDays: undefined },
}
export const SERVERS = [
  'https://one.example.com',
  'https://two.example.com',
  'https://three.example.com',
]

const HOURLY = 10
const NIGHTLY = 34
const PER_NIGHT = HOURLY * 24 + NIGHTLY
const DAY_MS = 86_400_000
// Waiting for a server since the last night.
const WAITING = 3

export const SOURCES: readonly { readonly name: string; readonly isPruned: boolean }[] = Array.from(
  { length: HOURLY + NIGHTLY },
  (_, at) => ({
    name: at < HOURLY ? `hourly-${at}` : `nightly-${at - HOURLY}`,
    isPruned: at % 2 === 1,
  }),
)

type Made = {
  readonly number: number
  readonly id: string
  readonly source: number
  readonly startedAt: Date
  readonly sizeBytes: number
  readonly isFailed: boolean
  isDeleted: boolean
}

/** `until`: the moment of the last archive. */
export async function fillTenYears(path: string, rows: number, until: Date): Promise<void> {
  const catalog = await openCatalog({ path, host: CATALOG_HOST })
  await catalog.registerServers(SERVERS.map(serverAt))
  await catalog.close()
  const made = Array.from({ length: rows }, (_, number) => archiveAt(number, rows, until))
  prune(made, until)
  const handle = new Database(path)
  handle.pragma('synchronous = OFF')
  handle.pragma('cache_size = -400000')
  handle.exec('begin')
  insert(handle, made)
  handle.exec(SUMS)
  handle.exec('commit')
  handle.pragma('synchronous = FULL')
  handle.pragma('wal_checkpoint(truncate)')
  handle.close()
  await recordFirst(
    path,
    SOURCES.map(({ name }) => name),
  )
}

export function serverAt(endpoint: string, at: number): Server {
  const identity = identityOf(endpoint, 'bench', '')
  const known = { kind: 's3', bucket: 'bench', prefix: '', label: `${at + 1}: bench` }
  return { ...known, identity, endpoint } as Server
}

function archiveAt(number: number, rows: number, until: Date): Made {
  const nightsAgo = Math.floor((rows - 1 - number) / PER_NIGHT)
  const slot = PER_NIGHT - 1 - ((rows - 1 - number) % PER_NIGHT)
  const isHourly = slot < HOURLY * 24
  const source = isHourly ? slot % HOURLY : slot - HOURLY * 24 + HOURLY
  const minutes = isHourly ? Math.floor(slot / HOURLY) * 60 + source : 23 * 60 + 20 + source / 2
  const day = Math.floor(until.getTime() / DAY_MS) - 1 - nightsAgo
  const startedMs = day * DAY_MS + minutes * 60_000
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  const time = hex(startedMs, 12)
  const night = number / PER_NIGHT
  return {
    number,
    id: `${time.slice(0, 8)}-${time.slice(8)}-7${hex(number % 4096, 3)}-8${hex(source, 3)}-${hex(number, 12)}`,
    source,
    startedAt: new Date(startedMs),
    // Grows by a third of a per mille a night, and differs by a tenth from one to the next.
    sizeBytes: Math.round(
      20_000_000 * (1 + source) * (1 + night / 3_000) * (1 + noise(number) / 10),
    ),
    isFailed: noise(number * 7) < 0.02,
    isDeleted: false,
  }
}

/** From 0 to 1, the same in each catalog. */
function noise(number: number): number {
  const mixed = Math.imul(number ^ (number >>> 15), 0x2c1b3c6d)
  return ((mixed ^ (mixed >>> 12)) >>> 0) / 2 ** 32
}

/** As retention left it the night before. */
function prune(made: readonly Made[], until: Date): void {
  const lastNightMs = until.getTime() - 2 * DAY_MS
  for (const [source, { isPruned }] of SOURCES.entries()) {
    if (!isPruned) continue
    const own = made.filter(
      (each) => each.source === source && !each.isFailed && each.startedAt.getTime() < lastNightMs,
    )
    const archives = own.map(({ id, startedAt }) => ({
      ...{ id, startedAt, isProven: true, warningCount: 0, isPinned: false },
    }))
    const byId = new Map(own.map((each) => [each.id, each]))
    for (const { id, action } of planRetention({ archives, policy: KEEP }))
      if (action === 'delete') byId.get(id)!.isDeleted = true
  }
}

function insert(handle: Database.Database, made: readonly Made[]): void {
  const archive =
    handle.prepare(`insert into archives (id, host, source, source_kind, state, file, key, local_path,
    size_bytes, source_bytes, member_count, sha256, started_at, ended_at, reason, stored_copies, first_stored_at)
    values (?, '${CATALOG_HOST}', ?, 'folder', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const copy =
    handle.prepare(`insert into s3_archives (archive_id, server_id, state, key, token, is_completing,
    size_bytes, etag, stored_at, deleted_at, reason) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const attempt =
    handle.prepare(`insert into attempts (archive_id, server_id, server_number, outcome, code, message,
    bytes_sent, seconds, at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const proof =
    handle.prepare(`insert into copy_proofs (copy_id, headed_at, frame_count, proven_frames, oldest_at)
    values (?, ?, ?, ?, ?)`)
  for (const each of made) {
    const { number, id, startedAt, sizeBytes } = each
    const { name } = SOURCES[each.source]!
    const file = archiveFileName(name, startedAt)
    const key = archiveKey(CATALOG_HOST, startedAt, file)
    const at = (seconds: number): string =>
      new Date(startedAt.getTime() + seconds * 1_000).toISOString()
    const isWaiting = number >= made.length - WAITING
    const state = each.isFailed ? 'failed' : isWaiting ? 'ready' : 'gone'
    const isStored = state === 'gone'
    const near =
      1 + Math.min(SERVERS.length - 1, Math.floor((number / made.length) * SERVERS.length))
    const places = number % 5 === 0 ? [near, 1 + (near % SERVERS.length)] : [near]
    const storedCopies = isStored && !each.isDeleted ? places.length : 0
    archive.run(
      ...[id, name, state, file, key, isWaiting && !each.isFailed ? `/var/spool/${file}` : null],
      ...(each.isFailed
        ? [null, null, null, null]
        : [sizeBytes, sizeBytes * 3, 1_200, sha(number)]),
      ...[at(0), at(20), each.isFailed ? 'the folder could not be read: EIO' : null],
      ...[storedCopies, isStored ? at(40) : null],
    )
    const tried = (server: number, outcome: string, bytes: number): unknown =>
      attempt.run(id, server, server, outcome, ...refusal(outcome), bytes, 1.5, at(40))
    if (number % 40 === 3 || (isWaiting && !each.isFailed)) {
      copy.run(id, 1, 'failed', key, token(number, 0), 0, 0, null, null, null, 'no answer')
      tried(1, 'dead', 0)
    }
    for (const server of isStored ? places : []) {
      const isDeleted = each.isDeleted
      const { lastInsertRowid } = copy.run(
        ...[id, server, isDeleted ? 'deleted' : 'stored', key, token(number, server), 1, sizeBytes],
        ...[sha(number).slice(0, 32), at(40)],
        ...(isDeleted ? [at(31 * 86_400), 'retention: no rule keeps it'] : [null, null]),
      )
      tried(server, 'stored', sizeBytes)
      if (number % 5 > 1) continue
      const frames = Math.ceil(sizeBytes / 1_200_000)
      const isDeep = number % 2 === 0
      proof.run(
        lastInsertRowid,
        at(86_400),
        ...(isDeep ? [frames, frames, at(86_400)] : [null, 0, null]),
      )
    }
  }
}

function refusal(outcome: string): [string | null, string | null] {
  return outcome === 'stored' ? [null, null] : ['ETIMEDOUT', 'it did not answer within 60 s']
}

function sha(number: number): string {
  return number.toString(16).padStart(8, '0').repeat(8)
}

function token(number: number, server: number): string {
  return `${server}${sha(number).slice(0, 31)}`
}

const USED = `from s3_archives where server_id = s3_servers.id and state = 'stored'`
const SUMS = `update s3_servers set listed_at = '2026-01-01T00:00:00.000Z',
  used_bytes = (select coalesce(sum(size_bytes), 0) ${USED}), used_copies = (select count(*) ${USED});
  update copy_proofs set server_id =
    (select server_id from s3_archives where id = copy_id and state = 'stored');
  ${FILL_SUMS}`
