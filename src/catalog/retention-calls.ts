// The part of the catalog's interface that retention needs: what may go, what must stay, and the step
// that is on disk before a server is asked to delete anything.

import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies, CopyId } from './catalog.ts'

export interface RetentionCalls {
  /**
   * stored or missing -> deleting: on disk before the server is asked. The copy is none any more, and its
   * bytes count as used until `markDeleted`. With `unlessPinned`, false: the archive is pinned, and nothing
   * has changed.
   */
  markDeleting(
    copyId: CopyId,
    reason: string,
    guard?: { readonly unlessPinned: boolean },
  ): Promise<boolean>
  /** deleting -> stored: it must stay after all. Only of a copy that was stored; what is there is asked apart. */
  takeBackDelete(copyId: CopyId): Promise<void>
  /** What verifying found in its bytes (frames, end) and nobody has settled, in whatever state the copy is. */
  hasDamagedBytes(copyId: CopyId): Promise<boolean>
  /** Archives of a source of this host that can be restored, by a stored copy or from the spool; newest first. */
  restorableArchives(source: string): Promise<readonly ArchiveWithCopies[]>
  /** How many archives of this host can be restored. */
  countRestorable(): Promise<number>
  /** A pinned archive is never pruned. */
  setPinned(id: ArchiveId, isPinned: boolean): Promise<void>
  /** The catalog was rebuilt from archives, which tell nothing of pins, and nobody has looked since. */
  arePinsUnknown(): Promise<boolean>
  /** Somebody has looked; while a rebuild is not at its end, this changes nothing. */
  acceptPins(): Promise<void>
}
