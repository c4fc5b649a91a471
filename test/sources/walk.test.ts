// The walk over real trees, with a file system that fails where a test says so.

import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Findings } from '../../src/sources/findings.ts'
import { sourceFiles } from '../../src/sources/source-files.ts'
import { TarReader } from '../../src/pack/tar-reader.ts'
import type { SourceFiles } from '../../src/sources/source-files.ts'
import { walkFolder } from '../../src/sources/walk.ts'
import { folderSource, outputOf, temporaryFolders, walkToTar } from '../pack/in-process.ts'
import type { Walked, WalkOptions } from '../pack/in-process.ts'
import { makeDeepFolders } from '../support/deep-folders.ts'
import { describeTree, file, folder, hardlink, makeTree, symlink } from '../support/tree.ts'

const newFolder = temporaryFolders()

describe('the order of members', () => {
  it('is depth first, files and folders in one sequence of byte order', () => {
    const source = newFolder()
    makeTree(source, [
      file('b'),
      file('a/z'),
      file('a/b/c'),
      file('a.txt'),
      file('a-b'),
      file('B'),
      file(Buffer.from('\xff', 'latin1')),
      folder('ä'),
    ])

    const paths = pathsOf(walkToTar(source))

    const utf8 = Buffer.from('ä').toString('latin1')
    expect(paths).toEqual(['', 'B', 'a', 'a/b', 'a/b/c', 'a/z', 'a-b', 'a.txt', 'b', utf8, '\xff'])
  })
})

describe('excludes', () => {
  it('leaves out what a pattern names, and does not enter such a folder', () => {
    const source = newFolder()
    makeTree(source, [file('keep'), file('node_modules/x/y'), file('deep/node_modules/z')])
    const { files, calls } = watched()

    const walked = walkToTar(source, { excludes: ['node_modules/'], files })

    expect(pathsOf(walked)).toEqual(['', 'deep', 'keep'])
    expect(calls.open.filter((path) => path.includes('node_modules'))).toEqual([])
    expect(walked.findings.notes).toEqual([])
  })

  it('of everything leave an empty source, which is a failure', () => {
    const source = newFolder()
    makeTree(source, [file('a'), file('b/c')])

    expect(() => walkToTar(source, { excludes: ['*'] })).toThrow(
      expect.objectContaining({ code: 'SOURCE_EMPTY' }),
    )
  })
})

describe('cache folders', () => {
  const tag = 'Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n'

  it('keep their tag and nothing else, where that is asked for', () => {
    const source = newFolder()
    makeTree(source, [file('cache/CACHEDIR.TAG', tag), file('cache/a'), file('cache/b/c')])

    expect(pathsOf(walkToTar(source, { excludesCaches: true }))).toEqual([
      '',
      'cache',
      'cache/CACHEDIR.TAG',
    ])
    expect(walkToTar(source).memberCount).toBe(6)
  })

  it('are a warning where the source itself is one: it would never have anything else', () => {
    const source = newFolder()
    makeTree(source, [file('CACHEDIR.TAG', tag), file('a')])
    const { findings, memberCount } = walkToTar(source, { excludesCaches: true })
    expect(memberCount).toBe(2)
    expect(findings.warnings).toMatchObject([{ path: '.' }])
    expect(findings.warnings[0]!.reason).toContain('_EXCLUDE_CACHES')
  })

  it.each([
    ['with another signature', file('cache/CACHEDIR.TAG', tag.replace('8a', '8b'))],
    ['with a short one', file('cache/CACHEDIR.TAG', tag.slice(0, 20))],
    ['whose tag is a symlink', symlink('cache/CACHEDIR.TAG', '../tag')],
    ['whose tag is a folder', folder('cache/CACHEDIR.TAG')],
  ])('are no caches %s', (_, entry) => {
    const source = newFolder()
    makeTree(source, [file('tag', tag), entry, file('cache/a')])

    expect(pathsOf(walkToTar(source, { excludesCaches: true }))).toContain('cache/a')
  })
})

