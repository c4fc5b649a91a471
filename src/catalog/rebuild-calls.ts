// The part of the catalog's interface that compares it with the servers and fills it again from them.

import type { CopyId } from './catalog.ts'

export interface RebuildCalls {
  /** stored -> missing: a HEAD said that the object is gone. Its bytes count until that is settled. */
  markMissing(copyId: CopyId, reason: string): Promise<void>
}
