// Folders as faithful as tar can be: what a file has besides name, mode, times and content comes back, by
// Spillway and by GNU tar; a hole stays a hole; and what an archive may not set is not set.
//
// Attributes are written and read by Spillway's own calls (test/lib/system-calls.test.ts); the comparison by
// getfattr, getfacl and getcap is in test/servers.

import * as fs from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { systemCalls } from '../../src/lib/system-calls.ts'
import { createUnpacker } from '../../src/compose-unpacker.ts'
import { openArchiveTail } from '../../src/pack/archive-tail.ts'
import { copyContent } from '../../src/pack/extract-content.ts'
import { createUnpackerWith } from '../../src/pack/extract-archive.ts'
import { openTreeSink } from '../../src/pack/extract-sink.ts'
import { sourceFiles } from '../../src/sources/source-files.ts'
import type { SystemCalls } from '../../src/lib/system-calls.ts'
import { aclBytes } from '../support/acl.ts'
import { folderMember, hardLinkMember, member, pax, tarOf } from '../support/evil-tar.ts'
import { archiveOf, inChunks } from '../support/make-archive.ts'
import { describeTree, file, folder, hardlink, makeTree, symlink } from '../support/tree.ts'
import { outputOf, temporaryFolders, walkToTar, writeArchive } from './in-process.ts'

const never = new AbortController().signal
const newFolder = temporaryFolders()
const calls = systemCalls() as SystemCalls
const isRoot = process.getuid?.() === 0
const MIB = 1024 * 1024
const aDay = 1_700_000_000_123_456

const acl = aclBytes([
  [0x01, 6],
  [0x02, 6, 4_711],
  [0x04, 4],
  [0x10, 6],
  [0x20, 0],
])
// cap_net_raw+ep, revision 2.
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')

let source: string
let target: string
beforeEach(() => {
  source = join(newFolder(), 'source')
  target = join(newFolder(), 'target')
  fs.mkdirSync(target)
})

function makeFaithfulTree(): void {
  makeTree(source, [
    folder('.', { mtimeUs: aDay }),
    folder('d', { mode: 0o700 }),
    file('d/inside', 'x'),
    file('f', 'content'),
    hardlink('hard', 'f'),
    symlink('link', 'f'),
    file('plain', 'x'),
  ])
  sparse('holes', 1e12, [
    [0, 'begin'],
    [5 * MIB, 'middle'],
    [1e12 - 3, 'end'],
  ])
  sparse('odd-end', 2_000_001, [[1_000_000, 'abc']])
  sparse('nothing', 3 * MIB, [])
  sparse('\xff-not-utf8', MIB + 1, [[MIB, 'x']])
  sparse(`${'long'.repeat(50)}`, MIB, [[0, 'x']])
  sparse(`${'\xe4'.repeat(150)}`, MIB, [[0, 'x']])
  const at = (path: string) => join(source, path)
  calls.writeAttribute(at('f'), 'user.every', Buffer.from(Array.from({ length: 256 }, (_, b) => b)))
  calls.writeAttribute(at('f'), 'user.empty', Buffer.alloc(0))
  calls.writeAttribute(at('f'), 'user.a=b %', Buffer.from('odd name'))
  calls.writeAttribute(at('f'), 'user.\xff', Buffer.from('no UTF-8'))
  calls.writeAttribute(at('f'), 'system.posix_acl_access', acl)
  calls.writeAttribute(at('d'), 'user.of-folder', Buffer.alloc(2_000, 'v'))
  calls.writeAttribute(at('d'), 'system.posix_acl_default', acl)
  calls.writeAttribute(at('holes'), 'user.sparse', Buffer.from('too'))
  if (isRoot) {
    fs.chownSync(at('f'), 1_000, 1_000)
    calls.writeAttribute(at('f'), 'security.capability', capability)
    calls.writeAttribute(at('f'), 'trusted.t', Buffer.from('t'))
    calls.writeAttribute(at('link'), 'trusted.of-link', Buffer.from('l'))
  }
  // Whoever is not root could write no attribute to it any more.
  fs.chmodSync(at('f'), 0o444)
  for (const [index, path] of ['f', 'link', 'holes', 'd', ''].entries())
    calls.setTimes(at(path), 1_600_000_000 + index, 123_456_789)
}

function sparse(path: string, sizeBytes: number, data: readonly (readonly [number, string])[]) {
  const fd = fs.openSync(Buffer.from(`${source}/${path}`, 'latin1'), 'wx')
  fs.ftruncateSync(fd, sizeBytes)
  for (const [at, text] of data) fs.writeSync(fd, text, at)
  fs.closeSync(fd)
}

