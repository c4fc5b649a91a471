// Builds, describes and removes trees by their raw bytes: names, content, mode, owner, mtime, link
// text and hard-link groups. Everything goes through /proc/self/fd/N/name, one folder at a time, so
// that names need not be UTF-8 and paths may be longer than PATH_MAX.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

/** A path relative to the tree; a string is UTF-8, a Buffer is what it is. */
export type TreePath = string | Buffer

type Common = {
  readonly path: TreePath
  readonly mode?: number
  /** Microseconds since 1970; negative ones are before it. */
  readonly mtimeUs?: number
  readonly uid?: number
  readonly gid?: number
}

export type TreeEntry =
  | (Common & { readonly kind: 'file'; readonly content?: string | Uint8Array })
  | (Common & { readonly kind: 'folder' })
  | (Common & { readonly kind: 'symlink'; readonly target: TreePath })
  | (Common & { readonly kind: 'fifo' })
  | { readonly kind: 'hardlink'; readonly path: TreePath; readonly to: TreePath }

/** Short forms, so that a test reads as a list of what is there. */
export const file = (
  path: TreePath,
  content: string | Uint8Array = '',
  more: Partial<Common> = {},
): TreeEntry => ({ ...more, kind: 'file', path, content })
export const folder = (path: TreePath, more: Partial<Common> = {}): TreeEntry => ({
  ...more,
  kind: 'folder',
  path,
})
export const symlink = (
  path: TreePath,
  target: TreePath,
  more: Partial<Common> = {},
): TreeEntry => ({ ...more, kind: 'symlink', path, target })
export const hardlink = (path: TreePath, to: TreePath): TreeEntry => ({
  kind: 'hardlink',
  path,
  to,
})
export const fifo = (path: TreePath, more: Partial<Common> = {}): TreeEntry => ({
  ...more,
  kind: 'fifo',
  path,
})

/**
 * Creates the entries under `root`, which is created when it is missing; so are parents. Modes and
 * mtimes are set at the end, deepest last-named first, so that a folder keeps the mtime it was given.
 * The path '.' stands for the root itself.
 */
export function makeTree(root: string, entries: readonly TreeEntry[]): void {
  fs.mkdirSync(root, { recursive: true })
  for (const entry of entries) withParent(root, entry.path, (at) => create(root, at, entry))
  for (const entry of entries.toReversed()) {
    if (entry.kind !== 'hardlink') withParent(root, entry.path, (at) => setAttributes(at, entry))
  }
}

export type DescribeOptions = {
  /** Leaves out what a restore without root cannot give back. */
  readonly withOwner?: boolean
  readonly withMtime?: boolean
  readonly withMode?: boolean
}

/**
 * One line per member, sorted by the bytes of the path: what `expect(a).toEqual(b)` compares, and
 * what a person reads when they differ. mtimes to the microsecond.
 */
export function describeTree(root: string, options: DescribeOptions = {}): string[] {
  const { withOwner = true, withMtime = true, withMode = true } = options
  const firstOfInode = new Map<string, string>()
  const lines: string[] = []
  walk(root, (path, at, stat) => {
    const shown = showBytes(path)
    const words = [shown, kindOf(stat)]
    if (withMode && !stat.isSymbolicLink())
      words.push((Number(stat.mode) & 0o7777).toString(8).padStart(4, '0'))
    if (withOwner) words.push(`${stat.uid}:${stat.gid}`)
    if (withMtime) words.push(`mtime=${stat.mtimeNs / 1_000n}us`)
    words.push(contentOf(at, stat))
    if (!stat.isDirectory() && stat.nlink > 1n) {
      const inode = `${stat.dev}:${stat.ino}`
      const first = firstOfInode.get(inode) ?? shown
      firstOfInode.set(inode, first)
      words.push(`=${first}`)
    }
    lines.push(words.filter((word) => word !== '').join(' '))
  })
  return lines
}

/** Removes a tree of any depth, whatever its modes. */
export function removeTree(root: string): void {
  if (!fs.existsSync(root)) return
  if (process.getuid?.() !== 0) execFileSync('chmod', ['-R', 'u+rwx', '--', root])
  execFileSync('rm', ['-rf', '--', root])
}

/** Bytes as text: printable ASCII as it is, anything else as \xNN. */
export function showBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(
      /[^\x21-\x5b\x5d-\x7e]/g,
      (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
    )
}

function create(root: string, at: Buffer, entry: TreeEntry): void {
  switch (entry.kind) {
    case 'folder':
      if (!fs.existsSync(at)) fs.mkdirSync(at)
      return
    case 'file':
      return fs.writeFileSync(at, entry.content ?? '')
    case 'symlink':
      return fs.symlinkSync(bytesOf(entry.target), at)
    case 'hardlink':
      return withParent(root, entry.to, (target) => fs.linkSync(target, at))
    case 'fifo': {
      // An argument of a child is text, so the fifo is born under a plain name.
      const plain = fs.mkdtempSync('/tmp/spillway-fifo-')
      execFileSync('mkfifo', [`${plain}/fifo`])
      moveAcross(`${plain}/fifo`, at)
      fs.rmdirSync(plain)
    }
  }
}

