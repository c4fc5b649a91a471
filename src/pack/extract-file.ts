// The content of one file under way to the disk. Where the archive has a hole nothing is written, so that
// there is a hole again.

import * as fs from 'node:fs'
import { systemCalls } from '../lib/system-calls.ts'
import type { Spot } from './extract-placer.ts'

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
const CREATE_FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW

export class FileOutput {
  readonly fd: number
  /** That it was made with. */
  readonly mode: number
  // Who opened it closes it: Node keeps count of its own.
  readonly #calls = systemCalls()
  #position = 0
  #writtenBytes = 0

  /** Never over anything that is there. By its folder's descriptor where that can be: 2 us less of 8 for each file. */
  constructor({ folderFd, name, at }: Pick<Spot, 'folderFd' | 'name' | 'at'>, mode: number) {
    this.mode = mode
    this.fd =
      this.#calls?.openIn(folderFd, name, CREATE_FLAGS, mode) ?? fs.openSync(at, CREATE_FLAGS, mode)
  }

  /** Without holes. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const written = fs.writeSync(this.fd, bytes, at, bytes.length - at, this.#position)
      at += written
      this.#position += written
      this.#writtenBytes += written
    }
  }

  skip(sizeBytes: number): void {
    this.#position += sizeBytes
  }

  /** A hole at the end has no byte behind it that would make it. */
  endAt(sizeBytes: number): void {
    fs.ftruncateSync(this.fd, sizeBytes)
  }

  close(): void {
    if (this.#calls === undefined) fs.closeSync(this.fd)
    else this.#calls.close(this.fd)
  }
}
