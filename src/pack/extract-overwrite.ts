// Restoring into a folder that is in use: what may be replaced, and how.
//
// What is replaced is written beside it under a name of its own and then moved over it, so that at any
// moment there is the old one or the new one. No step follows a symlink: the folder may hold some, also
// such as an earlier archive has planted. A folder that is not empty is never removed.

import * as fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { errnoOf } from './extract-failures.ts'
import type { ByteString } from './tar-header.ts'

/** For what is there already; what is not there is always written. `older`: only if its mtime is older. */
export type OverwriteRule = 'never' | 'older' | 'always'

export const OVERWRITE_RULES: readonly OverwriteRule[] = ['never', 'older', 'always']

export function isOverwriteRule(text: string): text is OverwriteRule {
  return (OVERWRITE_RULES as readonly string[]).includes(text)
}

/** `at` is a path inside a descriptor (extract-folders.ts). */
export function mayReplace(at: Buffer, mtimeUs: number, rule: OverwriteRule): boolean {
  const there = fs.lstatSync(at, { bigint: true, throwIfNoEntry: false })
  if (there === undefined) return true
  return mayReplaceStats(there.mtimeNs, mtimeUs, rule)
}

export function mayReplaceStats(
  mtimeNsThere: bigint,
  mtimeUs: number,
  rule: OverwriteRule,
): boolean {
  if (rule !== 'older') return rule === 'always'
  // To the microsecond: without koffi a restore sets no more.
  return mtimeNsThere / 1_000n < BigInt(Math.floor(mtimeUs))
}

/** Unguessable, so that nobody else can have made it. */
export function temporaryName(): ByteString {
  return `.spillway-${randomBytes(8).toString('hex')}`
}

export type Moved = 'moved' | 'came-first' | 'folder'

/**
 * Gives what was written its own name. The temporary one is gone afterwards, whatever comes of it:
 * `came-first`: something came there that must not be replaced; `folder`: a folder is there, and stays.
 */
export function moveInto(temporary: Buffer, at: Buffer, rule: OverwriteRule): Moved {
  try {
    if (rule === 'never') fs.linkSync(temporary, at)
    else fs.renameSync(temporary, at)
  } catch (error) {
    const code = errnoOf(error)
    if (code !== 'EEXIST' && code !== 'EISDIR' && code !== 'ENOTEMPTY') throw error
    return rule === 'never' ? 'came-first' : 'folder'
  } finally {
    // After a move it is gone, except where both names were links to one file.
    removeQuietly(temporary)
  }
  return 'moved'
}

/** For what is temporary: when it cannot be removed there is a reason to tell that came before. */
export function removeQuietly(at: Buffer): void {
  try {
    fs.unlinkSync(at)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
  }
}
