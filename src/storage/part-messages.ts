// What the part reader and its worker thread say to each other, and the work itself: bytes of a spool
// file by position, with their MD5. Everything is synchronous, because the thread does nothing else.

import { createHash } from 'node:crypto'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { alignedBuffer, alignedUp, isAligned, openDirect } from '../lib/direct-io.ts'

export type PartRequest = FilePartRequest | MemoryPartRequest

/** Bytes in shared memory, of which the MD5 alone is asked for. */
export type MemoryPartRequest = { readonly id: number; readonly bytes: Uint8Array }

export type FilePartRequest = {
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
const block = alignedBuffer(BLOCK_BYTES)

export function readHashed(request: PartRequest): PartReply {
  if ('bytes' in request) {
    const md5 = createHash('md5').update(request.bytes).digest()
    return { id: request.id, md5, bytes: undefined }
  }
  const { id, offsetBytes, sizeBytes, withBytes } = request
  try {
    const whole = withBytes ? new Uint8Array(sizeBytes) : undefined
    const md5 = createHash('md5')
    for (const bytes of blocksOf(request)) {
      md5.update(bytes.block)
      whole?.set(bytes.block, bytes.position - offsetBytes)
    }
    return { id, md5: md5.digest(), bytes: whole?.buffer }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return { id, error: message, code }
  }
}

/** Each is only good until the next one is asked for. */
function* blocksOf({ path, offsetBytes, sizeBytes }: FilePartRequest) {
  const file = openToReadOnce(path, offsetBytes)
  try {
    for (let done = 0; done < sizeBytes;) {
      const position = offsetBytes + done
      const bytes = Math.min(BLOCK_BYTES, sizeBytes - done)
      // Past the page cache only whole units can be read; what lies behind the part is left alone.
      const whole = alignedUp(bytes)
      for (let got = 0; got < bytes;) {
        const more = readSync(file, block, got, whole - got, position + got)
        got += more
        // Only the end of the file cuts a read within a unit.
        const isEnd = more === 0 || !isAligned(more)
        if (got < bytes && isEnd) throw new Error(`${path} ends before byte ${position + bytes}`)
      }
      yield { position, block: block.subarray(0, bytes) }
      done += bytes
    }
  } finally {
    closeSync(file)
  }
}

// What is sent is not needed here any more.
function openToReadOnce(path: string, offsetBytes: number): number {
  const direct = isAligned(offsetBytes) ? openDirect(path, constants.O_RDONLY) : undefined
  return direct ?? openSync(path, constants.O_RDONLY)
}
