// The length of the longest line of an output, while it passes. A row of a database is one line of its dump, and
// may be one that no server takes back as it is set. Short lines are jumped over, many at a time.

const LINE_FEED = 0x0a
/** Below that nobody cares. */
const SHORT_BYTES = 64 * 1024

export class LongestLine {
  #longest = SHORT_BYTES
  /** Of the line that is not over. */
  #open = 0

  /** Without its end; undefined: all are short. */
  get bytes(): number | undefined {
    return this.#longest === SHORT_BYTES ? undefined : this.#longest
  }

  see(piece: Buffer): void {
    let from = 0
    while (from < piece.length) {
      // A line that ends up to here is none that is longer.
      const limit = from + this.#longest - this.#open
      const last = limit < from ? -1 : piece.lastIndexOf(LINE_FEED, limit)
      if (last >= from) {
        from = last + 1
        this.#open = 0
        continue
      }
      const end = piece.indexOf(LINE_FEED, from)
      const stop = end < 0 ? piece.length : end
      this.#open += stop - from
      this.#longest = Math.max(this.#longest, this.#open)
      if (end >= 0) this.#open = 0
      from = stop + 1
    }
  }
}
