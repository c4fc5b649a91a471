// Deletes one copy of an archive: the one way in which an object that was stored ever leaves a server.
//
// Order of events: a look that it is ours; row `deleting`, on disk; the delete, by version id where the
// server has versions; a look that it is gone; row `deleted`. Only the last one frees the limit. A crash
// anywhere in between leaves a row that the next run finishes by calling this again.

import { SpillwayError } from '../domain/errors.ts'
import type { Catalog, CopyRow } from '../catalog/catalog.ts'
import type { Storage } from '../storage/storage.ts'

export type RemoveServices = {
  readonly catalog: Pick<Catalog, 'markDeleting' | 'markDeleted' | 'markOverwritten'>
  readonly storage: Pick<Storage, 'head' | 'remove'>
}

// One object, and one more for each Complete that was repeated on a server with versions.
const VERSIONS_MAX = 4

export type Removal =
  | 'deleted'
  /** Nothing was done: the archive is pinned, and `guard` asked. */
  | 'pinned'
  /** Ours was to be deleted, and what lies there now is somebody else's: left alone, and counted as others'. */
  | 'overwritten'

/**
 * For a copy that is stored, missing or deleting. Rejects with the server's failure; the copy then still
 * counts as used, and is `deleting` if the delete may have been sent. SERVER_DENIED and SERVER_REJECTED
 * say that the server refuses the delete (a policy, an object lock): `DeleteRefusals` keeps a run from
 * asking on and on.
 */
export async function removeCopy(
  { catalog, storage }: RemoveServices,
  copy: CopyRow,
  reason: string,
  signal: AbortSignal,
  guard: { readonly unlessPinned: boolean } = { unlessPinned: false },
): Promise<Removal> {
  const before = await storage.head(copy.key, signal)
  if (before !== undefined && before.token !== copy.token && !isVersionOfIts(copy)) {
    // Only a reconcile, a day apart, says of a copy that should be there that it is not. And with versions ours may lie
    // below theirs, still billed.
    if (copy.state !== 'deleting' || isVersionOfIts(before)) throw notOurs(copy)
    await catalog.markOverwritten(copy.id, before.sizeBytes)
    return 'overwritten'
  }
  if (copy.state !== 'deleting' && !(await catalog.markDeleting(copy.id, reason, guard)))
    return 'pinned'
  // Also where HEAD shows nothing: somebody's delete may have hidden our version, and not removed it.
  const version = copy.versionId ?? before?.versionId
  if (before !== undefined || version !== undefined) await storage.remove(copy.key, version, signal)
  for (let tries = 1; ; tries += 1) {
    const after = await storage.head(copy.key, signal)
    if (after === undefined || after.token !== copy.token) break
    if (tries === VERSIONS_MAX || after.versionId === undefined || after.versionId === version)
      throw new SpillwayError('SERVER_UNPROVEN', `${copy.key} is still there after it was deleted`)
    await storage.remove(copy.key, after.versionId, signal)
  }
  await catalog.markDeleted(copy.id)
  return 'deleted'
}

/** While versioning is suspended every object at a key has the same id, `null`: it names no one's bytes. */
function isVersionOfIts({ versionId }: Pick<CopyRow, 'versionId'>): boolean {
  return versionId !== undefined && versionId !== 'null'
}

/** A key alone names whatever lies there now: nobody's bytes but ours are ever deleted. */
function notOurs({ key }: CopyRow): SpillwayError {
  const what = `what lies at ${key} does not carry the token of our copy; it is left alone`
  return new SpillwayError('SERVER_UNPROVEN', what, { hint: 'see: spillway reconcile' })
}
