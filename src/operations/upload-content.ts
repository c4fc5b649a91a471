// What an upload sends: the bytes of an archive that may still be growing, whether they lie in the spool
// (spool-content.ts) or nowhere but in memory (memory-content.ts).

import type { PartBody } from '../storage/storage.ts'
import type { PartReader } from '../storage/part-reader.ts'

export type PartPlace = {
  /** From 1. */
  readonly number: number
  readonly offsetBytes: number
  readonly sizeBytes: number
}

export interface UploadContent {
  readonly bytes: number
  /** True once the archive is whole, safe and `ready` in the catalog: only then may it appear. */
  readonly isWhole: boolean
  /** Exact once it is whole; undefined for a first archive. */
  readonly expectedBytes: number | undefined
  /** undefined: whatever suits the server. */
  readonly partBytes: { readonly usual: number; readonly max: number } | undefined
  /** Resolves when there are at least so many bytes, or the archive is whole. */
  until(bytes: number, signal: AbortSignal): Promise<void>
  untilWhole(signal: AbortSignal): Promise<void>
  /** Whether bytes of this stretch are still to be written: what was read of it now would be wrong. */
  isKept(offsetBytes: number, sizeBytes: number): boolean
  /** The upload has begun, and will ask for parts of this size. */
  begin(partBytes: number): void
  readPart(reader: PartReader, part: PartPlace): Promise<PartBody>
  /** The server has it. */
  partSent(number: number): void
}
