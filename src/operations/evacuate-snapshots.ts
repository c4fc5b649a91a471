// What else of this host lies on a server that is left: its copies of the catalog. They go last, once no
// archive is there any more and another server has one: a rebuild begins with them.
//
// Only what a row names, and what carries the token of that row.

import { failureOf, messageOf, SpillwayError } from '../domain/errors.ts'
import { removeSnapshot, settleSnapshot } from './catalog-snapshot-server.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { CopySession } from './copies-session.ts'
import type { Server } from '../domain/server.ts'
import type { SnapshotRow } from '../catalog/snapshot-calls.ts'

export type SnapshotsLeft = { readonly count: number; readonly bytes: number }

export const NO_SNAPSHOTS: SnapshotsLeft = { count: 0, bytes: 0 }

/** Those that would go; no server is asked. */
export async function planSnapshots(
  catalog: Catalog,
  server: Server,
  staying: readonly Server[],
): Promise<SnapshotsLeft> {
  const { here, elsewhere } = await snapshotsBy(catalog, server)
  // Where none has one yet, the evacuation itself puts it there.
  const isSafe = elsewhere.length > 0 || staying.some(({ isEnabled }) => isEnabled)
  return isSafe ? sumOf(here) : NO_SNAPSHOTS
}

/** Resolves with what was removed. `onProblem`: what stays, and why. */
export async function removeSnapshotsOn(
  { config, delivery, readers }: CopySession,
  server: Server,
  onProblem: (error: SpillwayError) => void,
  signal: AbortSignal,
): Promise<SnapshotsLeft> {
  const { catalog } = delivery
  // Archives of other hosts of this catalog count, too.
  if ((await catalog.copiesOn(server.identity)).length > 0) return NO_SNAPSHOTS
  const { here, elsewhere } = await snapshotsBy(catalog, server)
  if (here.length === 0) return NO_SNAPSHOTS
  if (elsewhere.length === 0) {
    onProblem(stays(here.length, server, 'no other server has one'))
    return NO_SNAPSHOTS
  }
  const removed: SnapshotRow[] = []
  try {
    const storage = await readers.ready(server, signal)
    const place = { catalog, server, storage, host: config.serverId }
    for (const row of here) if (row.state === 'uploading') await settleSnapshot(place, row, signal)
    for (const row of (await snapshotsBy(catalog, server)).here)
      if (await removeSnapshot(place, row, signal)) removed.push(row)
    const left = (await snapshotsBy(catalog, server)).here.length
    if (left > 0) onProblem(stays(left, server, 'the server does not let them be deleted'))
  } catch (error) {
    if (failureOf(error).server === undefined) throw error
    const left = (await snapshotsBy(catalog, server)).here.length
    onProblem(stays(left, server, messageOf(error)))
  }
  return sumOf(removed)
}

/** Of this host; `elsewhere` only what is whole. */
async function snapshotsBy(
  catalog: Catalog,
  { identity }: Server,
): Promise<{ readonly here: readonly SnapshotRow[]; readonly elsewhere: readonly SnapshotRow[] }> {
  const rows = await catalog.snapshots()
  return {
    here: rows.filter((row) => row.identity === identity),
    elsewhere: rows.filter((row) => row.identity !== identity && row.state === 'stored'),
  }
}

function sumOf(rows: readonly SnapshotRow[]): SnapshotsLeft {
  return { count: rows.length, bytes: rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }
}

function stays(count: number, { label }: Server, why: string): SpillwayError {
  const what = count === 1 ? '1 copy of the catalog stays' : `${count} copies of the catalog stay`
  return new SpillwayError('SERVER_UNPROVEN', `${what} on ${label}: ${why}`)
}
