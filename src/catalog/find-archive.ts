// What a user writes for ARCHIVE -> the one archive that is meant, or a list of those it could be.

import { sql } from 'kysely'
import type { Kysely, Selectable } from 'kysely'
import { SpillwayError } from '../domain/errors.ts'
import { snapshot, withCopies } from './archive-rows.ts'
import type { ArchiveRow, ArchiveWithCopies } from './catalog.ts'
import { archiveFrom } from './rows.ts'
import type { Tables } from './tables.ts'

type Db = Kysely<Tables>

// One more than is shown, to know that there are more. Nobody reads a longer list in an error.
const CANDIDATES_MAX = 5

export async function findArchive(db: Db, host: string, name: string): Promise<ArchiveWithCopies> {
  return snapshot(db, async (trx) => {
    const found = await candidates(trx, host, name)
    const [only] = found
    if (only === undefined) throw missing(name)
    if (found.length > 1) throw ambiguous(name, found)
    return (await withCopies(trx, [only]))[0]!
  })
}

async function candidates(db: Db, host: string, name: string): Promise<ArchiveRow[]> {
  if (name.startsWith('latest:')) return latest(db, host, name.slice('latest:'.length))
  const query = db.selectFrom('archives').selectAll()
  if (name.includes('/')) {
    const keyHost = name.slice(0, name.indexOf('/'))
    return rows(query.where('host', '=', keyHost).where('key', '=', name))
  }
  if (/^[0-9a-f-]+$/i.test(name)) {
    // "~" comes after everything that an id is made of.
    const prefix = name.toLowerCase()
    const range = query.where('id', '>=', prefix).where('id', '<', `${prefix}~`)
    return rows(range.orderBy('id', 'desc').limit(CANDIDATES_MAX + 1))
  }
  // Timers ring on all hosts at once, so two hosts may well have one file name.
  const named = await rows(query.where('file', '=', name))
  const own = named.filter((archive) => archive.host === host)
  return own.length > 0 ? own : named
}

/** This host's newest; where it has none, the newest of every other host. */
async function latest(db: Db, host: string, source: string): Promise<ArchiveRow[]> {
  const own = await newest(db, host, source)
  if (own !== undefined) return [own]
  const found: ArchiveRow[] = []
  for (const other of await hosts(db)) {
    const archive = await newest(db, other, source)
    if (archive !== undefined) found.push(archive)
  }
  return found
}

async function rows(query: ArchiveQuery): Promise<ArchiveRow[]> {
  return (await query.execute()).map(archiveFrom)
}

type ArchiveQuery = { execute(): Promise<Selectable<Tables['archives']>[]> }

async function newest(db: Db, host: string, source: string): Promise<ArchiveRow | undefined> {
  const row = await db
    .selectFrom('archives')
    .selectAll()
    .where('host', '=', host)
    .where('source', '=', source)
    // Spelled as the index archives_restorable spells it: only then is it used.
    .where(sql<boolean>`(state = 'ready' or stored_copies > 0)`)
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? undefined : archiveFrom(row)
}

/** From one host to the next along an index: `distinct` would read every row. */
async function hosts(db: Db): Promise<string[]> {
  const found: string[] = []
  for (let last = ''; ;) {
    const { next } = await db
      .selectFrom('archives')
      .select((eb) => eb.fn.min('host').as('next'))
      .where('host', '>', last)
      .executeTakeFirstOrThrow()
    // Of an empty set the minimum is NULL, which Kysely's types do not know.
    if ((next as string | null) === null) return found
    found.push(next)
    last = next
  }
}

function missing(name: string): SpillwayError {
  const text = name.startsWith('latest:')
    ? `no archive of source "${name.slice('latest:'.length)}" is stored or waiting`
    : `there is no archive "${name}"`
  return new SpillwayError('ARCHIVE_MISSING', text, { facts: { name } })
}

function ambiguous(name: string, found: readonly ArchiveRow[]): SpillwayError {
  const shown = found.slice(0, CANDIDATES_MAX).map(({ id, key }) => `${id} (${key})`)
  const more = found.length > CANDIDATES_MAX ? ' and more' : ''
  return new SpillwayError(
    'ARCHIVE_MISSING',
    `"${name}" may be any of several archives: ${shown.join(', ')}${more}`,
    { facts: { name }, hint: 'write more of the id' },
  )
}
