// Tar bytes by hand: every field may be what no tar program would write. And the list of hostile
// archives that a restore must refuse or contain (reliability: link tricks of node-tar, tar-fs and GNU
// tar, size smuggling, bombs), each as a function, so that no binary file is kept.

export type HeaderFields = {
  readonly name?: string | Buffer
  readonly type?: string
  readonly link?: string | Buffer
  readonly mode?: number
  readonly uid?: number
  /** A name, which a restore by numbers must not look at. */
  readonly owner?: string
  readonly mtime?: number
  /** What the header says; by default the content's length. A Buffer is the field as it is. */
  readonly size?: number | Buffer
  readonly magic?: string
  readonly major?: number
  readonly minor?: number
  readonly content?: string | Uint8Array
  /** Of the right checksum. */
  readonly checksumOff?: number
}

/** Header, content, padding. */
export function member(fields: HeaderFields): Buffer {
  const content = Buffer.from(fields.content ?? '')
  const header = Buffer.alloc(512)
  bytesOf(fields.name ?? 'file').copy(header, 0, 0, 100)
  octal(header, 100, 8, fields.mode ?? 0o644)
  octal(header, 108, 8, fields.uid ?? process.getuid?.() ?? 0)
  octal(header, 116, 8, process.getgid?.() ?? 0)
  const size = fields.size ?? content.length
  if (typeof size === 'number') octal(header, 124, 12, size)
  else size.copy(header, 124)
  octal(header, 136, 12, fields.mtime ?? 1_700_000_000)
  header.write(fields.type ?? '0', 156, 1, 'latin1')
  bytesOf(fields.link ?? '').copy(header, 157, 0, 100)
  header.write(fields.magic ?? 'ustar\x0000', 257, 8, 'latin1')
  header.write(fields.owner ?? '', 265, 32, 'latin1')
  octal(header, 329, 8, fields.major ?? 0)
  octal(header, 337, 8, fields.minor ?? 0)
  let sum = 8 * 0x20 + (fields.checksumOff ?? 0)
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([header, content, Buffer.alloc(-content.length & 511)])
}

/** `LENGTH KEY=VALUE\n` for each, LENGTH counted. */
export function paxBody(records: Readonly<Record<string, string | Buffer>>): Buffer {
  const parts = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), bytesOf(value), Buffer.from('\n')])
    let length = rest.length + String(rest.length).length
    if (String(length).length > String(rest.length).length) length += 1
    return Buffer.concat([Buffer.from(String(length)), rest])
  })
  return Buffer.concat(parts)
}

export function pax(records: Readonly<Record<string, string | Buffer>>): Buffer {
  return member({ name: 'PaxHeader', type: 'x', content: paxBody(records) })
}

/** GNU's long name ("L") or long link target ("K"). */
export function gnuLong(type: 'L' | 'K', value: string | Buffer): Buffer {
  const content = Buffer.concat([bytesOf(value), Buffer.from([0])])
  return member({ name: '././@LongLink', type, content, magic: 'ustar  \0' })
}

export const folderMember = (name: string | Buffer, mode = 0o755) =>
  member({ name, type: '5', mode })
export const symlinkMember = (name: string, link: string | Buffer) =>
  member({ name, type: '2', link })
export const hardLinkMember = (name: string, link: string) => member({ name, type: '1', link })

/** The two records of zeros behind the last member. */
export const END = Buffer.alloc(1024)

export function tarOf(...members: readonly Buffer[]): Buffer {
  return Buffer.concat([...members, END])
}

export type EvilCase = {
  readonly name: string
  readonly tar: () => Buffer
  /** What the restore must end with; 'contained' may end well, as long as nothing outside changes. */
  readonly ends: 'ARCHIVE_REFUSED' | 'ARCHIVE_CORRUPT' | 'RESTORE_FAILED' | 'contained'
}

const secret = (name: string | Buffer) => member({ name, content: 'written by the archive' })
const root = folderMember('./')

