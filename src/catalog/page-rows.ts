// One page of the archives of this host. Rows are walked along an index from where the page begins, in steps
// that grow while little fits, and no further than a request may cost.

import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'
import { snapshot, withCopies } from './archive-rows.ts'
import { archiveFrom } from './rows.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchivePage, ArchivePageInput, PageCalls } from './page-calls.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

// Some 30 ms. Whoever asks for what is rarer gets a short page, and goes on behind it.
const LOOKED_AT_MAX = 20_000
const FIRST_STEP_MIN = 200
const STEP_MAX = 5_000

export function createPageCalls(db: Db, host: string): PageCalls {
  return { archivePage: (input) => snapshot(db, (trx) => archivePage(trx, host, input)) }
}

type Place = { readonly startedAt: string; readonly id: ArchiveId }

async function archivePage(
  db: Db,
  host: string,
  input: ArchivePageInput,
): Promise<ArchivePage | undefined> {
  let at: Place | undefined
  if (input.before !== undefined) {
    at = await placeOf(db, host, input.before)
    if (at === undefined) return undefined
  }
  const ids: ArchiveId[] = []
  let hasMore = true
  let step = Math.max(FIRST_STEP_MIN, input.limit + 1)
  for (let lookedAt = 0; hasMore && lookedAt < LOOKED_AT_MAX; lookedAt += step) {
    step = Math.min(lookedAt === 0 ? step : step * 4, STEP_MAX)
    const rows = await look(db, host, input, at, step)
    hasMore = rows.length === step
    for (const { id, started_at: startedAt, fits } of rows) {
      if (Number(fits) === 1 && ids.length === input.limit)
        return { archives: await archivesOf(db, ids), next: ids.at(-1) }
      at = { id, startedAt }
      if (Number(fits) === 1) ids.push(id)
    }
  }
  return { archives: await archivesOf(db, ids), next: hasMore ? at?.id : undefined }
}

async function placeOf(db: Db, host: string, id: ArchiveId): Promise<Place | undefined> {
  const row = await db
    .selectFrom('archives')
    .select(['id', 'started_at'])
    .where('id', '=', id)
    .where('host', '=', host)
    .executeTakeFirst()
  return row === undefined ? undefined : { id: row.id, startedAt: row.started_at }
}

/** The next rows behind a place, each with whether it is one of those that are asked for. */
async function look(
  db: Db,
  host: string,
  input: ArchivePageInput,
  after: Place | undefined,
  step: number,
) {
  const isSpooled = input.location === 'local' || input.location === 'both'
  return (
    db
      .selectFrom('archives')
      .select(['id', 'started_at'])
      .select(sql<number>`case when ${fitting(host, input)} then 1 else 0 end`.as('fits'))
      .$if(input.source !== undefined, (query) => query.where('source', '=', input.source!))
      // Few are in the spool: of those there is an index by time.
      .$if(isSpooled, (query) => query.where('state', '=', 'ready'))
      .$if(!isSpooled, (query) => query.where('host', '=', host))
      .$if(after !== undefined, (query) =>
        query.where(sql<boolean>`(started_at, id) < (${after!.startedAt}, ${after!.id})`),
      )
      .orderBy('started_at', 'desc')
      .orderBy('id', 'desc')
      .limit(step)
      .execute()
  )
}

function fitting(host: string, input: ArchivePageInput): RawBuilder<unknown> {
  const copyIn = (condition: RawBuilder<unknown>) =>
    sql`exists (select 1 from s3_archives c where c.archive_id = archives.id and ${condition})`
  const wanted = [sql`host = ${host}`]
  if (!input.includesLost)
    wanted.push(
      sql`(state in ('packing', 'ready') or (state = 'gone' and
        (stored_copies > 0 or ${copyIn(sql`c.state = 'missing'`)})))`,
    )
  const storedOn = (identities: RawBuilder<unknown>) =>
    copyIn(sql`c.state = 'stored' and c.server_id in
      (select id from s3_servers where identity in (${identities}))`)
  if (input.server !== undefined) wanted.push(storedOn(sql`${input.server}`))
  if (input.location !== undefined) {
    const isLocal = sql`(state = 'ready' and local_path is not null)`
    const isStored =
      input.servers.length === 0 ? sql`(1 = 0)` : storedOn(sql.join([...input.servers]))
    wanted.push(input.location === 's3' ? sql`not ${isLocal}` : isLocal)
    wanted.push(input.location === 'local' ? sql`not ${isStored}` : isStored)
  }
  if (input.text !== undefined) {
    const pattern = `%${input.text.toLowerCase().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
    wanted.push(
      sql`(lower(file) like ${pattern} escape '\\' or lower(source) like ${pattern} escape '\\')`,
    )
  }
  return sql.join(wanted, sql` and `)
}

async function archivesOf(db: Db, ids: readonly ArchiveId[]) {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('archives').selectAll().where('id', 'in', ids).execute()
  const found = new Map(rows.map((row) => [row.id, archiveFrom(row)]))
  return withCopies(
    db,
    ids.flatMap((id) => found.get(id) ?? []),
  )
}
