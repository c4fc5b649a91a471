// Removes the damaged copies of an archive once enough sound ones are proven. This is the only place where
// a copy goes because it is damaged, and nothing here makes one.

import { failureOf, SpillwayError } from '../domain/errors.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { ArchiveWithCopies, CopyRow } from '../catalog/catalog.ts'
import type { CopySession } from './copies-session.ts'
import type { Deletions } from './deletions.ts'

export type MendServices = {
  /** An archive that is being restored keeps its copies: also a damaged one has whole frames. */
  readonly archiveUses: Pick<ArchiveUses, 'claim'>
}

/**
 * Resolves with why they stay; undefined: they are gone, or will go (a server that refuses is told in
 * `deletions`). Rejects with CATALOG_*, INTERRUPTED.
 */
export async function removeDamaged(
  { archiveUses }: MendServices,
  session: CopySession,
  work: {
    readonly archive: ArchiveWithCopies
    readonly damaged: readonly CopyRow[]
    readonly deletions: Deletions
  },
  signal: AbortSignal,
): Promise<SpillwayError | undefined> {
  const { archive, damaged, deletions } = work
  const claim = archiveUses.claim(archive.id)
  if (claim === undefined) {
    const what = `${archive.file} is being restored; its damaged copy stays until that is done`
    return new SpillwayError('NO_SERVER_FOR_COPY', what, { hint: 'run it again afterwards' })
  }
  try {
    const { config, delivery, readers } = session
    const { catalog, emit } = delivery
    // Copies are removed on disabled servers, too: that word says only that nothing new goes there.
    const all = { ...config, servers: readers.servers }
    const services = { catalog, emit, config: all, pool: readers }
    for (const copy of damaged) {
      if (await isReplaced(session, copy, signal)) {
        // Nobody's bytes but ours are ever deleted: reconcile gives up the row after a day.
        await catalog.markMissing(copy.id, `something else lies at ${copy.key}`)
        continue
      }
      const reason = 'it is damaged, and enough sound copies are proven'
      await deletions.remove(services, copy, reason, signal)
    }
    return undefined
  } finally {
    claim.release()
  }
}

/** What lies there carries another token, and a delete by its key would hit that. */
async function isReplaced(
  { readers }: CopySession,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<boolean> {
  const server = readers.servers.find(({ identity }) => identity === copy.identity)
  // A delete by version id hits only what was stored.
  if (server === undefined || copy.versionId !== undefined) return false
  try {
    const head = await (await readers.ready(server, signal)).head(copy.key, signal)
    return head !== undefined && head.token !== copy.token
  } catch (error) {
    if (failureOf(error).server === undefined) throw error
    // The delete asks again, and tells what is wrong with the server.
    return false
  }
}
