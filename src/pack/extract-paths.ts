// Which paths of an archive are restored, and how paths are shown. What a link points to is never
// judged by its text: `..` behind a symlink is resolved by the disk. Links are made harmless by order
// (extract-tree.ts); here are only the names under which members are created.

import { FOLDERS_DEEP_MAX } from '../domain/file-attributes.ts'
import { printablePath } from '../lib/printable-path.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ByteString, TarKind } from './tar-header.ts'

/** An empty part, "." or "..". */
const UNSAFE_PART = /(?:^|\/)\.{0,2}(?:\/|$)/

/**
 * The path below the folder that is restored into; '' is that folder itself. Nothing is stripped that
 * could mean anything else: a path that Spillway does not write ends the restore with ARCHIVE_REFUSED.
 */
export function checkedPath(path: ByteString, kind: TarKind): ByteString {
  // "./" leads the names that `tar -C DIR .` writes, and is the whole name of the folder itself.
  let inside = path.startsWith('./') ? path.slice(2) : path
  if (kind === 'directory' && inside.endsWith('/')) inside = inside.slice(0, -1)
  if (kind === 'directory' && (path === './' || path === '.')) return ''
  if (inside.includes('\0')) throw refused(path, 'has a NUL in its path')
  if (inside.startsWith('/')) throw refused(path, 'has an absolute path')
  if (UNSAFE_PART.test(inside))
    throw refused(path, 'has ".", ".." or nothing as a part of its path')
  if (depthOf(inside) > FOLDERS_DEEP_MAX)
    throw refused(path, `lies deeper than ${FOLDERS_DEEP_MAX} folders`)
  return inside
}

/** For one line of a message. */
export function shownPath(path: ByteString): string {
  const shown = printablePath(path)
  return shown.length <= SHOWN_MAX ? shown : `${shown.slice(0, SHOWN_MAX)}...`
}

// Paths may have a megabyte; two lines of a terminal tell which one it is.
const SHOWN_MAX = 200

/** How many parts it has; counted no further than `depthMax`. */
export function depthOf(path: ByteString, depthMax = Infinity): number {
  let depth = 1
  for (let at = path.indexOf('/'); at !== -1 && depth < depthMax; at = path.indexOf('/', at + 1))
    depth += 1
  return depth
}

function refused(path: ByteString, why: string): SpillwayError {
  return new SpillwayError('ARCHIVE_REFUSED', `the archive's member "${shownPath(path)}" ${why}`)
}
