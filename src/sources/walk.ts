// Walks a folder source and hands its members to a sink: depth first, a folder's members right after
// it, in byte order. Runs synchronously, so in a worker thread.
//
// Nothing is trusted to stay as it was seen: the header comes from the descriptor that is read, and
// whatever vanished, changed or was swapped meanwhile is a warning. The names of one folder are in
// memory while it is walked, about 100 bytes each; nothing else grows with the size of the source
// but the table of hard links.

import { constants } from 'node:fs'
import { SpillwayError } from '../domain/errors.ts'
import { FOLDERS_DEEP_MAX } from '../domain/file-attributes.ts'
import type { FolderSource } from '../domain/source.ts'
import { isSameFile, roomOf } from '../lib/file-stats.ts'
import type { FileStats } from '../lib/file-stats.ts'
import { chosenEntries, chosenOfSource } from './chosen-entries.ts'
import { copyContent } from './copy-content.ts'
import { createExclude } from './exclude.ts'
import type { Exclude } from './exclude.ts'
import { reasonOf } from './findings.ts'
import type { Findings } from './findings.ts'
import { HardLinks } from './hard-links.ts'
import { isBeyondCounting, MemberExtras, withKeptTime } from './member-extras.ts'
import { memberOf } from './member.ts'
import type { ByteString, Member, MemberKind, MemberSink } from './member.ts'
import { FOLDER_FLAGS, OpenFolders, pathOf } from './open-folders.ts'
import type { OwnerNames } from './owner-names.ts'
import { kindOf, sourceFiles } from './source-files.ts'
import type { FolderEntry, SourceFiles } from './source-files.ts'

export type WalkInput = {
  readonly source: FolderSource
  /** Absolute paths; what they are now (device and inode) is left out with a note. */
  readonly ownPaths: readonly string[]
  /** Members with longer paths are left out with a warning. */
  readonly pathBytesMax: number
  /** Extended attributes beyond that are left out with a warning. */
  readonly recordBytesMax?: number
  readonly ownerNames: OwnerNames
  /** undefined: a survey, which opens no file. */
  readonly sink: MemberSink | undefined
  readonly findings: Findings
  /** Called for each member before it is looked at; throws when the walk shall end. */
  readonly checkpoint: (path: ByteString) => void
  readonly files?: SourceFiles
  readonly openFoldersMax?: number
}

export type WalkResult = { readonly sourceBytes: number; readonly memberCount: number }

/** Throws SOURCE_MISSING, SOURCE_UNREADABLE, SOURCE_EMPTY, or what `checkpoint` and the sink throw. */
export function walkFolder(input: WalkInput): WalkResult {
  const walk = new Walk(input)
  try {
    return walk.run()
  } finally {
    walk.close()
  }
}

type Level = {
  readonly path: ByteString
  readonly entries: readonly FolderEntry[]
  next: number
}

type Found = {
  readonly path: ByteString
  readonly name: ByteString
  /** Of the folder that it is in. */
  readonly folderFd: number
}

class Walk {
  readonly #input: WalkInput
  readonly #files: SourceFiles
  readonly #findings: Findings
  readonly #exclude: Exclude | undefined
  readonly #folders: OpenFolders
  readonly #levels: Level[] = []
  readonly #hardLinks = new HardLinks()
  /** undefined: a survey. */
  readonly #extras: MemberExtras | undefined
  readonly #own: FileStats[] = []
  #device = 0
  #sourceBytes = 0
  #memberCount = 0

  constructor(input: WalkInput) {
    this.#input = input
    this.#files = input.files ?? sourceFiles
    this.#findings = input.findings
    this.#exclude = createExclude(input.source.excludes)
    this.#folders = new OpenFolders(this.#files, input.openFoldersMax)
    if (input.sink !== undefined)
      this.#extras = new MemberExtras(this.#files, this.#findings, input.recordBytesMax)
  }

  run(): WalkResult {
    this.#findOwnPaths()
    this.#enterSource()
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const entry = level.entries[level.next]
      level.next += 1
      if (entry !== undefined) this.#visit(level, entry)
      else this.#leave()
    }
    const { source } = this.#input
    // The folder itself is a member, and an archive of nothing else is most often a disk that is
    // not mounted.
    if (this.#memberCount === 1 && !source.mayBeEmpty) {
      throw new SpillwayError('SOURCE_EMPTY', `${source.path} has nothing to archive`, {
        hint: `is it mounted? If it may be empty, set SOURCE_${source.number}_ALLOW_EMPTY=true`,
      })
    }
    return { sourceBytes: this.#sourceBytes, memberCount: this.#memberCount }
  }

  close(): void {
    this.#folders.close()
  }

