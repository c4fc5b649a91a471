// A catalog of many years: no question may read all of it. ROWS=1000000 for the figures
// that src/catalog/open-sqlite.ts counts on.

import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Kysely } from 'kysely'
import type { CompiledQuery } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { ArchivePageInput } from '../../src/catalog/page-calls.ts'
import { createKyselyCatalog } from '../../src/catalog/kysely-catalog.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { FILL_SUMS } from '../../src/catalog/standing-tables.ts'
import { PatientSqliteDialect } from '../../src/catalog/sqlite-dialect.ts'
import type { Tables } from '../../src/catalog/tables.ts'
import { begin, minutesAfter, proof, ready, reserved, server } from './fixtures.ts'

const ROWS = Number(process.env['ROWS'] ?? 50_000)
const MEASURES = process.env['ROWS'] !== undefined
const SOURCES = 20
const near = server(1, { limitBytes: 1e15 })
const far = server(2, { limitBytes: 1e15 })

let folder: string
let path: string
let database: Database.Database
let catalog: Catalog
let queries: CompiledQuery[] = []

beforeAll(async () => {
  // In memory where there is such a place: what is measured is the work, not the disk.
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spillway-catalog-'))
  path = join(folder, 'catalog.db')
  const empty = await openCatalog({ path, host: 'alpha' })
  await empty.registerServers([near, far])
  await empty.close()
  database = new Database(path)
  fill(database)
  const options = { handle: database, path, busyTimeoutMs: 1_000, requireInPlace: () => undefined }
  const db = new Kysely<Tables>({
    dialect: new PatientSqliteDialect(options),
    log: ({ query }) => void queries.push(query),
  })
  catalog = createKyselyCatalog({
    db,
    host: 'alpha',
    name: path,
    findDamage: () => [],
    close: () => db.destroy(),
  })
}, 600_000)

afterAll(async () => {
  await catalog.close()
  rmSync(folder, { recursive: true, force: true })
})

// Archives of the same second are told apart one by one, which is not what is measured here.
let minute = 0
const nextMinute = () => minutesAfter((minute += 1))

const page: ArchivePageInput = {
  ...{ limit: 20, before: undefined, source: undefined, server: undefined, location: undefined },
  ...{ servers: [near.identity, far.identity], text: undefined, includesLost: false },
}

const doubt = { copies: 1, servers: [near.identity, far.identity], lacking: 'counted' } as const

const QUESTIONS: Record<string, (id: string) => Promise<unknown>> = {
  servers: () => catalog.servers(),
  'list 20': () => catalog.archives({ limit: 20 }),
  'list 20 of a host': () => catalog.archives({ host: 'alpha', limit: 20 }),
  'list 20 of a source': () => catalog.archives({ source: 'source-7', limit: 20 }),
  'list 20 that failed': () => catalog.archives({ states: ['failed'], limit: 20 }),
  'list a source that has few': () => catalog.archives({ source: 'rare' }),
  'list a state that has few': () => catalog.archives({ states: ['packing', 'ready'] }),
  'list a state of a host that has few': () =>
    catalog.archives({ host: 'alpha', states: ['packing'], limit: 20 }),
  openFetches: () => catalog.openFetches(),
  'how many can be restored': () => catalog.countRestorable(),
  histories: () => catalog.histories(),
  'empty histories': () => catalog.emptyHistories(),
  'a page': () => catalog.archivePage(page),
  'a page behind another': (id) => catalog.archivePage({ ...page, before: id }),
  'a page of a source': () => catalog.archivePage({ ...page, source: 'source-7' }),
  'a page of a source that has few': () => catalog.archivePage({ ...page, source: 'rare' }),
  'a page of a server': () => catalog.archivePage({ ...page, server: near.identity }),
  'a page of the spool': () => catalog.archivePage({ ...page, location: 'both' }),
  'a page by name': () => catalog.archivePage({ ...page, text: 'nothing has it' }),
  'what came and went': () => catalog.usageChanges('2017-08-01'),
  'since when that is known': () => catalog.usageKnownSince(),
  'how servers stand': () => catalog.standing(),
  'what lacks copies': () => catalog.archivesInDoubt(doubt),
  'what lacks a second copy': () => catalog.archivesInDoubt({ ...doubt, copies: 2 }),
  'sizes of a season': () => catalog.pastDays('source-7', new Date('2018-01-01'), 90),
  'what retention may delete': () => catalog.heldArchives('rare'),
  'what can be restored of a source': () => catalog.restorableArchives('rare'),
  'the newest try': () => catalog.newestFailure('source-7'),
  interruptedArchives: () => catalog.interruptedArchives(),
  waitingArchives: () => catalog.waitingArchives({ copies: 1, servers: [near, far] }),
  unsettledCopies: () => catalog.unsettledCopies(),
  'what was lost': () => catalog.lostCopies(new Date('2018-01-01')),
  lastGood: () => catalog.lastGood('source-7'),
  'lastGood of a source that never was': () => catalog.lastGood('rare'),
  'find latest': () => catalog.findArchive('latest:source-7'),
  'find latest of another host': () => catalog.findArchive('latest:of-beta'),
  'find latest that is not': () => catalog.findArchive('latest:rare').catch(() => undefined),
  'find by id': (id) => catalog.findArchive(id),
  'find by the beginning of an id': (id) => catalog.findArchive(id.slice(0, 30)),
  'find by a beginning that fits all': () => catalog.findArchive('0').catch(() => undefined),
  'find by file': () => catalog.findArchive('f-000000777.tar.zst'),
  'find by key': () => catalog.findArchive('alpha/f-000000777.tar.zst'),
  'find nothing': () => catalog.findArchive('nothing').catch(() => undefined),
  attempts: (id) => catalog.attempts(id),
  begin: () => begin(catalog, 'rare', nextMinute()),
  'mark ready': () => ready(catalog, 'rare', nextMinute()),
  'reserve and store': async () => {
    const copyId = await reserved(catalog, await ready(catalog, 'rare', nextMinute()), near)
    await catalog.resizeReservation(copyId, 200, near.limitBytes)
    await catalog.setUploadId(copyId, 'u')
    await catalog.markUncertain(copyId, 'lost')
    await catalog.markStored(copyId, proof(100))
  },
}

