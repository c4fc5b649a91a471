// The blocks that travel from the walking worker to the compressing one: a fixed number of them in
// shared memory, so that packing needs the same memory for a gigabyte and for a petabyte, and nothing
// is copied or left to the garbage collector.
//
// Blocks are used in order, one after the other, and given back in that order.

import { SpillwayError } from '../domain/errors.ts'
import { BLOCK_BYTES } from './tar-writer.ts'
import type { BlockSupply } from './tar-writer.ts'

export type RingMemory = { readonly blocks: SharedArrayBuffer; readonly control: SharedArrayBuffer }

// Three are compressed, one is filled, and one waits for the slower side: 20 MiB.
const BLOCK_COUNT = 5

// Places in `control`.
const RELEASED = 0
const STOPPED = 1

export function createRingMemory(blockCount = BLOCK_COUNT): RingMemory {
  return {
    blocks: new SharedArrayBuffer(blockCount * BLOCK_BYTES),
    control: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
  }
}

/** Ends both sides: whoever waits for a block, or asks, is told with INTERRUPTED. */
export function stopRing(memory: RingMemory): void {
  const control = new Int32Array(memory.control)
  Atomics.store(control, STOPPED, 1)
  Atomics.notify(control, RELEASED)
}

/** The side that fills blocks. Waits synchronously, so it must not run on the main thread. */
export class RingWriter implements BlockSupply {
  readonly #memory: RingMemory
  readonly #control: Int32Array
  readonly #onGiven: (lengthBytes: number) => void
  readonly #count: number
  #taken = 0

  constructor(memory: RingMemory, onGiven: (lengthBytes: number) => void) {
    this.#memory = memory
    this.#control = new Int32Array(memory.control)
    this.#onGiven = onGiven
    this.#count = memory.blocks.byteLength / BLOCK_BYTES
  }

  take(): Buffer {
    for (;;) {
      this.checkpoint()
      const released = Atomics.load(this.#control, RELEASED)
      // The counter wraps around; the difference, as 32 bits, does not care.
      if (((this.#taken - released) | 0) < this.#count) break
      // A stop that came just before the wait is noticed after this long at the latest.
      Atomics.wait(this.#control, RELEASED, released, 100)
    }
    const block = blockAt(this.#memory, this.#taken, this.#count)
    this.#taken += 1
    return block
  }

  give(lengthBytes: number): void {
    this.#onGiven(lengthBytes)
  }

  /** Throws INTERRUPTED once the ring is stopped. */
  checkpoint(): void {
    if (Atomics.load(this.#control, STOPPED) !== 0)
      throw new SpillwayError('INTERRUPTED', 'packing was stopped')
  }
}

/** The side that reads blocks, in the order in which they were given. */
export class RingReader {
  readonly #memory: RingMemory
  readonly #control: Int32Array
  readonly #count: number
  #read = 0

  constructor(memory: RingMemory) {
    this.#memory = memory
    this.#control = new Int32Array(memory.control)
    this.#count = memory.blocks.byteLength / BLOCK_BYTES
  }

  next(lengthBytes: number): Buffer {
    const block = blockAt(this.#memory, this.#read, this.#count)
    this.#read += 1
    return block.subarray(0, lengthBytes)
  }

  /** Gives the oldest block back that was not given back yet. */
  release(): void {
    Atomics.add(this.#control, RELEASED, 1)
    Atomics.notify(this.#control, RELEASED)
  }

  get isStopped(): boolean {
    return Atomics.load(this.#control, STOPPED) !== 0
  }
}

function blockAt(memory: RingMemory, number: number, count: number): Buffer {
  return Buffer.from(memory.blocks, (number % count) * BLOCK_BYTES, BLOCK_BYTES)
}