describe('another file system', () => {
  it('is an empty folder with a note, where that is asked for [F59]', () => {
    const source = newFolder()
    makeTree(source, [file('mounted/a'), file('own/b'), file('single')])
    const files = elsewhere(['mounted', 'single'], source)

    const walked = walkToTar(source, { isOneFileSystem: true, files })

    expect(pathsOf(walked)).toEqual(['', 'mounted', 'own', 'own/b'])
    expect(walked.findings.notes).toEqual([
      { path: 'mounted', reason: 'is another file system; its members are left out' },
      { path: 'single', reason: 'is on another file system; it is left out' },
    ])
    expect(pathsOf(walkToTar(source, { files }))).toContain('mounted/a')
  })
})

describe("Spillway's own folders", () => {
  it('are left out with a note, by what they are and not by how they are called [F61]', () => {
    const source = newFolder()
    makeTree(source, [file('a'), file('data/spool/x'), file('own-file'), symlink('way', 'data')])
    const ownPaths = [join(source, 'way/spool/..'), join(source, 'own-file'), '/nowhere']

    const walked = walkToTar(source, { ownPaths })

    expect(pathsOf(walked)).toEqual(['', 'a', 'way'])
    expect(walked.findings.notes.map(({ path }) => path)).toEqual(['data', 'own-file'])
    expect(walked.findings.warningCount).toBe(0)
  })

  it('may be all that there is, which is an empty source', () => {
    const source = newFolder()
    makeTree(source, [file('a')])

    expect(() => walkToTar(source, { ownPaths: [source] })).toThrow(
      expect.objectContaining({ code: 'SOURCE_EMPTY' }),
    )
  })
})

describe('a source', () => {
  it.each([
    ['is not there', '/nowhere', 'SOURCE_MISSING', '/nowhere does not exist'],
    ['is no folder', '/etc/passwd', 'SOURCE_MISSING', '/etc/passwd is no folder'],
  ])('that %s is a failure', (_, path, code, message) => {
    expect(() => walkToTar(path)).toThrow(expect.objectContaining({ code, message }))
  })

  it('that cannot be read is a failure [F51]', () => {
    const source = newFolder()
    const files: SourceFiles = {
      ...sourceFiles,
      readFolder: () => {
        throw systemError('EACCES', 'scandir')
      },
    }

    expect(() => walkToTar(source, { files })).toThrow(
      expect.objectContaining({
        code: 'SOURCE_UNREADABLE',
        message: `${source} cannot be read: permission denied`,
      }),
    )
  })

  it('that is empty is a failure, unless it may be [F52]', () => {
    const source = newFolder()

    expect(() => walkToTar(source)).toThrow(
      expect.objectContaining({
        code: 'SOURCE_EMPTY',
        hint: 'is it mounted? If it may be empty, set SOURCE_7_ALLOW_EMPTY=true',
      }),
    )
    expect(pathsOf(walkToTar(source, { mayBeEmpty: true }))).toEqual([''])

    function walkToTar(path: string, more: WalkOptions = {}) {
      return walkNumbered(path, { ...more, number: 7 })
    }
  })

  it('may be reached by a symlink', () => {
    const source = newFolder()
    makeTree(source, [file('real/a')])
    symlinkSync('real', join(source, 'way'))

    expect(pathsOf(walkToTar(join(source, 'way')))).toEqual(['', 'a'])
  })
})

describe('a file that changes while it is read [F50]', () => {
  it('and grows is cut at the size that its header promised', () => {
    const { tar, findings, target } = churn({ a: 'first' }, (path) =>
      appendFileSync(path, ' and more'),
    )

    expect(findings.warnings).toEqual([
      {
        path: 'a',
        reason: 'changed while it was read: grew from 5 to 14 bytes, and was cut at its old size',
      },
    ])
    expect(target(tar, 'a')).toBe('first')
  })

  it('and shrinks is filled up with zeros', () => {
    const { tar, findings, target } = churn({ a: 'x'.repeat(10_000) }, (path) =>
      truncateSync(path, 3),
    )

    expect(findings.warnings[0]?.reason).toBe(
      'changed while it was read: shrank from 10000 to 3 bytes; from byte 3 on it is zeros in the archive',
    )
    expect(target(tar, 'a')).toBe('xxx' + '\0'.repeat(9_997))
  })

  it('and keeps its size is told by its times', () => {
    const { findings } = churn({ a: 'old' }, (path) => {
      writeFileSync(path, 'new')
      utimesSync(path, 1, 1)
    })

    expect(findings.warnings).toEqual([{ path: 'a', reason: 'changed while it was read' }])
  })

  it('is a warning in the middle of a file of several blocks, too', () => {
    const content = 'y'.repeat(9 * 1024 * 1024)
    const { tar, findings, target } = churn(
      { a: content },
      (path) => truncateSync(path, 5 * 1024 * 1024),
      { atRead: 1 },
    )

    expect(findings.warningCount).toBe(1)
    const back = target(tar, 'a')
    expect(back.length).toBe(content.length)
    expect(back.slice(5 * 1024 * 1024)).toBe('\0'.repeat(4 * 1024 * 1024))
  })
})

