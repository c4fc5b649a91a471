// Which name of a file with several names came first. A file that was deleted meanwhile may have given its inode to
// another one: size and time must be the same, too. Only files whose link count is above 1 are
// remembered, and each only until its last name was seen: a tree of backups made by `cp -al` has
// millions of them.

import { printablePath } from '../lib/printable-path.ts'
import type { Findings } from './findings.ts'
import type { FileStats } from '../lib/file-stats.ts'
import type { ByteString } from './member.ts'

// Folder and name apart: the folder's text is shared by everything in it.
type FirstName = {
  readonly folder: ByteString
  readonly name: ByteString
  readonly sizeBytes: number
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
  namesLeft: number
}

export class HardLinks {
  readonly #firstNames = new Map<number, Map<bigint, FirstName>>()

  /** The path under which this file is in the archive already; undefined: it is not. */
  find(stats: FileStats, path: ByteString, findings: Findings): ByteString | undefined {
    const ofDevice = this.#firstNames.get(stats.device)
    const first = ofDevice?.get(stats.inode)
    if (first === undefined) return undefined
    if (!isSame(first, stats)) {
      ofDevice?.delete(stats.inode)
      const other = printablePath(first.folder + first.name)
      findings.note(
        path,
        `changed since its other name ${other} was read: two files in the archive`,
      )
      return undefined
    }
    first.namesLeft -= 1
    if (first.namesLeft === 0) ofDevice?.delete(stats.inode)
    return first.folder + first.name
  }

  /** Only once its content is whole in the archive: other names will be links to this one. */
  add(stats: FileStats, folder: ByteString, name: ByteString): void {
    let ofDevice = this.#firstNames.get(stats.device)
    if (ofDevice === undefined)
      this.#firstNames.set(stats.device, (ofDevice = new Map<bigint, FirstName>()))
    const { sizeBytes, mtimeSeconds, mtimeNanos } = stats
    const content = { sizeBytes, mtimeSeconds, mtimeNanos }
    ofDevice.set(stats.inode, { folder, name, ...content, namesLeft: stats.linkCount - 1 })
  }
}

function isSame(first: FirstName, stats: FileStats): boolean {
  return (
    first.sizeBytes === stats.sizeBytes &&
    first.mtimeSeconds === stats.mtimeSeconds &&
    first.mtimeNanos === stats.mtimeNanos
  )
}
