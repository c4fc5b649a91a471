// Archives whose index, manifest or seek table lies: what a restore by position must refuse or contain. The
// tricks of the tar alone are in evil-tar.ts.

import { evil, evilArchive, file, folder, hardLink, symlink, zeroFrame } from './evil-archive.ts'
import { member, tarOf } from './evil-tar.ts'
import type { EvilArchive } from './evil-archive.ts'

export type EvilIndexCase = {
  readonly name: string
  readonly archive: () => Promise<Buffer>
  /** What is asked for; none: everything. */
  readonly paths?: readonly string[]
  readonly strip?: number
  readonly overwrite?: 'always'
  /**
   * 'contained': it may end well, or lose members, as long as nothing outside changes; 'not opened': the tail
   * is refused.
   */
  readonly ends: 'ARCHIVE_REFUSED' | 'ARCHIVE_CORRUPT' | 'contained' | 'not opened'
}

const root = folder('')

export function evilIndexCases(outside: string): readonly EvilIndexCase[] {
  return [
    ...liesAboutMembers(outside),
    ...links(outside),
    ...liesAboutPlaces(),
    ...bombs(),
    ...damagedFolders(outside),
  ]
}

function of(
  name: string,
  input: EvilArchive,
  ends: EvilIndexCase['ends'],
  more: Pick<EvilIndexCase, 'paths' | 'strip' | 'overwrite'> = {},
): EvilIndexCase {
  return { name, archive: () => evilArchive(input), ends, ...more }
}

function liesAboutMembers(outside: string): readonly EvilIndexCase[] {
  const x = { paths: ['x'] }
  const named = (path: string) =>
    evil(member({ name: path, content: 'x' }), { path: 'x', sizeBytes: 1 })
  const refused = (name: string, input: EvilArchive, more = x) =>
    of(name, input, 'ARCHIVE_REFUSED', more)
  const large = member({ name: 'x', content: 'x'.repeat(3_000) })
  return [
    refused('a path that the tar has otherwise', { members: [root, named('y')] }),
    refused('a harmless name for one that climbs out', { members: [root, named('../outside/y')] }),
    refused('a harmless name for an absolute one', { members: [root, named(`${outside}/y`)] }),
    refused('a file that the tar has as a symlink', {
      members: [root, evil(symlink('x', outside).tar, { path: 'x', kind: 'file' })],
    }),
    refused('a folder that the tar has as a symlink', {
      members: [root, evil(symlink('x', outside).tar, { path: 'x', kind: 'directory' })],
    }),
    refused('another size', { members: [root, evil(large, { path: 'x', sizeBytes: 1 })] }),
    refused(
      'a path that climbs out, in both',
      { members: [root, file('../outside/x')] },
      {
        paths: ['**'],
      },
    ),
    refused(
      'an absolute path, in both',
      { members: [root, file(`${outside}/x`)] },
      {
        paths: ['**/x'],
      },
    ),
    refused('one path twice', { members: [root, file('x'), file('x')] }),
    refused('members out of order', { members: [root, file('y'), file('x')] }, { paths: ['?'] }),
    refused('a file in a file', { members: [root, file('x'), file('x/y')] }),
    refused(
      'a file in a folder that never came',
      { members: [root, file('d/x')] },
      {
        paths: ['d/x'],
      },
    ),
    of('content that looks like a member', smuggled(), 'contained', x),
  ]
}

/** The index leads into the content of another file, where a header of the right name waits. */
function smuggled(): EvilArchive {
  const inner = tarOf(member({ name: 'x', content: 'smuggled' })).subarray(0, 1_024)
  const outer = member({ name: 'a', content: inner })
  return {
    members: [
      root,
      evil(outer.subarray(0, 512), { path: 'a', sizeBytes: inner.length }),
      evil(outer.subarray(512), { path: 'x', sizeBytes: 8 }),
    ],
  }
}

