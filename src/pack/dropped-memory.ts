// Memory that the zstd binding gave us and that nobody holds any more.
//
// It lies outside the heap, where the garbage collector sees little reason to hurry: it lets some
// 64 MiB pile up per thread (measured), which is more than all that packing really holds. So the
// thread that drops it counts, and asks for a collection; its heap is small, so that costs a
// millisecond or two.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Three frames of noise, or some ten of text. Half of that would save 8 MiB and cost 0.2 s a gigabyte
// more. Collecting young objects only would be cheaper still, but a frame that is alive at two of
// those in a row counts as old, and then all of them stay (300 MiB, measured).
const COLLECT_EVERY_BYTES = 12 * 1024 * 1024

export class DroppedMemory {
  readonly #collect: () => void
  #bytes = 0

  constructor() {
    setFlagsFromString('--expose-gc')
    this.#collect = runInNewContext('gc') as () => void
  }

  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < COLLECT_EVERY_BYTES) return
    this.#bytes = 0
    this.#collect()
  }
}
