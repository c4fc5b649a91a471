// The members that the index says are in a stretch of the tar, block by block: a few MB in memory,
// however many there are.

import { giveBack } from './give-back.ts'
import type { MemberBlock } from './index-directory.ts'
import { decodeMembers } from './member-record.ts'
import type { IndexedMember } from './member-record.ts'
import { corrupt, isDamage, readIndexBlock } from './verify-source.ts'
import type { VerifySource } from './verify-source.ts'

/** Members with bytes in a stretch of the tar. */
export type Affected = {
  /** null: a block of the index is damaged there. */
  readonly memberCount: number | null
  readonly members: readonly string[]
}

export class MemberIndex {
  readonly #source: VerifySource
  readonly #blocks: readonly MemberBlock[]
  readonly #tarBytes: number
  #nextBlock = 0
  #members: IndexedMember[] = []
  #at = 0

  constructor(source: VerifySource, blocks: readonly MemberBlock[], tarBytes: number) {
    this.#source = source
    this.#blocks = blocks
    this.#tarBytes = tarBytes
  }

  /** The first member that was not taken, of those that are loaded. */
  get next(): IndexedMember | undefined {
    return this.#members[this.#at]
  }

  take(): void {
    this.#at += 1
  }

  /** `next` becomes the first member that begins at this place in the tar or behind it. */
  async seek(tarOffsetBytes: number): Promise<void> {
    this.#members = []
    this.#at = 0
    this.#nextBlock = this.#blockAt(tarOffsetBytes)
    await this.#loadNext()
    while (this.next !== undefined && this.next.offsetBytes < tarOffsetBytes) this.take()
    // All of that block begin in front of it: the next one begins behind.
    if (this.next === undefined) await this.#loadNext()
  }

  /** Loads all members that begin in front of this place. */
  async loadTo(tarOffsetBytes: number): Promise<void> {
    while (this.#blocks[this.#nextBlock] !== undefined) {
      const isNeeded = this.#blocks[this.#nextBlock]!.firstOffsetBytes < tarOffsetBytes
      if (!isNeeded && this.next !== undefined) return
      await this.#loadNext()
    }
  }

  /** Whether no damaged block of the index is about this stretch, as far as it was loaded. */
  isKnown(from: number, to: number): boolean {
    return !this.#damaged.some((range) => range.from < to && range.to > from)
  }

  /** What reading these frames will load besides. */
  loadBytes(from: number, to: number): number {
    let bytes = 0
    for (let number = this.#nextBlock; ; number += 1) {
      const block = this.#blocks[number]
      if (block === undefined || block.firstOffsetBytes >= to) return bytes
      if (block.firstOffsetBytes >= from) bytes += block.storedBytes
    }
  }

  /** Members with bytes in [from, to) of the tar; names up to `namesMax`. */
  async affectedBy(from: number, to: number, namesMax: number): Promise<Affected> {
    const members: string[] = []
    let memberCount = 0
    for (let number = this.#blockAt(from); ; number += 1) {
      const block = this.#blocks[number]
      if (block === undefined || block.firstOffsetBytes >= to) return { memberCount, members }
      const decoded = await this.#decode(number)
      if (decoded === undefined) return { memberCount: null, members }
      for (const { path, offsetBytes, spanBytes } of decoded) {
        if (offsetBytes >= to || offsetBytes + spanBytes <= from) continue
        memberCount += 1
        if (members.length < namesMax) members.push(path === '' ? '.' : path)
      }
    }
  }

  /** The member in whose headers this place lies; undefined: it lies in none. */
  async headerAt(
    tarOffsetBytes: number,
    headerEndOf: (member: IndexedMember) => number,
  ): Promise<IndexedMember | undefined> {
    const decoded = await this.#decode(this.#blockAt(tarOffsetBytes))
    return decoded?.find(
      (member) => member.offsetBytes < tarOffsetBytes && headerEndOf(member) > tarOffsetBytes,
    )
  }

  readonly #damaged: { from: number; to: number }[] = []

  async #loadNext(): Promise<void> {
    const number = this.#nextBlock
    if (this.#blocks[number] === undefined) return
    this.#nextBlock += 1
    const decoded = await this.#decode(number)
    if (decoded === undefined) {
      const { from, to } = this.#rangeOf(number)
      if (!this.#damaged.some((range) => range.from === from)) this.#damaged.push({ from, to })
      return
    }
    // Not one by one as arguments: a block has more members than a call takes.
    this.#members = this.#members.slice(this.#at).concat(decoded)
    this.#at = 0
  }

  /** undefined: the block is damaged. */
  async #decode(number: number): Promise<IndexedMember[] | undefined> {
    const block = this.#blocks[number]
    if (block === undefined) return []
    try {
      const bytes = await readIndexBlock(this.#source, block)
      const members = decodeBlock(block, bytes)
      giveBack(bytes)
      return members
    } catch (error) {
      if (!isDamage(error)) throw error
      return undefined
    }
  }

  #rangeOf(number: number): { from: number; to: number } {
    const to = this.#blocks[number + 1]?.firstOffsetBytes ?? this.#tarBytes
    return { from: this.#blocks[number]!.firstOffsetBytes, to }
  }

  /** The last block whose first member begins there or in front of it. */
  #blockAt(tarOffsetBytes: number): number {
    let [low, high] = [0, this.#blocks.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#blocks[middle]!.firstOffsetBytes <= tarOffsetBytes) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

/** Throws ARCHIVE_CORRUPT when the block is not what the directory says. */
export function decodeBlock(block: MemberBlock, bytes: Buffer): IndexedMember[] {
  const members = [...decodeMembers({ bytes, firstOffsetBytes: block.firstOffsetBytes })]
  const first = members[0]?.path.slice(0, block.firstPath.length)
  if (members.length !== block.memberCount || first !== block.firstPath)
    throw corrupt('a block of the index does not hold the members that its directory says')
  return members
}
