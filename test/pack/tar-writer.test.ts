// What the tar writer writes, read by the tools that people have: GNU tar, bsdtar, Python's tarfile.

import { spawnSync } from 'node:child_process'
import { mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { extensionsOf, paxRecord, paxTime, tarNameOf } from '../../src/pack/tar-header.ts'
import type { TarMember } from '../../src/pack/tar-header.ts'
import { BLOCK_BYTES, TarWriter } from '../../src/pack/tar-writer.ts'
import { describeTree, fifo, file, folder, hardlink, makeTree, symlink } from '../support/tree.ts'
import type { TreeEntry } from '../support/tree.ts'
import { hasTool, outputOf, temporaryFolders, walkToTar } from './in-process.ts'

const newFolder = temporaryFolders()
const isRoot = process.getuid?.() === 0

const latin = (text: string) => Buffer.from(text, 'latin1')

// One of each kind, and names at every edge of the format.
const EVERYTHING: readonly TreeEntry[] = [
  file('plain', 'hello\n', { mode: 0o640, mtimeUs: 1_700_000_000_000_000 }),
  file('empty', ''),
  file('half-second', 'x', { mtimeUs: 1_700_000_000_500_000 }),
  file('setuid', '#!', { mode: 0o4755 }),
  file('new\nline', '1'),
  file('-rf', 'no option'),
  file(' space ', ''),
  file('back\\slash', ''),
  file('ümläut-ß-\u{1f409}', 'utf-8'),
  file(latin('latin1-\xfc\xff'), 'no utf-8'),
  file('x'.repeat(99), 'a'),
  file('x'.repeat(100), 'a'),
  file('x'.repeat(101), 'a'),
  file('y'.repeat(255), 'a'),
  file('ü'.repeat(127), 'long and utf-8'),
  file(latin('\xff'.repeat(255)), 'long and no utf-8'),
  file(latin(`timed-${'\xfe'.repeat(200)}`), 'no utf-8 and half a second', {
    mtimeUs: 1_700_000_000_500_000,
  }),
  folder('empty-folder', { mode: 0o700, mtimeUs: 1_600_000_000_000_000 }),
  folder('d'.repeat(99), { mtimeUs: 1_600_000_000_000_000 }),
  folder('e'.repeat(100), { mtimeUs: 1_600_000_000_000_000 }),
  folder(latin(`f-${'\xe9'.repeat(150)}`), { mtimeUs: 1_600_000_000_123_456 }),
  file('deep/er/and/deeper', 'x'),
  folder('deep', { mtimeUs: 1_500_000_000_000_000 }),
  symlink('link', 'plain'),
  symlink('dangling', '/nowhere'),
  symlink('link-100', 't'.repeat(100)),
  symlink('link-101', 't'.repeat(101)),
  symlink('link-utf8', 'ü'.repeat(100)),
  symlink('link-bytes', latin('\xff'.repeat(200))),
  symlink(latin(`${'\xfd'.repeat(150)}`), latin('\xfc'.repeat(150)), {
    mtimeUs: 1_600_000_000_123_456,
  }),
  symlink(`mixed-${'z'.repeat(150)}`, latin('\xfc'.repeat(150))),
  hardlink('hard', 'plain'),
  hardlink('z-hard-of-long', 'y'.repeat(255)),
  hardlink('zz-hard-of-bytes', latin('\xff'.repeat(255))),
  fifo('pipe'),
]

describe('every kind of member and name', () => {
  it('comes back from GNU tar as it was', () => {
    const { source, tar } = everything()
    const target = newFolder()

    outputOf('tar', ['-xpf', '-', '-C', target], tar)

    expect(describeTree(target)).toEqual(describeTree(source))
  })

  it.skipIf(!hasTool('bsdtar'))('comes back from bsdtar as it was', () => {
    const { source, tar } = everything()
    const target = newFolder()

    outputOf('bsdtar', ['-xpf', '-', '-C', target], tar)

    // It never sets the time of the folder that it extracts into.
    expect(describeTree(target).slice(1)).toEqual(describeTree(source).slice(1))
  })

  it.skipIf(!hasTool('python3'))("is listed by Python's tarfile as it is", () => {
    const { tar, members } = everything()

    const listed = outputOf('python3', ['-c', PYTHON_LIST], tar).toString().trimEnd().split('\n')

    expect(listed).toEqual(members.map((member) => pythonLine(member)))
  })

  it('keeps a time before 1970, and nanoseconds', () => {
    const source = newFolder()
    for (const [name, time] of [
      ['old', '@-1.500000001'],
      ['new', '@1700000000.123456789'],
    ] as const) {
      writeFileSync(join(source, name), '')
      outputOf('touch', ['-d', time, join(source, name)])
    }
    const target = newFolder()

    // Not outputOf: GNU tar calls such a time implausible, and sets it all the same.
    const { status } = spawnSync('tar', ['-xf', '-', '-C', target], {
      input: walkToTar(source).tar,
    })

    expect(status).toBe(0)
    const { mtimeNs } = statSync(join(target, 'old'), { bigint: true })
    expect(mtimeNs).toBe(-1_500_000_001n)
    expect(statSync(join(target, 'new'), { bigint: true }).mtimeNs).toBe(1_700_000_000_123_456_789n)
  })

  it('is listed by GNU tar in the order of the walk, folders before their members', () => {
    const { tar, members } = everything()

    const listed = outputOf('tar', ['--quoting-style=literal', '--null', '-tf', '-'], tar)

    // tar -t ends each name with a newline, and names may hold one: so compare the whole text.
    expect(listed.toString('latin1')).toBe(members.map((m) => `${tarNameOf(m)}\n`).join(''))
    expect(members[0]).toMatchObject({ path: '', kind: 'directory' })
  })

  it.skipIf(!isRoot)('keeps owners, by number and by name', () => {
    const source = newFolder()
    makeTree(source, [
      file('nobody', '', { uid: 65_534, gid: 65_534 }),
      file('big', '', { uid: 3_000_000, gid: 4_000_000 }),
      file('named', '', { uid: 1_234, gid: 1_234 }),
    ])
    const target = newFolder()
    const ownerNames = {
      users: new Map([
        [1_234, latin('jürgen').toString('latin1')],
        [65_534, 'u'.repeat(40)],
      ]),
      groups: new Map([[1_234, 'staff']]),
    }

    const { tar } = walkToTar(source, { ownerNames })

    outputOf('tar', ['-xpf', '-', '--numeric-owner', '-C', target], tar)
    expect(describeTree(target)).toEqual(describeTree(source))
    const listed = outputOf('tar', ['-tvf', '-'], tar).toString()
    expect(listed).toMatch(/3000000\/4000000 .* big/)
    expect(listed).toMatch(/u{40}\/65534 .* nobody/)
  })
})

describe('content', () => {
  // Blocks have 4 MiB; the first member's header takes 512 bytes of the first one.
  const edges = [
    0,
    1,
    511,
    512,
    513,
    1_024,
    65_536,
    BLOCK_BYTES - 2_048,
    BLOCK_BYTES - 1_024,
    BLOCK_BYTES - 513,
    BLOCK_BYTES - 512,
    BLOCK_BYTES - 1,
    BLOCK_BYTES,
    BLOCK_BYTES + 1,
    BLOCK_BYTES + 512,
    2 * BLOCK_BYTES - 1_024,
    2 * BLOCK_BYTES,
  ]

  it.each(edges)('of %i bytes ends where it should, and so does what follows', (sizeBytes) => {
    const source = newFolder()
    // The folder's whole-second time spares its pax header, so that the edges are where they seem.
    writeFileSync(join(source, 'a'), pattern(sizeBytes))
    writeFileSync(join(source, 'b'), 'behind it')
    for (const name of ['a', 'b', '.']) utimesSync(join(source, name), 1, 1)
    const target = newFolder()

    const { tar, blocks } = walkToTar(source)

    outputOf('tar', ['-xf', '-', '-C', target], tar)
    expect(describeTree(target)).toEqual(describeTree(source))
    expect(blocks.slice(0, -1).every(({ length }) => length === BLOCK_BYTES)).toBe(true)
    // ./, a, b with their content, and the end marker; nothing else.
    const padded = Math.ceil(sizeBytes / 512) * 512
    expect(tar.length).toBe(512 + 512 + padded + 512 + 512 + 1_024)
  })

  it('may have headers and extensions on both sides of the end of a block', () => {
    const target = newFolder()
    const source = newFolder()
    // With 11 records a member, every place of a header comes to lie on the edge once.
    mkdirSync(join(source, 'd'))
    for (let number = 0; number < 1_500; number += 1) {
      const name = `${'n'.repeat(200)}-${String(number).padStart(4, '0')}`
      writeFileSync(join(source, 'd', name), pattern(4_000 + number))
    }

    const { tar, blocks } = walkToTar(source)

    expect(blocks.length).toBeGreaterThan(2)
    outputOf('tar', ['-xf', '-', '-C', target], tar)
    expect(describeTree(target)).toEqual(describeTree(source))
  })
})

describe('numbers that a header cannot hold', () => {
  it('writes 8 GiB and more as a pax record', () => {
    const member: TarMember = { ...plainMember, sizeBytes: 8 * 1024 ** 3 }

    expect(extensionsOf(member, member.path)).toEqual([{ type: 'x', body: '19 size=8589934592\n' }])
    expect(extensionsOf({ ...member, sizeBytes: 8 * 1024 ** 3 - 1 }, 'a')).toEqual([])
  })

  it.each([
    [1_700_000_000, 1, '1700000000.000000001'],
    [1_700_000_000, 500_000_000, '1700000000.5'],
    [-1, 500_000_000, '-0.5'],
    [-2, 500_000_000, '-1.5'],
    [-2, 0, '-2'],
    [-1, 999_999_999, '-0.000000001'],
  ])('writes %i s and %i ns as %s', (seconds, nanos, text) => {
    expect(paxTime(seconds, nanos)).toBe(text)
  })

  it.each([
    ['a', 'b', '6 a=b\n'],
    ['a', 'b'.repeat(4), '9 a=bbbb\n'],
    // One byte more needs a second digit, which counts itself.
    ['a', 'b'.repeat(5), '11 a=bbbbb\n'],
    ['a', 'b'.repeat(94), `100 a=${'b'.repeat(93)}\n`.replace('b\n', 'bb\n').replace('100', '101')],
  ])('counts the length of a pax record with its own digits (%s)', (key, value, record) => {
    expect(paxRecord(key, value)).toBe(record)
    expect(record.length).toBe(Number.parseInt(record))
  })
})

it('refuses more content than the header promised', () => {
  const tar = new TarWriter({ take: () => Buffer.alloc(BLOCK_BYTES), give: () => undefined })
  tar.begin({ ...plainMember, sizeBytes: 3 })
  expect(() => tar.advance(4)).toThrow('more content than the header promised')
})

const plainMember: TarMember = {
  kind: 'file',
  path: 'a',
  linkTarget: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  userName: '',
  groupName: '',
  mtimeSeconds: 1,
  mtimeNanos: 0,
  sizeBytes: 0,
  deviceMajor: 0,
  deviceMinor: 0,
  records: undefined,
}

function everything() {
  const source = newFolder()
  makeTree(source, EVERYTHING)
  return { source, ...walkToTar(source) }
}

function pattern(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let at = 0; at < sizeBytes; at += 1) bytes[at] = (at * 31 + (at >> 8)) & 0xff
  return bytes
}

// repr() of bytes, so that every name is one line.
const PYTHON_LIST = `
import sys, tarfile
tar = tarfile.open(fileobj=sys.stdin.buffer, mode='r|', errorlevel=2)
for m in tar:
    name = m.name.encode('utf-8', 'surrogateescape').hex()
    link = m.linkname.encode('utf-8', 'surrogateescape').hex()
    print(m.type.decode(), name, link, m.size, oct(m.mode), '%.3f' % m.mtime)
`

function pythonLine(member: TarMember): string {
  const types = { file: '0', 'hard-link': '1', symlink: '2', directory: '5', fifo: '6' } as const
  const type = types[member.kind as keyof typeof types]
  // tarfile drops the slash of a folder, and leaves "." for the first one.
  const name = member.path === '' ? '.' : member.path
  const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex')
  const time = (member.mtimeSeconds + member.mtimeNanos / 1e9).toFixed(3)
  const link = hex(member.linkTarget)
  return `${type} ${hex(name)} ${link} ${member.sizeBytes} 0o${member.mode.toString(8)} ${time}`
}
