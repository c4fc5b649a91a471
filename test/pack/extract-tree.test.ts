// What was archived comes back: names, content, modes, owners, times, links, byte for byte. Archives
// come from GNU tar, so that a mistake of our own packer cannot hide one of our extractor.

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createUnpackerWith } from '../../src/pack/extract-archive.ts'
import { openTreeSink } from '../../src/pack/extract-sink.ts'
import { TarReader } from '../../src/pack/tar-reader.ts'
import { TreeWriter } from '../../src/pack/extract-tree.ts'
import { createUnpacker } from '../../src/compose-unpacker.ts'
import { archiveOf, gnuTarOf, inChunks } from '../support/make-archive.ts'
import {
  folderMember,
  gnuLong,
  hardLinkMember,
  member,
  pax,
  symlinkMember,
  tarOf,
} from '../support/evil-tar.ts'
import {
  describeTree,
  fifo,
  file,
  folder,
  hardlink,
  makeTree,
  removeTree,
  symlink,
} from '../support/tree.ts'
import type { TreeEntry } from '../support/tree.ts'
import type { UnpackResult } from '../../src/pack/unpacker.ts'

const isRoot = process.getuid?.() === 0
const never = new AbortController().signal
const rawName = Buffer.from([0x6e, 0xff, 0xfe, 0x80])
const SECOND = 1_000_000
const aDay = 1_700_000_000 * SECOND

let base: string
let source: string
let target: string

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'spillway-restore-'))
  source = join(base, 'source')
  target = join(base, 'target')
  mkdirSync(target)
})

// Thousands of folders, on a disk that may be busy.
afterEach(() => removeTree(base), 60_000)