/** `outside` is a folder with the file "canary"; the restore goes to "restored" beside it. */
export function evilCases(outside: string): readonly EvilCase[] {
  const refused = (name: string, ...members: readonly Buffer[]): EvilCase => ({
    name,
    tar: () => tarOf(...members),
    ends: 'ARCHIVE_REFUSED',
  })
  return [
    refused('a name that begins with ..', root, secret('../outside/planted')),
    refused(
      'a name that climbs out half way',
      root,
      folderMember('a/'),
      secret('a/../../outside/x'),
    ),
    refused('a name that ends with ..', root, folderMember('a/'), folderMember('a/../')),
    refused('a file called ..', root, secret('..')),
    refused('an absolute name', root, secret(`${outside}/planted`)),
    refused('an absolute name behind ./', root, secret(`./${outside}/planted`)),
    refused('an empty part', root, folderMember('a/'), secret('a//b')),
    refused('a dot as a part', root, folderMember('a/'), secret('a/./b')),
    refused('a file that is called like the folder itself', root, secret('./')),
    refused('no name at all', root, member({ name: '' })),
    refused('the sibling whose name begins like the target', root, secret('../restored-evil/x')),
    refused('climbing in a pax record', root, pax({ path: '../outside/planted' }), secret('x')),
    refused('climbing in a GNU name', root, gnuLong('L', '../outside/planted'), secret('x')),
    refused('a NUL in a pax record', root, pax({ path: 'a\0../b' }), secret('x')),
    refused('a NUL in a GNU name', root, gnuLong('L', 'a\0b'), secret('x')),

    refused(
      'a symlink, then a file through it',
      root,
      symlinkMember('l', outside),
      secret('l/planted'),
    ),
    refused(
      'a symlink, then a folder over it',
      root,
      symlinkMember('l', outside),
      folderMember('l/'),
      secret('l/x'),
    ),
    refused(
      'a symlink, then a file over it',
      root,
      symlinkMember('l', `${outside}/canary`),
      secret('l'),
    ),
    refused(
      'a folder that becomes a symlink',
      root,
      folderMember('d/'),
      secret('d/x'),
      symlinkMember('d', outside),
    ),
    refused(
      'a chain of two symlinks',
      root,
      folderMember('a/'),
      symlinkMember('a/up', '../..'),
      symlinkMember('esc', 'a/up/..'),
      secret('esc/outside/planted'),
    ),
    refused('a symlink to nothing', root, member({ name: 'l', type: '2', link: '' })),
    refused('a hard link to outside by ..', root, hardLinkMember('h', '../outside/canary')),
    refused('a hard link to outside by its path', root, hardLinkMember('h', `${outside}/canary`)),
    refused(
      'a hard link to a symlink',
      root,
      symlinkMember('l', `${outside}/canary`),
      hardLinkMember('h', 'l'),
      secret('h'),
    ),
    refused(
      'a hard link through a symlink',
      root,
      symlinkMember('l', outside),
      hardLinkMember('h', 'l/canary'),
    ),
    refused('a hard link to a folder', root, folderMember('d/'), hardLinkMember('h', 'd')),
    refused('a hard link before its file', root, hardLinkMember('h', 'f'), secret('f')),
    refused('a hard link to itself', root, hardLinkMember('h', 'h')),
    refused('one name twice', root, secret('f'), secret('f')),
    refused('a folder twice', root, folderMember('d/'), folderMember('d/')),
    refused('the folder itself twice', root, root),
    refused('a file, then a folder of its name', root, secret('f'), folderMember('f/')),
    refused('a file in a file', root, secret('f'), secret('f/g')),
    refused('a file in a folder that never came', root, secret('missing/f')),
    {
      name: 'a device node',
      tar: () => tarOf(root, member({ name: 'd', type: '3', major: 1, minor: 3 })),
      ends: 'contained',
    },
    {
      name: 'symlinks to outside alone',
      tar: () => tarOf(root, symlinkMember('a', outside), symlinkMember('b', '../outside/canary')),
      ends: 'contained',
    },
    ...sizeCases(refused),
    ...endCases(),
  ]
}

