// The copies of the catalog on one server: one more is put there, what an earlier run left is settled,
// and all but the newest seven are deleted.
//
// The row is ahead of the server here, too: bytes are promised before they are sent, and given back once
// a HEAD showed that nothing is there. Nothing is deleted that does not carry the token of its row.

import { randomBytes } from 'node:crypto'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { isProvenBy } from '../storage/storage.ts'
import {
  latestSnapshotTime,
  snapshotFolder,
  snapshotName,
  SNAPSHOTS_KEPT,
} from './catalog-snapshot-key.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Server } from '../domain/server.ts'
import type { SnapshotRow } from '../catalog/snapshot-calls.ts'
import type { Storage } from '../storage/storage.ts'

export type SnapshotFile = {
  readonly sizeBytes: number
  readonly open: () => AsyncIterable<Uint8Array>
  readonly madeAt: Date
}

type Place = {
  readonly catalog: Catalog
  readonly server: Server
  readonly storage: Storage
  readonly host: string
}

// As many again as are kept: where deleting is forbidden for a time (object lock), what piles up is
// bounded, and every night still has its copy somewhere else.
const UNDELETABLE_MAX = SNAPSHOTS_KEPT

// One object, and one more for each request that was repeated on a server with versions.
const VERSIONS_MAX = 4

/**
 * `full`: no room within the limit, also without the older ones. `blocked`: so many lie there that may
 * not be deleted. Rejects with the server's failure; the rows say what may be there then.
 */
export async function putSnapshot(
  place: Place,
  file: SnapshotFile,
  signal: AbortSignal,
): Promise<'stored' | 'full' | 'blocked'> {
  const { catalog, server, host, storage } = place
  for (const row of await rowsOn(place)) await settleSnapshot(place, row, signal)
  let rows = await rowsOn(place)
  if (rows.length >= SNAPSHOTS_KEPT + UNDELETABLE_MAX) {
    await trimSnapshots(place, signal)
    rows = await rowsOn(place)
    if (rows.length >= SNAPSHOTS_KEPT + UNDELETABLE_MAX) return 'blocked'
  }
  const key = snapshotFolder(server, host) + snapshotName(file.madeAt)
  const token = randomBytes(16).toString('hex')
  const { identity, limitBytes } = server
  const { madeAt, sizeBytes } = file
  const wanted = { identity, key, token, madeAt, sizeBytes, limitBytes }
  let id = await catalog.reserveSnapshot(wanted)
  // The oldest ones give way to tonight's, but never the newest two: they are what a rebuild begins with.
  const older = rows.filter(({ state }) => state === 'stored').slice(0, -2)
  for (const row of older) {
    if (id !== undefined) break
    if (await removeSnapshot(place, row, signal)) id = await catalog.reserveSnapshot(wanted)
  }
  if (id === undefined) return 'full'
  await storage.putSmall(key, file.open(), token, signal)
  await catalog.markSnapshotStored(id)
  return 'stored'
}

/**
 * All but the newest seven; what the server does not let go stays counted. Those from years ahead are not
 * among the seven, or they would push out tonight's for years. true: it refused one.
 */
export async function trimSnapshots(place: Place, signal: AbortSignal): Promise<boolean> {
  const latest = latestSnapshotTime(new Date())
  const stored = (await rowsOn(place)).filter(
    ({ madeAt, state }) => state === 'stored' && madeAt <= latest,
  )
  let isRefused = false
  for (const row of stored.slice(0, Math.max(0, stored.length - SNAPSHOTS_KEPT)))
    if (!(await removeSnapshot(place, row, signal))) isRefused = true
  return isRefused
}

/** What a run that ended early left: its row ends as `stored`, or goes. */
export async function settleSnapshot(
  place: Place,
  row: SnapshotRow,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, storage } = place
  if (row.state === 'deleting') await removeSnapshot(place, row, signal)
  if (row.state !== 'uploading') return
  await abortUploads(storage, row, signal)
  const head = await storage.head(row.key, signal)
  if (isProvenBy(head, row)) await catalog.markSnapshotStored(row.id)
  else if (head?.token !== row.token) await catalog.dropSnapshot(row.id)
  else {
    // Ours, and not whole: no object of S3's is ever so, but a directory's may be.
    await catalog.markSnapshotStored(row.id)
    await removeSnapshot(place, row, signal)
  }
}

/** A large one is sent in parts: an upload of this key can be of nobody else. */
async function abortUploads(
  storage: Storage,
  { key, token }: SnapshotRow,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const upload of storage.listUploads(key, signal))
      await storage.abort({ key, token, uploadId: upload.uploadId }, signal)
  } catch (error) {
    if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) throw error
  }
}

/** false: the server does not allow it (a policy, an object lock); the row stays `deleting`. */
export async function removeSnapshot(
  { catalog, storage }: Place,
  row: SnapshotRow,
  signal: AbortSignal,
): Promise<boolean> {
  let head = await storage.head(row.key, signal)
  if (head?.token === row.token && row.state !== 'deleting')
    await catalog.markSnapshotDeleting(row.id)
  for (let tries = 1; head?.token === row.token; tries += 1) {
    if (tries > VERSIONS_MAX)
      throw new SpillwayError('SERVER_UNPROVEN', `${row.key} is still there after it was deleted`)
    try {
      await storage.remove(row.key, head.versionId, signal)
    } catch (error) {
      if (isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) return false
      throw error
    }
    head = await storage.head(row.key, signal)
  }
  await catalog.dropSnapshot(row.id)
  return true
}

async function rowsOn({ catalog, server }: Place): Promise<readonly SnapshotRow[]> {
  const rows = await catalog.snapshots()
  return rows.filter(({ identity }) => identity === server.identity)
}