describe('a tree comes back as it was', () => {
  const trees: Record<string, readonly TreeEntry[]> = {
    'with every kind of member': [
      folder('.', { mode: 0o751, mtimeUs: aDay }),
      folder('empty', { mtimeUs: aDay + SECOND }),
      file('file', 'some content', { mtimeUs: aDay }),
      file('nothing', '', { mtimeUs: aDay }),
      hardlink('linked', 'file'),
      symlink('to-file', 'file', { mtimeUs: aDay - SECOND }),
      symlink('dangling', 'nowhere/at/all', { mtimeUs: aDay }),
      symlink('absolute', '/etc/passwd', { mtimeUs: aDay }),
      symlink('upwards', '../../..', { mtimeUs: aDay }),
      symlink('itself', 'itself', { mtimeUs: aDay }),
      fifo('fifo', { mode: 0o640, mtimeUs: aDay }),
    ],
    'with names that are bytes': [
      folder('.', { mtimeUs: aDay }),
      folder(rawName, { mtimeUs: aDay }),
      file(Buffer.concat([rawName, Buffer.from('/inside')]), 'x', { mtimeUs: aDay }),
      file(Buffer.concat([rawName, Buffer.from('/'), rawName]), 'y', { mtimeUs: aDay }),
      symlink('to-raw', rawName, { mtimeUs: aDay }),
      hardlink('hard-to-raw', Buffer.concat([rawName, Buffer.from('/inside')])),
      fifo(Buffer.from([0x66, 0xf0]), { mtimeUs: aDay }),
      file('new\nline', 'x', { mtimeUs: aDay }),
      file(' spaces and \ttabs ', 'x', { mtimeUs: aDay }),
      file('back\\slash', 'x', { mtimeUs: aDay }),
      file('-rf', 'x', { mtimeUs: aDay }),
      file('...', 'x', { mtimeUs: aDay }),
      file('grüße-日本-\u{1f4a7}', 'x', { mtimeUs: aDay }),
      file('replacement-\ufffd', 'x', { mtimeUs: aDay }),
      file('a'.repeat(255), 'x', { mtimeUs: aDay }),
      file(Buffer.alloc(255, 0xe4), 'x', { mtimeUs: aDay }),
      file('ü'.repeat(127), 'x', { mtimeUs: aDay }),
      symlink('long-target', 't'.repeat(4_000), { mtimeUs: aDay }),
      symlink('long-raw-target', Buffer.alloc(200, 0xff), { mtimeUs: aDay }),
    ],
    'with odd modes': [
      folder('.', { mode: 0o700, mtimeUs: aDay }),
      folder('closed', { mode: 0o000, mtimeUs: aDay }),
      folder('read-only', { mode: 0o555, mtimeUs: aDay }),
      file('read-only/inside', 'x', { mode: 0o444, mtimeUs: aDay }),
      folder('open', { mode: 0o1777, mtimeUs: aDay }),
      folder('group', { mode: 0o2775, mtimeUs: aDay }),
      file('group/inherits-nothing', 'x', { mode: 0o604, mtimeUs: aDay }),
      file('none', 'x', { mode: 0o000, mtimeUs: aDay }),
      file('all', 'x', { mode: 0o777, mtimeUs: aDay }),
      ...(isRoot ? [file('setuid', 'x', { mode: 0o6755, mtimeUs: aDay })] : []),
    ],
    'with times of every kind': [
      folder('.', { mtimeUs: 0 }),
      file('epoch', '', { mtimeUs: 0 }),
      file('before-1970', '', { mtimeUs: -86_400 * SECOND }),
      file('in-2100', '', { mtimeUs: 4_102_444_800 * SECOND }),
      folder('old', { mtimeUs: 1 * SECOND }),
      file('old/new', '', { mtimeUs: aDay }),
      symlink('old/link', 'x', { mtimeUs: 86_400 * SECOND }),
    ],
    'with more content than a frame': [
      folder('.', { mtimeUs: aDay }),
      file('large', Buffer.alloc(9 * 1024 * 1024 + 1, 'large '), { mtimeUs: aDay }),
      file('exact', Buffer.alloc(4 * 1024 * 1024, 'e'), { mtimeUs: aDay }),
      ...Array.from({ length: 300 }, (_, at) => folder(`many/${at}`, { mtimeUs: aDay })),
      folder('many', { mtimeUs: aDay }),
    ],
  }

  // ustar has no room for some of these names.
  const withoutUstar = new Set(['with names that are bytes', 'with times of every kind'])
  const cases = Object.keys(trees).flatMap((name) =>
    ['gnu', 'pax', 'ustar']
      .filter((format) => format !== 'ustar' || !withoutUstar.has(name))
      .map((format) => [name, format] as const),
  )

  it.each(cases)('%s (%s)', async (name, format) => {
    makeTree(source, trees[name]!)

    const result = await restore(await archiveOf(gnuTarOf(source, [`--format=${format}`])))

    expect(describeTree(target)).toEqual(describeTree(source))
    expect(result.memberCount).toBe(describeTree(source).length)
    expect(result.warnings).toEqual([])
  })

  it('with times to the microsecond', async () => {
    const times = [aDay + 123_456, aDay + 1, aDay + 999_999, -1, -1_500_001, -86_400 * SECOND - 1]
    makeTree(source, [
      ...times.map((mtimeUs, at) => file(`f${at}`, '', { mtimeUs })),
      ...times.map((mtimeUs, at) => symlink(`l${at}`, 'x', { mtimeUs })),
      ...times.map((mtimeUs, at) => folder(`d${at}`, { mtimeUs })),
      fifo('fifo', { mtimeUs: aDay + 654_321 }),
      folder('.', { mtimeUs: aDay + 77 }),
    ])
    await restore(await archiveOf(gnuTarOf(source, ['--format=pax'])))
    expect(describeTree(target)).toEqual(describeTree(source))
  })

  it.each(['gnu', 'pax'])('with 2 000 folders inside each other (%s)', async (format) => {
    const deep = Array.from({ length: 2_000 }, (_, at) => `level-${at}`).join('/')
    makeTree(source, [
      file(`${deep}/file`, 'at the bottom'),
      hardlink('shortcut', `${deep}/file`),
      symlink(`${deep}/up`, '../'.repeat(1_300)),
    ])
    await restore(await archiveOf(gnuTarOf(source, [`--format=${format}`])))
    // GNU tar keeps whole seconds in its own format.
    const withMtime = format === 'pax'
    expect(describeTree(target, { withMtime })).toEqual(describeTree(source, { withMtime }))
  })

  it.runIf(isRoot)('with the owners of the archive, by their numbers', async () => {
    makeTree(source, [
      folder('.', { uid: 12, gid: 34, mtimeUs: aDay }),
      file('f', 'x', { uid: 1_000, gid: 1_001, mode: 0o4711, mtimeUs: aDay }),
      symlink('l', 'x', { uid: 7, gid: 8, mtimeUs: aDay }),
      fifo('p', { uid: 5, gid: 6, mtimeUs: aDay }),
      file('large', 'x', { uid: 3_000_000_000, gid: 4_000_000_000, mtimeUs: aDay }),
    ])
    for (const format of ['gnu', 'pax']) {
      await restore(await archiveOf(gnuTarOf(source, [`--format=${format}`])))
      expect(describeTree(target)).toEqual(describeTree(source))
      removeTree(target)
      mkdirSync(target)
    }
  })

  it.runIf(isRoot)('with the owner of the number where the name means somebody else', async () => {
    await restore(await archiveOf(tarOf(member({ name: 'f', uid: 1234, owner: 'root' }))))
    expect(describeTree(target)[1]).toContain(' 1234:0 ')
  })

  it.runIf(isRoot)('with device nodes, for root', async () => {
    mkdirSync(source)
    execFileSync('mknod', [join(source, 'null'), 'c', '1', '3'])
    execFileSync('mknod', [join(source, 'block'), 'b', '7', '300'])
    await restore(await archiveOf(gnuTarOf(source)))
    expect(describeTree(target, { withMtime: false })).toEqual(
      describeTree(source, { withMtime: false }),
    )
  })

  it('in frames of any size, in chunks of any size', async () => {
    makeTree(source, [
      file('a', 'A'.repeat(3_000)),
      file(Buffer.alloc(200, 0xff), 'B'),
      file('ü'.repeat(120), 'C'),
    ])
    const tar = gnuTarOf(source, ['--format=pax'])
    for (const frameBytes of [100, 511, 512, 1_000, 5_000]) {
      const archive = await archiveOf(tar, { frameBytes })
      await createUnpackerWith(openTreeSink).unpack(
        { archive: inChunks(archive, 7), directory: target },
        never,
      )
      expect(describeTree(target)).toEqual(describeTree(source))
      removeTree(target)
      mkdirSync(target)
    }
  })

  it('at any level of compression', async () => {
    makeTree(source, [
      file('text', Array.from({ length: 60_000 }, (_, at) => `line ${at * at}\n`).join('')),
    ])
    const tar = gnuTarOf(source, ['--format=pax'])
    for (const level of [1, 19]) {
      await restore(await archiveOf(tar, { level }))
      expect(describeTree(target)).toEqual(describeTree(source))
      removeTree(target)
      mkdirSync(target)
    }
  })

  it('whatever the umask is', async () => {
    makeTree(source, [
      folder('d', { mode: 0o777 }),
      file('f', 'x', { mode: 0o666 }),
      fifo('p', { mode: 0o666 }),
    ])
    const before = process.umask(0o077)
    try {
      await restore(await archiveOf(gnuTarOf(source, ['--format=pax'])))
    } finally {
      process.umask(before)
    }
    expect(describeTree(target)).toEqual(describeTree(source))
  })
})

