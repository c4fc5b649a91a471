// Files that hard links are made to: only regular files that this restore wrote.

import * as fs from 'node:fs'
import { errnoOf } from './extract-failures.ts'
import { FolderWay, inside, nameOf, parentOf } from './extract-folders.ts'
import type { ByteString } from './tar-header.ts'

export class LinkTargets {
  // A way of its own, so that a link to a file far away does not close the folders at hand.
  readonly #way: FolderWay
  readonly #sinceNs: bigint | undefined

  /** `rootFd` stays the caller's to close. `sinceNs`: of the restore's beginning, where files may have been there before. */
  constructor(rootFd: number, sinceNs: bigint | undefined) {
    this.#sinceNs = sinceNs
    this.#way = new FolderWay(rootFd)
  }

  /**
   * Whether the file there is the archive's. In a folder that was empty every file is. In one that held
   * files before it may have been kept: then give `mtimeUs` of the link, whose header has the file's own. Others may
   * have that time, too (it is the same for all in a tree that was built reproducibly): ours were changed since.
   */
  isWritten(path: ByteString, mtimeUs: number | undefined): boolean {
    const stats = this.#statsOf(path)
    if (stats?.isFile() !== true) return false
    if (this.#sinceNs !== undefined && stats.ctimeNs < this.#sinceNs) return false
    return mtimeUs === undefined || stats.mtimeNs / 1_000n === BigInt(Math.floor(mtimeUs))
  }

  /** link(2) does not follow a symlink either. */
  link(path: ByteString, at: Buffer): void {
    fs.linkSync(inside(this.#way.enter(parentOf(path)), nameOf(path)), at)
  }

  close(): void {
    this.#way.close()
  }

  #statsOf(path: ByteString): fs.BigIntStats | undefined {
    try {
      const at = inside(this.#way.enter(parentOf(path)), nameOf(path))
      return fs.lstatSync(at, { bigint: true, throwIfNoEntry: false })
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined
      throw error
    }
  }
}
