// The bytes of one archive in the spool, while the packer still writes them or when it is done.
//
// An upload follows the file as it grows. The path stays readable until `deliver` is done with it:
// `run` links the finished file to its final name and removes the first name afterwards.

import { assert } from '../lib/assert.ts'

export class SpoolContent {
  readonly path: string
  /** What the archive is expected to take; exact once it is whole, undefined for a first archive. */
  #expectedBytes: number | undefined
  #bytes = 0
  #isWhole = false
  #failure: { readonly error: unknown } | undefined
  #waiters: (() => void)[] = []

  private constructor(path: string, expectedBytes: number | undefined) {
    this.path = path
    this.#expectedBytes = expectedBytes
  }

  static growing(path: string, expectedBytes: number | undefined): SpoolContent {
    return new SpoolContent(path, expectedBytes)
  }

  static whole(path: string, sizeBytes: number): SpoolContent {
    const content = new SpoolContent(path, sizeBytes)
    content.finish(sizeBytes)
    return content
  }

  get bytes(): number {
    return this.#bytes
  }

  /** True once the archive is whole, fsynced and `ready` in the catalog: only then may it appear. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  get expectedBytes(): number | undefined {
    return this.#expectedBytes
  }

  grow(bytes: number): void {
    assert(bytes >= this.#bytes, 'a spool file shrank')
    this.#bytes = bytes
    this.#wake()
  }

  finish(sizeBytes: number): void {
    this.grow(sizeBytes)
    this.#expectedBytes = sizeBytes
    this.#isWhole = true
    this.#wake()
  }

  /** Packing failed: whoever waits for more is told so. */
  fail(error: unknown): void {
    this.#failure = { error }
    this.#wake()
  }

  /** Resolves when there are at least so many bytes, or the archive is whole. */
  async until(bytes: number, signal: AbortSignal): Promise<void> {
    while (!this.#isWhole && this.#bytes < bytes) await this.#change(signal)
    this.#throwIfFailed()
  }

  async untilWhole(signal: AbortSignal): Promise<void> {
    await this.until(Infinity, signal)
  }

  async #change(signal: AbortSignal): Promise<void> {
    this.#throwIfFailed()
    signal.throwIfAborted()
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake)
        resolve()
      }
      signal.addEventListener('abort', wake, { once: true })
      this.#waiters.push(wake)
    })
    this.#throwIfFailed()
    signal.throwIfAborted()
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake()
  }
}
