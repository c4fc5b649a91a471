// An archive that lies nowhere as a whole: its parts, each in a slot of shared memory from its first byte until a
// server has it. A fixed number of slots, so packing needs the same memory for a gigabyte and for a terabyte;
// when all are taken, the thread that packs waits.

import { assert } from '../lib/assert.ts'
import { SpillwayError } from '../domain/errors.ts'

/** What packing writes an archive to. */
export interface ArchiveFile {
  readonly bytes: number
  /** As far as a reader finds it written. */
  readonly readableBytes: number
  append(bytes: Uint8Array): void
  /** Bytes that were appended before: of a place that was kept. */
  overwrite(offsetBytes: number, bytes: Uint8Array): void
  /** It is whole, and safe as far as that goes. */
  sync(): void
}

export type PartMemory = {
  readonly partBytes: number
  readonly slots: SharedArrayBuffer
  readonly control: SharedArrayBuffer
}

// Places in `control`; behind them for each slot the number of its part (from 1), or 0: free.
const CHANGES = 0
const STOPPED = 1
const FIRST_SLOT = 2

/** One is filled, two may hold a place that is written last and lies across their border, two are sent. */
const SLOTS = 5

const MIB = 1024 * 1024

/**
 * A run needs some 240 MiB with a spool, and 256 MiB are what it may have: so the smallest parts that S3 takes, which
 * are enough for 49 GB. Larger ones are for larger archives; the largest take 75 MiB more and have room for 199 GB.
 */
export const MEMORY_PART_BYTES = { usual: 5 * MIB, max: 20 * MIB } as const

export function createPartMemory(partBytes: number): PartMemory {
  assert(partBytes <= MEMORY_PART_BYTES.max, 'parts are too large for the memory')
  return {
    partBytes,
    slots: new SharedArrayBuffer(SLOTS * partBytes),
    control: new SharedArrayBuffer((FIRST_SLOT + SLOTS) * Int32Array.BYTES_PER_ELEMENT),
  }
}

/** Whoever waits for a slot is told with INTERRUPTED. */
export function stopPartMemory({ control }: PartMemory): void {
  const places = new Int32Array(control)
  Atomics.store(places, STOPPED, 1)
  changed(places)
}

/** The bytes of a part that is held. */
export function partIn(memory: PartMemory, number: number, sizeBytes: number): Uint8Array {
  const slot = slotOf(new Int32Array(memory.control), number)
  assert(slot !== undefined, `part ${number} is not in memory`)
  return new Uint8Array(memory.slots, slot * memory.partBytes, sizeBytes)
}

/** A server has it. */
export function freePart({ control }: PartMemory, number: number): void {
  const places = new Int32Array(control)
  const slot = slotOf(places, number)
  assert(slot !== undefined, `part ${number} is not in memory`)
  Atomics.store(places, FIRST_SLOT + slot, 0)
  changed(places)
}

/** The side that writes. Waits synchronously, so it must not run on the main thread. */
export class MemoryFile implements ArchiveFile {
  readonly #memory: PartMemory
  readonly #places: Int32Array
  readonly #onFull: () => void
  #bytes = 0

  /** `onFull` is called before it waits for a slot: the other side must know of all that was written. */
  constructor(memory: PartMemory, onFull: () => void) {
    this.#memory = memory
    this.#places = new Int32Array(memory.control)
    this.#onFull = onFull
  }

  get bytes(): number {
    return this.#bytes
  }

  get readableBytes(): number {
    return this.#bytes
  }

  append(bytes: Uint8Array): void {
    this.#write(this.#bytes, bytes, (number) => this.#take(number))
  }

  overwrite(offsetBytes: number, bytes: Uint8Array): void {
    assert(offsetBytes + bytes.length <= this.#bytes, 'nothing was kept there')
    this.#write(offsetBytes, bytes, (number) => {
      const slot = slotOf(this.#places, number)
      assert(slot !== undefined, `part ${number} was sent with a place that was kept`)
      return slot
    })
  }

  sync(): void {
    // It is nowhere but here, and at the server.
  }

  #write(offsetBytes: number, bytes: Uint8Array, slotFor: (number: number) => number): void {
    const { partBytes, slots } = this.#memory
    for (let done = 0; done < bytes.length;) {
      const at = offsetBytes + done
      const inPart = at % partBytes
      const slot = slotFor(Math.floor(at / partBytes) + 1)
      const piece = bytes.subarray(done, done + partBytes - inPart)
      new Uint8Array(slots, slot * partBytes + inPart, piece.length).set(piece)
      done += piece.length
      this.#bytes = Math.max(this.#bytes, at + piece.length)
    }
  }

  #take(number: number): number {
    const places = this.#places
    const isNew = this.#bytes === (number - 1) * this.#memory.partBytes
    for (;;) {
      const changes = Atomics.load(places, CHANGES)
      if (Atomics.load(places, STOPPED) !== 0)
        throw new SpillwayError('INTERRUPTED', 'packing was stopped')
      const slot = slotOf(places, isNew ? 0 : number)
      if (slot !== undefined) {
        Atomics.store(places, FIRST_SLOT + slot, number)
        return slot
      }
      assert(isNew, `part ${number} was sent before it was full`)
      this.#onFull()
      Atomics.wait(places, CHANGES, changes)
    }
  }
}

function slotOf(places: Int32Array, number: number): number | undefined {
  for (let slot = 0; slot < SLOTS; slot += 1)
    if (Atomics.load(places, FIRST_SLOT + slot) === number) return slot
  return undefined
}

function changed(places: Int32Array): void {
  Atomics.add(places, CHANGES, 1)
  Atomics.notify(places, CHANGES)
}
