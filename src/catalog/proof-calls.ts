// The part of the catalog's interface that verifying needs: what was proven of a copy, and when.

import type { ArchiveId } from '../domain/archive.ts'

export interface ProofCalls {
  /** The server showed, after the archive was stored, that it still holds it. */
  setVerified(id: ArchiveId, at: Date): Promise<void>
}
