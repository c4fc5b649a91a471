// SHA-256 of large pieces in the thread pool, by the OpenSSL that is part of Node: a gigabyte takes half a second, in
// which a thread that reads from servers could not read. Where it cannot be called, here and now.

import { createHash } from 'node:crypto'
import { openNativeLibrary } from './native-library.ts'
import type { NativeJob } from './native-library.ts'

const SHA256_BYTES = 32

// The way to the pool and back takes 60 us, hashing that much half of it (measured); what is smaller is not worth it.
const POOL_BYTES_MIN = 65_536

/** `bytes` must stay as they are until it has resolved. `job`: another way to the pool, or none, for tests. */
export async function sha256Of(
  bytes: Uint8Array,
  job: NativeJob | null = poolJob(),
): Promise<Buffer> {
  if (job === null || bytes.length < POOL_BYTES_MIN) return sha256Here(bytes)
  const hash = Buffer.alloc(SHA256_BYTES)
  // Its result is where the hash lies, or nothing: out of memory, say. Zeros must never pass for a hash.
  return (await job(bytes, bytes.length, hash)) === null ? sha256Here(bytes) : hash
}

function sha256Here(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

let found: { readonly job: NativeJob | null } | undefined

function poolJob(): NativeJob | null {
  return (found ??= { job: findJob() }).job
}

/** null: no koffi on this machine, or a Node that hides its OpenSSL. */
function findJob(): NativeJob | null {
  try {
    return openNativeLibrary(null).job('SHA256', 'void *', ['const void *', 'size_t', 'void *'])
  } catch {
    return null
  }
}
