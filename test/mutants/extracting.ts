// Mutants of what keeps a hostile archive inside the folder that is restored into.

import type { Mutant } from './mutant.ts'

export const EXTRACTING: readonly Mutant[] = [
  {
    name: 'dot-dot-in-paths',
    loses: 'an archive writes outside of the folder that is restored into',
    edits: [
      {
        file: 'pack/extract-paths.ts',
        find: 'const UNSAFE_PART = /(?:^|\\/)\\.{0,2}(?:\\/|$)/',
        replace: 'const UNSAFE_PART = /(?:^|\\/)(?:\\/|$)/',
      },
    ],
    killedBy: [
      {
        file: 'pack/extract-evil.test.ts',
        title: 'a hostile archive in this thread > is harmless: a name that begins with ..',
      },
    ],
  },
  {
    name: 'folders-through-links',
    loses:
      'a folder that is swapped for a link while it is restored leads the rest of the restore out',
    edits: [
      {
        file: 'pack/extract-folders.ts',
        find: 'constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW',
        replace: 'constants.O_RDONLY | constants.O_DIRECTORY',
      },
    ],
    killedBy: [
      {
        file: 'pack/extract-tree.test.ts',
        title:
          'a folder that is swapped for a link before its attributes are set leads nothing out',
      },
    ],
  },
  {
    name: 'links-made-at-once',
    loses:
      'an archive brings a link first, and writes through it then; two guards: the order, and O_NOFOLLOW',
    edits: [
      {
        file: 'pack/extract-tree.ts',
        find: 'return this.#defer(this.#symlinks, member, out)',
        replace:
          'fs.symlinkSync(Buffer.from(member.linkTarget, "latin1"), this.#placer.spotFor(out, mtimeUs)!.at)\n      return',
      },
      {
        file: 'pack/extract-folders.ts',
        find: 'constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW',
        replace: 'constants.O_RDONLY | constants.O_DIRECTORY',
      },
    ],
    killedBy: [
      {
        file: 'pack/extract-evil.test.ts',
        title: 'a hostile archive in this thread > is harmless: a symlink, then a file through it',
      },
    ],
  },
  {
    name: 'frame-of-any-size',
    loses: 'an archive of 47 kB fills the memory',
    edits: [
      {
        file: 'pack/zstd.ts',
        find: 'if (bound > FRAME_BOUND_MAX) throw tooLarge()',
        replace: 'void FRAME_BOUND_MAX',
      },
    ],
    killedBy: [
      {
        file: 'pack/zstd.test.ts',
        title: 'a frame %s > of more than its bound allows is refused before it is decompressed',
      },
    ],
  },
  {
    name: 'more-than-the-catalog-knows',
    loses: 'an archive that was swapped fills the disk',
    edits: [
      {
        file: 'pack/extract-counts.ts',
        find: 'if (this.memberCount <= memberCountMax && this.sourceBytes <= sourceBytesMax) return',
        replace: 'if (this.memberCount <= memberCountMax || sourceBytesMax >= 0) return',
      },
    ],
    killedBy: [
      {
        file: 'pack/extract-tree.test.ts',
        title:
          'a restore that cannot go on > ends as soon as there is more than the catalog knows of',
      },
    ],
  },
  {
    name: 'member-twice',
    loses:
      'an archive brings a name twice, and the second one takes the place of what was checked; two guards: the order, and O_EXCL',
    edits: [
      {
        file: 'pack/extract-choice.ts',
        find: 'if (this.#last !== undefined && comparePaths(this.#last, path) >= 0)',
        replace: 'if (this.#last !== undefined && comparePaths(this.#last, path) >= 2)',
      },
      {
        file: 'pack/extract-file.ts',
        find: 'O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW',
        replace: 'O_WRONLY | O_CREAT | O_NOFOLLOW',
      },
    ],
    killedBy: [
      {
        file: 'pack/extract-evil.test.ts',
        title: 'a hostile archive in this thread > is harmless: one name twice',
      },
    ],
  },
]
