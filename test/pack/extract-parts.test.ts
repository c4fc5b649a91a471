// Restores by position: parts of an archive, damaged archives, and folders that are in use.

import {
  existsSync,
  linkSync,
  lutimesSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createUnpacker } from '../../src/compose-unpacker.ts'
import { pathOfPrinted, printablePath } from '../../src/lib/printable-path.ts'
import { describeTree, fifo, file, folder, hardlink, symlink } from '../support/tree.ts'
import { Bench, inThisThread, refusalOf, tailOf } from '../support/restore-parts.ts'
import type { SmallArchive } from '../support/restore-parts.ts'
import type { TreeEntry } from '../support/tree.ts'

const aDay = 1_700_000_000_123_456
const HOUR = 3_600_000_000

const TREE: readonly TreeEntry[] = [
  folder('.', { mode: 0o751, mtimeUs: aDay }),
  file('a.txt', 'content of a', { mode: 0o640, mtimeUs: aDay }),
  folder('etc', { mode: 0o750, mtimeUs: aDay + 1 }),
  folder('etc/nginx', { mode: 0o711, mtimeUs: aDay + 2 }),
  file('etc/nginx/nginx.conf', randomBytes(3_000), { mtimeUs: aDay + 3 }),
  file('etc/nginx/[odd]*.conf', 'odd', { mtimeUs: aDay + 3 }),
  symlink('etc/nginx/site', '../../a.txt', { mtimeUs: aDay + 4 }),
  file('etc/passwd', 'root', { mtimeUs: aDay + 5 }),
  fifo('fifo', { mtimeUs: aDay }),
  folder('first', { mtimeUs: aDay }),
  file('first/name', randomBytes(20_000), { mode: 0o604, mtimeUs: aDay + 6 }),
  file('first/unrelated', randomBytes(30_000), { mtimeUs: aDay }),
  file('large', randomBytes(200_000), { mtimeUs: aDay }),
  // In the archive it is a link to "later/own-1", which comes first.
  file('zz', 'last', { mtimeUs: aDay }),
  folder('later', { mtimeUs: aDay }),
  hardlink('later/link-1', 'first/name'),
  hardlink('later/link-2', 'first/name'),
  hardlink('later/own-1', 'zz'),
]

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.close())

const unpackers = [
  ['in this thread', inThisThread],
  ['in a worker', createUnpacker],
] as const

describe.each(unpackers)('a part of an archive, %s', (_, unpacker) => {
  beforeEach(() => {
    bench.close()
    bench = new Bench(unpacker())
  })

  it('is a file with the folders above it, as they were', async () => {
    const { bytes, source } = await bench.pack(TREE)

    const { to, ...result } = await bench.restore(bytes, { paths: ['etc/nginx/nginx.conf'] })

    expect(result).toMatchObject({ memberCount: 3, lostCount: 0, warnings: [], sha256: undefined })
    expect(describeTree(to).slice(1)).toEqual(
      linesOf(source, /^etc |^etc\/nginx |^etc\/nginx\/nginx\.conf /),
    )
  })

  it('is a folder with all that is in it', async () => {
    const { bytes, source } = await bench.pack(TREE)
    const { to } = await bench.restore(bytes, { paths: ['etc/'] })
    expect(describeTree(to).slice(1)).toEqual(linesOf(source, /^etc/))
  })

  it('is whatever several patterns mean, once', async () => {
    const { bytes, source } = await bench.pack(TREE)
    const paths = ['**/*.conf', 'etc/nginx', 'a.*', 'l?rge', 'large']
    const { to } = await bench.restore(bytes, { paths })
    expect(describeTree(to).slice(1)).toEqual(linesOf(source, /^etc |^etc\/nginx|^a\.txt|^large /))
  })

  it('has hard links whose first name is elsewhere as files, linked to each other', async () => {
    const { bytes, source } = await bench.pack(TREE)

    const { to, memberCount } = await bench.restore(bytes, { paths: ['later'] })

    const content = readFileSync(join(source, 'first/name'))
    expect(readFileSync(join(to, 'later/link-1')).equals(content)).toBe(true)
    const [one, two] = [statSync(join(to, 'later/link-1')), statSync(join(to, 'later/link-2'))]
    expect([one.ino, one.nlink, one.mode & 0o7777]).toEqual([two.ino, 2, 0o604])
    expect(one.mtimeMs).toBe(statSync(join(source, 'first/name')).mtimeMs)
    expect(readdirSync(to)).toEqual(['later'])
    expect(memberCount).toBe(4)
  })

  it('is stripped of its leading folders', async () => {
    const { bytes } = await bench.pack(TREE)
    const { to } = await bench.restore(bytes, { paths: ['etc/nginx', 'first'], strip: 1 })
    expect(readdirSync(to).sort()).toEqual(['name', 'nginx', 'unrelated'])
    expect(readlinkSync(join(to, 'nginx/site'))).toBe('../../a.txt')
  })
})

