// The folders from the source down to where the walk is, by descriptor. Members are opened as
// /proc/self/fd/N/NAME, so no path is ever longer than one name, and a folder that is swapped for a
// symlink is not followed.
//
// A tree may be deeper than a process may have descriptors: the outermost are closed, and opened
// again on the way back through `..` of the child. That it is the same folder is checked by device
// and inode, never assumed.

import { constants } from 'node:fs'
import { assert } from '../lib/assert.ts'
import type { FileStats } from '../lib/file-stats.ts'
import type { ByteString } from './member.ts'
import type { SourceFiles } from './source-files.ts'

export const FOLDER_FLAGS =
  constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The usual limit is 1 024 descriptors for the whole process; uploads need theirs. */
export const OPEN_FOLDERS_MAX = 200

type Level = {
  fd: number
  readonly device: number
  readonly inode: bigint
  readonly name: ByteString
}

export class OpenFolders {
  readonly #files: SourceFiles
  readonly #openMax: number
  readonly #levels: Level[] = []
  // Levels from here on are open, and so is the first one: the way back when all else fails.
  #firstOpen = 1

  constructor(files: SourceFiles, openMax = OPEN_FOLDERS_MAX) {
    this.#files = files
    this.#openMax = openMax
  }

  get depth(): number {
    return this.#levels.length
  }

  /** The innermost folder, where members are opened; undefined: it is lost. */
  get innermost(): number | undefined {
    const level = this.#levels.at(-1)
    assert(level !== undefined, 'no folder is open')
    return level.fd === -1 ? undefined : level.fd
  }

  push(fd: number, stats: FileStats, name: ByteString): void {
    this.#levels.push({ fd, device: stats.device, inode: stats.inode, name })
    const isOver = this.#levels.length - this.#firstOpen >= this.#openMax
    if (isOver && this.#firstOpen < this.#levels.length - 1) {
      this.#close(this.#levels[this.#firstOpen]!)
      this.#firstOpen += 1
    }
  }

  /** Leaves the innermost folder. */
  pop(): void {
    const child = this.#levels.pop()
    assert(child !== undefined, 'no folder is open')
    const parent = this.#levels.at(-1)
    if (parent?.fd === -1) {
      parent.fd = this.#reopenAbove(child, parent)
      this.#firstOpen = this.#levels.length - 1
    }
    this.#close(child)
  }

  close(): void {
    for (const level of this.#levels.splice(0)) this.#close(level)
  }

  #reopenAbove(child: Level, parent: Level): number {
    if (child.fd !== -1) {
      const fd = this.#openSame(`${pathOf(child.fd)}/..`, parent)
      if (fd !== -1) return fd
    }
    // The child was moved meanwhile: down again from the source's own folder, name by name.
    let fd = this.#levels[0]!.fd
    for (const level of this.#levels.slice(1)) {
      const next = this.#openSame(`${pathOf(fd)}/${level.name}`, level)
      if (fd !== this.#levels[0]!.fd) this.#files.close(fd)
      if (next === -1) return -1
      fd = next
    }
    return fd
  }

  /** -1 when what lies there cannot be opened, or is another folder. */
  #openSame(path: ByteString, expected: Level): number {
    let fd: number
    try {
      fd = this.#files.open(path, FOLDER_FLAGS)
    } catch {
      return -1
    }
    const stats = this.#files.fstat(fd)
    if (stats.device === expected.device && stats.inode === expected.inode) return fd
    this.#files.close(fd)
    return -1
  }

  #close(level: Level): void {
    if (level.fd !== -1) this.#files.close(level.fd)
    level.fd = -1
  }
}

export function pathOf(fd: number): ByteString {
  return `/proc/self/fd/${fd}`
}
