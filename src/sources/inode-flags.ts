// Flags that a file has besides its mode (chattr, lsattr), which no tar can carry to where they would be
// set again. They are listed, so that nobody finds out after a restore.

/** Those that somebody has set; not what the file system notes for itself (extents, indexed, inline). */
const FLAGS: readonly (readonly [mask: number, name: string])[] = [
  [0x0000_0001, 'secure deletion (s)'],
  [0x0000_0002, 'undeletable (u)'],
  [0x0000_0004, 'compressed (c)'],
  [0x0000_0008, 'synchronous (S)'],
  [0x0000_0010, 'immutable (i)'],
  [0x0000_0020, 'append only (a)'],
  [0x0000_0040, 'no dump (d)'],
  [0x0000_0080, 'no atime (A)'],
  [0x0000_4000, 'journalled data (j)'],
  [0x0000_8000, 'no tail merging (t)'],
  [0x0001_0000, 'synchronous folder (D)'],
  [0x0002_0000, 'top of a tree (T)'],
  [0x0010_0000, 'verity (V)'],
  [0x0080_0000, 'no copy on write (C)'],
  [0x2000_0000, 'project (P)'],
  [0x4000_0000, 'case-insensitive (F)'],
]

/** [] for the usual file. */
export function flagNames(flags: number): readonly string[] {
  return FLAGS.filter(([mask]) => (flags & mask) !== 0).map(([, name]) => name)
}

/** Whether any of them is set: asked of every file. */
export function hasFlags(flags: number): boolean {
  return (flags & ALL) !== 0
}

const ALL = FLAGS.reduce((all, [mask]) => all | mask, 0)