function sizeCases(
  refused: (name: string, ...members: readonly Buffer[]) => EvilCase,
): readonly EvilCase[] {
  const inside = secret('smuggled')
  return [
    refused('a negative size', root, member({ size: base256(-1n) })),
    refused('a size beyond 2^53', root, member({ size: base256(2n ** 60n) })),
    refused('a size that is no number', root, member({ size: Buffer.from('00000000z00\0') })),
    refused('a negative size in words', root, member({ size: Buffer.from('-0000000100\0') })),
    refused('an extension of negative size', root, member({ type: 'x', size: base256(-512n) })),
    refused('a folder with content', root, member({ name: 'd/', type: '5', content: inside })),
    refused(
      'a symlink with content',
      root,
      member({ name: 'l', type: '2', link: 'x', content: inside }),
    ),
    refused(
      'a hard link with content',
      root,
      secret('f'),
      member({ name: 'h', type: '1', link: 'f', content: inside }),
    ),
    refused(
      'a folder whose pax record gives it content',
      root,
      pax({ size: String(inside.length) }),
      folderMember('d/'),
      inside,
    ),
    refused('a negative size in a pax record', root, pax({ size: '-512' }), secret('x')),
    refused(
      'a size with a tail in a pax record',
      root,
      pax({ size: '512abc' }),
      member({ content: 'x'.repeat(512) }),
    ),
    refused(
      'two sizes for one member',
      root,
      pax({ size: '512' }),
      pax({ size: '0' }),
      secret('x'),
    ),
    refused(
      'one key twice',
      root,
      member({
        type: 'x',
        content: Buffer.concat([paxBody({ size: '0' }), paxBody({ size: '512' })]),
      }),
      secret('x'),
    ),
    refused('two names for one member', root, pax({ path: 'a' }), gnuLong('L', 'b'), secret('c')),
    refused(
      'a pax record of negative length',
      root,
      member({ type: 'x', content: '-5 =a' }),
      secret('x'),
    ),
    refused(
      'a pax record of length 0',
      root,
      member({ type: 'x', content: '0 a=b\n' }),
      secret('x'),
    ),
    refused(
      'a pax record longer than its body',
      root,
      member({ type: 'x', content: '999 a=b\n' }),
      secret('x'),
    ),
    refused(
      'a pax record without a key',
      root,
      member({ type: 'x', content: '5 ab\n' }),
      secret('x'),
    ),
    refused('a pax record of 1 GB', root, member({ type: 'x', size: 1e9 }), secret('x')),
    refused('a GNU name of 1 GB', root, member({ type: 'L', size: 1e9 }), secret('x')),
    refused(
      'a pax record of 2 MiB',
      root,
      pax({ comment: 'x'.repeat(2 * 1024 * 1024) }),
      secret('x'),
    ),
    refused(
      'a global pax record',
      root,
      member({ type: 'g', content: paxBody({ path: 'x' }) }),
      secret('x'),
    ),
    refused('a GNU sparse member', root, member({ type: 'S' })),
    refused(
      'a pax sparse member',
      root,
      pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }),
      secret('x'),
    ),
    ...sparseCases().map(([name, records, content]) =>
      refused(`a sparse file ${name}`, root, pax({ ...SPARSE, ...records }), member({ content })),
    ),
    refused('a sparse folder', root, pax(SPARSE), folderMember('a/')),
    refused(
      'a sparse file named in two ways',
      root,
      pax({ ...SPARSE, 'GNU.sparse.name': 'x', path: 'y' }),
      member({ content: sparseMap('0\n') }),
    ),
    refused(
      'an attribute twice',
      root,
      member({
        type: 'x',
        content: Buffer.concat([
          paxBody({ 'SCHILY.xattr.user.a%3D': '1' }),
          paxBody({ 'SCHILY.xattr.user.a%3d': '2' }),
        ]),
      }),
      secret('x'),
    ),
    refused('a member of unknown type', root, member({ type: 'Q' })),
    refused('an old header without ustar', root, member({ magic: '\0'.repeat(8) })),
    refused(
      'a path 10 000 folders deep',
      root,
      pax({ path: `${'d/'.repeat(10_000)}f` }),
      secret('x'),
    ),
    {
      name: 'a name of 1 000 bytes',
      tar: () => tarOf(root, gnuLong('L', 'n'.repeat(1000)), secret('x')),
      ends: 'RESTORE_FAILED',
    },
  ]
}

