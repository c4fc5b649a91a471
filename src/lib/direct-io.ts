// Files that go past the page cache (O_DIRECT). An archive is written once and read for its upload: in the
// cache it would push out what the machine works with, and fresh pages cost. Measured on a virtual machine
// with a fast disk, 1 GB of noise: 7.5 s of CPU for a run instead of 8.9. Not measured on disks that turn.
//
// The kernel asks for positions, lengths and memory in whole units. Memory that begins at a page is what
// WebAssembly has; a Buffer begins anywhere.

import { constants, openSync } from 'node:fs'

/** No file system and no disk asks for more than a page. */
export const DIRECT_UNIT_BYTES = 4_096

const WASM_PAGE_BYTES = 65_536

// Node has it, its types for version 20 have not.
declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer
  }
}

export function isAligned(offsetBytes: number): boolean {
  return offsetBytes % DIRECT_UNIT_BYTES === 0
}

/** undefined: the file system cannot do that. Throws what `openSync` throws. */
export function openDirect(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags | constants.O_DIRECT)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined
    throw error
  }
}

export function alignedBuffer(sizeBytes: number): Buffer {
  const pages = Math.ceil(sizeBytes / WASM_PAGE_BYTES)
  const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
  return Buffer.from(buffer, 0, sizeBytes)
}

export function alignedUp(bytes: number): number {
  return Math.ceil(bytes / DIRECT_UNIT_BYTES) * DIRECT_UNIT_BYTES
}
