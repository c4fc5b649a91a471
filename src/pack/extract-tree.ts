// Members become a tree inside one folder. Never outside it, whatever the archive says:
//
// - Everything is created by name inside the descriptor of its folder, files with O_EXCL and
//   O_NOFOLLOW; no path is ever resolved through anything that the archive brought.
// - While members are written the tree holds no symlink at all: those come last, then the attributes
//   of folders, deepest first. The folder was empty and is closed to others (0700) in the meantime.
// - Hard links are made only to regular files, and so only to files that this restore wrote.
// - No member replaces another: Spillway never archives a name twice, so two are a reason to refuse.
//
// All calls are synchronous (ten times as fast as promises for small files): run it in a worker.

import * as fs from 'node:fs'
import { checkedPath, shownPath } from './extract-paths.ts'
import { DeferredList } from './extract-deferred.ts'
import { FolderWay, inside, nameOf, parentOf } from './extract-folders.ts'
import { openTarget } from './extract-target.ts'
import { AttributeWriter } from './extract-attributes.ts'
import { makeSpecialFile } from './special-files.ts'
import { restoreFailure, twice } from './extract-failures.ts'
import { ExtractWarnings } from './extract-warnings.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ByteString } from './tar-header.ts'
import type { Deferred } from './extract-deferred.ts'
import type { MemberHandler, ReadMember } from './tar-reader.ts'
import type { ShownWarning } from './extract-warnings.ts'

export type TreeLimits = {
  /** More than the catalog knows of: another archive lies at the key, or a hostile one. */
  readonly memberCountMax: number | undefined
  readonly sourceBytesMax: number | undefined
}

