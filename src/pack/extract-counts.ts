// What was read of a tar, against what the catalog knows of it: another archive may lie at the key, or a
// hostile one. Holes are no content: they cost nothing.

import { SpillwayError } from '../domain/errors.ts'
import type { ReadMember } from './tar-reader.ts'
import type { TreeInput } from './extract-input.ts'

export type ReadLimits = Pick<TreeInput, 'memberCountMax' | 'sourceBytesMax'>

/** Throws ARCHIVE_CORRUPT as soon as it is more. */
export class ReadCounts {
  readonly #limits: ReadLimits
  /** Of the first way through the tar: what is compared with what was packed. */
  readonly first: ReadCounts
  memberCount = 0
  sourceBytes = 0
  #isSparse = false

  constructor(limits: ReadLimits, first?: ReadCounts) {
    this.#limits = limits
    this.first = first ?? this
  }

  begin({ isSparse, sizeBytes }: Pick<ReadMember, 'isSparse' | 'sizeBytes'>): void {
    this.memberCount += 1
    this.#isSparse = isSparse
    if (!isSparse) this.sourceBytes += sizeBytes
    this.#check()
  }

  content(sizeBytes: number): void {
    // Of other files it was counted when they began.
    if (!this.#isSparse) return
    this.sourceBytes += sizeBytes
    this.#check()
  }

  #check(): void {
    const { memberCountMax = Infinity, sourceBytesMax = Infinity } = this.#limits
    if (this.memberCount <= memberCountMax && this.sourceBytes <= sourceBytesMax) return
    throw new SpillwayError(
      'ARCHIVE_CORRUPT',
      `the archive holds more than the catalog knows of: ${memberCountMax} members, ${sourceBytesMax} bytes`,
    )
  }
}
