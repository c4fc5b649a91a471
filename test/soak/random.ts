// Chance that can be repeated: every draw comes from a seed and a name, so that what happens to one host on one
// night does not depend on how often others drew before.

import { createHash } from 'node:crypto'

export class Random {
  #state: number

  /** The same seed and names give the same draws. */
  constructor(seed: number, ...names: readonly (string | number)[]) {
    const digest = createHash('sha256')
      .update(JSON.stringify([seed, ...names]))
      .digest()
    this.#state = digest.readUInt32LE(0)
  }

  /** From 0 to 1, without 1: mulberry32, which passes the usual tests and needs one number of state. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** Whole, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const left = [...items]
    return items.map(() => left.splice(this.between(0, left.length - 1), 1)[0]!)
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count)
    for (let at = 0; at + 4 <= count; at += 4) bytes.writeUInt32LE(this.between(0, 2 ** 32 - 1), at)
    return bytes
  }
}
