// What the writer of a tree is told, and what it tells in the end.

import type { ByteString, TarKind } from './tar-header.ts'
import type { OverwriteRule } from './extract-overwrite.ts'
import type { PathSpec } from './extract-patterns.ts'
import type { ShownWarning } from './extract-warnings.ts'

export type TreeInput = {
  readonly directory: string
  /** More than the catalog knows of: another archive lies at the key, or a hostile one. */
  readonly memberCountMax?: number | undefined
  readonly sourceBytesMax?: number | undefined
  /** What is wanted of the archive; none: everything. */
  readonly paths?: readonly PathSpec[] | undefined
  /** How many leading parts of every path are left out. */
  readonly strip?: number | undefined
  /** For what is in the folder already; undefined: it must be empty. */
  readonly overwrite?: OverwriteRule | undefined
}

export type TreeResult = {
  /** Given back. */
  readonly memberCount: number
  readonly sourceBytes: number
  /** Seen in the tar, whether wanted or not. */
  readonly readMemberCount: number
  readonly readSourceBytes: number
  /** Members that were not restored because of what was there. */
  readonly keptCount: number
  /** Members that could not be given back because the archive is damaged there, by their paths. */
  readonly lostCount: number
  readonly lost: readonly string[]
  readonly warningCount: number
  readonly warnings: readonly ShownWarning[]
}

/** A hard link whose content was not among what is restored. */
export type PendingLink = { readonly out: ByteString; readonly target: ByteString }

/** What the index says of a member whose bytes are damaged. */
export type LostMember = {
  readonly path: ByteString
  readonly kind: TarKind
  readonly mode: number
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
}