const SPARSE = {
  'GNU.sparse.major': '1',
  'GNU.sparse.minor': '0',
  'GNU.sparse.realsize': '10000',
}

function sparseMap(text: string, dataBytes = 0): Buffer {
  const pad = Buffer.alloc(-text.length & 511)
  return Buffer.concat([Buffer.from(text), pad, Buffer.alloc(dataBytes, 'x')])
}

/** What no writer makes of a sparse file; every map is tried alone in tar-sparse.test.ts. */
function sparseCases(): readonly (readonly [string, Readonly<Record<string, string>>, Buffer])[] {
  return [
    ['that overlaps', {}, sparseMap('2\n0\n600\n599\n424\n', 1_024)],
    ['with data beyond its size', {}, sparseMap('1\n9999\n512\n', 512)],
    ['with a negative offset', {}, sparseMap('1\n-512\n512\n', 512)],
    ['with millions of stretches', {}, sparseMap('9000000\n')],
    ['without a map', {}, Buffer.alloc(0)],
    ['with a map that does not end', {}, sparseMap('5\n0\n512\n', 512)],
    ['with a negative size', { 'GNU.sparse.realsize': '-1' }, sparseMap('0\n')],
    ['larger than 2^53', { 'GNU.sparse.realsize': '9999999999999999' }, sparseMap('0\n')],
    ['of another version', { 'GNU.sparse.major': '0' }, sparseMap('0\n')],
    ['of an old form', { 'GNU.sparse.map': '0,10' }, sparseMap('0\n')],
    ['that climbs out', { 'GNU.sparse.name': '../outside/x' }, sparseMap('0\n')],
  ]
}

function endCases(): readonly EvilCase[] {
  const corrupt = (name: string, tar: () => Buffer): EvilCase => ({
    name,
    tar,
    ends: 'ARCHIVE_CORRUPT',
  })
  return [
    corrupt('no end marker', () => Buffer.concat([root, secret('x')])),
    corrupt('half an end marker', () => Buffer.concat([root, secret('x'), Buffer.alloc(512)])),
    corrupt('content that is cut off', () =>
      Buffer.concat([root, member({ size: 100_000 }), Buffer.alloc(512)]),
    ),
    corrupt('half a record behind the end', () => Buffer.concat([tarOf(root), Buffer.alloc(100)])),
    corrupt('an extension without its member', () => tarOf(root, pax({ path: 'x' }))),
    corrupt('a wrong checksum', () => tarOf(root, member({ checksumOff: 1 }))),
    corrupt('noise', () =>
      Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919 + 13) & 0xff)),
    ),
    corrupt('nothing but zeros in half a record', () => Buffer.alloc(256)),
    {
      name: 'a member behind the end',
      tar: () => Buffer.concat([tarOf(root), secret('late'), END]),
      ends: 'ARCHIVE_REFUSED',
    },
  ]
}

/** The size field as GNU writes numbers that octal digits cannot hold. */
export function base256(value: bigint): Buffer {
  const field = Buffer.alloc(12)
  let rest = BigInt.asUintN(96, value)
  for (let at = 11; at >= 0; at -= 1) {
    field[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  field[0]! |= 0x80
  return field
}

function octal(header: Buffer, at: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
}

function bytesOf(value: string | Buffer): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : value
}
