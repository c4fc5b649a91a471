// Reads a format as its bytes pass, written down as if all of them were there: a walk is a generator that
// waits wherever a piece ends in the middle of something. What it asks for is short; what is long is passed.

export type Waiting<Result> = Generator<undefined, Result, undefined>

/** What is wrong with the bytes: follows on "what it wrote". It ends the walk. */
export class WalkProblem extends Error {}

export class ByteWalk {
  /** The walk may look ahead in it, and go on from another place of it. */
  piece: Buffer = Buffer.alloc(0)
  at = 0
  totalBytes = 0
  problem: string | undefined
  #isOver = false
  readonly #walk: Waiting<void>

  constructor(walk: Waiting<void>) {
    this.#walk = walk
  }

  /** Whether the walk waits for bytes that have not come, having used all others. */
  get isAtEnd(): boolean {
    return this.at === this.piece.length
  }

  /** `piece` may change after this call. */
  see(piece: Buffer): void {
    this.totalBytes += piece.length
    if (this.#isOver) return
    const left = this.piece.subarray(this.at)
    // What is left is less than the walk waits for: a number, or a name.
    this.piece = left.length === 0 ? piece : Buffer.concat([left, piece])
    this.at = 0
    this.#step()
    this.piece = Buffer.from(this.piece.subarray(this.at))
    this.at = 0
  }

  *take(length: number): Waiting<Buffer> {
    while (this.piece.length - this.at < length) yield
    const taken = this.piece.subarray(this.at, this.at + length)
    this.at += length
    return taken
  }

  /** `look` sees what is passed, in order, and must not keep it. */
  *skip(length: number, look?: (bytes: Buffer) => void): Waiting<void> {
    for (let left = length; left > 0;) {
      const here = Math.min(left, this.piece.length - this.at)
      look?.(this.piece.subarray(this.at, this.at + here))
      this.at += here
      left -= here
      if (left > 0) yield
    }
  }

  #step(): void {
    try {
      this.#isOver = this.#walk.next().done === true
    } catch (error) {
      if (!(error instanceof WalkProblem)) throw error
      this.#isOver = true
      this.problem = error.message
    }
    if (this.#isOver) this.at = this.piece.length
  }
}

export function wrong(problem: string): never {
  throw new WalkProblem(problem)
}

/** The first bytes of what is none, for a person. */
export function shownBytes(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1'))
}