describe('a disk that fails [F51]', () => {
  it('in the middle of a file costs the rest of that file, with a warning', () => {
    const source = newFolder()
    makeTree(source, [file('a', 'x'.repeat(5_000_000)), file('b', 'whole')])
    let reads = 0
    const files: SourceFiles = {
      ...sourceFiles,
      read: (...args) => {
        reads += 1
        if (reads === 2) throw systemError('EIO', 'read')
        return sourceFiles.read(...args)
      },
    }

    const { tar, findings } = walkToTar(source, { files })

    expect(findings.warnings).toHaveLength(1)
    expect(findings.warnings[0]?.reason).toMatch(
      /^could not be read: the disk failed to read it \(EIO\); its last \d+ bytes are zeros/,
    )
    const target = newFolder()
    outputOf('tar', ['-xf', '-', '-C', target], tar)
    expect(describeTree(target).filter((line) => line.startsWith('b '))[0]).toContain('5B')
  })

  it('in a folder costs its members, with a warning; the folder stays', () => {
    const source = newFolder()
    makeTree(source, [file('bad/a'), file('good/b')])
    let folders = 0
    const files: SourceFiles = {
      ...sourceFiles,
      readFolder: (path) => {
        folders += 1
        if (folders === 2) throw systemError('EIO', 'scandir')
        return sourceFiles.readFolder(path)
      },
    }

    const walked = walkToTar(source, { files })

    expect(pathsOf(walked)).toEqual(['', 'bad', 'good', 'good/b'])
    expect(walked.findings.warnings).toEqual([
      {
        path: 'bad',
        reason: 'its members are not in the archive: the disk failed to read it (EIO)',
      },
    ])
  })
})

describe('what may not be read', () => {
  it.each([
    ['a file', 'a', ['', 'b', 'd', 'd/e'], 'is not in the archive: permission denied'],
    ['a folder', 'd', ['', 'a', 'b', 'd'], 'its members are not in the archive: permission denied'],
  ])('is a warning: %s [F51]', (_, denied, paths, reason) => {
    const source = newFolder()
    makeTree(source, [file('a'), file('b'), file('d/e')])
    const files = failingOpen(denied, 'EACCES')

    const walked = walkToTar(source, { files })

    expect(pathsOf(walked)).toEqual(paths)
    expect(walked.findings.warnings).toEqual([{ path: denied, reason }])
  })

  it.skipIf(process.getuid?.() !== 0)('is a warning for a user who is not root [F51]', () => {
    const source = newFolder()
    makeTree(source, [file('secret', 'x', { mode: 0 }), file('locked/x'), file('open')])
    chmodSync(join(source, 'locked'), 0)
    chmodSync(source, 0o755)
    const findings = new Findings(10)

    asNobody(() =>
      walkFolder({
        source: folderSource(source),
        ownPaths: [],
        pathBytesMax: 1_000,
        ownerNames: { users: new Map(), groups: new Map() },
        sink: devNull(),
        findings,
        checkpoint: () => undefined,
      }),
    )

    expect(findings.warnings.map(({ path }) => path)).toEqual(['locked', 'secret'])
  })
})