describe(`with ${ROWS} archives`, () => {
  it.each(Object.entries(QUESTIONS))('%s reads no table from end to end', async (_, ask) => {
    const { id } = await begin(catalog, 'rare', nextMinute())
    queries = []

    await ask(id)

    const asked = queries.filter(({ sql }) => /^(select|update|insert)/.test(sql))
    expect(asked.length).toBeGreaterThan(0)
    for (const { sql, parameters } of asked) {
      const plan = database.prepare(`explain query plan ${sql}`).all(parameters)
      for (const { detail } of plan as { detail: string }[])
        expect(wholeTableOf(detail), `${sql}\n${detail}`).toBeUndefined()
    }
  })

  // Another index of the same columns would do as well, says the plan, and read ten years of one source.
  it.each([
    ['what retention may delete', 'archives_restorable'],
    ['what can be restored of a source', 'archives_restorable'],
    ['lastGood', 'archives_once_stored'],
    ['lastGood of a source that never was', 'archives_once_stored'],
    ['sizes of a season', 'COVERING INDEX archives_sizes'],
    ['what lacks a second copy', 'COVERING INDEX archives_lacking'],
    ['waitingArchives', 'archives_by_state'],
    ['list a state of a host that has few', 'archives_by_state'],
    ['interruptedArchives', 'archives_by_state'],
    ['openFetches', 'archives_fetching'],
    ['how many can be restored', 'COVERING INDEX archives_lacking'],
    ['histories', 'history_held'],
    ['unsettledCopies', 'copies_unsettled'],
    ['what was lost', 'SEARCH s3_archives USING INTEGER PRIMARY KEY'],
    ['how servers stand', 'COVERING INDEX proofs_by_headed'],
  ])('%s is found by an index that holds little else: %s', async (question, index) => {
    queries = []
    await QUESTIONS[question]!('')

    const details = queries.flatMap(({ sql, parameters }) => {
      if (!sql.trimStart().startsWith('select')) return []
      const plan = database.prepare(`explain query plan ${sql}`).all(parameters)
      return (plan as { detail: string }[]).map(({ detail }) => detail)
    })
    expect(details.join('\n')).toContain(index)
    expect(
      details.filter((detail) => /archives_by_(host|source|host_source)\b/.test(detail)),
    ).toEqual([])
  })

  it('looks at a bounded part of them for a page of what nobody has, and comes to an end', async () => {
    const asked = { ...page, text: 'f-000000777.' }
    const found: string[] = []
    let pages = 0
    let before: string | undefined
    do {
      queries = []
      const got = await catalog.archivePage({ ...asked, before })
      const looked = queries.filter(({ sql }) => sql.includes('"fits"'))
      const steps = looked.map(({ parameters }) => Number(parameters.at(-1)))
      expect(steps.reduce((sum, step) => sum + step, 0)).toBeLessThanOrEqual(25_000)
      found.push(...got!.archives.map(({ file }) => file))
      before = got!.next
      pages += 1
    } while (before !== undefined)
    expect(found).toEqual(['f-000000777.tar.zst'])
    expect(pages).toBeGreaterThan(2)
    expect(await catalog.archivePage({ ...page, before: 'nobody' })).toBeUndefined()
  })

  it('reserves in less than 2 ms', async () => {
    const archives = []
    for (let count = 0; count < 200; count += 1)
      archives.push(await ready(catalog, 'bench', nextMinute()))
    const times: number[] = []
    for (const archive of archives) {
      const start = performance.now()
      await reserved(catalog, archive, far)
      times.push(performance.now() - start)
    }

    expect(median(times)).toBeLessThan(2)
    report('reserve', times)
  })

  // Of a busy machine it would tell the load. What must hold everywhere is above: nothing is read whole.
  it.runIf(MEASURES)('answers every question in less than 20 ms', async () => {
    const { id } = await begin(catalog, 'rare', nextMinute())
    for (const [name, ask] of Object.entries(QUESTIONS)) {
      const times: number[] = []
      for (let round = 0; round < 9; round += 1) {
        const start = performance.now()
        await ask(id)
        times.push(performance.now() - start)
      }
      report(name, times)
      expect(median(times), name).toBeLessThan(20)
    }
  })

  it('is sound, and is opened', async () => {
    const start = performance.now()
    const other = await openCatalog({ path, host: 'alpha' })
    report('open', [performance.now() - start])
    const check = performance.now()
    await other.check()
    report('check', [performance.now() - check])
    await other.close()
    expect(statSync(path).size).toBeGreaterThan(ROWS * 500)
  }, 120_000)
})

