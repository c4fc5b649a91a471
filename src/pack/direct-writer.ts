// Appends to a new file past the page cache, in large whole steps. What is not a whole step yet waits in
// memory; the rest at the end, and everything where the file system refuses, goes the usual way.

import { closeSync, constants, writeSync } from 'node:fs'
import { alignedBuffer, openDirect } from '../lib/direct-io.ts'

// A disk that turns is busy with moving otherwise; a multiple of every unit that there is.
const STEP_BYTES = 2 * 1024 * 1024

export class DirectWriter {
  readonly #fd: number
  readonly #step = alignedBuffer(STEP_BYTES)
  #direct: number | undefined
  #waiting = 0
  #writtenBytes = 0

  /** `fd` is open for writing, of an empty file; the caller closes it. */
  constructor(fd: number) {
    this.#fd = fd
    this.#direct = openDirect(`/proc/self/fd/${fd}`, constants.O_WRONLY)
  }

  /** What a reader of the file finds there. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(bytes.length - at, STEP_BYTES - this.#waiting)
      this.#step.set(bytes.subarray(at, at + count), this.#waiting)
      this.#waiting += count
      at += count
      if (this.#waiting === STEP_BYTES) this.#write()
    }
  }

  /** Of what still waits: nothing in front of `writtenBytes`. */
  overwrite(offsetBytes: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#step.set(bytes, offsetBytes - this.#writtenBytes)
  }

  /** The end of the file: nothing may be appended any more. */
  finish(): void {
    this.close()
    this.#write()
  }

  close(): void {
    if (this.#direct !== undefined) closeSync(this.#direct)
    this.#direct = undefined
  }

  #write(): void {
    const length = this.#waiting
    let at = this.#writeDirect(length)
    while (at < length)
      at += writeSync(this.#fd, this.#step, at, length - at, this.#writtenBytes + at)
    this.#writtenBytes += length
    this.#waiting = 0
  }

  #writeDirect(length: number): number {
    if (this.#direct === undefined) return 0
    let written = 0
    try {
      written = writeSync(this.#direct, this.#step, 0, length, this.#writtenBytes)
    } catch (error) {
      // Some file systems take the flag and refuse the bytes.
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    }
    // What follows a step that was cut short is not aligned any more.
    if (written < length) this.close()
    return written
  }
}