describe('names in every kind of header', () => {
  it('are the bytes that were written there', async () => {
    const long = Buffer.concat([Buffer.from('long-'), Buffer.alloc(150, 0xe9)])
    const tar = tarOf(
      folderMember('./'),
      member({ name: Buffer.from([0x72, 0xff]), content: 'raw header' }),
      gnuLong('L', long),
      member({ name: 'ignored', content: 'GNU name' }),
      pax({ path: Buffer.concat([Buffer.from('pax-'), Buffer.alloc(120, 0xfc)]) }),
      member({ name: 'ignored', content: 'bytes in a pax record' }),
      pax({ path: `utf8-${'ü'.repeat(80)}` }),
      member({ name: 'ignored', content: 'text in a pax record' }),
      gnuLong('K', long),
      hardLinkMember('hard', 'ignored'),
      pax({ linkpath: 'pax-target-\u{1f4a7}', mtime: '1700000000.25' }),
      symlinkMember('soft', 'ignored'),
    )

    await restore(await archiveOf(tar))

    const names = describeTree(target, { withMode: false, withOwner: false, withMtime: false })
    expect(
      names.map((line) => line.replace(/(\\x[0-9a-f]{2})\1+/g, '$1*').replace(/ [0-9a-f]{16}/, '')),
    ).toEqual([
      '. folder',
      'hard file 8B =hard',
      'long-\\xe9* file 8B =hard',
      'pax-\\xfc* file 21B',
      'r\\xff file 10B',
      'soft symlink -> pax-target-\\xf0\\x9f\\x92\\xa7',
      `utf8-${'\\xc3\\xbc'.repeat(80)} file 20B`,
    ])
  })
})

