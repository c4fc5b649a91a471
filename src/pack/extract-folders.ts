// The way from the folder that is restored into to wherever the next member goes, by descriptor.
//
// Every folder on the way is opened from its parent's descriptor, as a folder and nothing else: the
// kernel checks each step when it is taken, and a descriptor cannot be swapped for a symlink
// afterwards. Members come folder by folder, so most steps are there already.

import { closeSync, constants, openSync } from 'node:fs'
import type { ByteString } from './tar-header.ts'

export const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

// Deeper levels than this open the way again from above when they are left: 2 000 levels then cost
// 30 000 openings instead of 2 000 descriptors, of which a process usually may have 1 024.
const OPEN_MAX = 64

const CLOSED = -1

export class FolderWay {
  readonly #rootFd: number
  readonly #names: ByteString[] = []
  readonly #fds: number[] = []
  #path: ByteString = ''

  /** `rootFd` stays the caller's to close. */
  constructor(rootFd: number) {
    this.#rootFd = rootFd
  }

  /** A descriptor of the folder at `path`, good until the next call. Throws what openSync throws. */
  enter(path: ByteString): number {
    if (path !== this.#path) this.#turnTo(path)
    const depth = this.#names.length
    if (depth === 0) return this.#rootFd
    if (this.#fds[depth - 1] === CLOSED) this.#openMissing()
    return this.#fds[depth - 1]!
  }

  close(): void {
    this.#cutTo(0)
    this.#path = ''
  }

  #turnTo(path: ByteString): void {
    const names = path === '' ? [] : path.split('/')
    let common = 0
    while (common < names.length && this.#names[common] === names[common]) common += 1
    this.#cutTo(common)
    // Until the whole way is open, this is where we are.
    this.#path = names.slice(0, common).join('/')
    for (const name of names.slice(common)) {
      this.#names.push(name)
      this.#fds.push(CLOSED)
    }
    try {
      this.#openMissing()
    } catch (error) {
      this.#cutTo(common)
      throw error
    }
    this.#path = path
  }

  /** Opens from the innermost folder that is open down to the last one. */
  #openMissing(): void {
    let level = this.#fds.length
    while (level > 0 && this.#fds[level - 1] === CLOSED) level -= 1
    for (; level < this.#names.length; level += 1) {
      const parent = level === 0 ? this.#rootFd : this.#fds[level - 1]!
      this.#fds[level] = openSync(inside(parent, this.#names[level]!), FOLDER_FLAGS)
      this.#closeAt(level - OPEN_MAX)
    }
  }

  #cutTo(depth: number): void {
    while (this.#fds.length > depth) this.#closeAt(this.#fds.length - 1, true)
  }

  #closeAt(level: number, drops = false): void {
    const fd = this.#fds[level]
    if (fd !== undefined && fd !== CLOSED) closeSync(fd)
    if (drops) {
      this.#fds.pop()
      this.#names.pop()
    } else if (fd !== undefined) this.#fds[level] = CLOSED
  }
}

/** A path to what is called `name` in the folder of this descriptor, whatever lies above it. */
export function inside(fd: number, name: ByteString): Buffer {
  return Buffer.from(`/proc/self/fd/${fd}/${name}`, 'latin1')
}

/** A path to what a descriptor stands for. */
export function itself(fd: number): string {
  return `/proc/self/fd/${fd}`
}

export function parentOf(path: ByteString): ByteString {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}

export function nameOf(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1)
}