export type TreeResult = {
  readonly memberCount: number
  readonly sourceBytes: number
  readonly warningCount: number
  readonly warnings: readonly ShownWarning[]
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
const CREATE_FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
const NO_FILE = -1

export class TreeWriter implements MemberHandler {
  readonly #rootFd: number
  readonly #limits: TreeLimits
  // Two ways, so that a hard link to a file far away does not close the folders at hand.
  readonly #way: FolderWay
  readonly #targetWay: FolderWay
  readonly #symlinks: DeferredList
  readonly #folders: DeferredList
  readonly #attributes: AttributeWriter
  readonly #warnings = new ExtractWarnings()
  #memberCount = 0
  #sourceBytes = 0
  #hasRoot = false
  #member: ReadMember | undefined
  #path: ByteString = ''
  #fd = NO_FILE

  /** Throws RESTORE_FAILED unless `directory` is ours and empty; closes it to everybody else. */
  constructor(directory: string, limits: TreeLimits) {
    this.#limits = limits
    this.#rootFd = openTarget(directory)
    this.#way = new FolderWay(this.#rootFd)
    this.#targetWay = new FolderWay(this.#rootFd)
    const openSpill = () => openNameless(this.#rootFd)
    this.#symlinks = new DeferredList(openSpill)
    this.#folders = new DeferredList(openSpill)
    this.#attributes = new AttributeWriter(this.#warnings)
  }

  get progress(): { readonly memberCount: number; readonly sourceBytes: number } {
    return { memberCount: this.#memberCount, sourceBytes: this.#sourceBytes }
  }

  begin(member: ReadMember): void {
    const path = checkedPath(member.path, member.kind)
    this.#member = member
    this.#path = path
    this.#count(member)
    this.#at(path, 'create', () => this.#create(member, path))
  }

  content(bytes: Buffer): void {
    this.#at(this.#path, 'write', () => {
      for (let at = 0; at < bytes.length;)
        at += fs.writeSync(this.#fd, bytes, at, bytes.length - at)
    })
  }

  end(): void {
    const member = this.#member
    if (member?.kind !== 'file') return
    const path = this.#path
    this.#at(path, 'finish', () => {
      this.#attributes.applyTo(this.#fd, member, path, 'file')
      this.#closeFile()
    })
  }

  /** After the last member. */
  finish(): TreeResult {
    for (const link of this.#guarded(this.#symlinks.forwards())) this.#makeSymlink(link)
    for (const folder of this.#guarded(this.#folders.backwards())) {
      this.#at(folder.path, 'finish', () => {
        const fd = this.#way.enter(folder.path)
        this.#attributes.applyTo(fd, folder, folder.path, 'directory')
      })
    }
    this.#attributes.addOwnerWarning()
    return { ...this.progress, warningCount: this.#warnings.count, warnings: this.#warnings.kept }
  }

  /** Lets go of every descriptor; what was written stays. */
  close(): void {
    this.#closeFile()
    this.#way.close()
    this.#targetWay.close()
    this.#symlinks.close()
    this.#folders.close()
    fs.closeSync(this.#rootFd)
  }

  #count(member: ReadMember): void {
    this.#memberCount += 1
    this.#sourceBytes += member.sizeBytes
    const { memberCountMax = Infinity, sourceBytesMax = Infinity } = this.#limits
    if (this.#memberCount > memberCountMax || this.#sourceBytes > sourceBytesMax)
      throw new SpillwayError(
        'ARCHIVE_CORRUPT',
        `the archive holds more than the catalog knows of: ${memberCountMax} members, ${sourceBytesMax} bytes`,
      )
  }

  #create(member: ReadMember, path: ByteString): void {
    const { kind } = member
    if (path === '') {
      if (this.#hasRoot) throw twice(path)
      this.#hasRoot = true
      this.#defer(this.#folders, member, path)
      return
    }
    const folderFd = this.#way.enter(parentOf(path))
    const at = inside(folderFd, nameOf(path))
    switch (kind) {
      case 'file':
        this.#fd = fs.openSync(at, CREATE_FLAGS, 0o600)
        return
      case 'directory':
        fs.mkdirSync(at, 0o700)
        return this.#defer(this.#folders, member, path)
      case 'symlink':
        if (member.linkTarget === '' || member.linkTarget.includes('\0'))
          throw new SpillwayError('ARCHIVE_REFUSED', `"${shownPath(path)}" is a symlink to nothing`)
        return this.#defer(this.#symlinks, member, path)
      case 'hard-link':
        return this.#makeHardLink(at, path, member.linkTarget)
      case 'fifo':
      case 'character-device':
      case 'block-device':
        return this.#makeSpecial({ ...member, kind }, path, folderFd, at)
    }
  }

  #makeHardLink(at: Buffer, path: ByteString, linkTarget: ByteString): void {
    const target = checkedPath(linkTarget, 'hard-link')
    const from = inside(this.#targetWay.enter(parentOf(target)), nameOf(target))
    const stats = fs.lstatSync(from, { throwIfNoEntry: false })
    if (stats?.isFile() !== true)
      throw new SpillwayError(
        'ARCHIVE_REFUSED',
        `"${shownPath(path)}" is a hard link to "${shownPath(target)}", which is no file that came before it`,
      )
    // link(2) does not follow a symlink either.
    fs.linkSync(from, at)
  }

  #makeSpecial(
    member: ReadMember & { readonly kind: 'fifo' | 'character-device' | 'block-device' },
    path: ByteString,
    folderFd: number,
    at: Buffer,
  ): void {
    if (member.kind !== 'fifo' && process.getuid?.() !== 0) {
      this.#warnings.add(path, 'a device node, which only root can create: left out')
      return
    }
    const obstacle = makeSpecialFile(folderFd, nameOf(path), member)
    if (obstacle === undefined) this.#attributes.applyByName(at, member, path)
    else this.#warnings.add(path, `could not be created: ${obstacle}`)
  }

  #makeSymlink(link: Deferred): void {
    this.#at(link.path, 'create', () => {
      const at = inside(this.#way.enter(parentOf(link.path)), nameOf(link.path))
      fs.symlinkSync(Buffer.from(link.target, 'latin1'), at)
      this.#attributes.applyToSymlink(at, link)
    })
  }

  #defer(list: DeferredList, member: ReadMember, path: ByteString): void {
    const { mode, uid, gid, mtimeUs, linkTarget } = member
    list.add({ mode, uid, gid, mtimeUs, path, target: linkTarget })
  }

  /** A list that lies on the disk can fail while it is read. */
  *#guarded(items: Generator<Deferred>): Generator<Deferred> {
    try {
      yield* items
    } catch (error) {
      throw restoreFailure(error, '', 'finish')
    }
  }

  #at(path: ByteString, doing: 'create' | 'write' | 'finish', work: () => void): void {
    try {
      work()
    } catch (error) {
      throw restoreFailure(error, path, doing)
    }
  }

  #closeFile(): void {
    const fd = this.#fd
    this.#fd = NO_FILE
    if (fd !== NO_FILE) fs.closeSync(fd)
  }
}

/** A file in the folder that has no name any more, and so is gone with its descriptor. */
function openNameless(rootFd: number): number {
  const name = inside(rootFd, `.spillway-${process.pid}-${process.hrtime.bigint()}`)
  const fd = fs.openSync(name, fs.constants.O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  fs.unlinkSync(name)
  return fd
}
