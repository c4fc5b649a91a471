// The part of the catalog's interface that brings the bytes of a stored archive back into the spool, so
// that they can be sent to another server.
//
// The row names the file before its first byte is written: whatever a crash leaves behind is known, and
// is cleared away by the next run. While an archive is `gone` its path is that of the unfinished file;
// it is `ready` again, and may be sent, once the file is whole and proven.

import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveRow } from './catalog.ts'

export interface RecopyCalls {
  /** Of a `gone` archive: its bytes are about to be written to this unfinished file. */
  beginFetch(id: ArchiveId, partialPath: string): Promise<void>
  /** gone -> ready: the bytes are proven to be the archive's, and lie on disk at `localPath`. */
  markFetched(id: ArchiveId, localPath: string): Promise<void>
  /** The unfinished file is removed: the archive is `gone` as it was before. May be repeated. */
  endFetch(id: ArchiveId): Promise<void>
  /** Archives of this host whose bytes were being fetched. */
  openFetches(): Promise<readonly ArchiveRow[]>
}