  #findOwnPaths(): void {
    for (const path of this.#input.ownPaths) {
      try {
        this.#own.push(this.#files.stat(Buffer.from(path).toString('latin1')))
      } catch {
        // What is not there cannot be inside the source.
      }
    }
  }

  #enterSource(): void {
    const { source } = this.#input
    const { path } = source
    const { fd, stats, entries } = this.#openSource(path)
    this.#device = stats.device
    this.#folders.push(fd, stats, '')
    this.#addFolder('', fd, stats)
    if (this.#isOwn('', stats)) return
    this.#levels.push({
      path: '',
      entries: chosenOfSource(this.#files, fd, entries, source, this.#findings),
      next: 0,
    })
  }

  #openSource(path: string): { fd: number; stats: FileStats; entries: FolderEntry[] } {
    let fd = -1
    try {
      // The operator's own path may be a symlink; only what lies inside is never followed.
      const flags = FOLDER_FLAGS & ~constants.O_NOFOLLOW
      fd = this.#files.open(Buffer.from(path).toString('latin1'), flags)
      return { fd, stats: this.#files.fstat(fd), entries: this.#files.readFolder(pathOf(fd)) }
    } catch (cause) {
      if (fd !== -1) this.#files.close(fd)
      const { code } = cause as NodeJS.ErrnoException
      if (code === 'ENOENT' && fd === -1)
        throw new SpillwayError('SOURCE_MISSING', `${path} does not exist`, { cause })
      if (code === 'ENOTDIR')
        throw new SpillwayError('SOURCE_MISSING', `${path} is no folder`, { cause })
      const reason = code === 'ENOENT' ? '/proc is not mounted' : reasonOf(cause)
      throw new SpillwayError('SOURCE_UNREADABLE', `${path} cannot be read: ${reason}`, { cause })
    }
  }

  #visit(level: Level, { name, kind }: FolderEntry): void {
    const path = level.path + name
    this.#input.checkpoint(path)
    if (this.#levels.length > FOLDERS_DEEP_MAX) {
      this.#findings.warn(
        level.path.slice(0, -1),
        `its members are not in the archive: they lie deeper than ${FOLDERS_DEEP_MAX} folders`,
      )
      level.next = level.entries.length
      return
    }
    if (path.length > this.#input.pathBytesMax) {
      this.#findings.warn(level.path.slice(0, -1), 'has a member whose path is too long to archive')
      return
    }
    const folderFd = this.#folders.innermost
    if (folderFd === undefined) {
      const rest = level.entries.length - level.next + 1
      this.#findings.warn(
        level.path.slice(0, -1),
        `was moved while it was read; its last ${rest} members are not in the archive`,
      )
      level.next = level.entries.length
      return
    }
    try {
      const found = { path, name, folderFd }
      const known = kind ?? kindOf(this.#files.lstat(placeOf(found)))
      if (this.#exclude?.(path, known === 'directory') === true) return
      if (known === 'directory') this.#visitFolder(found)
      else if (known === 'file' && this.#input.sink !== undefined)
        this.#visitFile(found, level.path, this.#input.sink)
      else this.#visitOther(found, level.path)
    } catch (error) {
      // Errors of the system concern this member; all others (our stop, a full disk) the archive.
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
      this.#findings.warn(path, `is not in the archive: ${reasonOf(error)}`)
    }
  }

  #visitFolder(found: Found): void {
    let fd: number
    try {
      fd = this.#files.open(placeOf(found), FOLDER_FLAGS)
    } catch (error) {
      this.#visitUnreadableFolder(found, error)
      return
    }
    let isEntered = false
    try {
      const stats = this.#files.fstat(fd)
      if (this.#isOwn(found.path, stats)) return
      this.#addFolder(found.path, fd, stats)
      if (this.#input.source.isOneFileSystem && stats.device !== this.#device) {
        this.#findings.note(found.path, 'is another file system; its members are left out')
        return
      }
      const listed = this.#entriesOf(found.path, fd)
      const entries = chosenEntries(this.#files, fd, listed, this.#input.source)
      if (entries.length === 0) return
      this.#folders.push(fd, stats, found.name)
      this.#levels.push({ path: `${found.path}/`, entries, next: 0 })
      isEntered = true
    } finally {
      if (!isEntered) this.#files.close(fd)
    }
  }

  #visitUnreadableFolder(found: Found, error: unknown): void {
    const stats = this.#files.lstat(placeOf(found))
    if (kindOf(stats) !== 'directory') throw error
    if (this.#isOwn(found.path, stats)) return
    this.#addMember('directory', found.path, stats)
    this.#findings.warn(found.path, `its members are not in the archive: ${reasonOf(error)}`)
  }

  #entriesOf(path: ByteString, fd: number): FolderEntry[] {
    try {
      return this.#files.readFolder(pathOf(fd))
    } catch (error) {
      this.#findings.warn(path, `its members are not in the archive: ${reasonOf(error)}`)
      return []
    }
  }

  #visitFile(found: Found, folder: ByteString, sink: MemberSink): void {
    const { path, name } = found
    const fd = this.#files.openFile(found.folderFd, name)
    try {
      const stats = this.#files.fstat(fd)
      if (kindOf(stats) !== 'file') {
        this.#findings.warn(path, 'is not in the archive: it was replaced while it was read')
        return
      }
      if (this.#isElsewhere(path, stats) || this.#isOwn(path, stats)) return
      if (isBeyondCounting(stats, path, this.#findings)) return
      if (stats.linkCount > 1 && this.#addHardLink(path, stats)) return
      const sparse = this.#extras?.sparseMapOf(fd, stats)
      this.#addMember('file', path, stats, { records: this.#extras?.recordsOf(path, fd), sparse })
      this.#extras?.noteFlags(path, fd)
      const change = copyContent(this.#files, fd, stats, sink, sparse)
      if (change !== undefined) this.#findings.warn(path, change)
      else if (stats.linkCount > 1) this.#hardLinks.add(stats, folder, name)
    } finally {
      this.#files.closeFile(fd)
    }
  }

  #visitOther(found: Found, folder: ByteString): void {
    const { path, name } = found
    const at = placeOf(found)
    const stats = this.#files.lstat(at)
    const kind = kindOf(stats)
    const isReplaced = kind === 'file' && this.#input.sink !== undefined
    if (kind === undefined || kind === 'directory' || isReplaced) {
      this.#findings.warn(path, 'is not in the archive: it was replaced while it was read')
    } else if (kind === 'socket') {
      this.#findings.note(path, 'is a socket; tar has no word for it')
    } else if (this.#isElsewhere(path, stats) || this.#isOwn(path, stats)) {
      return
    } else if (kind !== 'file') {
      const linkTarget = kind === 'symlink' ? this.#files.readlink(at) : ''
      this.#addMember(kind, path, stats, { linkTarget, records: this.#extras?.recordsOf(path, at) })
    } else if (stats.linkCount <= 1 || !this.#addHardLink(path, stats)) {
      this.#addMember('file', path, stats)
      if (stats.linkCount > 1) this.#hardLinks.add(stats, folder, name)
    }
  }

  /** Whether the content is in the archive already, under another name. */
  #addHardLink(path: ByteString, stats: FileStats): boolean {
    const first = this.#hardLinks.find(stats, path, this.#findings)
    if (first === undefined) return false
    this.#addMember('hard-link', path, stats, { linkTarget: first })
    return true
  }

  #addFolder(path: ByteString, fd: number, stats: FileStats): void {
    this.#addMember('directory', path, stats, { records: this.#extras?.recordsOf(path, fd) })
    this.#extras?.noteFlags(path, fd)
  }

  #addMember(kind: MemberKind, path: ByteString, found: FileStats, more: MoreOfMember = {}): void {
    const { sink, ownerNames } = this.#input
    const stats = withKeptTime(found, path, this.#findings)
    this.#memberCount += 1
    if (kind === 'file')
      this.#sourceBytes +=
        sink === undefined ? roomOf(stats) : (more.sparse?.dataBytes ?? stats.sizeBytes)
    const { linkTarget = '', records, sparse } = more
    sink?.begin(memberOf(kind, path, linkTarget, stats, ownerNames, { records, sparse }))
  }

  /** Spillway's own folders: archiving them would archive the archives. */
  #isOwn(path: ByteString, stats: FileStats): boolean {
    if (!this.#own.some((own) => isSameFile(own, stats))) return false
    this.#findings.note(path, "is Spillway's own; it is left out")
    return true
  }

  /** A single file, say, that is mounted from another file system. */
  #isElsewhere(path: ByteString, stats: FileStats): boolean {
    if (!this.#input.source.isOneFileSystem || stats.device === this.#device) return false
    this.#findings.note(path, 'is on another file system; it is left out')
    return true
  }

  #leave(): void {
    this.#levels.pop()
    this.#folders.pop()
  }
}

type MoreOfMember = {
  readonly linkTarget?: ByteString
  readonly records?: Member['records']
  readonly sparse?: Member['sparse']
}

/** Where the system finds it, whatever its folder is called by now. */
function placeOf({ folderFd, name }: Found): ByteString {
  return `${pathOf(folderFd)}/${name}`
}
