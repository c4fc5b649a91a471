// The blocks that travel from the walking worker to the compressing one: a fixed number of them in
// shared memory, so that packing needs the same memory for a gigabyte and for a petabyte, and nothing
// is copied or left to the garbage collector.
//
// Blocks are used in order, one after the other, and given back in that order.

import { SpillwayError } from '../domain/errors.ts'
import { writeLatin1 } from '../lib/latin1.ts'
import { BLOCK_BYTES } from './tar-writer.ts'
import type { BlockSupply } from './tar-writer.ts'

export type RingMemory = {
  readonly blocks: SharedArrayBuffer
  readonly control: SharedArrayBuffer
  /** The path that the walk is at: told where a disk stops answering, when nobody can be asked. */
  readonly place: SharedArrayBuffer
}

// Places in `control`.
const RELEASED = 0
const STOPPED = 1
/** Counts signs of life of the side that fills; wraps around. */
const BEATS = 2
const PLACE_BYTES = 3

const PLACE_BYTES_MAX = 4_096

export function createRingMemory(blockCount: number): RingMemory {
  return {
    blocks: new SharedArrayBuffer(blockCount * BLOCK_BYTES),
    control: new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT),
    place: new SharedArrayBuffer(PLACE_BYTES_MAX),
  }
}

/** Ends both sides: whoever waits for a block, or asks, is told with INTERRUPTED. */
export function stopRing(memory: RingMemory): void {
  const control = new Int32Array(memory.control)
  Atomics.store(control, STOPPED, 1)
  Atomics.notify(control, RELEASED)
}

/** Changes while the side that fills is alive, also while it waits for a block. */
export function beatsOf({ control }: RingMemory): number {
  return Atomics.load(new Int32Array(control), BEATS)
}

/** The last path that `checkpoint` was told, as bytes (latin1). */
export function placeOf({ control, place }: RingMemory): string {
  const bytes = Atomics.load(new Int32Array(control), PLACE_BYTES)
  return Buffer.from(place).toString('latin1', 0, bytes)
}

/** The side that fills blocks. Waits synchronously, so it must not run on the main thread. */
export class RingWriter implements BlockSupply {
  readonly #memory: RingMemory
  readonly #control: Int32Array
  readonly #place: Buffer
  readonly #onGiven: (lengthBytes: number) => void
  readonly #count: number
  #taken = 0

  constructor(memory: RingMemory, onGiven: (lengthBytes: number) => void) {
    this.#memory = memory
    this.#control = new Int32Array(memory.control)
    this.#place = Buffer.from(memory.place)
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

  /** A call of the system has come back. */
  beat(): void {
    // Nobody else writes there; `Atomics.add` took 1 % of the time of tiny files.
    this.#control[BEATS]! += 1
  }

  /** Throws INTERRUPTED once the ring is stopped. `place` is a path as bytes (latin1). */
  checkpoint(place?: string): void {
    this.beat()
    if (place !== undefined)
      Atomics.store(this.#control, PLACE_BYTES, writeLatin1(this.#place, place, 0))
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
