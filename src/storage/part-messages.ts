// What the part reader and its worker thread say to each other, and the work itself: bytes of a spool
// file by position, with their MD5. Everything is synchronous, because the thread does nothing else.

import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

export type PartRequest = {
  readonly id: number
  readonly path: string
  readonly offsetBytes: number
  readonly sizeBytes: number
  /** Send the bytes along, or only their MD5. */
  readonly withBytes: boolean
}

export type PartReply =
  | {
      readonly id: number
      readonly md5: Uint8Array
      /** Transferred, not copied. */
      readonly bytes: ArrayBuffer | undefined
    }
  | { readonly id: number; readonly error: string; readonly code: string | undefined }

// Larger blocks hash no faster.
const BLOCK_BYTES = 1024 * 1024
// Shared by all parts, which are read one after the other.
const block = Buffer.allocUnsafe(BLOCK_BYTES)

export function readHashed(request: PartRequest): PartReply {
  const { id, path, offsetBytes, sizeBytes, withBytes } = request
  try {
    const whole = withBytes ? new ArrayBuffer(sizeBytes) : undefined
    const md5 = createHash('md5')
    const file = openSync(path, 'r')
    try {
      for (let done = 0; done < sizeBytes;) {
        const bytes = Math.min(BLOCK_BYTES, sizeBytes - done)
        const target =
          whole === undefined ? block.subarray(0, bytes) : new Uint8Array(whole, done, bytes)
        readAll(file, target, offsetBytes + done, path)
        md5.update(target)
        done += bytes
      }
    } finally {
      closeSync(file)
    }
    return { id, md5: md5.digest(), bytes: whole }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return { id, error: message, code }
  }
}

function readAll(file: number, target: Uint8Array, position: number, path: string): void {
  for (let done = 0; done < target.length;) {
    const got = readSync(file, target, done, target.length - done, position + done)
    if (got === 0) throw new Error(`${path} ends before byte ${position + target.length}`)
    done += got
  }
}
