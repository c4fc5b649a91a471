// Which name of a file with several names came first. Only files whose link count is above 1 are
// remembered, and each only until its last name was seen: a tree of backups made by `cp -al` has
// millions of them.

import type { BigIntStats } from 'node:fs'
import type { ByteString } from './member.ts'

// Folder and name apart: the folder's text is shared by everything in it.
type FirstName = { readonly folder: ByteString; readonly name: ByteString; namesLeft: number }

export class HardLinks {
  readonly #firstNames = new Map<bigint, Map<bigint, FirstName>>()

  /** The path under which this file is in the archive already; undefined: it is not. */
  find(stats: BigIntStats): ByteString | undefined {
    const ofDevice = this.#firstNames.get(stats.dev)
    const first = ofDevice?.get(stats.ino)
    if (first === undefined) return undefined
    first.namesLeft -= 1
    if (first.namesLeft === 0) ofDevice?.delete(stats.ino)
    return first.folder + first.name
  }

  /** Only once its content is whole in the archive: other names will be links to this one. */
  add(stats: BigIntStats, folder: ByteString, name: ByteString): void {
    let ofDevice = this.#firstNames.get(stats.dev)
    if (ofDevice === undefined)
      this.#firstNames.set(stats.dev, (ofDevice = new Map<bigint, FirstName>()))
    ofDevice.set(stats.ino, { folder, name, namesLeft: Number(stats.nlink) - 1 })
  }
}
