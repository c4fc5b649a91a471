// Where tar blocks are decompressed to: a few rooms of 4 MiB, used again and again. Memory of its own for each
// block would be cleared and collected as often, and be copied from to reach the thread that writes.

import { FRAME_BYTES_MAX } from './frame-bounds.ts'

/** Who takes a room has it until it is given back by `leave`, or handed on. */
export interface BlockRooms {
  /** 4 MiB. In the order of the calls. */
  room(): Promise<Buffer>
  /** The room itself, or any part of it. */
  leave(block: Buffer): void
}

/** As many as are in use at once, for who reads in one thread. */
export class OwnRooms implements BlockRooms {
  readonly #all = new Set<ArrayBufferLike>()
  readonly #free: ArrayBufferLike[] = []

  async room(): Promise<Buffer> {
    const memory = this.#free.pop() ?? new ArrayBuffer(FRAME_BYTES_MAX)
    this.#all.add(memory)
    return Buffer.from(memory)
  }

  /** Whether it lies in a room. */
  has({ buffer }: Buffer): boolean {
    return this.#all.has(buffer)
  }

  leave({ buffer }: Buffer): void {
    this.#free.push(buffer)
  }
}
