// Members become a tree inside one folder. Never outside it, whatever the archive says:
//
// - Everything is created by name inside the descriptor of its folder, files with O_EXCL and
//   O_NOFOLLOW; no path is ever resolved through anything that the archive brought.
// - While members are written the archive's symlinks are not there yet: those come last, then the
//   attributes of folders, deepest first. A folder that was empty is closed to others (0700) meanwhile.
// - Hard links are made only to regular files that this restore wrote.
// - No member replaces another: Spillway never archives a name twice, so two are a reason to refuse.
//
// All calls are synchronous (ten times as fast as promises for small files): run it in a worker.

import * as fs from 'node:fs'
import { checkedPath, shownPath } from './extract-paths.ts'
import { DeferredList, deferredOf } from './extract-deferred.ts'
import { parentOf } from './extract-folders.ts'
import { LinkTargets } from './extract-link-targets.ts'
import { nowOn, openNameless, openTarget } from './extract-target.ts'
import { AttributeWriter } from './extract-attributes.ts'
import { bornIn, modeAtBirth } from './extract-born.ts'
import { makeSpecialFile } from './special-files.ts'
import { MemberChoice } from './extract-choice.ts'
import { Placer } from './extract-placer.ts'
import { guarded, restoreFailure, twice } from './extract-failures.ts'
import { FileOutput } from './extract-file.ts'
import { ReadCounts } from './extract-counts.ts'
import { folderFromIndex, LostMembers } from './extract-lost.ts'
import { microsecondsOf } from './pax-records.ts'
import { ExtractWarnings } from './extract-warnings.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { Born } from './extract-born.ts'
import type { Deferred } from './extract-deferred.ts'
import type { ByteString } from './tar-header.ts'
import type { Chosen, ExpectedMember, LinkTarget } from './extract-choice.ts'
import type { MemberHandler, ReadMember } from './tar-reader.ts'
import type { LostMember, PendingLink, TreeInput, TreeResult } from './extract-input.ts'
import type { ReadLimits } from './extract-counts.ts'
import type { Spot } from './extract-placer.ts'

/** A file that is being written. */
type OpenFile = Chosen & { readonly output: FileOutput; readonly spot: Spot }

export class TreeWriter implements MemberHandler {
  readonly #rootFd: number
  readonly #limits: ReadLimits
  readonly #choice: MemberChoice
  readonly #placer: Placer
  /** Nothing was there and no name is changed: what a member's path is, is its own. */
  readonly #isPlain: boolean
  /** What new files have already; undefined: it is different from folder to folder. */
  readonly #born: Born | undefined
  readonly #linkTargets: LinkTargets
  readonly #symlinks: DeferredList
  readonly #folders: DeferredList
  readonly #links: DeferredList
  readonly #attributes: AttributeWriter
  readonly #warnings = new ExtractWarnings()
  readonly #lost = new LostMembers()
  #pendingLinks: Generator<Deferred> | undefined
  #memberCount = 0
  #sourceBytes = 0
  #read: ReadCounts
  #hasRoot = false
  #hasLosses = false
  #file: OpenFile | undefined