describe('what is swapped between its name and its reading', () => {
  it.each([
    ['vanished', () => undefined, 'it vanished'],
    ['became a symlink', (path: string) => symlinkSync('/etc/passwd', path), 'a symbolic link'],
    ['became a folder', (path: string) => mkdirSync(path), 'it was replaced while it was read'],
    ['became a fifo', (path: string) => execFileSync('mkfifo', [path]), 'it was replaced'],
  ])('is a warning and not followed: a file that %s [F50]', (_, replace, reason) => {
    const { walked } = swapped('file', replace)

    expect(pathsOf(walked)).toEqual(['', 'a', 'z'])
    expect(walked.findings.warnings).toHaveLength(1)
    expect(walked.findings.warnings[0]).toMatchObject({ path: 'm' })
    expect(walked.findings.warnings[0]?.reason).toContain(reason)
  })

  it.each([
    ['vanished', () => undefined, 'it vanished'],
    ['became a symlink', (path: string) => symlinkSync('/etc', path), 'it is no folder any more'],
    ['became a file', (path: string) => writeFileSync(path, ''), 'it is no folder any more'],
  ])('is a warning and not followed: a folder that %s [F50]', (_, replace, reason) => {
    const { walked } = swapped('folder', replace)

    expect(pathsOf(walked)).toEqual(['', 'a', 'z'])
    expect(walked.findings.warnings).toEqual([
      { path: 'm', reason: `is not in the archive: ${reason}` },
    ])
  })

  it('is a note when it is a socket [F58]', async () => {
    const source = newFolder()
    makeTree(source, [file('a')])
    const server = createServer()
    server.listen(join(source, 'socket'))
    await once(server, 'listening')

    const walked = walkToTar(source)
    server.close()

    expect(pathsOf(walked)).toEqual(['', 'a'])
    expect(walked.findings.notes).toEqual([
      { path: 'socket', reason: 'is a socket; tar has no word for it' },
    ])
  })
})

describe('hard links', () => {
  it('are links to the first name, whose content is there once', () => {
    const source = newFolder()
    makeTree(source, [file('b/first', 'xyz'), hardlink('c', 'b/first'), hardlink('d', 'b/first')])

    const { members, sourceBytes } = walkToTar(source)

    expect(members.map(({ kind, path, linkTarget }) => [kind, path, linkTarget])).toEqual([
      ['directory', '', ''],
      ['directory', 'b', ''],
      ['file', 'b/first', ''],
      ['hard-link', 'c', 'b/first'],
      ['hard-link', 'd', 'b/first'],
    ])
    expect(sourceBytes).toBe(3)
  })

  it('are none where another file has got the inode meanwhile', () => {
    const source = newFolder()
    makeTree(source, [file('a', 'old'), hardlink('b', 'a')])
    // As ext4 does it: what is `b` now has the inode of what was read as `a`.
    const { inode } = sourceFiles.stat(join(source, 'a'))
    let stats = 0
    const files: SourceFiles = {
      ...sourceFiles,
      fstat: (fd) => {
        const found = sourceFiles.fstat(fd)
        // Of `a` twice: before it is read, and after.
        const isB = found.inode === inode && ++stats > 2
        return isB ? { ...found, mtimeNanos: (found.mtimeNanos + 1) % 1_000_000_000 } : found
      },
    }

    const { findings, members } = walkToTar(source, { files })

    expect(members.map(({ kind, path }) => [kind, path])).toEqual([
      ['directory', ''],
      ['file', 'a'],
      ['file', 'b'],
    ])
    const reason = 'changed since its other name a was read: two files in the archive'
    expect(findings.notes).toEqual([{ path: 'b', reason }])
  })

  it('never point to a name whose content is not whole', () => {
    const source = newFolder()
    makeTree(source, [file('a', 'x'.repeat(100)), hardlink('b', 'a'), hardlink('c', 'a')])
    let reads = 0
    const files: SourceFiles = {
      ...sourceFiles,
      read: (...args) => {
        reads += 1
        if (reads === 1) throw systemError('EIO', 'read')
        return sourceFiles.read(...args)
      },
    }

    const { members } = walkToTar(source, { files })

    expect(members.map(({ kind, linkTarget }) => [kind, linkTarget])).toEqual([
      ['directory', ''],
      ['file', ''],
      ['file', ''],
      ['hard-link', 'b'],
    ])
  })
})

describe('a folder that is listed while it changes', () => {
  it('has each name once, however often the file system tells it (XFS)', () => {
    const source = newFolder()
    makeTree(source, [file('a'), file('b'), file('c')])
    const files: SourceFiles = {
      ...sourceFiles,
      readFolder: (path) => [...sourceFiles.readFolder(path), ...sourceFiles.readFolder(path)],
    }

    expect(pathsOf(walkToTar(source, { files }))).toEqual(['', 'a', 'b', 'c'])
  })
})