describe('the folder that is restored into', () => {
  it('must be empty', async () => {
    writeFileSync(join(target, 'mine'), '')
    const before = describeTree(target)
    await expect(restore(await smallArchive())).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      message: `the folder ${target} is not empty`,
    })
    expect(describeTree(target)).toEqual(before)
  })

  it('must be a folder', async () => {
    rmSync(target, { recursive: true })
    await expect(restore(await smallArchive())).rejects.toMatchObject({ code: 'RESTORE_FAILED' })
    writeFileSync(target, '')
    await expect(restore(await smallArchive())).rejects.toMatchObject({ code: 'RESTORE_FAILED' })
  })

  it('may be reached through a symlink of the operator', async () => {
    symlinkSync(target, join(base, 'shortcut'))
    const archive = await smallArchive()
    await createUnpacker().unpack(
      { archive: inChunks(archive), directory: join(base, 'shortcut') },
      never,
    )
    expect(describeTree(target)).toContainEqual(expect.stringMatching(/^f file 0644/))
  })

  it('is closed to others until it is done', async () => {
    chmodSync(target, 0o777)
    const archive = await smallArchive()
    async function* slowly() {
      yield archive.subarray(0, 30)
      expect(statSync(target).mode & 0o777).toBe(0o700)
      yield archive.subarray(30)
    }
    await createUnpacker().unpack({ archive: slowly(), directory: target }, never)
    expect(statSync(target).mode & 0o777).toBe(0o755)
  })
})

describe('a restore that cannot go on', () => {
  it('stops at once when it is interrupted, and keeps what it wrote', async () => {
    const abort = new AbortController()
    const tar = tarOf(
      folderMember('./'),
      member({ name: 'f', content: 'x' }),
      member({ name: 'g', content: Buffer.alloc(9_000_000) }),
    )
    const archive = await archiveOf(tar)
    async function* cut() {
      yield archive
    }
    const work = createUnpacker().unpack(
      {
        archive: cut(),
        directory: target,
        onProgress: ({ memberCount }) => void (memberCount > 1 && abort.abort()),
      },
      abort.signal,
    )
    await expect(work).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(describeTree(target).length).toBeGreaterThan(1)
    expect(describeTree(target)[0]).toMatch(/^\. folder 0700/)
  })

  it('passes on why the archive could not be read', async () => {
    const broken = new Error('the network went away')
    async function* archive() {
      yield await smallArchive()
      throw broken
    }
    await expect(
      createUnpacker().unpack({ archive: archive(), directory: target }, never),
    ).rejects.toBe(broken)
  })

  it('ends as soon as there is more than the catalog knows of', async () => {
    const archive = await smallArchive()
    const unpack = (limits: { memberCountMax?: number; sourceBytesMax?: number }) =>
      createUnpacker().unpack({ archive: inChunks(archive), directory: target, ...limits }, never)
    await expect(unpack({ memberCountMax: 1 })).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' })
    removeTree(target)
    mkdirSync(target)
    await expect(unpack({ sourceBytesMax: 6 })).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' })
    removeTree(target)
    mkdirSync(target)
    await expect(unpack({ memberCountMax: 2, sourceBytesMax: 7 })).resolves.toMatchObject({
      sourceBytes: 7,
    })
  })

  it.runIf(isRoot)('says that the disk is full', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0755', 'none', target])
    try {
      const tar = tarOf(
        folderMember('./'),
        member({ name: 'large', content: Buffer.alloc(3_000_000, 'x') }),
      )
      await expect(restore(await archiveOf(tar))).rejects.toMatchObject({
        code: 'RESTORE_FAILED',
        message: 'no space is left for "large" (ENOSPC)',
      })
    } finally {
      execFileSync('umount', [target])
    }
  })
})

