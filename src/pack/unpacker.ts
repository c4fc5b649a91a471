// Unpacking: the bytes of an archive become a tree again, inside one directory and never outside it.

import type { Warning } from '../domain/archive.ts'

export type UnpackInput = {
  readonly archive: AsyncIterable<Uint8Array>
  readonly directory: string
  /** What the catalog knows of the archive: more than that ends the restore with ARCHIVE_CORRUPT. */
  readonly memberCountMax?: number | undefined
  readonly sourceBytesMax?: number | undefined
  readonly onProgress?: (progress: UnpackProgress) => void
}

export type UnpackProgress = { readonly sourceBytes: number; readonly memberCount: number }

export type UnpackResult = {
  readonly memberCount: number
  readonly sourceBytes: number
  /** Hex; of the frames as they were read, for comparison with the catalog's (packer.ts). */
  readonly sha256: string
  readonly warningCount: number
  /**
   * What could not be given back as it was archived: owner without root, device nodes, ... The first
   * WARNINGS_KEPT_MAX of them.
   */
  readonly warnings: readonly Warning[]
}

export interface Unpacker {
  /**
   * Reads an archive from its first byte. `directory` must exist and be empty; on failure it keeps
   * what was written.
   * Rejects with ARCHIVE_CORRUPT, ARCHIVE_REFUSED (a hostile archive), RESTORE_FAILED (disk full, no
   * permission) or INTERRUPTED, or with whatever `archive` rejects with.
   */
  unpack(input: UnpackInput, signal: AbortSignal): Promise<UnpackResult>
}
