// The calls that Node lacks, on a real file system.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileStatsOf } from '../../src/lib/file-stats.ts'
import { openSystemCalls, systemCalls } from '../../src/lib/system-calls.ts'
import type { SystemCalls } from '../../src/lib/system-calls.ts'
import { createSparseFile, temporaryFolders } from '../pack/in-process.ts'

// Node does not name it.
const O_PATH = 0o10000000
const newFolder = temporaryFolders()
const calls = systemCalls() as SystemCalls
let path: string
let fd: number
beforeEach(() => {
  path = join(newFolder(), 'f')
  writeFileSync(path, 'content')
  fd = openSync(path, 'r+')
})
afterEach(() => closeSync(fd))

describe('extended attributes', () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

  it('come back with every byte, by descriptor and by path, under names that are no UTF-8', () => {
    calls.writeAttribute(fd, 'user.every', every)
    calls.writeAttribute(path, 'user.\xff = %', Buffer.from('x'))
    calls.writeAttribute(fd, 'user.empty', Buffer.alloc(0))

    expect([...calls.listAttributes(path)].sort()).toEqual(
      ['user.every', 'user.empty', 'user.\xff = %'].sort(),
    )
    expect(calls.readAttribute(path, 'user.every')).toEqual(every)
    expect(calls.readAttribute(fd, 'user.\xff = %').toString()).toBe('x')
    expect(calls.readAttribute(fd, 'user.empty')).toHaveLength(0)
  })

  it('are listed all, however long their names are together', () => {
    const names = Array.from({ length: 12 }, (_, each) => `user.${'n'.repeat(200)}${each}`)
    for (const name of names) calls.writeAttribute(fd, name, Buffer.alloc(0))
    for (const at of [fd, path])
      expect([...calls.listAttributes(at)].sort()).toEqual([...names].sort())
  })

  it('can be removed, twice', () => {
    calls.writeAttribute(fd, 'user.a', every)
    calls.removeAttribute(fd, 'user.a')
    calls.removeAttribute(path, 'user.a')
    expect(calls.listAttributes(fd)).toEqual([])
  })

  it('that are missing or refused are errors of the system', () => {
    expect(() => calls.readAttribute(fd, 'user.none')).toThrow(
      expect.objectContaining({ code: 'ENODATA', syscall: 'fgetxattr' }),
    )
    expect(() => calls.listAttributes(`${path}-none`)).toThrow(
      expect.objectContaining({ code: 'ENOENT', syscall: 'llistxattr' }),
    )
    symlinkSync('nowhere', `${path}-link`)
    // Of the link, which is not followed and can have none of a user.
    expect(() => calls.writeAttribute(`${path}-link`, 'user.a', every)).toThrow(
      expect.objectContaining({ code: 'EPERM' }),
    )
  })
})

it('reaches an inode of any kind that a descriptor of O_PATH names, and nothing behind it', () => {
  symlinkSync(path, `${path}-link`)
  const pathFd = openSync(`${path}-link`, O_PATH | constants.O_NOFOLLOW)
  calls.setTimes({ pathFd }, 1_000, 5)
  expect(lstatSync(`${path}-link`, { bigint: true }).mtimeNs).toBe(1_000_000_000_005n)
  expect(statSync(path).mtimeMs).toBeGreaterThan(1_000_000)
  if (process.getuid?.() === 0) {
    calls.writeAttribute({ pathFd }, 'trusted.a', Buffer.from('x'))
    expect(calls.listAttributes({ pathFd })).toEqual(['trusted.a'])
    expect(calls.readAttribute(`${path}-link`, 'trusted.a').toString()).toBe('x')
    expect(calls.listAttributes(path)).toEqual([])
    calls.removeAttribute({ pathFd }, 'trusted.a')
  }
  expect(calls.listAttributes(`${path}-link`)).toEqual([])
  closeSync(pathFd)
})

it('finds data and holes', () => {
  const sparse = `${path}-sparse`
  createSparseFile(sparse, 1e12)
  const holes = openSync(sparse, 'r')
  expect(calls.seekData(holes, 0)).toBeUndefined()
  expect(calls.seekHole(holes, 5)).toBe(5)
  closeSync(holes)
  expect(calls.seekData(fd, 0)).toBe(0)
  expect(calls.seekHole(fd, 0)).toBe('content'.length)
  expect(() => calls.seekHole(fd, 100)).toThrow(expect.objectContaining({ code: 'ENXIO' }))
})

it.each([
  [1_700_000_000, 123_456_789],
  [-2, 999_999_999],
  [0, 1],
])('sets %d seconds and %d nanoseconds', (seconds, nanos) => {
  symlinkSync('nowhere', `${path}-link`)
  calls.setTimes(fd, seconds, nanos)
  calls.setTimes(`${path}-link`, seconds, nanos)
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(nanos)
  expect(statSync(path, { bigint: true }).mtimeNs).toBe(ns)
  expect(lstatSync(`${path}-link`, { bigint: true }).mtimeNs).toBe(ns)
})

it('creates a file in a folder with its mode, never over another one, nor through a symlink', () => {
  const folder = newFolder()
  const folderFd = openSync(folder, 'r')
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
  symlinkSync('elsewhere', join(folder, 'link'))

  calls.close(calls.openIn(folderFd, 'new', flags, 0o640))
  expect(statSync(join(folder, 'new')).mode & 0o7777).toBe(0o640)
  expect(() => calls.openIn(folderFd, 'new', flags, 0o600)).toThrow(/EEXIST/)
  expect(() => calls.openIn(folderFd, 'link', flags, 0o600)).toThrow(/EEXIST/)
  expect(readdirSync(folder).sort()).toEqual(['link', 'new'])
  closeSync(folderFd)
})

it('says why where there is no library', () => {
  const opened = openSystemCalls(() => {
    throw new Error('Cannot find the native module\nand much more')
  })
  expect(opened).toEqual({
    calls: undefined,
    why: 'koffi cannot be loaded: Cannot find the native module',
  })
})

it('tells of a file what Node tells', () => {
  const folder = newFolder()
  const odd = join(folder, 'odd')
  writeFileSync(odd, 'content')
  utimesSync(odd, -1.5, -1.5)
  for (const at of ['/', '/dev/null', '/proc/self/status', process.execPath, folder, odd]) {
    const opened = openSync(at, 'r')
    try {
      expect(calls.statOf(opened)).toEqual(fileStatsOf(fstatSync(opened, { bigint: true })))
    } finally {
      closeSync(opened)
    }
  }
})

it('opens, reads and closes a file in a folder, by any name of bytes', () => {
  const folder = newFolder()
  const name = Buffer.from([0x80, 0x20, 0xff, ...Buffer.from('x'.repeat(252))])
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), 'content')
  const folderFd = openSync(folder, 'r')
  const buffer = Buffer.alloc(10)

  const opened = calls.openIn(folderFd, name.toString('latin1'), constants.O_RDONLY)
  expect(calls.read(opened, buffer, 2)).toBe(5)
  expect(buffer.toString('latin1', 0, 5)).toBe('ntent')
  expect(calls.read(opened, buffer, 7)).toBe(0)
  calls.close(opened)

  expect(() => calls.read(opened, buffer, 0)).toThrow(/EBADF/)
  expect(() => calls.openIn(folderFd, 'x'.repeat(256), constants.O_RDONLY)).toThrow(/ENAMETOOLONG/)
  expect(() => calls.openIn(folderFd, 'none', constants.O_RDONLY)).toThrow(/ENOENT/)
  expect(() => calls.statOf(opened)).toThrow(/EBADF/)
  closeSync(folderFd)
})