/** Times to the nanosecond, blocks, attributes; content where there is no hole of a terabyte. */
function describeFaithfully(root: string): string[] {
  return fs
    .readdirSync(root, { encoding: 'latin1', recursive: true })
    .concat('')
    .sort()
    .map((path) => {
      const at = Buffer.from(`${root}/${path}`, 'latin1')
      const stats = fs.lstatSync(at, { bigint: true })
      const isFile = stats.isFile()
      const attributes = [...calls.listAttributes(at.toString('latin1'))].sort().map((name) => {
        return `${name}=${calls.readAttribute(at.toString('latin1'), name).toString('base64')}`
      })
      const facts = [stats.mode, stats.uid, stats.gid, stats.mtimeNs, isFile ? stats.nlink : '']
      const content = isFile && stats.size < 1e9 ? fs.readFileSync(at).toString('base64') : ''
      const room = isFile ? `${stats.size} in ${stats.blocks} blocks` : ''
      return [path, ...facts, room, content.slice(0, 200), content.length, ...attributes].join(' ')
    })
}

async function packed(options: Parameters<typeof walkToTar>[1] = {}) {
  const walked = walkToTar(source, options)
  const path = join(newFolder(), 'archive')
  await writeArchive(walked, path)
  const bytes = fs.readFileSync(path)
  const tail = await openArchiveTail(
    async (offset, size) => bytes.subarray(offset, offset + size),
    bytes.length,
  )
  return { walked, bytes, tail }
}

describe('a folder with everything [F60]', () => {
  beforeEach(makeFaithfulTree)

  it.each(['by position', 'from its first byte', 'in a worker'])('comes back %s', async (how) => {
    const { bytes, tail, walked } = await packed()
    const unpacker = how === 'in a worker' ? createUnpacker() : createUnpackerWith(openTreeSink)

    const result =
      how === 'by position'
        ? await unpacker.unpackParts({ tail, directory: target }, never)
        : await unpacker.unpack({ archive: inChunks(bytes), directory: target }, never)

    expect(walked.findings.warnings).toEqual([])
    expect(result.warnings).toEqual([])
    expect(result.sourceBytes).toBe(walked.sourceBytes)
    expect(describeFaithfully(target)).toEqual(describeFaithfully(source))
  })

  it('comes back from GNU tar', async () => {
    const { walked } = await packed()
    const options = ['--acls', '--xattrs', '--xattrs-include=*', '--warning=no-unknown-keyword']

    outputOf('tar', [...options, '-xpf', '-', '-C', target], walked.tar)

    expect(describeFaithfully(target)).toEqual(describeFaithfully(source))
  })

  it('has a tar as small as its data', async () => {
    const { walked } = await packed()
    expect(walked.sourceBytes).toBeLessThan(100_000)
    expect(walked.tar.length).toBeLessThan(200_000)
  })

  it('gives a file by its position, holes and all', async () => {
    const { tail } = await packed()
    for (const path of ['odd-end', 'nothing', '\xff-not-utf8']) {
      const pieces: Buffer[] = []
      const found = await tail.findMember(path)
      await copyContent(tail, found!, async (piece) => void pieces.push(Buffer.from(piece)))
      const there = fs.readFileSync(Buffer.from(`${source}/${path}`, 'latin1'))
      expect(Buffer.concat(pieces).equals(there), path).toBe(true)
      expect(found).toMatchObject({ kind: 'file', sizeBytes: there.length })
    }
  })

  it('inherits nothing from the folder that it is restored into', async () => {
    calls.writeAttribute(
      target,
      'system.posix_acl_default',
      aclBytes([
        [0x01, 7],
        [0x02, 7, 4_712],
        [0x04, 7],
        [0x10, 7],
        [0x20, 7],
      ]),
    )
    const { tail } = await packed()

    const unpacker = createUnpackerWith(openTreeSink)
    await unpacker.unpackParts({ tail, directory: target }, never)

    const below = (lines: readonly string[]) => lines.slice(1)
    expect(below(describeFaithfully(target))).toEqual(below(describeFaithfully(source)))
  })

  it('is archived without them where the calls cannot be made, and one warning says so', () => {
    const files = { ...sourceFiles, calls: undefined, whyNoCalls: 'koffi is not here' }
    fs.rmSync(join(source, 'holes'))

    const { tar, findings } = walkToTar(source, { files })

    expect(findings.warnings).toEqual([
      {
        path: '.',
        reason: expect.stringContaining('not kept in this archive: koffi is not here') as string,
      },
    ])
    outputOf('tar', ['-xpf', '-', '-C', target], tar)
    expect(describeTree(target)).toEqual(describeTree(source))
  })
})