describe('what is read of an archive', () => {
  it('is the frames of what is wanted, neighbours in one read', async () => {
    // Noise, so that it does not lie in the tail's 128 KiB.
    const noise = Array.from({ length: 40 }, (_, at) =>
      file(`noise-${10 + at}`, randomBytes(40_000)),
    )
    const { bytes } = await bench.pack([...TREE, ...noise, folder('.')], { frameBytes: 65_536 })
    const { reads } = await bench.restore(bytes, { paths: ['noise-12', 'large'] })

    const frames = Math.ceil(200_000 / 65_536) + 1
    expect(reads.length).toBeLessThanOrEqual(2)
    expect(reads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBeLessThan(
      (frames + 2) * 66_000,
    )
  })

  it('takes a name for what it is, though it looks like a pattern', async () => {
    const { bytes } = await bench.pack(TREE)
    const { to } = await bench.restore(bytes, { paths: ['etc/nginx/[odd]*.conf'] })
    expect(readdirSync(join(to, 'etc/nginx'))).toEqual(['[odd]*.conf'])
  })

  it('is right for every single member, whatever the size of frames and index blocks', async () => {
    for (const [frameBytes, indexBlockBytes] of [
      [512, 100],
      [1_536, 200],
      [1 << 20, 1 << 20],
    ] as const) {
      const { bytes, walked, source } = await bench.pack(SMALL, { frameBytes, indexBlockBytes })
      for (const { path } of walked.members.slice(1)) {
        const { to, lost } = await bench.restore(bytes, { paths: [escaped(path)] })
        expect(lost).toEqual([])
        expect(describeTree(to).filter((line) => line.startsWith(`${path} `))).toEqual(
          describeTree(source)
            .filter((line) => line.startsWith(`${path} `))
            .map((line) => line.replace(/ =.*/, '')),
        )
      }
    }
  })
})

describe('one flipped byte', () => {
  it.each(['at any place', 'in a part'])('costs the members of one frame, %s', async (which) => {
    const archive = await bench.pack(SMALL, { frameBytes: 1_536 })
    const tail = await tailOf(archive.bytes)
    const frames = await tail.frames()
    const whole = describeTree(archive.source)
    const paths = which === 'in a part' ? ['a', 'folder', 'links', 'z'] : []
    for (let number = 0; number < frames.tarFrameCount; number += 1) {
      const place = frames.frame(number)
      const damaged = Buffer.from(archive.bytes)
      damaged[place.fileOffsetBytes + (place.storedBytes >> 1)]! ^= 0x20

      const { to, lost, lostCount } = await bench.restore(damaged, { paths })

      expect(lostCount).toBe(lost.length)
      // Nothing that is there is other than it was, but for the owner of folders whose header is lost.
      const there = describeTree(to, { withMtime: false, withMode: false })
      const expected = describeTree(archive.source, { withMtime: false, withMode: false })
      for (const line of there.slice(1)) expect(whatItIs(expected)).toContain(whatItIs([line])[0])
      // Everything that is not there is named.
      const names = whole.map(nameOfLine).filter((name) => name !== '.')
      const present = new Set(there.map(nameOfLine))
      const wanted = paths.length === 0 ? names : names.filter((name) => isIn(name, paths))
      expect(wanted.filter((name) => !present.has(name)).sort()).toEqual([...lost].sort())
      // A frame of three records holds the headers of three members at most, and the end of a fourth.
      expect(lostCount).toBeLessThanOrEqual(4 + 3)
    }
  })

  // A room that a damaged frame kept would be missed: there are four.
  it.each([
    ['in this thread', inThisThread],
    ['in a worker', createUnpacker],
  ])('of many frames leaves what lies in the others, %s', async (_, unpacker) => {
    const many = new Bench(unpacker())
    try {
      const contents = Array.from({ length: 60 }, (__, at) => file(`f${at}`, randomBytes(1_000)))
      const archive = await many.pack([folder('.'), ...contents], { frameBytes: 1_536 })
      const frames = await (await tailOf(archive.bytes)).frames()
      const damaged = Buffer.from(archive.bytes)
      for (let number = 1; number < frames.tarFrameCount; number += 8) {
        const { fileOffsetBytes, storedBytes } = frames.frame(number)
        damaged[fileOffsetBytes + (storedBytes >> 1)]! ^= 0x20
      }

      const { to, lost, lostCount } = await many.restore(damaged)

      const there = readdirSync(to)
      expect(there.length).toBeGreaterThan(20)
      expect(lostCount).toBe(60 - there.length)
      expect([...there, ...lost].sort()).toEqual(contents.map(({ path }) => path).sort())
      for (const name of there)
        expect(readFileSync(join(to, name))).toEqual(readFileSync(join(archive.source, name)))
    } finally {
      many.close()
    }
  })

  it('anywhere in the archive leaves everything but what lies there', async () => {
    const archive = await bench.pack(SMALL, { frameBytes: 1_536 })
    const tarEnd = archive.bytes.length - (await tailSize(archive))
    let readable = 0
    // In index, manifest and seek table: nothing is lost, if the tail can be opened at all.
    for (let at = tarEnd; at < archive.bytes.length; at += 7) {
      const damaged = Buffer.from(archive.bytes)
      damaged[at]! ^= 0x04
      const tail = await tailOf(damaged).catch(() => undefined)
      const frames = await tail?.frames().catch(() => undefined)
      if (tail === undefined || frames === undefined) continue
      readable += 1
      const { to, lost, sha256 } = await bench.restore(damaged, { tail })
      expect(lost, `byte ${at}`).toEqual([])
      expect(sha256).toBeDefined()
      expect(describeTree(to)).toEqual(describeTree(archive.source))
    }
    expect(readable).toBeGreaterThan(20)
  })

  it('loses a hard link with its content, and names both', async () => {
    const { bytes } = await bench.pack(TREE)
    const damaged = await damagedAt(bytes, 'first/name')
    const { lost, to } = await bench.restore(damaged)
    expect(lost).toEqual(expect.arrayContaining(['first/name', 'later/link-1', 'later/link-2']))
    expect(existsSync(join(to, 'later/link-1'))).toBe(false)
    const part = await bench.restore(damaged, { paths: ['later'] })
    expect(part.lost).toEqual(['later/link-1', 'later/link-2'])
    expect(readdirSync(join(part.to, 'later'))).toEqual(['own-1'])
  })

  it('takes a file back that was written half', async () => {
    const { bytes } = await bench.pack(TREE)
    const tail = await tailOf(bytes)
    const large = (await tail.findMember('large'))!
    const place = (await tail.frames()).frameAt(large.offsetBytes + 150_000)
    const damaged = Buffer.from(bytes)
    damaged[place.fileOffsetBytes + 1_000]! ^= 1

    const { to, lost } = await bench.restore(damaged)

    expect(lost).toEqual(['large'])
    expect(existsSync(join(to, 'large'))).toBe(false)
    expect(readFileSync(join(to, 'zz'), 'utf8')).toBe('last')
  })

  it('makes a folder whose header is lost from the index', async () => {
    const { bytes, source } = await bench.pack([
      folder('.'),
      folder('d', { mode: 0o705, mtimeUs: aDay }),
      file('d/f', randomBytes(9_000), { mtimeUs: aDay }),
      file('d/g', 'g', { mtimeUs: aDay }),
    ])
    const { to, lost, warnings } = await bench.restore(await damagedAt(bytes, 'd'))
    expect(lost).toEqual(['d/f'])
    expect(warnings.map(({ path }) => path)).toEqual(['.', 'd'])
    expect(describeTree(join(to, 'd'))).toEqual(
      describeTree(join(source, 'd')).filter((line) => !line.startsWith('f ')),
    )
  })
})

describe('a folder that is in use', () => {
  const older = aDay - HOUR
  const newer = aDay + HOUR

  it.each([
    ['never', older, 'mine'],
    ['never', newer, 'mine'],
    ['older', older, 'content of a'],
    ['older', newer, 'mine'],
    ['older', aDay, 'mine'],
    ['always', older, 'content of a'],
    ['always', newer, 'content of a'],
  ] as const)('%s: a file of %d becomes %j', async (overwrite, mtimeUs, expected) => {
    const { bytes } = await bench.pack(TREE)
    const to = inUse({ 'a.txt': 'mine', 'other.txt': 'other' }, mtimeUs)

    const result = await bench.restore(bytes, { to, paths: ['a.txt'], overwrite })

    expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe(expected)
    expect(readFileSync(join(to, 'other.txt'), 'utf8')).toBe('other')
    expect(result.keptCount).toBe(expected === 'mine' ? 1 : 0)
    expect(readdirSync(to).sort()).toEqual(['a.txt', 'other.txt'])
  })

  it('takes a whole archive over another one', async () => {
    const { bytes, source } = await bench.pack(TREE)
    const { to } = await bench.restore(bytes)
    writeFileSync(join(to, 'a.txt'), 'changed')
    writeFileSync(join(to, 'mine'), 'mine')

    await bench.restore(bytes, { to, overwrite: 'always' })

    expect(describeTree(to).filter((line) => !line.startsWith('mine '))).toEqual(
      describeTree(source),
    )
  })

  it('needs a rule', async () => {
    const { bytes } = await bench.pack(TREE)
    const to = inUse({ mine: 'mine' }, aDay)
    expect(await refusalOf(bench.restore(bytes, { to }))).toMatchObject({
      code: 'RESTORE_FAILED',
      hint: expect.stringContaining('--overwrite') as string,
    })
  })

  it.each(['older', 'always'] as const)('%s: no symlink in it is followed', async (overwrite) => {
    const { bytes } = await bench.pack(TREE)
    const outside = inUse({ 'canary.txt': 'canary' }, older)
    const to = inUse({}, older)
    symlinkSync(join(outside, 'canary.txt'), join(to, 'a.txt'))
    symlinkSync(outside, join(to, 'etc'))
    symlinkSync(outside, join(to, 'first'))
    symlinkSync('/nowhere', join(to, 'zz'))
    for (const name of ['a.txt', 'etc', 'first', 'zz']) setTimeOfLink(join(to, name), older)

    await bench.restore(bytes, { to, overwrite })

    expect(readdirSync(outside)).toEqual(['canary.txt'])
    expect(readFileSync(join(outside, 'canary.txt'), 'utf8')).toBe('canary')
    expect(lstatSync(join(to, 'a.txt')).isFile()).toBe(true)
    expect(lstatSync(join(to, 'etc')).isDirectory()).toBe(true)
    expect(readFileSync(join(to, 'zz'), 'utf8')).toBe('last')
  })

  it('never: nothing is written through a symlink that stays', async () => {
    const { bytes } = await bench.pack(TREE)
    const outside = inUse({}, older)
    const to = inUse({}, older)
    symlinkSync(outside, join(to, 'etc'))

    const { keptCount, warnings } = await bench.restore(bytes, { to, overwrite: 'never' })

    expect(readdirSync(outside)).toEqual([])
    expect(warnings.map(({ path }) => path)).toContain('etc')
    // etc, and the five members below it.
    expect(keptCount).toBe(6)
  })

  it('does not write into a file that has another name elsewhere', async () => {
    const { bytes } = await bench.pack(TREE)
    const elsewhere = inUse({ precious: 'precious' }, older)
    const to = inUse({}, older)
    linkSync(join(elsewhere, 'precious'), join(to, 'a.txt'))

    await bench.restore(bytes, { to, overwrite: 'always', paths: ['a.txt'] })

    expect(readFileSync(join(elsewhere, 'precious'), 'utf8')).toBe('precious')
    expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('content of a')
  })

  it('keeps a folder that is where a file should be, and says so', async () => {
    const { bytes } = await bench.pack(TREE)
    const to = inUse({}, older)
    mkdirSync(join(to, 'a.txt'))
    writeFileSync(join(to, 'a.txt/inside'), 'mine')

    const { warnings } = await bench.restore(bytes, { to, overwrite: 'always', paths: ['a.txt'] })

    expect(warnings).toEqual([
      { path: 'a.txt', reason: 'not restored: a folder is there, and stays' },
    ])
    expect(readFileSync(join(to, 'a.txt/inside'), 'utf8')).toBe('mine')
    expect(readdirSync(to)).toEqual(['a.txt'])
  })

  it('takes a name as it is printed, also where it is no text and has brackets', async () => {
    const printed = [String.raw`caf\xe9 [2010].mp3`, String.raw`caf\xe9 2.mp3`]
    const names = printed.map((name) => Buffer.from(pathOfPrinted(name), 'latin1'))
    const { bytes } = await bench.pack(names.map((name) => file(name, 'x')))
    for (const name of printed) {
      const { to } = await bench.restore(bytes, { paths: [name] })
      const found = readdirSync(to, 'latin1').map(printablePath)
      expect(found).toEqual([name])
    }
  })

  it('never links to a file of its own that only has the name', async () => {
    const { bytes, source } = await bench.pack(TREE)
    const to = inUse({}, older)
    mkdirSync(join(to, 'first'))
    writeFileSync(join(to, 'first/name'), 'mine')

    await bench.restore(bytes, { to, overwrite: 'never', paths: ['first/name', 'later'] })

    expect(readFileSync(join(to, 'first/name'), 'utf8')).toBe('mine')
    const content = readFileSync(join(source, 'first/name'))
    expect(readFileSync(join(to, 'later/link-1')).equals(content)).toBe(true)
  })

  it('nor to one that has the same time, as all have in a tree that was built reproducibly', async () => {
    const { bytes, source } = await bench.pack(TREE)
    const to = inUse({}, older)
    mkdirSync(join(to, 'first'))
    writeFileSync(join(to, 'first/name'), 'mine')
    const { mtimeNs } = lstatSync(join(source, 'first/name'), { bigint: true })
    setTimeOfLink(join(to, 'first/name'), Number(mtimeNs / 1_000n))

    await bench.restore(bytes, { to, overwrite: 'never' })

    expect(readFileSync(join(to, 'first/name'), 'utf8')).toBe('mine')
    const content = readFileSync(join(source, 'first/name'))
    expect(readFileSync(join(to, 'later/link-1')).equals(content)).toBe(true)
  })

  it('has the old file or the new one at any moment, and no names of the moment when it fails', async () => {
    const { bytes } = await bench.pack(TREE)
    const tail = await tailOf(bytes)
    const large = (await tail.findMember('large'))!
    const place = (await tail.frames()).frameAt(large.offsetBytes + 150_000)
    const damaged = Buffer.from(bytes)
    damaged[place.fileOffsetBytes + 1_000]! ^= 1
    const to = inUse({ large: 'the old one' }, older)

    const { lost } = await bench.restore(damaged, { to, overwrite: 'always', paths: ['large'] })

    expect(lost).toEqual(['large'])
    expect(readFileSync(join(to, 'large'), 'utf8')).toBe('the old one')
    expect(readdirSync(to)).toEqual(['large'])
  })

  function inUse(files: Readonly<Record<string, string>>, mtimeUs: number): string {
    const to = bench.newTarget()
    mkdirSync(to)
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(to, name), content)
      utimesSync(join(to, name), (mtimeUs + 0.5) / 1e6, (mtimeUs + 0.5) / 1e6)
    }
    return to
  }
})

