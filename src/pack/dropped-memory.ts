// Memory that the zstd binding gave us and that nobody holds any more.
//
// It lies outside the heap, where the garbage collector sees little reason to hurry: it lets some
// 64 MiB pile up per thread (measured), which is more than all that packing really holds. So the
// thread that drops it counts, and asks for a collection; its heap is small, so that costs a
// millisecond or two.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Two frames of noise, or some seven of text: less often saves no time that could be measured, more
// often saves no memory.
const COLLECT_EVERY_BYTES = 8 * 1024 * 1024

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