function links(outside: string): readonly EvilIndexCase[] {
  const refused = (name: string, input: EvilArchive, paths: readonly string[], strip?: number) =>
    of(name, input, 'ARCHIVE_REFUSED', { paths, ...(strip === undefined ? {} : { strip }) })
  return [
    refused(
      'a part through a symlink',
      { members: [root, symlink('l', outside), file('l/planted')] },
      ['l/planted'],
    ),
    refused(
      'a part through a symlink that is part of it',
      { members: [root, symlink('l', outside), file('l/planted')] },
      ['l'],
    ),
    refused(
      'a hard link to outside by ..',
      { members: [root, hardLink('h', '../outside/canary')] },
      ['h'],
    ),
    refused(
      'a hard link to outside by its path',
      { members: [root, hardLink('h', `${outside}/canary`)] },
      ['h'],
    ),
    refused(
      'a hard link to a symlink that is no part of it',
      { members: [root, hardLink('h', 'l'), symlink('l', `${outside}/canary`)] },
      ['h'],
    ),
    refused('a hard link to a folder', { members: [root, folder('d'), hardLink('h', 'd')] }, ['h']),
    refused(
      'a hard link to a hard link',
      { members: [root, hardLink('g', 'f'), hardLink('h', 'g')] },
      ['h'],
    ),
    refused('a hard link to itself', { members: [root, hardLink('h', 'h')] }, ['h']),
    refused(
      'a hard link to itself, stripped',
      { members: [root, folder('d'), hardLink('d/h', 'd/h')] },
      ['d/h'],
      1,
    ),
    of('a hard link to nothing', { members: [root, hardLink('h', 'gone')] }, 'contained', {
      paths: ['h'],
    }),
    of(
      'what is left of two names is one',
      { members: [root, folder('a'), file('a/x'), folder('b'), symlink('b/x', outside)] },
      'contained',
      { strip: 1 },
    ),
    of(
      'a two-hop symlink, stripped',
      {
        members: [
          root,
          folder('a'),
          symlink('a/up', '../..'),
          folder('b'),
          folder('b/up'),
          file('b/up/planted'),
        ],
      },
      'contained',
      { strip: 1 },
    ),
    of(
      'a symlink and a file through it, over a folder that is in use',
      { members: [root, symlink('l', outside), file('l/planted')] },
      'ARCHIVE_REFUSED',
      { overwrite: 'always' },
    ),
    of(
      'one name twice, over a folder that is in use',
      { members: [root, symlink('x', `${outside}/canary`), file('x')] },
      'ARCHIVE_REFUSED',
      { overwrite: 'always' },
    ),
  ]
}

function liesAboutPlaces(): readonly EvilIndexCase[] {
  const x = { paths: ['x'] }
  const content = 'x'.repeat(700)
  const tar = member({ name: 'x', content })
  const spanning = (spanBytes: number, offsetBytes?: number): EvilArchive => ({
    members: [
      root,
      evil(tar, {
        path: 'x',
        sizeBytes: content.length,
        spanBytes,
        ...(offsetBytes === undefined ? {} : { offsetBytes }),
      }),
      file('y'),
    ],
  })
  const honest = { members: [root, file('x', content), file('y')] }
  return [
    of('a member that is longer than it is', spanning(tar.length + 1_024), 'ARCHIVE_REFUSED', x),
    of('a member that is shorter than it is', spanning(1_024), 'ARCHIVE_CORRUPT', x),
    of('a member without length', spanning(0), 'ARCHIVE_REFUSED', x),
    of('a member beyond the tar', spanning(1024 * 1024), 'ARCHIVE_REFUSED', x),
    of('a member beyond all numbers', spanning(2 ** 52), 'ARCHIVE_REFUSED', x),
    of(
      'a block of the index that begins elsewhere',
      {
        ...honest,
        directory: ({ members, hashes }) => ({
          members: members.map((block) => ({ ...block, firstOffsetBytes: 512 })),
          hashes,
        }),
      },
      'ARCHIVE_CORRUPT',
      x,
    ),
    of(
      'a block of the index outside of the file',
      {
        ...honest,
        directory: ({ members, hashes }) => ({
          members: members.map((block) => ({ ...block, fileOffsetBytes: 2 ** 40 })),
          hashes,
        }),
      },
      'ARCHIVE_CORRUPT',
      x,
    ),
    of(
      'more members than the block holds',
      {
        ...honest,
        directory: ({ members, hashes }) => ({
          members: members.map((block) => ({ ...block, memberCount: 10 ** 9 })),
          hashes,
        }),
      },
      'ARCHIVE_CORRUPT',
      { paths: ['zz', 'x'] },
    ),
    of(
      'more tar than there is',
      { ...honest, manifest: (it) => ({ ...it, tarBytes: 2 ** 50 }) },
      'not opened',
    ),
    of(
      'more frames than there are',
      { ...honest, manifest: (it) => ({ ...it, frameCount: 2 ** 30 }) },
      'not opened',
    ),
    of(
      'a directory outside of the file',
      {
        ...honest,
        manifest: (it) => ({
          ...it,
          directory: it.directory.map((piece) => ({ ...piece, fileOffsetBytes: 2 ** 40 })),
        }),
      },
      'not opened',
      x,
    ),
    of('frames of other sizes', { ...honest, entries: shifted('rawBytes') }, 'contained'),
    of('frames in other places', { ...honest, entries: shifted('storedBytes') }, 'contained'),
    of(
      'frames of a part in other places',
      { ...honest, entries: shifted('storedBytes') },
      'contained',
      x,
    ),
    of(
      'a frame that is longer than the file',
      {
        ...honest,
        entries: (all) => all.map((entry) => ({ ...entry, storedBytes: 0xffff_ffff })),
      },
      'not opened',
    ),
  ]
}

