// The content of one file under way to the disk. Where the archive has a hole nothing is written, so that
// there is a hole again.

import * as fs from 'node:fs'

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
const CREATE_FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW

export class FileOutput {
  readonly fd: number
  #position = 0
  #writtenBytes = 0

  /** Never over anything that is there. */
  constructor(at: Buffer) {
    this.fd = fs.openSync(at, CREATE_FLAGS, 0o600)
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
    fs.closeSync(this.fd)
  }
}