describe('a time beyond all calendars', () => {
  it.each([1_000_000_000_000_000, 2 ** 62, -(2 ** 62)])(
    'is the last one that tar can carry, and a warning: %d',
    (mtimeSeconds) => {
      const source = newFolder()
      makeTree(source, [file('a', 'x'), file('b')])
      const files: SourceFiles = {
        ...sourceFiles,
        fstat: (fd) => {
          const found = sourceFiles.fstat(fd)
          return found.sizeBytes === 1 ? { ...found, mtimeSeconds } : found
        },
      }

      const { findings, tar } = walkToTar(source, { files })

      expect(findings.warnings).toMatchObject([{ path: 'a' }])
      expect(outputOf('tar', ['-tf', '-'], tar).toString()).toBe('./\na\nb\n')
      // Ours takes it back, too.
      const read: (readonly [string, number])[] = []
      const reader = new TarReader({
        begin: ({ path, mtimeSeconds: seconds }) => void read.push([path, seconds]),
        content: () => undefined,
        hole: () => undefined,
        end: () => undefined,
      })
      reader.write(tar)
      reader.finish()
      expect(read[1]).toEqual(['a', Math.sign(mtimeSeconds) * 999_999_999_999_999])
      expect(read.map(([path]) => path)).toEqual(['./', 'a', 'b'])
    },
  )
})

describe('a tree deeper than paths and descriptors go', () => {
  it('ends where no restore would follow, with a warning', () => {
    const source = newFolder()
    makeDeepFolders(source, 4_100)
    writeFileSync(join(source, 'z'), 'z')

    const walked = walkToTar(source)

    expect(walked.memberCount).toBe(1 + 4_096 + 1)
    expect(walked.findings.warnings).toMatchObject([
      { reason: 'its members are not in the archive: they lie deeper than 4096 folders' },
    ])
  })

  it('is walked whole with three descriptors, its path longer than 4 096 bytes', () => {
    const source = newFolder()
    const name = 'deep-'.repeat(20)
    const deep = Array.from({ length: 60 }, () => name).join('/')
    // Members on both sides of the way down, so that every folder is needed again on the way up.
    makeTree(source, [file('zz'), file(`${deep}/bottom`, 'x'), ...sidesOf(name, 60)])
    const { files, calls } = watched()

    const walked = walkToTar(source, { files, openFoldersMax: 3 })

    expect(walked.findings.warnings).toEqual([])
    expect(walked.memberCount).toBe(1 + 60 + 60 + 2)
    expect(calls.openMost).toBeLessThanOrEqual(6)
    // GNU tar reads such names, and cannot open them: its own calls end at 4 096 bytes.
    const listed = outputOf('tar', ['-tf', '-'], walked.tar).toString().split('\n')
    expect(listed).toContain(`${deep}/bottom`)
    expect(`${deep}/bottom`.length).toBeGreaterThan(4_096)
    const content = outputOf('tar', ['-xOf', '-', `${deep}/bottom`], walked.tar)
    expect(content.toString()).toBe('x')
  })

  it('finds its way back when a folder was moved meanwhile', () => {
    const { walked, source } = movedWhileWalked((from, to) => renameSync(from, to))

    // d was moved out of c, so ".." of it is another folder; c is found again from the top.
    expect(pathsOf(walked)).toContain('a/b/c/z')
    expect(walked.findings.warnings).toEqual([])
    expect(source).not.toBe('')
  })

  it('says what is lost when its way back is gone', () => {
    const { walked } = movedWhileWalked((from, to, source) => {
      renameSync(from, to)
      renameSync(join(source, 'a/b/c'), join(source, 'elsewhere'))
    })

    expect(walked.findings.warnings).toEqual([
      {
        path: 'a/b/c',
        reason: 'was moved while it was read; its last 1 members are not in the archive',
      },
    ])
    // The folders above are the same as before.
    expect(pathsOf(walked)).toContain('a/b/z')
    expect(pathsOf(walked)).toContain('a/z')
  })

  it('closes every descriptor', () => {
    const source = newFolder()
    makeTree(source, [file('a/b/c/d/e'), file('x/y')])
    const { files, calls } = watched()

    walkToTar(source, { files, openFoldersMax: 2 })

    expect(calls.openNow).toBe(0)
  })
})