/** The sums stay right: a byte goes from the first frame to the second. */
function shifted(key: 'rawBytes' | 'storedBytes'): NonNullable<EvilArchive['entries']> {
  return ([first, second, ...rest]) => [
    { ...first!, [key]: first![key] - 1 },
    { ...second!, [key]: second![key] + 1 },
    ...rest,
  ]
}

function bombs(): readonly EvilIndexCase[] {
  const members = [root, file('x', 'x'.repeat(3_000)), file('y')]
  const bomb = (_: Buffer, number: number) => zeroFrame(number === 1 ? 32 * 1_024 : 1)
  return [
    of('4 GB of zeros where a frame should be', { members, frame: bomb }, 'contained'),
    of('4 GB of zeros where a part should be', { members, frame: bomb }, 'contained', {
      paths: ['x'],
    }),
    of(
      '4 GB of zeros where the index should be',
      { members, storedBlock: () => zeroFrame(32 * 1_024) },
      'not opened',
      { paths: ['x'] },
    ),
    of(
      'paths without end',
      {
        members: [root, file('x')],
        indexBlock: (block) => endlessPaths(block),
      },
      'ARCHIVE_REFUSED',
      { paths: ['zz', '**/nothing'] },
    ),
  ]
}

/** Each record has nearly all of the path in common with the one before it: a byte becomes half a megabyte. */
function endlessPaths(block: { readonly firstPath: string; readonly firstOffsetBytes: number }) {
  const first = Buffer.alloc(450_000, 'd/')
  const length = Buffer.from([0xd0, 0xbb, 0x1b])
  const rest = Buffer.from([0x30, 0x00, 0x00, 0x00, 0x00, 0x01])
  const again = Buffer.concat([Buffer.from([0xd0, 0xbb, 0x1b, 0x00]), rest])
  const memberCount = 50_000
  const bytes = Buffer.concat([
    Buffer.from([0x00]),
    length,
    first,
    rest,
    Buffer.alloc(again.length * (memberCount - 1), again),
  ])
  return { ...block, bytes, memberCount, firstPath: '' }
}

/** A frame that cannot be read makes the index the only word on the folders in it. */
function damagedFolders(outside: string): readonly EvilIndexCase[] {
  const lost = (name: string, path: string, paths?: readonly string[]): EvilIndexCase =>
    of(
      name,
      {
        members: [root, evil(folder('d').tar, { path, kind: 'directory' }), file('y')],
        frameBytes: 512,
        frame: (_, number) => zeroFrame(number === 1 ? 2 : 1),
      },
      'ARCHIVE_REFUSED',
      paths === undefined ? {} : { paths },
    )
  return [
    lost('a lost folder that climbs out', '../outside/planted'),
    lost('a lost folder that is absolute', `${outside}/planted`),
    lost('a lost folder that climbs out, of a part', '../outside/planted', ['**']),
  ]
}
