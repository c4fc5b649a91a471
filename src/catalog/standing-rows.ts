// The queries behind `status`. None of them reads what nobody has to do anything about.

import { sql } from 'kysely'
import type { Kysely, RawBuilder, SelectQueryBuilder } from 'kysely'
import { snapshot, withCopies } from './archive-rows.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveRow, ArchiveWithCopies } from './catalog.ts'
import type { PastDay } from '../domain/forecast-trend.ts'
import type { ServerIdentity } from '../domain/server.ts'
import { archiveFrom, date, safeInteger } from './rows.ts'
import type {
  DoubtInput,
  Doubts,
  Failure,
  HeldArchive,
  StandingCalls,
  StandingOf,
} from './standing-calls.ts'
import type { StoredInteger, Tables } from './tables.ts'

type Db = Kysely<Tables>

export function createStandingCalls(db: Db, host: string): StandingCalls {
  return {
    standing: () => snapshot(db, standing),
    archivesInDoubt: (input) => snapshot(db, (trx) => archivesInDoubt(trx, host, input)),
    pastDays: (source, until, days) => pastDays(db, { host, source, until, days }),
    newestFailure: (source) => newestFailure(db, host, source),
    heldArchives: (source) => snapshot(db, (trx) => heldArchives(trx, host, source)),
  }
}

async function standing(db: Db): Promise<StandingOf[]> {
  const servers = await db
    .selectFrom('s3_servers')
    .selectAll()
    .where('stored_copies', '>', 0)
    .execute()
  const wrong = await wrongCopies(db)
  const found: StandingOf[] = []
  for (const row of servers) {
    const id = safeInteger(row.id, 's3_servers.id')
    const headedCopies = safeInteger(row.headed_copies, 's3_servers.headed_copies')
    found.push({
      identity: row.identity,
      copies: safeInteger(row.stored_copies, 's3_servers.stored_copies'),
      bytes: safeInteger(row.stored_bytes, 's3_servers.stored_bytes'),
      headedCopies: headedCopies - (wrong.get(id) ?? 0),
      headedAt: await oldest(db, id, 'headed_at'),
      deepCopies: safeInteger(row.deep_copies, 's3_servers.deep_copies'),
      provenBytes: safeInteger(row.proven_bytes, 's3_servers.proven_bytes'),
      oldestAt: await oldest(db, id, 'oldest_at'),
    })
  }
  return found
}

const IS_WRONG = sql<boolean>`exists (select 1 from proof_problems
  where proof_problems.copy_id = copy_proofs.copy_id and place = 'object')`

/** By server: a HEAD has shown them once, and something else since. As few as somebody has to look into. */
async function wrongCopies(db: Db): Promise<ReadonlyMap<number, number>> {
  const { rows } = await sql<{ server_id: StoredInteger; copies: StoredInteger }>`
    select server_id, count(*) as copies from copy_proofs
    where copy_id in (select copy_id from proof_problems where place = 'object')
      and server_id is not null and headed_at is not null
    group by server_id`.execute(db)
  return new Map(
    rows.map((row) => [
      safeInteger(row.server_id, 'copy_proofs.server_id'),
      safeInteger(row.copies, 'count of copies'),
    ]),
  )
}

async function oldest(
  db: Db,
  serverId: number,
  column: 'headed_at' | 'oldest_at',
): Promise<Date | undefined> {
  const row = await db
    .selectFrom('copy_proofs')
    .select(`${column} as at`)
    .where('server_id', '=', serverId)
    .where(column, 'is not', null)
    .$if(column === 'headed_at', (query) => query.where(sql<boolean>`not ${IS_WRONG}`))
    .orderBy(column)
    .limit(1)
    .executeTakeFirst()
  return row?.at == null ? undefined : date(row.at, `copy_proofs.${column}`)
}