it('a folder that is swapped for a link before its attributes are set leads nothing out [F91]', () => {
  const outside = join(base, 'outside')
  mkdirSync(outside, { mode: 0o700 })
  const tree = new TreeWriter({ directory: target })
  const members = [folderMember('./'), folderMember('a/'), symlinkMember('a/l', 'x')]
  new TarReader(tree).write(Buffer.concat([...members, folderMember('b/')]))

  renameSync(join(target, 'a'), join(base, 'moved'))
  symlinkSync(outside, join(target, 'a'))

  expect(() => tree.finish()).toThrow(expect.objectContaining({ code: 'ARCHIVE_REFUSED' }))
  tree.close()
  expect([readdirSync(outside), statSync(outside).mode & 0o777]).toEqual([[], 0o700])
})

describe.runIf(isRoot)('somebody who is not root', () => {
  const nobody = 65_534

  it('gets everything as their own, and is told once', async () => {
    const tar = tarOf(
      folderMember('./', 0o751),
      member({ name: 'a', uid: 1, mode: 0o4755 }),
      member({ name: 'b', uid: 2, mode: 0o600 }),
      member({ name: 'dev', type: '3', major: 1, minor: 3 }),
      folderMember('closed/', 0o000),
      symlinkMember('l', '/etc/passwd'),
      member({ name: 'p', type: '6' }),
    )

    const result = restoreAs(nobody, await archiveOf(tar))

    expect(result.warnings).toEqual([
      { path: 'a', reason: 'lost its setuid or setgid bit: only root can restore that' },
      { path: 'dev', reason: 'a device node, which only root can create: left out' },
      {
        path: '.',
        reason: '6 members belong to somebody else and became yours: only root can restore that',
      },
    ])
    expect(describeTree(target, { withMtime: false })).toEqual([
      '. folder 0751 65534:65534',
      'a file 0755 65534:65534 0B e3b0c44298fc1c14',
      'b file 0600 65534:65534 0B e3b0c44298fc1c14',
      'closed folder 0000 65534:65534',
      'l symlink 65534:65534 -> /etc/passwd',
      'p fifo 0644 65534:65534',
    ])
  })

  it("may not restore into somebody else's folder", async () => {
    chmodSync(target, 0o777)
    const archive = await smallArchive()
    expect(() => restoreAs(nobody, archive, false)).toThrow(/belongs to somebody else/)
    expect(describeTree(target)).toHaveLength(1)
  })

  /** In a process of their own: a thread cannot change who it is. */
  function restoreAs(uid: number, archive: Buffer, ownsTarget = true): UnpackResult {
    chmodSync(base, 0o755)
    if (ownsTarget) chownSync(target, uid, uid)
    const path = join(base, 'archive')
    writeFileSync(path, archive)
    const entry = join(import.meta.dirname, '../../dist/modules/src/compose-unpacker.js')
    const script = join(base, 'restore.mjs')
    writeFileSync(
      script,
      `const { createUnpacker } = await import(${JSON.stringify(entry)})
      const { createReadStream } = await import('node:fs')
      const [, , path, directory] = process.argv
      const never = new AbortController().signal
      const result = await createUnpacker().unpack({ archive: createReadStream(path), directory }, never)
      console.log(JSON.stringify(result))`,
    )
    const out = execFileSync(process.execPath, [script, path, target], {
      uid,
      gid: uid,
      cwd: base,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return JSON.parse(out) as UnpackResult
  }
})

async function restore(archive: Buffer): Promise<UnpackResult> {
  return createUnpacker().unpack({ archive: inChunks(archive), directory: target }, never)
}

async function smallArchive(): Promise<Buffer> {
  return archiveOf(tarOf(folderMember('./'), member({ name: 'f', content: 'content' })))
}
