// Unpacking: the bytes of an archive become a tree again, inside one directory and never outside it.

export type UnpackResult = {
  readonly memberCount: number
  readonly sourceBytes: number
  /** What could not be given back as it was archived: owner without root, device nodes, ... */
  readonly warnings: readonly { readonly path: string; readonly reason: string }[]
}

export interface Unpacker {
  /**
   * Reads an archive from its first byte. `directory` must exist and be empty.
   * Rejects with ARCHIVE_CORRUPT, ARCHIVE_REFUSED (a hostile archive), RESTORE_FAILED (disk full, no
   * permission) or INTERRUPTED.
   */
  unpack(
    input: {
      readonly archive: AsyncIterable<Uint8Array>
      readonly directory: string
      readonly onProgress?: (progress: { sourceBytes: number; memberCount: number }) => void
    },
    signal: AbortSignal,
  ): Promise<UnpackResult>
}
