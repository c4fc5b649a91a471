// The files that packing writes: the archive itself, and what is put aside for its end. Synchronous:
// they belong to a worker thread that has nothing better to do meanwhile.

import { randomUUID } from 'node:crypto'
import { closeSync, constants, fsyncSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assert } from '../lib/assert.ts'
import { DirectWriter } from './direct-writer.ts'
import { SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import type { ArchiveFile } from './part-memory.ts'

export class SpoolFile implements ArchiveFile {
  readonly #path: string
  readonly #bytesMax: number
  #fd: number
  #bytes = 0
  #direct: DirectWriter | undefined

  private constructor(path: string, fd: number, bytesMax = Number.POSITIVE_INFINITY) {
    this.#path = path
    this.#fd = fd
    this.#bytesMax = bytesMax
  }

  /** Creates the archive's file, mode 0600; it must not exist. Throws SPOOL_FULL or SPOOL_FAILED. */
  static create(path: string, bytesMax = Number.POSITIVE_INFINITY): SpoolFile {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
    const fd = attempt(path, 'create', () =>
      openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
    )
    return new SpoolFile(path, fd, bytesMax)
  }

  /** A file that another thread of this process created and will close. */
  static adopt(path: string, fd: number, bytesMax = Number.POSITIVE_INFINITY): SpoolFile {
    return new SpoolFile(path, fd, bytesMax)
  }

  /** A file without a name: nothing is left of it, however this process ends. */
  static createUnnamed(folder: string): SpoolFile {
    const shown = `${folder} (index)`
    try {
      return new SpoolFile(shown, openSync(folder, O_TMPFILE | constants.O_RDWR, 0o600))
    } catch {
      // Not every file system can do that (NFS cannot); a name for a moment does as well.
    }
    const path = join(folder, `.spillway-index-${randomUUID()}`)
    const file = SpoolFile.create(path)
    attempt(path, 'unlink', () => unlinkSync(path))
    return file
  }

  get fd(): number {
    return this.#fd
  }

  get bytes(): number {
    return this.#bytes
  }

  /** As far as another reader of the file finds it written. */
  get readableBytes(): number {
    return this.#direct?.writtenBytes ?? this.#bytes
  }

  /** From now on past the page cache, where that can be done. Only before the first byte. */
  bypassCache(): void {
    this.#direct = attempt(this.#path, 'open', () => new DirectWriter(this.#fd))
  }

  /** After a failure: what waits to be written is dropped. */
  endBypass(): void {
    this.#direct?.close()
  }

  /** Throws SPOOL_FULL (no room, or beyond the most that it may have) or SPOOL_FAILED. */
  append(bytes: Uint8Array): void {
    if (this.#bytes + bytes.length > this.#bytesMax) {
      throw new SpillwayError(
        'SPOOL_FULL',
        `${this.#path} would grow beyond the ${formatBytes(this.#bytesMax)} that are left for it`,
        {
          facts: { bytesMax: this.#bytesMax },
          hint: 'raise SPOOL_LIMIT_GB, or let what waits leave',
        },
      )
    }
    const direct = this.#direct
    if (direct !== undefined) attempt(this.#path, 'write', () => direct.append(bytes))
    let at = direct === undefined ? 0 : bytes.length
    while (at < bytes.length) {
      at += attempt(this.#path, 'write', () => writeSync(this.#fd, bytes, at, bytes.length - at))
    }
    this.#bytes += bytes.length
  }

  /** Bytes that were appended before, by others: of a place that was kept. */
  overwrite(offsetBytes: number, bytes: Uint8Array): void {
    assert(offsetBytes + bytes.length <= this.#bytes, 'nothing was kept there')
    // What waits to be written can be changed where it waits.
    const written = Math.max(0, this.readableBytes - offsetBytes)
    const onDisk = bytes.subarray(0, written)
    this.#direct?.overwrite(offsetBytes + onDisk.length, bytes.subarray(onDisk.length))
    for (let at = 0; at < onDisk.length;) {
      at += attempt(this.#path, 'write', () =>
        writeSync(this.#fd, onDisk, at, onDisk.length - at, offsetBytes + at),
      )
    }
  }

  read(offsetBytes: number, sizeBytes: number): Buffer {
    const bytes = Buffer.allocUnsafe(sizeBytes)
    let at = 0
    while (at < sizeBytes) {
      const count = attempt(this.#path, 'read', () =>
        readSync(this.#fd, bytes, at, sizeBytes - at, offsetBytes + at),
      )
      if (count === 0)
        throw new SpillwayError('SPOOL_FAILED', `${this.#path} is shorter than what was written`)
      at += count
    }
    return bytes
  }

  /** On disk, and so is its name. */
  sync(): void {
    attempt(this.#path, 'write', () => this.#direct?.finish())
    attempt(this.#path, 'sync', () => fsyncSync(this.#fd))
    const folder = dirname(this.#path)
    attempt(folder, 'sync', () => {
      const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
      try {
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    })
  }

  close(): void {
    if (this.#fd === -1) return
    const fd = this.#fd
    this.#fd = -1
    closeSync(fd)
  }
}

// <fcntl.h> has it, Node's constants have not; always together with O_DIRECTORY.
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

// What says "no room": the disk, a quota, or the largest file that is allowed.
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

function attempt<Result>(path: string, what: string, call: () => Result): Result {
  try {
    return call()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    const isFull = FULL.has(code)
    throw new SpillwayError(
      isFull ? 'SPOOL_FULL' : 'SPOOL_FAILED',
      isFull
        ? `Not enough space on the disk of ${path} (${code})`
        : `could not ${what} ${path}: ${code}`,
      { cause, facts: { code } },
    )
  }
}
