// Gives members their places in the folder that is restored into: straight under their names where the
// folder was empty, by the rule for what is there already where it was not (extract-overwrite.ts).

import * as fs from 'node:fs'
import { errnoOf } from './extract-failures.ts'
import { FolderWay, inside, nameOf, parentOf } from './extract-folders.ts'
import { mayReplace, mayReplaceStats, moveInto, removeQuietly } from './extract-overwrite.ts'
import { temporaryName } from './extract-overwrite.ts'
import { isBelow } from './extract-patterns.ts'
import type { ByteString } from './tar-header.ts'
import type { ExtractWarnings } from './extract-warnings.ts'
import type { OverwriteRule } from './extract-overwrite.ts'

/** Where one member is written. Good until the next one is asked for. */
export type Spot = {
  readonly folderFd: number
  /** Its own name, or one of the moment beside it. */
  readonly name: ByteString
  readonly at: Buffer
  readonly out: ByteString
  /** Its own name, where `at` is not it. */
  readonly finalAt: Buffer | undefined
}

export class Placer {
  /** Members that were not restored because of what was there. */
  keptCount = 0
  readonly #rule: OverwriteRule | undefined
  readonly #mergesFolders: boolean
  readonly #warnings: ExtractWarnings
  readonly #onNewFolder: (at: Buffer) => void
  readonly #way: FolderWay
  /** What stays though the archive has a folder there: everything below stays away. */
  #blocked: ByteString | undefined

  constructor(
    rootFd: number,
    input: {
      /** undefined: the folder was empty, and nothing may be there twice. */
      readonly rule: OverwriteRule | undefined
      /** Stripped names of two folders may be one. */
      readonly mergesFolders: boolean
      readonly warnings: ExtractWarnings
      readonly onNewFolder: (at: Buffer) => void
    },
  ) {
    this.#rule = input.rule
    this.#mergesFolders = input.mergesFolders
    this.#warnings = input.warnings
    this.#onNewFolder = input.onNewFolder
    this.#way = new FolderWay(rootFd)
  }

  /** undefined: what is there stays. */
  spotFor(out: ByteString, mtimeUs: number): Spot | undefined {
    if (this.#isBlocked(out)) return this.#keep()
    const folderFd = this.#way.enter(parentOf(out))
    const at = inside(folderFd, nameOf(out))
    if (this.#rule === undefined) {
      if (this.#mergesFolders && isThere(at))
        return this.#keep(out, 'left out: another member has the name that --strip leaves of it')
      return { folderFd, name: nameOf(out), at, out, finalAt: undefined }
    }
    if (!mayReplace(at, mtimeUs, this.#rule)) return this.#keep()
    const name = temporaryName()
    return { folderFd, name, at: inside(folderFd, name), out, finalAt: at }
  }

  /** Once it is whole, with all its attributes. Whether it is there now. */
  settle({ at, finalAt, out }: Spot): boolean {
    if (finalAt === undefined || this.#rule === undefined) return true
    const moved = moveInto(at, finalAt, this.#rule)
    if (moved === 'folder') this.#keep(out, 'not restored: a folder is there, and stays')
    else if (moved === 'came-first') this.#keep()
    return moved === 'moved'
  }

  /** Takes away what was begun there. */
  drop({ at }: Spot): void {
    removeQuietly(at)
  }

  /** Whether its attributes are to be set in the end. Not for the folder that is restored into. */
  makeFolder(out: ByteString, mtimeUs: number): boolean {
    if (this.#isBlocked(out)) return this.#keep() !== undefined
    const at = inside(this.#way.enter(parentOf(out)), nameOf(out))
    if (this.#rule === undefined) return this.#makeNew(at)
    const there = fs.lstatSync(at, { bigint: true, throwIfNoEntry: false })
    const mayChange = there === undefined || mayReplaceStats(there.mtimeNs, mtimeUs, this.#rule)
    if (there?.isDirectory() === true) return mayChange
    if (!mayChange) {
      this.#blocked = out
      this.#keep(out, 'not restored, nor what is in it: something that is no folder is there')
      return false
    }
    if (there !== undefined) fs.unlinkSync(at)
    fs.mkdirSync(at, 0o700)
    this.#onNewFolder(at)
    return true
  }

  /** Whether the folder's own attributes may be set; it is there, and open. */
  mayChangeRoot(rootFd: number, mtimeUs: number): boolean {
    if (this.#rule === undefined) return true
    return mayReplaceStats(fs.fstatSync(rootFd, { bigint: true }).mtimeNs, mtimeUs, this.#rule)
  }

  /** For attributes, at the end. */
  enter(out: ByteString): number {
    return this.#way.enter(out)
  }

  close(): void {
    this.#way.close()
  }

  #makeNew(at: Buffer): boolean {
    try {
      fs.mkdirSync(at, 0o700)
    } catch (error) {
      const isMerged =
        this.#mergesFolders && errnoOf(error) === 'EEXIST' && fs.lstatSync(at).isDirectory()
      if (!isMerged) throw error
      return false
    }
    this.#onNewFolder(at)
    return true
  }

  #isBlocked(out: ByteString): boolean {
    return this.#blocked !== undefined && isBelow(out, this.#blocked)
  }

  #keep(out?: ByteString, why?: string): undefined {
    this.keptCount += 1
    if (out !== undefined && why !== undefined) this.#warnings.add(out, why)
  }
}

function isThere(at: Buffer): boolean {
  return fs.lstatSync(at, { throwIfNoEntry: false }) !== undefined
}
