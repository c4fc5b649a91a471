// Tar bytes -> members with their content, as tar-guard.ts sees them: what a restore is made from.
//
// Blocks may lie in memory that is used again as soon as `write` returns: only the beginning of a header
// or of an extension that is not whole yet is kept, in memory of our own.

import { messageOf } from '../domain/errors.ts'
import { SparseReader } from './tar-sparse.ts'
import { TarGuard } from './tar-guard.ts'
import type { GuardedHeader } from './tar-guard.ts'

export type ReadMember = GuardedHeader

/** Called synchronously, in the order of the archive; what it throws ends the reading. */
export interface MemberHandler {
  begin(member: ReadMember): void
  /** Valid during the call only. */
  content(bytes: Buffer): void
  /** Zeros between two calls of `content`, in front of the first or behind the last. */
  hole(sizeBytes: number): void
  end(): void
}

// An extension rarely has more; one that does is tried again with twice as much.
const BRIDGE_BYTES = 8 * 1024

const NOTHING = Buffer.alloc(0)

export class TarReader {
  readonly #handler: MemberHandler
  readonly #guard = new TarGuard(
    (header) => this.#begin(header),
    (bytes, from, to) => this.#content(bytes, from, to),
  )
  #unsettled: Buffer = NOTHING
  #missing = 0
  #sparse: SparseReader | undefined
  #failure: Error | undefined

  constructor(handler: MemberHandler) {
    this.#handler = handler
  }

  /** Hands over everything in `block` that is whole. After a failure it throws that again. */
  write(block: Buffer): void {
    this.#once(() => {
      const rest = this.#bridge(block)
      const settled = this.#guard.scan(rest)
      if (settled < rest.length) this.#keep(rest.subarray(settled))
    })
  }

  /** Throws when the tar has no end. */
  finish(): void {
    this.#once(() => this.#guard.finish(this.#unsettled.length))
  }

  /** Settles what was left of the block before, with no more of this one than it takes; returns the rest. */
  #bridge(block: Buffer): Buffer {
    const before = this.#unsettled
    if (before.length === 0) return block
    this.#unsettled = NOTHING
    for (let taken = BRIDGE_BYTES; ; taken *= 2) {
      const bridge = Buffer.concat([before, block.subarray(0, taken)])
      const settled = this.#guard.scan(bridge)
      if (settled >= before.length) return block.subarray(settled - before.length)
      if (taken >= block.length) {
        this.#keep(bridge.subarray(settled))
        return NOTHING
      }
    }
  }

  #keep(bytes: Buffer): void {
    this.#unsettled = Buffer.from(bytes)
  }

  #begin(member: ReadMember): void {
    this.#missing = member.storedBytes
    this.#handler.begin(member)
    if (this.#missing === 0) return this.#handler.end()
    this.#sparse = member.isSparse ? new SparseReader(member, this.#handler) : undefined
  }

  #content(bytes: Buffer, from: number, to: number): void {
    const length = Math.min(this.#missing, to - from)
    // The rest fills up the last record.
    if (length === 0) return
    this.#missing -= length
    const content = bytes.subarray(from, from + length)
    if (this.#sparse === undefined) this.#handler.content(content)
    else this.#sparse.take(content)
    if (this.#missing > 0) return
    this.#sparse?.end()
    this.#sparse = undefined
    this.#handler.end()
  }

  #once(work: () => void): void {
    if (this.#failure !== undefined) throw this.#failure
    try {
      work()
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(messageOf(error))
      throw this.#failure
    }
  }
}
