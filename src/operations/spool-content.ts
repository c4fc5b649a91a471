// The bytes of one archive in the spool, while the packer still writes them or when it is done.
//
// An upload follows the file as it grows. The path stays readable until `deliver` is done with it:
// `run` links the finished file to its final name and removes the first name afterwards.

import { assert } from '../lib/assert.ts'
import type { PartBody } from '../storage/storage.ts'
import type { PartPlace, UploadContent } from './upload-content.ts'
import type { PartReader } from '../storage/part-reader.ts'

/** Bytes that are written last, somewhere in the file: the header of what has no size yet. */
export type KeptBytes = { readonly offsetBytes: number; readonly storedBytes: number }

export class SpoolContent implements UploadContent {
  readonly partBytes = undefined
  readonly path: string
  /** What the archive is expected to take; exact once it is whole, undefined for a first archive. */
  #expectedBytes: number | undefined
  #bytes = 0
  #kept: KeptBytes | undefined
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

  /** `kept` may change until a later call does not name it any more. */
  grow(bytes: number, kept?: KeptBytes): void {
    assert(bytes >= this.#bytes, 'a spool file shrank')
    this.#bytes = bytes
    this.#kept = kept
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

  /** Whether bytes of this stretch are still to be written: what was read of it now would be wrong. */
  isKept(offsetBytes: number, sizeBytes: number): boolean {
    const kept = this.#kept
    if (kept === undefined) return false
    const isBefore = offsetBytes + sizeBytes <= kept.offsetBytes
    return !isBefore && offsetBytes < kept.offsetBytes + kept.storedBytes
  }

  begin(): void {
    // It is written whether it is sent or not.
  }

  async readPart(reader: PartReader, { offsetBytes, sizeBytes }: PartPlace): Promise<PartBody> {
    return reader.readPart({ path: this.path, offsetBytes, sizeBytes })
  }

  partSent(): void {
    // It stays for the next server.
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