// Tables that do not grow: there are as many rows as servers, or hosts times servers. `changed` is no
// table: what of it is read was searched for.
const SMALL =
  /^SCAN (s3_servers|server_health|changed|file_histories|h)\b|^SCAN (proof_problems|missing_copies|s3_archives USING INDEX copies_(again|missing)|s3_archives USING COVERING INDEX copies_(again|missing))\b/

/** The table that a step of a plan reads whole; undefined: none that grows. */
function wholeTableOf(detail: string): string | undefined {
  const isScan = /^SCAN (?!CONSTANT ROW)/.test(detail)
  return isScan && !SMALL.test(detail) ? detail : undefined
}

function fill(target: Database.Database): void {
  target.pragma('synchronous = OFF')
  target.exec(`begin;
    with recursive n (i) as (select 1 union all select i + 1 from n where i < ${ROWS})
    insert into archives (id, host, source, source_kind, state, file, key, size_bytes, source_bytes,
      member_count, sha256, started_at, ended_at, stored_copies, first_stored_at)
    select printf('%08x-%04x-7%03x-8000-%012x', 25000000 + i / 4, i % 65536, i % 4096, i),
      case when i % 100 = 0 then 'beta' else 'alpha' end,
      case when i % 100 = 0 then 'of-beta' else 'source-' || (i % ${SOURCES}) end,
      'folder', 'gone', printf('f-%09d.tar.zst', i),
      case when i % 100 = 0 then 'beta/' else 'alpha/' end || printf('f-%09d.tar.zst', i),
      1000, 4000, 12, hex(randomblob(32)),
      strftime('%Y-%m-%dT%H:%M:%fZ', 1500000000 + i * 60, 'unixepoch'),
      strftime('%Y-%m-%dT%H:%M:%fZ', 1500000001 + i * 60, 'unixepoch'),
      1, strftime('%Y-%m-%dT%H:%M:%fZ', 1500000002 + i * 60, 'unixepoch')
    from n;
    insert into s3_archives (archive_id, server_id, state, key, token, size_bytes, etag, stored_at)
    select id, 1 + rowid % 2, 'stored', key, hex(randomblob(16)), 1000, hex(randomblob(16)),
      first_stored_at from archives;
    insert into attempts (archive_id, server_id, server_number, outcome, bytes_sent, seconds, at)
    select archive_id, server_id, server_id, 'stored', 1000, 0.5, stored_at from s3_archives;
    update s3_servers set used_bytes =
        (select coalesce(sum(size_bytes), 0) from s3_archives where server_id = s3_servers.id),
      used_copies = (select count(*) from s3_archives where server_id = s3_servers.id);
    ${FILL_SUMS};
    insert into file_histories (host, source) select distinct host, source from archives;
    insert into history_archives (archive_id, history_id, serial, is_let_go)
      select a.id, h.id, a.rowid, a.rowid % 100 <> 0 from archives a
      join file_histories h on h.source = a.source and h.host = a.host;
    commit`)
  target.pragma('synchronous = FULL')
  target.pragma('wal_checkpoint(truncate)')
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!
}

function report(name: string, times: readonly number[]): void {
  if (!MEASURES) return
  const worst = Math.max(...times)
  console.log(`${name}: median ${median(times).toFixed(2)} ms, worst ${worst.toFixed(2)} ms`)
}
