// The catalog on any SQL database that Kysely speaks; the queries live in the *-rows.ts beside it.

import type { Kysely } from 'kysely'
import * as archives from './archive-rows.ts'
import type { Catalog } from './catalog.ts'
import * as copies from './copy-rows.ts'
import { corrupt } from './damage.ts'
import { findArchive } from './find-archive.ts'
import { findCountFaults, findLedgerFaults } from './ledger-check.ts'
import * as servers from './server-rows.ts'
import * as snapshots from './snapshot-rows.ts'
import type { Tables } from './tables.ts'
import { createHistoryCalls } from './history-rows.ts'
import { createProofCalls } from './proof-rows.ts'
import { createRebuildCalls } from './rebuild-rows.ts'
import { createPageCalls } from './page-rows.ts'
import { createRecopyCalls } from './recopy-rows.ts'
import { createRetentionCalls } from './retention-rows.ts'
import { createStandingCalls } from './standing-rows.ts'
import { findStandingFaults } from './standing-sums.ts'
import { createUsageCalls } from './usage-rows.ts'

export type KyselyCatalogInput = {
  readonly db: Kysely<Tables>
  /** SERVER_ID of this host: whose archives are begun, waiting, interrupted. */
  readonly host: string
  /** What messages call the catalog; for SQLite its path. */
  readonly name: string
  /** The database's own check of all that it holds; none found: []. */
  readonly findDamage: () => readonly string[]
  readonly close: () => Promise<void>
}

export function createKyselyCatalog(input: KyselyCatalogInput): Catalog {
  const { db, host } = input
  return {
    ...createRetentionCalls(db, host),
    ...createProofCalls(db),
    ...createHistoryCalls(db),
    ...createRebuildCalls(db, host),
    ...createRecopyCalls(db, host),
    ...createPageCalls(db, host),
    ...createUsageCalls(db),
    ...createStandingCalls(db, host),

    registerServers: (list) => servers.registerServers(db, list),
    servers: () => servers.listServers(db, host),
    setOtherBytes: (identity, bytes, at) => servers.setOtherBytes(db, identity, bytes, at),
    setHealth: (identity, health, reason, at) =>
      servers.setHealth(db, host, { identity, health, reason, at }),
    keysOn: async (identity) =>
      new Map([
        ...(await copies.keysOn(db, identity)),
        ...(await snapshots.snapshotKeysOn(db, identity)).map((key) => [key, undefined] as const),
      ]),

    beginArchive: (archive) => archives.beginArchive(db, host, archive),
    markReady: (id, facts) => archives.markReady(db, id, facts),
    markArchiveFailed: (id, reason, at) => archives.markArchiveFailed(db, id, reason, at),
    markMoved: (id, localPath) => archives.markMoved(db, id, localPath),
    markLocalGone: (id) => archives.markLocalGone(db, id),

    reserve: (promise) => copies.reserve(db, promise),
    resizeReservation: (id, bytes, limit) => copies.resizeReservation(db, id, bytes, limit),
    setUploadId: (id, uploadId) => copies.setUploadId(db, id, uploadId),
    markCompleting: (id, at) => copies.markCompleting(db, id, at),
    markStored: (id, proof) => copies.markStored(db, id, proof),
    markUncertain: (id, reason) => copies.markUncertain(db, id, reason),
    markCopyFailed: (id, reason) => copies.markCopyFailed(db, id, reason),
    markDamaged: (id, reason) => copies.markDamaged(db, id, reason),
    markDeleted: (id, at = new Date()) => copies.markDeleted(db, id, at),
    markOverwritten: (id, othersBytes) => copies.markOverwritten(db, id, othersBytes),

    addAttempt: (attempt) => archives.addAttempt(db, attempt),
    attempts: (id) => archives.attemptsOf(db, id),

    archives: (filter = {}) => archives.listArchives(db, filter),
    findArchive: (name) => findArchive(db, host, name),
    interruptedArchives: () => archives.interruptedArchives(db, host),
    waitingArchives: (wanted) => archives.waitingArchives(db, host, wanted),
    unsettledCopies: () => copies.unsettledCopies(db, host),
    lastGood: (source) => archives.lastGood(db, host, source),

    check: () => check(input),
    close: input.close,
  }
}

async function check({ db, name, findDamage }: KyselyCatalogInput): Promise<void> {
  const found = [...findDamage()]
  // A count over damaged pages says nothing that the damage did not say.
  if (found.length === 0) {
    await archives.snapshot(db, async (trx) => {
      found.push(
        ...(await findLedgerFaults(trx)),
        ...(await findCountFaults(trx)),
        ...(await findStandingFaults(trx)),
        ...(await snapshots.findSnapshotFaults(trx)),
      )
    })
  }
  if (found.length > 0) throw corrupt(name, found.join('; '))
}
