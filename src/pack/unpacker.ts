// Unpacking: the bytes of an archive become a tree again, inside one directory and never outside it.

import type { ArchiveTail } from './archive-tail.ts'
import type { OverwriteRule } from './extract-overwrite.ts'
import type { PathSpec } from './extract-patterns.ts'
import type { Warning } from '../domain/archive.ts'

type TreeOptions = {
  readonly directory: string
  /** What the catalog knows of the archive: more than that ends the restore with ARCHIVE_CORRUPT. */
  readonly memberCountMax?: number | undefined
  readonly sourceBytesMax?: number | undefined
  /** What is wanted of the archive; none: everything. */
  readonly paths?: readonly PathSpec[] | undefined
  /** How many leading parts of every path are left out. */
  readonly strip?: number | undefined
  /** For what is in the directory already; undefined: it must be empty. */
  readonly overwrite?: OverwriteRule | undefined
  readonly onProgress?: (progress: UnpackProgress) => void
}

export type UnpackInput = TreeOptions & {
  readonly archive: AsyncIterable<Uint8Array>
  /** The archive from its first byte again: for hard links whose content was not wanted, but is needed. */
  readonly reopen?: () => AsyncIterable<Uint8Array>
  /**
   * What follows the tar is known to be damaged and ends the reading in peace; what is damaged in the tar
   * ends the restore after all that came before it is whole.
   */
  readonly isSalvage?: boolean
}

export type UnpackPartsInput = TreeOptions & {
  /** Its reads go to whichever copy answers. */
  readonly tail: ArchiveTail
}

export type UnpackProgress = { readonly sourceBytes: number; readonly memberCount: number }

export type UnpackResult = {
  /** Given back. */
  readonly memberCount: number
  readonly sourceBytes: number
  /** Seen in the tar, wanted or not. */
  readonly readMemberCount: number
  readonly readSourceBytes: number
  /** Members that were not restored because of what was there already. */
  readonly keptCount: number
  /** Members that could not be given back because the archive is damaged there, by their paths. */
  readonly lostCount: number
  readonly lost: readonly string[]
  /**
   * Hex; of the frames as they were read, for comparison with the catalog's (packer.ts). undefined: not all
   * of them were, or some are damaged.
   */
  readonly sha256: string | undefined
  readonly warningCount: number
  /**
   * What could not be given back as it was archived: owner without root, device nodes, ... The first
   * WARNINGS_KEPT_MAX of them.
   */
  readonly warnings: readonly Warning[]
}

export interface Unpacker {
  /**
   * Reads an archive from its first byte. `directory` must exist and be empty, unless `overwrite` says what
   * to do; on failure it keeps what was written.
   * Rejects with ARCHIVE_CORRUPT, ARCHIVE_REFUSED (a hostile archive), RESTORE_FAILED (disk full, no
   * permission) or INTERRUPTED, or with whatever `archive` rejects with.
   */
  unpack(input: UnpackInput, signal: AbortSignal): Promise<UnpackResult>

  /**
   * Reads by position, and of what is wanted only: a damaged frame costs the members in it and nothing
   * else. Rejects as above, with ARCHIVE_CORRUPT when the index is damaged where it is needed.
   */
  unpackParts(input: UnpackPartsInput, signal: AbortSignal): Promise<UnpackResult>
}