describe('warnings', () => {
  it('are counted in full and kept in part', () => {
    const source = newFolder()
    makeTree(
      source,
      Array.from({ length: 1_005 }, (_, number) => file(`f${number}`)),
    )
    const files: SourceFiles = {
      ...sourceFiles,
      openFile: (folderFd, name) => {
        if (/f\d+$/.test(name)) throw systemError('EACCES', 'open')
        return sourceFiles.openFile(folderFd, name)
      },
    }

    const { findings } = walkToTar(source, { files, mayBeEmpty: true })

    expect(findings.warningCount).toBe(1_005)
    expect(findings.warnings).toHaveLength(1_000)
  })

  it('show any name on one line [F56 F102]', () => {
    const source = newFolder()
    makeTree(source, [file(Buffer.from('bad\n\x1b[31m\xffü', 'latin1'), 'x')])

    const { findings } = walkToTar(source, {
      files: {
        ...sourceFiles,
        read: () => {
          throw systemError('EIO', 'read')
        },
      },
    })

    expect(findings.warnings[0]?.path).toBe('bad\\x0a\\x1b[31m\\xff\\xfc')
  })
})

it('leaves out members whose path is longer than an archive can name, with a warning', () => {
  const source = newFolder()
  makeTree(source, [file('short'), file(`${'d'.repeat(90)}/${'e'.repeat(90)}`)])

  const walked = walkToTar(source, { pathBytesMax: 100 })

  expect(pathsOf(walked)).toEqual(['', 'd'.repeat(90), 'short'])
  expect(walked.findings.warnings).toEqual([
    { path: 'd'.repeat(90), reason: 'has a member whose path is too long to archive' },
  ])
})

it('walks a file system that gives no types with its names', () => {
  const source = newFolder()
  makeTree(source, [file('a', 'x'), file('d/e'), symlink('s', 'a')])
  const files: SourceFiles = {
    ...sourceFiles,
    readFolder: (path) =>
      sourceFiles.readFolder(path).map(({ name }) => ({ name, kind: undefined })),
  }

  expect(walkToTar(source, { files }).tar.equals(walkToTar(source).tar)).toBe(true)
})

it('surveys without opening a file, and counts what packing counts', () => {
  const source = newFolder()
  makeTree(source, [file('a', 'xyz'), hardlink('b', 'a'), file('d/e', '12345'), symlink('s', 'a')])
  const { files, calls } = watched()

  const surveyed = walkFolder({
    source: folderSource(source),
    ownPaths: [],
    pathBytesMax: 1_000,
    ownerNames: { users: new Map(), groups: new Map() },
    sink: undefined,
    findings: new Findings(0),
    checkpoint: () => undefined,
    files,
  })

  const { sourceBytes, memberCount } = walkToTar(source)
  expect(surveyed).toEqual({ sourceBytes, memberCount })
  expect(calls.open.filter((path) => path.endsWith('/a'))).toEqual([])
})

it('ends where its checkpoint says so', () => {
  const source = newFolder()
  makeTree(source, [file('a'), file('b')])
  const stop = new Error('stopped')

  expect(() =>
    walkFolder({
      source: folderSource(source),
      ownPaths: [],
      pathBytesMax: 1_000,
      ownerNames: { users: new Map(), groups: new Map() },
      sink: undefined,
      findings: new Findings(0),
      checkpoint: () => {
        throw stop
      },
    }),
  ).toThrow(stop)
})

const walkNumbered = walkToTar