// Every kind of member within a few frames of three records.
const SMALL: readonly TreeEntry[] = [
  folder('.', { mtimeUs: aDay }),
  file('a', 'a', { mtimeUs: aDay }),
  file('b', randomBytes(5_000), { mtimeUs: aDay }),
  folder('folder', { mode: 0o710, mtimeUs: aDay }),
  file('folder/c', 'c', { mtimeUs: aDay + 1 }),
  folder('folder/empty', { mtimeUs: aDay }),
  symlink('folder/l', 'c', { mtimeUs: aDay }),
  file('folder/n', randomBytes(700), { mtimeUs: aDay }),
  folder('links', { mtimeUs: aDay }),
  hardlink('links/b', 'b'),
  file('nothing', '', { mtimeUs: aDay }),
  fifo('pipe', { mtimeUs: aDay }),
  file('y'.repeat(150), 'a long name', { mtimeUs: aDay }),
  file('z', randomBytes(2_000), { mtimeUs: aDay }),
]

function linesOf(source: string, wanted: RegExp): readonly string[] {
  return describeTree(source).filter((line) => wanted.test(line))
}

function nameOfLine(line: string): string {
  return line.split(' ')[0]!
}

/** Without owner and hard-link group. */
function whatItIs(lines: readonly string[]): readonly string[] {
  return lines.map((line) => line.replace(/ \d+:\d+/, '').replace(/ =.*/, ''))
}

function isIn(name: string, paths: readonly string[]): boolean {
  return paths.some((path) => name === path || name.startsWith(`${path}/`))
}

function escaped(path: string): string {
  return path.replace(/[*?[\]\\]/g, '\\$&')
}

async function tailSize({ bytes }: SmallArchive): Promise<number> {
  const frames = await (await tailOf(bytes)).frames()
  const last = frames.frame(frames.tarFrameCount - 1)
  return bytes.length - last.fileOffsetBytes - last.storedBytes
}

/** Flips a byte in the frame that holds the member's header. */
async function damagedAt(bytes: Buffer, path: string): Promise<Buffer> {
  const tail = await tailOf(bytes)
  const member = (await tail.findMember(path))!
  const place = (await tail.frames()).frameAt(member.offsetBytes)
  const damaged = Buffer.from(bytes)
  damaged[place.fileOffsetBytes + (place.storedBytes >> 1)]! ^= 0x01
  return damaged
}

function setTimeOfLink(path: string, mtimeUs: number): void {
  lutimesSync(path, (mtimeUs + 0.5) / 1e6, (mtimeUs + 0.5) / 1e6)
}
