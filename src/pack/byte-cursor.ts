// Takes exact numbers of bytes out of chunks of any size, and knows where in the whole it stands.

export class ByteCursor {
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  #isAtEnd = false
  #offsetBytes = 0

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]()
  }

  /** Bytes taken or skipped so far. */
  get offsetBytes(): number {
    return this.#offsetBytes
  }

  /** Fewer than `count` only where the bytes end. Not copied when they lie in one chunk. */
  async take(count: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    let missing = count
    while (missing > 0 && (await this.#fill())) {
      const piece = this.#chunk.subarray(this.#at, this.#at + missing)
      pieces.push(piece)
      missing -= piece.length
      this.#advance(piece.length)
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  /** Returns how many were there to be skipped; keeps none of them. */
  async skip(count: number): Promise<number> {
    let missing = count
    while (missing > 0 && (await this.#fill())) {
      const step = Math.min(missing, this.#chunk.length - this.#at)
      missing -= step
      this.#advance(step)
    }
    return count - missing
  }

  /** Lets go of the source; it need not be at its end. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  #advance(count: number): void {
    this.#at += count
    this.#offsetBytes += count
  }

  async #fill(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      if (this.#isAtEnd) return false
      const next = await this.#chunks.next()
      if (next.done === true) {
        this.#isAtEnd = true
        return false
      }
      const { buffer, byteOffset, byteLength } = next.value
      this.#chunk = Buffer.from(buffer, byteOffset, byteLength)
      this.#at = 0
    }
    return true
  }
}