function pathsOf({ members }: Walked): string[] {
  return members.map(({ path }) => path)
}

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: made for this test`), { code, syscall })
}

/** The real file system, with a record of what was opened. */
function watched() {
  const calls = { open: [] as string[], openNow: 0, openMost: 0 }
  const files: SourceFiles = {
    ...sourceFiles,
    open: (path, flags) => {
      const fd = sourceFiles.open(path, flags)
      calls.open.push(path)
      calls.openNow += 1
      calls.openMost = Math.max(calls.openMost, calls.openNow)
      return fd
    },
    close: (fd) => {
      sourceFiles.close(fd)
      calls.openNow -= 1
    },
    openFile: (folderFd, name) => {
      const fd = sourceFiles.openFile(folderFd, name)
      calls.open.push(`/proc/self/fd/${folderFd}/${name}`)
      calls.openNow += 1
      calls.openMost = Math.max(calls.openMost, calls.openNow)
      return fd
    },
    closeFile: (fd) => {
      sourceFiles.closeFile(fd)
      calls.openNow -= 1
    },
  }
  return { files, calls }
}

function failingOpen(name: string, code: string): SourceFiles {
  return {
    ...sourceFiles,
    open: (path, flags) => {
      if (path.endsWith(`/${name}`)) throw systemError(code, 'open')
      return sourceFiles.open(path, flags)
    },
    openFile: (folderFd, opened) => {
      if (opened === name) throw systemError(code, 'open')
      return sourceFiles.openFile(folderFd, opened)
    },
  }
}

/** As if these members of the source lay on another device. */
function elsewhere(names: readonly string[], source: string): SourceFiles {
  const inodes = new Set(
    names.map((name) => sourceFiles.stat(Buffer.from(join(source, name)).toString('latin1')).inode),
  )
  return {
    ...sourceFiles,
    fstat: (fd) => {
      const stats = sourceFiles.fstat(fd)
      return inodes.has(stats.inode) ? { ...stats, device: stats.device + 1 } : stats
    },
  }
}

/** Walks files and lets `change` happen to the first one right before its read number `atRead`. */
function churn(
  contents: Readonly<Record<string, string>>,
  change: (path: string) => void,
  { atRead = 0 } = {},
) {
  const source = newFolder()
  makeTree(
    source,
    Object.entries(contents).map(([path, content]) => file(path, content, { mtimeUs: 1_000_000 })),
  )
  const [first = ''] = Object.keys(contents)
  let reads = 0
  const files: SourceFiles = {
    ...sourceFiles,
    read: (...args) => {
      if (reads === atRead) change(join(source, first))
      reads += 1
      return sourceFiles.read(...args)
    },
  }
  const walked = walkToTar(source, { files })
  const target = (tar: Buffer, name: string) =>
    outputOf('tar', ['-xOf', '-', name], tar).toString('latin1')
  return { ...walked, target }
}

/** A tree of which the member "m" is replaced once the names of its folder were read. */
function swapped(kind: 'file' | 'folder', replace: (path: string) => void) {
  const source = newFolder()
  makeTree(source, [file('a'), kind === 'file' ? file('m', 'x') : file('m/x'), file('z')])
  const files: SourceFiles = {
    ...sourceFiles,
    readFolder: (path) => {
      const entries = sourceFiles.readFolder(path)
      rmSync(join(source, 'm'), { recursive: true })
      replace(join(source, 'm'))
      return entries
    },
  }
  return { walked: walkToTar(source, { files }) }
}

/** a/b/c/d is walked with two descriptors, and `move` happens when its member is opened. */
function movedWhileWalked(move: (from: string, to: string, source: string) => void) {
  const source = newFolder()
  makeTree(source, [file('a/b/c/d/e/f'), file('a/b/c/z'), file('a/b/z'), file('a/z')])
  const files: SourceFiles = {
    ...sourceFiles,
    openFile: (folderFd, name) => {
      const fd = sourceFiles.openFile(folderFd, name)
      if (name === 'f') move(join(source, 'a/b/c/d'), join(source, 'moved'), source)
      return fd
    },
  }
  return { walked: walkToTar(source, { files, openFoldersMax: 2 }), source }
}

function* sides(name: string, depth: number): Generator<string> {
  let path = ''
  for (let level = 0; level < depth; level += 1) {
    path += `${name}/`
    yield `${path}zz-${level}`
  }
}

function sidesOf(name: string, depth: number) {
  return [...sides(name, depth)].map((path) => file(path, path.slice(-5)))
}

function devNull() {
  const buffer = Buffer.alloc(65_536)
  return {
    begin: () => undefined,
    buffer,
    position: 0,
    room: buffer.length,
    advance: () => undefined,
    padContent: () => undefined,
  }
}

/** As a user without rights: the effective ids of this process, back to root afterwards. */
function asNobody(work: () => void): void {
  process.setegid?.(65_534)
  process.seteuid?.(65_534)
  try {
    work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}
