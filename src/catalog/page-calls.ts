// The calls of the catalog that show archives page by page.

import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies } from './catalog.ts'
import type { ServerIdentity } from '../domain/server.ts'

export type ArchivePageInput = {
  readonly limit: number
  /** The last one of the page before; undefined: from the newest on. */
  readonly before: ArchiveId | undefined
  readonly source: string | undefined
  /** A copy is stored there. */
  readonly server: ServerIdentity | undefined
  /** In the spool, stored on one of `servers`, or both. */
  readonly location: 'local' | 's3' | 'both' | undefined
  /** Those that can be restored from. */
  readonly servers: readonly ServerIdentity[]
  /** In the file's or the source's name, in any case of letters. */
  readonly text: string | undefined
  /** Failed and deleted archives as well. */
  readonly includesLost: boolean
}

export type ArchivePage = {
  /** Of this host, newest first; may be fewer than asked for although there are more. */
  readonly archives: readonly ArchiveWithCopies[]
  /** For `before` of the next page; undefined: this was the last one. */
  readonly next: ArchiveId | undefined
}

export interface PageCalls {
  /**
   * Looks at a bounded number of rows, however rare those are that fit. undefined: `before` is no archive of
   * this host.
   */
  archivePage(input: ArchivePageInput): Promise<ArchivePage | undefined>
}