describe('a sparse file that changes while it is read [F55]', () => {
  const change = (work: (path: string) => void) => {
    fs.mkdirSync(source)
    sparse(
      's',
      50 * MIB,
      Array.from({ length: 20 }, (_, at) => [at * 2 * MIB, 'data'] as const),
    )
    let reads = 0
    const files = {
      ...sourceFiles,
      read: (...args: Parameters<typeof sourceFiles.read>) => {
        if (reads++ === 5) work(join(source, 's'))
        return sourceFiles.read(...args)
      },
    }
    const { tar, findings } = walkToTar(source, { files })
    outputOf('tar', ['-xpf', '-', '-C', target], tar)
    expect(fs.statSync(join(target, 's')).size).toBe(50 * MIB)
    return findings.warnings.map(({ reason }) => reason)
  }

  it('is cut: a warning, and it ends', () => {
    expect(change((path) => fs.truncateSync(path, 9 * MIB))).toEqual([
      expect.stringMatching(/^changed while it was read: shrank .* it is zeros in the archive$/),
    ])
  })

  it('is emptied: a warning, and it ends', () => {
    expect(change((path) => fs.truncateSync(path, 0))).toEqual([
      expect.stringContaining('shrank from 52428800 to 0 bytes'),
    ])
  })

  it('gets data where a hole was: a warning', () => {
    expect(
      change((path) => {
        const fd = fs.openSync(path, 'r+')
        fs.writeSync(fd, 'new', 3 * MIB)
        fs.closeSync(fd)
      }),
    ).toEqual(['changed while it was read'])
  })
})

describe('attributes in an archive', () => {
  const restored = async (records: Readonly<Record<string, string | Buffer>>) => {
    const tar = tarOf(folderMember('./'), pax(records), member({ name: 'x', content: 'x' }))
    const unpacker = createUnpackerWith(openTreeSink)
    const archive = inChunks(await archiveOf(tar))
    const { warnings } = await unpacker.unpack({ archive, directory: target }, never)
    return { warnings, names: calls.listAttributes(join(target, 'x')) }
  }

  it.each([
    'system.nfs4_acl',
    'security.ima',
    'security.evm',
    'btrfs.compression',
    'user.',
    'nothing',
    `user.${'n'.repeat(251)}`,
    'user.a\0b',
  ])('called %j are not set, and named in a warning', async (name) => {
    const { warnings, names } = await restored({ [`SCHILY.xattr.${name}`]: 'value' })
    expect(names).toEqual([])
    expect(warnings).toEqual([
      {
        path: 'x',
        reason: expect.stringMatching(/could not be restored: Spillway archives none/) as string,
      },
    ])
  })

  it('that are too large are not set, the others are', async () => {
    const { warnings, names } = await restored({
      'SCHILY.xattr.user.large': Buffer.alloc(65_537),
      'SCHILY.xattr.user.small': 'x',
    })
    expect(names).toEqual(['user.small'])
    expect(warnings).toEqual([
      { path: 'x', reason: expect.stringMatching(/user\.large .* 65537 bytes/) as string },
    ])
  })

  it('that the system does not take are a warning, and the member stays', async () => {
    const { warnings } = await restored({ 'SCHILY.xattr.system.posix_acl_access': 'nonsense' })
    expect(warnings).toHaveLength(1)
    expect(fs.readFileSync(join(target, 'x'), 'utf8')).toBe('x')
  })

  it('of thousands of names make one warning', async () => {
    const names = Array.from({ length: 3_000 }, (_, at) => [`SCHILY.xattr.evil.${at}`, 'v'])
    const { warnings } = await restored(Object.fromEntries(names) as Record<string, string>)
    expect(warnings.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/and 2995 more could not be restored/),
    ])
  })

  it('of a hard link change no file twice', async () => {
    const tar = tarOf(
      folderMember('./'),
      member({ name: 'x', content: 'x' }),
      pax({ 'SCHILY.xattr.user.late': 'x' }),
      hardLinkMember('y', 'x'),
    )
    const archive = inChunks(await archiveOf(tar))
    await createUnpackerWith(openTreeSink).unpack({ archive, directory: target }, never)
    expect(calls.listAttributes(join(target, 'x'))).toEqual([])
  })
})

it('more attributes than a header holds are left out with a warning each', () => {
  makeTree(source, [file('f', 'x')])
  const files = {
    ...sourceFiles,
    calls: {
      ...{ seekData: () => 0, seekHole: () => 1, flagsOf: () => 0 },
      listAttributes: (at: number | string) =>
        typeof at === 'number' ? ['user.a', 'user.b', 'user.c'] : [],
      readAttribute: () => Buffer.alloc(200_000, 'v'),
    },
  }

  const { tar, findings } = walkToTar(source, { files })

  expect(findings.warnings.map(({ path, reason }) => [path, reason.slice(0, 39)])).toEqual([
    ['.', 'its attribute user.c is not in the arch'],
    ['f', 'its attribute user.c is not in the arch'],
  ])
  expect(outputOf('tar', ['-tf', '-'], tar).toString()).toBe('./\nf\n')
})
