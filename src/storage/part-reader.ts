// Reads parts by position from a spool file, with the hashes that an upload needs.
//
// The implementation lives in a worker thread (src/part-worker.ts): MD5 alone takes 1.4 s per GB,
// which on the main thread would stop every other upload and timer.

import type { PartBody } from './storage.ts'

export interface PartReader {
  /**
   * Parts up to PART_BUFFER_BYTES_MAX come with their bytes in memory, larger ones are read again
   * from the file while they are sent: memory stays bounded whatever the part size.
   * Rejects with SPOOL_FAILED when the file cannot be read or is shorter than that.
   */
  readPart(input: {
    readonly path: string
    readonly offsetBytes: number
    readonly sizeBytes: number
  }): Promise<PartBody>
  /** Of bytes in shared memory, which must stay as they are while the part is sent. */
  hashPart(bytes: Uint8Array): Promise<PartBody>
  close(): Promise<void>
}

// Measured with parts of 16 MiB, three at once: kept in memory they make the process 245 MB large, read
// again (from the page cache) 103 MB. A run has 256 MiB in all.
export const PART_BUFFER_BYTES_MAX = 1024 * 1024
