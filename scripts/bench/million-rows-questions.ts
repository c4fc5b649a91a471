// What a run and a daemon ask of a catalog with a million archives, through its own interface.

import { CATALOG_HOST } from './ten-years-history.ts'
import { newArchiveId } from '../../src/domain/archive.ts'
import { openCatalog } from '../../src/catalog/open-sqlite.ts'
import { placeArchive } from '../../src/domain/placement.ts'
import { SERVERS, serverAt } from './ten-years.ts'
import type { ArchiveId } from '../../src/domain/archive.ts'
import type { ArchivePageInput } from '../../src/catalog/page-calls.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'

const RESERVATIONS = 1_000
const ROUNDS = 5
const ARCHIVE_BYTES = 1_000_000

const servers = SERVERS.map((endpoint, at) => ({
  ...serverAt(endpoint, at),
  ...{ number: at + 1, isEnabled: true, limitBytes: 1e15 },
}))
const identities = servers.map(({ identity }) => identity)
const page: ArchivePageInput = {
  ...{ limit: 50, before: undefined, source: undefined, server: undefined, location: undefined },
  ...{ servers: identities, text: undefined, includesLost: false },
}
const wanted = { copies: 1, servers: identities.map((identity) => ({ identity })) }
const doubt = { copies: 1, servers: identities, lacking: 'counted' } as const

/** `deep`: an archive of the middle of the ten years. */
const QUESTIONS: readonly (readonly [string, (catalog: Catalog, deep: ArchiveId) => unknown])[] = [
  ['page: first', (catalog) => catalog.archivePage(page)],
  ['page: in the middle', (catalog, before) => catalog.archivePage({ ...page, before })],
  ['page: of a source', (catalog) => catalog.archivePage({ ...page, source: 'nightly-3' })],
  ['page: by a name nobody has', (catalog) => catalog.archivePage({ ...page, text: 'none' })],
  ['page: usage of 90 days', (catalog) => catalog.usageChanges(daysAgo(90))],
  ['run: left in packing', (catalog) => catalog.interruptedArchives()],
  ['run: copies not settled', (catalog) => catalog.unsettledCopies()],
  ['run: waiting archives', (catalog) => catalog.waitingArchives(wanted)],
  ['run: fetches not ended', (catalog) => catalog.openFetches()],
  ['run: last good of a source', (catalog) => catalog.lastGood('hourly-3')],
  ['run: histories without archives', (catalog) => catalog.emptyHistories()],
  ['run: archives without history', (catalog) => catalog.archivesWithoutHistory()],
  ['run: history of one source', (catalog) => catalog.histories({ source: 'nightly-1' })],
  ['run: archives to prune of one', (catalog) => catalog.restorableArchives('hourly-1')],
  ['run: how many there are', (catalog) => catalog.countRestorable()],
  ['status: trust', (catalog) => catalog.standing()],
  ['status: what lacks copies', (catalog) => catalog.archivesInDoubt(doubt)],
  ['status: a season of a source', (catalog) => catalog.pastDays('hourly-1', new Date(), 90)],
  ['run: check of the whole', (catalog) => catalog.check()],
]

export async function measureQuestions(path: string): Promise<void> {
  const begun = performance.now()
  const catalog = await openCatalog({ path, host: CATALOG_HOST })
  console.log(`\n${'question'.padEnd(34)}   median      p99`)
  tell('open', [performance.now() - begun])
  tell(`choose and reserve, of ${RESERVATIONS}`, await reservations(catalog))
  const [newest] = await catalog.archives({ limit: 1 })
  const middle = new Date(newest!.startedAt.getTime() - 5 * 365 * 86_400_000)
  const deep = (await nearest(catalog, middle)) ?? newest!.id
  for (const [title, ask] of QUESTIONS) {
    const times: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const at = performance.now()
      await ask(catalog, deep)
      times.push(performance.now() - at)
      // Of seconds one is enough.
      if (times[0]! > 2_000) break
    }
    tell(title, times)
  }
  await catalog.close()
}

/** As `deliver` asks: how full are the servers, which of them may take it, and a promise there. */
async function reservations(catalog: Catalog): Promise<number[]> {
  const times: number[] = []
  for (let count = 0; count < RESERVATIONS; count += 1) {
    const archive = await whole(catalog, count)
    const at = performance.now()
    const usageByIdentity = new Map((await catalog.servers()).map((row) => [row.identity, row]))
    const placed = placeArchive({ servers, usageByIdentity, neededBytes: ARCHIVE_BYTES })
    const [server] = placed.candidates
    const copyId = await catalog.reserve({
      ...{ archiveId: archive.id, identity: server!.identity, key: archive.key },
      ...{ token: archive.id, bytes: ARCHIVE_BYTES, limitBytes: server!.limitBytes },
    })
    times.push(performance.now() - at)
    if (copyId === undefined) throw new Error('no room, where there is')
    await catalog.markCopyFailed(copyId, 'made for a measurement')
    await catalog.markArchiveFailed(archive.id, 'made for a measurement', new Date())
  }
  return times
}

async function whole(catalog: Catalog, count: number): Promise<{ id: ArchiveId; key: string }> {
  // In the past, each in a second of its own: what comes after must not be new.
  const startedAt = new Date(Date.UTC(2001, 0, 1) + (Date.now() % 1e10) + count * 1_000)
  const id = newArchiveId(Date.now())
  const row = await catalog.beginArchive({
    ...{ id, source: 'measured', sourceKind: 'folder', startedAt, spoolDir: '/var/spool' },
  })
  await catalog.markReady(id, {
    ...{
      localPath: `/var/spool/${row.file}`,
      sizeBytes: ARCHIVE_BYTES,
      sourceBytes: ARCHIVE_BYTES,
    },
    ...{
      memberCount: 1,
      sha256: 'ab'.repeat(32),
      endedAt: startedAt,
      warningCount: 0,
      warnings: [],
    },
  })
  return row
}

async function nearest(catalog: Catalog, at: Date): Promise<ArchiveId | undefined> {
  const sizes = await catalog.heldArchives('nightly-0')
  return sizes.find(({ startedMs }) => startedMs >= at.getTime())?.id
}

function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
}

function tell(title: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2)} ms`
  const last = times.length < 100 ? '' : at(0.99)
  console.log(`${title.padEnd(34)} ${at(0.5).padStart(11)} ${last.padStart(11)}`)
}