async function archivesInDoubt(db: Db, host: string, input: DoubtInput): Promise<Doubts> {
  const { copies, lacking } = input
  const ids = new Set<ArchiveId>()
  for (const query of doubts(host, await strangersTo(db, input), copies)) {
    const { rows } = await sql<{ id: string }>`${query}`.execute(db)
    for (const { id } of rows) ids.add(id)
  }
  const isLacking = sql`host = ${host} and state = 'gone' and stored_copies > 0
    and stored_copies < ${copies}`
  if (lacking === 'given') {
    const { rows } = await sql<{ id: string }>`select id from archives where ${isLacking}`.execute(
      db,
    )
    for (const { id } of rows) ids.add(id)
    return { archives: await archivesOf(db, host, [...ids]), lacking: 0 }
  }
  const archives = await archivesOf(db, host, [...ids])
  const { rows } = await sql<{ count: StoredInteger }>`
    select count(*) as count from archives where ${isLacking}`.execute(db)
  const among = archives.filter(({ state, copies: all }) => {
    const stored = all.filter((copy) => copy.state === 'stored').length
    return state === 'gone' && stored > 0 && stored < copies
  })
  return { archives, lacking: safeInteger(rows[0]?.count ?? 0, 'count of archives') - among.length }
}

/** Each names archives that may lack a sound copy, by an index of just these, or of one server. */
function doubts(host: string, strangers: readonly number[], copies: number): RawBuilder<unknown>[] {
  return [
    sql`select id from archives where host = ${host} and state = 'ready' and stored_copies < ${copies}`,
    sql`select archive_id as id from s3_archives where state = 'missing'`,
    sql`select archive_id as id from s3_archives
      where id in (select copy_id from proof_problems) and state = 'stored'`,
    // On servers that left the configuration nobody can read them.
    ...strangers.map(
      (server) => sql`select archive_id as id from s3_archives
        where server_id = ${server} and state not in ('deleted', 'failed') and state = 'stored'`,
    ),
    // Two on one server count as one.
    ...(copies > 1
      ? [
          sql`select archive_id as id from s3_archives where key like '%.copy-%' and state = 'stored'`,
        ]
      : []),
  ]
}

/** Servers with stored copies that are not configured. */
async function strangersTo(db: Db, { servers }: DoubtInput): Promise<readonly number[]> {
  const rows = await db
    .selectFrom('s3_servers')
    .select(['id', 'identity'])
    .where('stored_copies', '>', 0)
    .execute()
  return rows
    .filter(({ identity }) => !servers.includes(identity))
    .map(({ id }) => safeInteger(id, 's3_servers.id'))
}

const IDS_AT_ONCE = 500

/** Newest first. */
async function archivesOf(
  db: Db,
  host: string,
  ids: readonly ArchiveId[],
): Promise<ArchiveWithCopies[]> {
  const found: ArchiveRow[] = []
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
    const rows = await db
      .selectFrom('archives')
      .selectAll()
      .where('id', 'in', ids.slice(at, at + IDS_AT_ONCE))
      .execute()
    const ours = rows.filter((row) => row.host === host)
    found.push(
      ...ours.filter(({ state }) => state === 'ready' || state === 'gone').map(archiveFrom),
    )
  }
  const sorted = found.sort(
    (a, b) => b.startedAt.getTime() - a.startedAt.getTime() || (a.id < b.id ? 1 : -1),
  )
  return withCopies(db, sorted)
}

const DAY_MS = 86_400_000
// Some nights are left out. A source of every week, or one that was away, takes a second look, or a third.
const FIRST_LOOK = 1.2
const NEXT_LOOK = 6