  /** Throws RESTORE_FAILED unless `directory` is ours and, without a rule, empty. */
  constructor(input: TreeInput) {
    const { overwrite: rule, strip = 0, paths = [] } = input
    this.#limits = input
    this.#read = new ReadCounts(input)
    this.#isPlain = rule === undefined && strip === 0
    this.#rootFd = openTarget(input.directory, rule !== undefined)
    this.#born = this.#isPlain ? bornIn(this.#rootFd) : undefined
    this.#linkTargets = new LinkTargets(
      this.#rootFd,
      this.#isPlain ? undefined : nowOn(this.#rootFd),
    )
    this.#choice = new MemberChoice({ paths, strip, isOrdered: !this.#isPlain })
    const warnings = this.#warnings
    const attributes = new AttributeWriter(warnings)
    this.#placer = new Placer(this.#rootFd, {
      ...{ rule, mergesFolders: strip > 0, warnings },
      onNewFolder: (at) => {
        if (this.#born === undefined)
          attributes.extras.dropInherited(at.toString('latin1'), 'directory')
      },
    })
    const openSpill = () => openNameless(this.#rootFd)
    this.#symlinks = new DeferredList(openSpill)
    this.#folders = new DeferredList(openSpill)
    this.#links = new DeferredList(openSpill)
    this.#attributes = attributes
  }

  get progress(): { readonly memberCount: number; readonly sourceBytes: number } {
    return { memberCount: this.#memberCount, sourceBytes: this.#sourceBytes }
  }

  /** From the first call on, every member must be the next one of these: what the index says. */
  expect(members: readonly ExpectedMember[]): void {
    this.#choice.expect(members)
  }

  begin(member: ReadMember): void {
    const path = checkedPath(member.path, member.kind)
    this.#read.begin(member)
    for (const chosen of this.#choice.take(member, path)) this.#make(chosen)
  }

  content(bytes: Buffer): void {
    this.#read.content(bytes.length)
    const file = this.#file
    if (file === undefined) return
    this.#at(file.path, 'write', () => file.output.write(bytes))
  }

  hole(sizeBytes: number): void {
    this.#file?.output.skip(sizeBytes)
  }

  end(): void {
    const file = this.#file
    if (file === undefined) return
    const { member, path, outs, spot, output } = file
    this.#at(path, 'finish', () => {
      if (member.isSparse) output.endAt(member.sizeBytes)
      const born = { owner: this.#born, mode: output.mode }
      this.#attributes.applyTo(output.fd, member, { path, kind: 'file' }, born)
      this.#closeFile()
      const isThere = this.#placer.settle(spot)
      if (isThere) this.#countMade({ sizeBytes: output.writtenBytes })
      for (const out of isThere ? outs.slice(1) : []) this.#linkTo(outs[0]!, out, member)
    })
    this.#choice.markDone(path)
  }

  /**
   * The tar goes on elsewhere: these members are damaged, the first of them perhaps written half. Folders
   * among them are made from what the index knows.
   */
  lose(members: readonly LostMember[]): void {
    this.#hasLosses = true
    this.#dropFile()
    this.#choice.forgetExpected()
    if (this.#choice.isTargets) return
    for (const lost of members) {
      const path = lost.path === '' ? '' : checkedPath(lost.path, lost.kind)
      if (lost.kind === 'directory') this.#makeFromIndex(lost, path)
      else if (this.#choice.includes(path)) this.#lost.add(path)
    }
  }

  /** The next hard links whose content must be fetched, and `beginTargets` be told of it; [] at the end. */
  takeLinks(countMax: number): readonly PendingLink[] {
    this.#choice.checkNoneMissing()
    this.#endTargets()
    this.#pendingLinks ??= guarded(this.#links.forwards())
    const taken: PendingLink[] = []
    while (taken.length < countMax) {
      const next = this.#pendingLinks.next()
      if (next.done === true) break
      taken.push({ out: next.value.path, target: next.value.target })
    }
    return taken
  }

  /** From here on the tar is gone through again, for nothing but these. */
  beginTargets(targets: readonly LinkTarget[]): void {
    this.#choice.beginTargets(targets)
    this.#read = new ReadCounts(this.#limits, this.#read.first)
  }

  /** After the last member. */
  finish(): TreeResult {
    const read = this.#read.first
    this.#endTargets()
    for (const link of guarded(this.#symlinks.forwards())) this.#makeSymlink(link)
    for (const folder of guarded(this.#folders.backwards())) {
      this.#at(folder.path, 'finish', () => {
        const fd = this.#placer.enter(folder.path)
        // One that was there, or was made in a folder with a default ACL, has rights of its own: so may the first.
        const isRoot = folder.path === ''
        if (!this.#isPlain || isRoot) this.#attributes.extras.dropInherited(fd, 'directory')
        this.#attributes.applyTo(fd, folder, { path: folder.path, kind: 'directory' })
      })
    }
    this.#attributes.addSummaryWarnings()
    return {
      ...this.progress,
      readMemberCount: read.memberCount,
      readSourceBytes: read.sourceBytes,
      keptCount: this.#placer.keptCount,
      lostCount: this.#lost.count,
      lost: this.#lost.kept,
      warningCount: this.#warnings.count,
      warnings: this.#warnings.kept,
    }
  }

  /** Lets go of every descriptor; what was written stays, but for what has a name of the moment. */
  close(): void {
    if (this.#file?.spot.finalAt !== undefined) this.#dropFile()
    this.#closeFile()
    this.#placer.close()
    this.#linkTargets.close()
    this.#symlinks.close()
    this.#folders.close()
    this.#links.close()
    fs.closeSync(this.#rootFd)
  }

  #countMade({ sizeBytes }: { readonly sizeBytes: number }): void {
    this.#memberCount += 1
    this.#sourceBytes += sizeBytes
  }

  #make(chosen: Chosen): void {
    this.#at(chosen.path, 'create', () => this.#create(chosen))
  }

  #create(chosen: Chosen): void {
    const { member, path } = chosen
    const out = chosen.outs[0]!
    const { kind, mtimeUs } = member
    if (kind === 'directory') return this.#makeFolder(member, out)
    if (kind === 'symlink') {
      if (member.linkTarget === '' || member.linkTarget.includes('\0'))
        throw new SpillwayError('ARCHIVE_REFUSED', `"${shownPath(path)}" is a symlink to nothing`)
      // Its place must be there, and free, when it is read: only its making waits.
      if (this.#isPlain) this.#placer.enter(parentOf(out))
      return this.#defer(this.#symlinks, member, out)
    }
    if (kind === 'hard-link') return this.#makeHardLink(member, path, out)
    const spot = this.#placer.spotFor(out, mtimeUs)
    if (spot === undefined) {
      // Kept as it is: its links are not to be reported as lost.
      this.#choice.markDone(path)
      return
    }
    if (kind !== 'file') return this.#makeSpecial({ ...member, kind }, path, spot)
    const output = new FileOutput(spot, modeAtBirth(this.#born, member))
    // Not by "...": V8 then makes a shape of its own for each file, and its fields are looked for anew every time.
    this.#file = { member, path, outs: chosen.outs, spot, output }
    if (this.#born === undefined) this.#attributes.extras.dropInherited(output.fd, 'file')
  }

  #makeFolder(member: ReadMember, out: ByteString): void {
    if (out === '') {
      if (this.#hasRoot) throw twice(out)
      this.#hasRoot = true
      this.#countMade(member)
      if (this.#placer.mayChangeRoot(this.#rootFd, member.mtimeUs))
        this.#defer(this.#folders, member, out)
      return
    }
    if (!this.#placer.makeFolder(out, member.mtimeUs)) return
    this.#countMade(member)
    this.#defer(this.#folders, member, out)
  }

  #makeFromIndex(lost: LostMember, path: ByteString): void {
    const member = folderFromIndex(lost, path)
    const before = this.#memberCount
    for (const chosen of this.#choice.takeUnread(member, path)) this.#make(chosen)
    if (this.#memberCount > before)
      this.#warnings.add(path, 'its header is damaged: its owner is not known and became you')
  }

  #makeHardLink(member: ReadMember, path: ByteString, out: ByteString): void {
    const target = checkedPath(member.linkTarget, 'hard-link')
    const isWanted = this.#choice.includes(target)
    const from = isWanted ? this.#choice.outOf(target) : undefined
    const mtimeUs = this.#isPlain ? undefined : member.mtimeUs
    if (from !== undefined && this.#linkTargets.isWritten(from, mtimeUs))
      return this.#linkTo(from, out, member)
    if (isWanted && this.#isPlain) {
      if (this.#hasLosses) return this.#lost.add(path)
      throw new SpillwayError(
        'ARCHIVE_REFUSED',
        `"${shownPath(path)}" is a hard link to "${shownPath(target)}", which is no file that came before it`,
      )
    }
    // Asked for only to see whether it may be written at all.
    const spot = this.#placer.spotFor(out, member.mtimeUs)
    if (spot === undefined) return
    this.#links.add(deferredOf(member, out, target, []))
  }

  #linkTo(from: ByteString, out: ByteString, member: ReadMember): void {
    const spot = this.#placer.spotFor(out, member.mtimeUs)
    if (spot === undefined) return
    this.#linkTargets.link(from, spot.at)
    if (this.#placer.settle(spot)) this.#countMade({ sizeBytes: 0 })
  }

  #makeSpecial(
    member: ReadMember & { readonly kind: 'fifo' | 'character-device' | 'block-device' },
    path: ByteString,
    spot: Spot,
  ): void {
    this.#countMade(member)
    if (member.kind !== 'fifo' && process.getuid?.() !== 0) {
      this.#warnings.add(path, 'a device node, which only root can create: left out')
      return
    }
    const obstacle = makeSpecialFile(spot.folderFd, spot.name, member)
    if (obstacle !== undefined) return this.#warnings.add(path, `could not be created: ${obstacle}`)
    this.#attributes.applyByName(spot.at, member, { path, kind: member.kind })
    this.#placer.settle(spot)
  }

  #makeSymlink(link: Deferred): void {
    this.#at(link.path, 'create', () => {
      const spot = this.#placer.spotFor(link.path, microsecondsOf(link))
      if (spot === undefined) return
      fs.symlinkSync(Buffer.from(link.target, 'latin1'), spot.at)
      this.#attributes.applyByName(spot.at, link, { path: link.path, kind: 'symlink' })
      if (this.#placer.settle(spot)) this.#countMade({ sizeBytes: 0 })
    })
  }

  #endTargets(): void {
    for (const out of this.#choice.endTargets()) this.#lost.add(out)
  }

  #defer(list: DeferredList, member: ReadMember, out: ByteString): void {
    list.add(deferredOf(member, out, member.linkTarget))
  }

  #at(path: ByteString, doing: 'create' | 'write' | 'finish', work: () => void): void {
    try {
      work()
    } catch (error) {
      throw restoreFailure(error, path, doing)
    }
  }

  #dropFile(): void {
    const file = this.#file
    this.#closeFile()
    if (file !== undefined) this.#placer.drop(file.spot)
  }

  #closeFile(): void {
    const file = this.#file
    this.#file = undefined
    file?.output.close()
  }
}
