// Copies that count as none, and why: on a server that is not configured, gone from where they were, or known
// to be damaged. An archive that has no other ones looks stored in the catalog, and could not be restored
// whole; so whoever tells how things stand names it, with these words.

import type { ArchiveWithCopies, CopyId, CopyRow, ServerRow } from '../catalog/catalog.ts'
import type { Server } from '../domain/server.ts'

/** `2: s3.example.com/backups (not configured)`, for each; `rows` has the labels of servers that left. */
export function unusableCopies(
  { copies }: Pick<ArchiveWithCopies, 'copies'>,
  known: {
    readonly servers: readonly Server[]
    readonly rows: readonly ServerRow[]
    readonly damagedIds: ReadonlySet<CopyId>
  },
): readonly string[] {
  return copies.flatMap((copy) => {
    const same = ({ identity }: { readonly identity: string }) => identity === copy.identity
    const server = known.servers.find(same)
    const why = whyNone(copy, server, known.damagedIds)
    if (why === undefined) return []
    return [`${server?.label ?? known.rows.find(same)?.label ?? copy.identity} (${why})`]
  })
}

function whyNone(
  { id, state }: CopyRow,
  server: Server | undefined,
  damagedIds: ReadonlySet<CopyId>,
): string | undefined {
  if (state === 'missing') return 'missing'
  if (state !== 'stored') return undefined
  if (server === undefined) return 'not configured'
  return damagedIds.has(id) ? 'damaged' : undefined
}
