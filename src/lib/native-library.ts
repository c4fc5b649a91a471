// Libraries in C that this machine has, called through koffi: the C library, and zstd's. Loaded at the
// first use only: 9 ms and 3.5 MB once in each thread. Where koffi has no binary, who asks does without.

import { createRequire } from 'node:module'

/** A call in this thread. */
export type NativeCall = (...parameters: unknown[]) => unknown

/** A call in the thread pool; what it is given must live until it has come back. */
export type NativeJob = (...parameters: unknown[]) => Promise<unknown>

export interface NativeLibrary {
  /** Types as in C. A definition in C, as one string, may end in "...". */
  call(name: string, result: string, parameters: readonly string[]): NativeCall
  call(definition: string): NativeCall
  job(name: string, result: string, parameters: readonly string[]): NativeJob
  /** What the last call left in errno. */
  errno(): number
}

/** What is used of koffi. */
export type Koffi = {
  load(path: string | null): { func(...definition: readonly unknown[]): KoffiCall }
  errno(): number
}

type KoffiCall = NativeCall & {
  async(...parametersAndCallback: readonly unknown[]): void
}

/** `name`: as the loader of the system finds it; null: what is in the process anyway. Throws when it is not there. */
export function openNativeLibrary(
  name: string | null,
  loadKoffi: () => Koffi = loadPackage,
): NativeLibrary {
  const koffi = loadKoffi()
  const library = koffi.load(name)
  return {
    call: (...definition: readonly unknown[]) => library.func(...definition),
    job: (...definition) => jobOf(library.func(...definition)),
    errno: () => koffi.errno(),
  }
}

/**
 * Keeps koffi in this process until its end: called by the main thread, which lives longest, once it has started a
 * thread that uses koffi. When the last thread that has it ends, koffi is unloaded, and syncs both outputs: where
 * standard error cannot be synced (a log on a disk that fails, a file server that is full) that thread waits for itself
 * for ever, and with it whoever ends it. Seen with koffi 3.3.4 and EIO.
 */
export function keepNativeLibraries(): void {
  try {
    loadPackage()
  } catch {
    // No binary for this machine: who asks for one does without.
  }
}

function jobOf(call: KoffiCall): NativeJob {
  return async (...parameters) =>
    new Promise((resolve, reject) => {
      call.async(...parameters, (error: Error | null, result: unknown) => {
        if (error === null) resolve(result)
        else reject(error)
      })
    })
}

function loadPackage(): Koffi {
  // Not imported: an import would be waited for, and the walk is synchronous.
  return createRequire(import.meta.url)('koffi') as Koffi
}
