// Finds the data of a file with holes, by asking the file system, so that a hole of a terabyte costs
// two calls. Everything is bounded, whatever happens to the file meanwhile: each step leads on, no step
// leads beyond the size that the header will promise, and the list has a longest length.

import { EXTENTS_MAX } from '../domain/sparse-map.ts'
import type { SparseMap } from '../domain/sparse-map.ts'

/** What is asked of the file system (lib/system-calls.ts). */
export interface HoleFinder {
  seekData(fd: number, from: number): number | undefined
  seekHole(fd: number, from: number): number
}

// A page: file systems have no smaller holes.
const HOLE_BYTES_MIN = 4_096

/**
 * undefined: there are no holes in its first `sizeBytes`, or the file system cannot tell. Holes may be
 * left out of the map, data never.
 */
export function findExtents(
  finder: HoleFinder,
  fd: number,
  sizeBytes: number,
  extentsMax = EXTENTS_MAX,
): SparseMap | undefined {
  const list = new ExtentList(extentsMax)
  try {
    for (let at = 0; at < sizeBytes;) {
      const begin = finder.seekData(fd, at)
      if (begin === undefined || begin >= sizeBytes) break
      // A file system that contradicts itself while the file changes: the rest is data.
      const hole = begin < at ? sizeBytes : finder.seekHole(fd, begin)
      const end = hole <= begin || begin < at ? sizeBytes : Math.min(hole, sizeBytes)
      list.add(Math.max(begin, at), end)
      at = end
    }
  } catch {
    // It cannot tell (EINVAL), or fails; reading will show which.
    return undefined
  }
  const map = list.map()
  return map.dataBytes === sizeBytes ? undefined : map
}

class ExtentList {
  readonly #max: number
  #extents: Float64Array = new Float64Array(64)
  #count = 0
  #holeBytesMin = 0

  constructor(max: number) {
    this.#max = max
  }

  add(begin: number, end: number): void {
    while (!this.#joins(begin, end)) {
      if (this.#count < this.#max) return this.#append(begin, end)
      this.#fillSmallestHoles()
    }
  }

  map(): SparseMap {
    const extents = this.#extents.slice(0, 2 * this.#count)
    let dataBytes = 0
    for (let at = 1; at < extents.length; at += 2) dataBytes += extents[at]!
    return { extents, dataBytes }
  }

  /** Beside the one before it, or behind a hole that is too small to be kept. */
  #joins(begin: number, end: number): boolean {
    if (this.#count === 0) return false
    const last = 2 * (this.#count - 1)
    const lastEnd = this.#extents[last]! + this.#extents[last + 1]!
    if (begin - lastEnd >= Math.max(1, this.#holeBytesMin)) return false
    this.#extents[last + 1] = end - this.#extents[last]!
    return true
  }

  #append(begin: number, end: number): void {
    if (2 * this.#count === this.#extents.length) {
      const larger = new Float64Array(2 * this.#extents.length)
      larger.set(this.#extents)
      this.#extents = larger
    }
    this.#extents[2 * this.#count] = begin
    this.#extents[2 * this.#count + 1] = end - begin
    this.#count += 1
  }

  /** All below a size that doubles each time. */
  #fillSmallestHoles(): void {
    this.#holeBytesMin = Math.max(HOLE_BYTES_MIN, 2 * this.#holeBytesMin)
    const extents = this.#extents
    const count = this.#count
    this.#count = 0
    for (let at = 0; at < 2 * count; at += 2) {
      const begin = extents[at]!
      // Written to where it was read before, or in front of it.
      this.add(begin, begin + extents[at + 1]!)
    }
  }
}