async function pastDays(
  db: Db,
  input: {
    readonly host: string
    readonly source: string
    readonly until: Date
    readonly days: number
  },
): Promise<PastDay[]> {
  const wanted = db
    .selectFrom('archives')
    .where('host', '=', input.host)
    .where('source', '=', input.source)
    // Spelled as the index archives_sizes spells it: only then is it used.
    .where(sql<boolean>`state in ('ready', 'gone')`)
  for (let days = input.days * FIRST_LOOK; ; days *= NEXT_LOOK) {
    const from = new Date(Math.max(0, input.until.getTime() - days * DAY_MS)).toISOString()
    // A row for each day: some hundred archives a night are tens of thousands of objects otherwise.
    const rows = await wanted
      .select([
        sql<string>`max(started_at)`.as('last'),
        sql<string>`json_group_array(size_bytes)`.as('sizes'),
      ])
      .where('started_at', '>=', from)
      .where('started_at', '<=', input.until.toISOString())
      .groupBy(sql`substr(started_at, 1, 10)`)
      .orderBy('last')
      .execute()
    // The first day may be cut.
    const isEnough = rows.length > input.days
    const older = wanted.select('started_at').where('started_at', '<', from).limit(1)
    if (isEnough || (await older.executeTakeFirst()) === undefined) return rows.map(pastDay)
  }
}

function pastDay({ last, sizes }: { readonly last: string; readonly sizes: string }): PastDay {
  const lastMs = date(last, 'archives.started_at').getTime()
  const found = JSON.parse(sizes) as (number | null)[]
  return {
    ...{ number: Math.floor(lastMs / DAY_MS), lastMs },
    sizes: found.map((size) => safeInteger(size ?? NaN, 'archives.size_bytes')),
  }
}

async function newestFailure(db: Db, host: string, source: string): Promise<Failure | undefined> {
  const row = await db
    .selectFrom('archives')
    .select(['state', 'started_at', 'reason'])
    .where('host', '=', host)
    .where('source', '=', source)
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (row?.state !== 'failed') return undefined
  return { startedAt: date(row.started_at, 'archives.started_at'), reason: row.reason ?? undefined }
}

async function heldArchives(db: Db, host: string, source: string): Promise<HeldArchive[]> {
  const held = db
    .selectFrom('archives')
    .where('host', '=', host)
    .where('source', '=', source)
    // Spelled as the index archives_restorable spells it: only then is it used.
    .where(sql<boolean>`(archives.state = 'ready' or stored_copies > 0)`)
  const rows = await held
    .select(['id', 'state', 'started_at', 'size_bytes', 'is_pinned'])
    .orderBy('started_at')
    .orderBy('id')
    .execute()
  const places = await placesOf(db, held.select('id'))
  return rows.flatMap((row) => {
    const servers = places.get(row.id)
    if (servers === undefined || (row.state !== 'ready' && row.state !== 'gone')) return []
    return {
      ...{ id: row.id, servers },
      startedMs: date(row.started_at, 'archives.started_at').getTime(),
      sizeBytes: safeInteger(row.size_bytes ?? NaN, 'archives.size_bytes'),
      isPinned: safeInteger(row.is_pinned, 'archives.is_pinned') === 1,
    }
  })
}

/** Of those that are stored anywhere. Not a join: that could begin with all copies of a server. */
async function placesOf(
  db: Db,
  ids: SelectQueryBuilder<Tables, 'archives', { id: string }>,
): Promise<ReadonlyMap<ArchiveId, readonly ServerIdentity[]>> {
  const servers = await db.selectFrom('s3_servers').select(['id', 'identity']).execute()
  const identities = new Map(servers.map(({ id, identity }) => [Number(id), identity]))
  const places = new Map<ArchiveId, ServerIdentity[]>()
  const rows = await db
    .selectFrom('s3_archives')
    .select(['archive_id', 'server_id'])
    .where('archive_id', 'in', ids)
    .where('state', '=', 'stored')
    .execute()
  for (const { archive_id: id, server_id: server } of rows) {
    const identity = identities.get(Number(server))!
    const known = places.get(id)
    if (known === undefined) places.set(id, [identity])
    else known.push(identity)
  }
  return places
}