function moveAcross(from: string, to: Buffer): void {
  try {
    fs.renameSync(from, to)
  } catch {
    // Another file system: make it beside its place instead.
    fs.unlinkSync(from)
    const name = 'fifo-made-for-a-test'
    const parent = to.subarray(0, to.lastIndexOf(0x2f) + 1)
    const fd = fs.openSync(parent, O_RDONLY | O_DIRECTORY)
    execFileSync('mkfifo', [`/proc/self/fd/3/${name}`], {
      stdio: ['ignore', 'ignore', 'inherit', fd],
    })
    fs.closeSync(fd)
    fs.renameSync(Buffer.concat([parent, Buffer.from(name)]), to)
  }
}

function setAttributes(at: Buffer, entry: Exclude<TreeEntry, { kind: 'hardlink' }>): void {
  if (entry.uid !== undefined || entry.gid !== undefined) {
    const now = fs.lstatSync(at)
    fs.lchownSync(at, entry.uid ?? now.uid, entry.gid ?? now.gid)
  }
  if (entry.mode !== undefined && entry.kind !== 'symlink') fs.chmodSync(at, entry.mode)
  if (entry.mtimeUs !== undefined) {
    // Node takes a negative number for "now", but not as text; half a microsecond more keeps the
    // conversion to whole ones from falling to the one before.
    const { mtimeUs } = entry
    const seconds = mtimeUs < 0 ? String((mtimeUs - 0.5) / 1e6) : (mtimeUs + 0.5) / 1e6
    fs.lutimesSync(at, 0, seconds)
  }
}

/** Runs `use` with a path to the entry that is short whatever its depth, without following links. */
function withParent(root: string, path: TreePath, use: (at: Buffer) => void): void {
  const parts = split(bytesOf(path))
  let fd = fs.openSync(root, O_RDONLY | O_DIRECTORY)
  try {
    for (const part of parts.slice(0, -1)) {
      const at = inside(fd, part)
      if (!exists(at)) fs.mkdirSync(at)
      const next = fs.openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      fs.closeSync(fd)
      fd = next
    }
    use(inside(fd, parts.at(-1) ?? Buffer.from('.')))
  } finally {
    fs.closeSync(fd)
  }
}

function walk(root: string, visit: (path: Buffer, at: Buffer, stat: fs.BigIntStats) => void): void {
  const folder = (fd: number, path: Buffer): void => {
    const names = fs.readdirSync(inside(fd, Buffer.from('.')), { encoding: 'buffer' })
    for (const name of names.sort((a, b) => Buffer.compare(a, b))) {
      const at = inside(fd, name)
      const stat = fs.lstatSync(at, { bigint: true })
      const whole = path.length === 0 ? name : Buffer.concat([path, Buffer.from('/'), name])
      visit(whole, at, stat)
      if (!stat.isDirectory()) continue
      const next = fs.openSync(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      try {
        folder(next, whole)
      } finally {
        fs.closeSync(next)
      }
    }
  }
  const fd = fs.openSync(root, O_RDONLY | O_DIRECTORY)
  try {
    const at = inside(fd, Buffer.from('.'))
    visit(Buffer.from('.'), at, fs.lstatSync(at, { bigint: true }))
    folder(fd, Buffer.alloc(0))
  } finally {
    fs.closeSync(fd)
  }
}

function contentOf(at: Buffer, stat: fs.BigIntStats): string {
  if (stat.isSymbolicLink()) return `-> ${showBytes(fs.readlinkSync(at, { encoding: 'buffer' }))}`
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return `rdev=${stat.rdev}`
  if (!stat.isFile()) return ''
  const fd = fs.openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const hash = createHash('sha256')
    const chunk = Buffer.allocUnsafe(1024 * 1024)
    for (;;) {
      const count = fs.readSync(fd, chunk)
      if (count === 0) break
      hash.update(chunk.subarray(0, count))
    }
    return `${stat.size}B ${hash.digest('hex').slice(0, 16)}`
  } finally {
    fs.closeSync(fd)
  }
}

function kindOf(stat: fs.BigIntStats): string {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'folder'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isFIFO()) return 'fifo'
  if (stat.isSocket()) return 'socket'
  return stat.isBlockDevice() ? 'block-device' : 'character-device'
}

function split(path: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let start = 0
  for (let end = path.indexOf(0x2f); ; end = path.indexOf(0x2f, start)) {
    const part = path.subarray(start, end === -1 ? path.length : end)
    if (part.length > 0 && !part.equals(Buffer.from('.'))) parts.push(part)
    if (end === -1) return parts
    start = end + 1
  }
}

function inside(fd: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name])
}

function exists(at: Buffer): boolean {
  return fs.lstatSync(at, { throwIfNoEntry: false }) !== undefined
}

function bytesOf(path: TreePath): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : path
}
