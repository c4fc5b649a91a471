// The part of the catalog's interface that retention needs: what may go, what must stay, and the step
// that is on disk before a server is asked to delete anything.

import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies, CopyId } from './catalog.ts'

export interface RetentionCalls {
  /**
   * stored or missing -> deleting: on disk before the server is asked. The copy is none any more, and its
   * bytes count as used until `markDeleted`.
   */
  markDeleting(copyId: CopyId, reason: string): Promise<void>
  /** Archives of a source of this host that can be restored, by a stored copy or from the spool; newest first. */
  restorableArchives(source: string): Promise<readonly ArchiveWithCopies[]>
  /** How many archives of this host can be restored. */
  countRestorable(): Promise<number>
  /** A pinned archive is never pruned. */
  setPinned(id: ArchiveId, isPinned: boolean): Promise<void>
}
