// Puts a copy of the catalog that was read back from a server in the place of a lost catalog.
//
// Nothing here is open while the file is put in place: its handles are closed first, and SQLite's log
// must be gone, because it would be applied to whatever file has the name then.

import { existsSync } from 'node:fs'
import { SpillwayError } from '../domain/errors.ts'
import { howToMoveAway } from './move-away.ts'
import { publishCopy } from './catalog-file.ts'
import { openCatalog } from './open-sqlite.ts'
import type { RebuildState } from './rebuild-calls.ts'

/** undefined: there is no catalog at all. Rejects with CATALOG_* where it cannot be read. */
export async function stateOfCatalogFile(
  catalogPath: string,
  host: string,
): Promise<RebuildState | undefined> {
  if (!existsSync(catalogPath)) return undefined
  const catalog = await openCatalog({ path: catalogPath, host })
  try {
    return await catalog.rebuildState()
  } finally {
    await catalog.close()
  }
}

/**
 * The snapshot is brought up to date, checked in full, told that a rebuild has begun from it, and moved to
 * the catalog's place, over an empty one. Rejects with CATALOG_*; the place is as it was then.
 */
export async function installSnapshot(input: {
  readonly snapshotPath: string
  readonly catalogPath: string
  readonly host: string
  /** What the catalog says it was made from. */
  readonly name: string
  readonly at: Date
  /** No copy of the catalog can be from after it. */
  readonly latest: Date
}): Promise<RebuildState> {
  const { snapshotPath, catalogPath, host, name, at, latest } = input
  const snapshot = await openCatalog({ path: snapshotPath, host })
  let state: RebuildState
  try {
    await snapshot.check()
    await snapshot.beginRebuild({ at, snapshot: { name, latest } })
    state = await snapshot.rebuildState()
  } finally {
    await snapshot.close()
  }
  for (const path of [snapshotPath, catalogPath]) {
    if (!existsSync(`${path}-wal`)) continue
    throw new SpillwayError(
      'CATALOG_UNAVAILABLE',
      `the catalog ${path} is open in another program, or was not closed: ${path}-wal is there`,
      {
        facts: { path },
        hint:
          'end that program, and run this again; if there is none, move what is left of the lost catalog away: ' +
          howToMoveAway(path),
      },
    )
  }
  publishCopy(snapshotPath, catalogPath)
  return state
}
