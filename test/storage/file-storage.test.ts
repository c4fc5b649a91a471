// A local directory as a server: the contract, and what only a disk can do.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { failureOfFile } from '../../src/storage/file-errors.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { describeStorage } from '../contract/storage-contract.ts'
import {
  chunksOf,
  FAST_LIMITS,
  failureFrom,
  fileServer,
  freshKey,
  listed,
  never,
  NO_PROXY,
  partBody,
} from '../support/storages.ts'

describeStorage('a local directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'spillway-files-'))
  return {
    storage: open(root),
    close: () => rm(root, { recursive: true, force: true }),
    partBytes: 10_000,
  }
})

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'spillway-files-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

describe('the marker', () => {
  it('is made at the first use', async () => {
    await open(root).prepare(never)
    expect(await readdir(root)).toEqual(['.spillway-server'])
    await open(root, true).prepare(never)
  })

  it('that is missing on a known server means that the disk is not mounted', async () => {
    const failure = await failureFrom(open(root, true).prepare(never))
    expect(failure).toMatchObject({ code: 'SERVER_BUCKET', facts: { code: 'NOT_MOUNTED' } })
    expect(failure.message).toContain('not mounted')
    expect(await readdir(root)).toEqual([])
  })

  it('is looked for again before anything is written or believed', async () => {
    const storage = open(root)
    await storage.prepare(never)
    const key = freshKey()
    const upload = await storage.begin({ key, token: 't' }, never)
    await unlink(join(root, '.spillway-server'))

    const attempts = [
      () => storage.begin({ key: freshKey(), token: 't' }, never),
      () => storage.complete(upload, [], never),
      () => storage.head(key, never),
      () => storage.remove(key, undefined, never),
      () => storage.abort(upload, never),
      () => listed(storage.list('', never)),
      () => listed(storage.listUploads(key, never)),
    ]
    for (const attempt of attempts)
      expect(await failureFrom(attempt())).toMatchObject({ facts: { code: 'NOT_MOUNTED' } })
  })

  it('is not put into a directory that does not exist', async () => {
    const failure = await failureFrom(open(join(root, 'none')).prepare(never))
    expect(failure).toMatchObject({ code: 'SERVER_BUCKET' })
    expect(failure.message).toContain('no such directory')
  })
})

describe('keys', () => {
  it.each([
    '../outside',
    'a/../../outside',
    '/etc/passwd',
    'a//b',
    'a/./b',
    '.tokens/x',
    '.uploads/x',
    'a/b/',
    '',
    'a\u0000b',
    'a\\b',
    'a b',
    'ä',
  ])('like "%s" are refused', async (key) => {
    const storage = await prepared(root)
    const attempts = [
      () => storage.begin({ key, token: 't' }, never),
      () => storage.head(key, never),
      () => storage.remove(key, undefined, never),
      () => listed(storage.read(key, undefined, never)),
    ]
    for (const attempt of attempts)
      expect(await failureFrom(attempt())).toMatchObject({ code: 'SERVER_REJECTED' })
  })

  it('do not follow a link that leads out of the directory', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'spillway-outside-'))
    await writeFile(join(outside, 'secret'), 'secret')
    const storage = await prepared(root)
    await symlink(outside, join(root, 'host'))

    expect(await failureFrom(listed(storage.read('host/secret', undefined, never)))).toMatchObject({
      code: 'SERVER_BUCKET',
    })
    expect(await failureFrom(storage.remove('host/secret', undefined, never))).toMatchObject({
      code: 'SERVER_BUCKET',
    })
    const put = storage.putSmall('host/new', chunksOf('x'), 't', never)
    expect(await failureFrom(put)).toMatchObject({ code: 'SERVER_BUCKET' })
    expect(await listed(storage.list('', never))).toEqual([])
    expect(await readdir(outside)).toEqual(['secret'])
    await rm(outside, { recursive: true })
  })
})

describe('a local directory', () => {
  it('keeps archives from other users', async () => {
    const storage = await prepared(root)
    await storage.putSmall('host/2026/archive', chunksOf('x'), 't', never)
    expect((await stat(join(root, 'host/2026/archive'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(root, 'host/2026'))).mode & 0o777).toBe(0o700)
    expect((await stat(join(root, 'host'))).mode & 0o777).toBe(0o700)
  })

  it('holds nothing but the archive, its proof and the marker', async () => {
    const storage = await prepared(root)
    await storage.putSmall('host/archive', chunksOf('hello'), 'token', never)
    const names = (await readdir(root, { recursive: true })).filter((name) => !/^\.\w+$/.test(name))
    expect(names.map((name) => name.replace(/[0-9a-f]{32}/, 'HASH')).sort()).toEqual([
      '.spillway-server',
      '.tokens/HASH',
      'host',
      'host/archive',
    ])
    expect(await readFile(join(root, 'host/archive'), 'utf8')).toBe('hello')

    await storage.remove('host/archive', undefined, never)
    expect((await readdir(root)).filter((name) => !name.startsWith('.'))).toEqual([])
    expect(await readdir(join(root, '.tokens'))).toEqual([])
  })

  it('does not take a file of another size for the one that was proved', async () => {
    const storage = await prepared(root)
    await storage.putSmall('host/archive', chunksOf('hello'), 'token', never)
    await writeFile(join(root, 'host/archive'), 'hell')
    expect(await storage.head('host/archive', never)).toMatchObject({
      sizeBytes: 4,
      token: undefined,
    })
  })

  it('refuses to complete an upload of which bytes are missing', async () => {
    const storage = await prepared(root)
    const upload = await storage.begin({ key: 'host/a', token: 't' }, never)
    const body = partBody(randomBytes(100))
    const receipt = await storage.putPart(upload, { number: 1, offsetBytes: 0, body }, never)
    const second = { ...receipt, number: 2 }
    const failure = await failureFrom(storage.complete(upload, [receipt, second], never))
    expect(failure).toMatchObject({ code: 'SERVER_DAMAGED_DATA' })
    expect(await storage.head('host/a', never)).toBeUndefined()
  })

  it('does not name its own folders in a listing, nor what is no file', async () => {
    const storage = await prepared(root)
    await storage.begin({ key: 'host/open', token: 't' }, never)
    await storage.putSmall('host/archive', chunksOf('x'), 't', never)
    await mkdir(join(root, 'host/empty'))
    expect((await listed(storage.list('', never))).map(({ key }) => key)).toEqual(['host/archive'])
    expect(await listed(storage.list('../', never))).toEqual([])
  })

  it.each([
    ['ENOSPC', 'SERVER_FULL'],
    ['EDQUOT', 'SERVER_FULL'],
    ['EROFS', 'SERVER_DENIED'],
    ['EACCES', 'SERVER_DENIED'],
    ['EPERM', 'SERVER_DENIED'],
    ['ENOENT', 'SERVER_BUCKET'],
    ['EFBIG', 'SERVER_REJECTED'],
    ['EIO', 'SERVER_UNREACHABLE'],
    ['ESTALE', 'SERVER_UNREACHABLE'],
  ])('says %s as %s', (errno, code) => {
    const error = Object.assign(new Error(errno), { code: errno, syscall: 'write' })
    expect(failureOfFile(error, '/mnt/disk', 'part 1')).toMatchObject({
      code,
      facts: { code: errno },
    })
  })
})

// A real full disk: a small tmpfs in a mount namespace of its own would need rights that tests do not
// have everywhere; /dev/full answers ENOSPC to every write, everywhere on Linux.
describe('a full disk', () => {
  it('is a full server', async () => {
    const storage = await prepared(root)
    const upload = await storage.begin({ key: 'host/a', token: 't' }, never)
    const temporary = join(root, '.uploads', upload.uploadId)
    await unlink(temporary)
    await symlink('/dev/full', temporary)
    const body = partBody(randomBytes(1_000))
    const failure = await failureFrom(
      storage.putPart(upload, { number: 1, offsetBytes: 0, body }, never),
    )
    expect(failure).toMatchObject({ code: 'SERVER_FULL', facts: { code: 'ENOSPC' } })
    expect(failure.message).toContain('Not enough space')
  })
})

describe('a mount that is gone', () => {
  it('is silent, and does not hold the run', async () => {
    const storage = await prepared(root)
    const upload = await storage.begin({ key: 'host/a', token: 't' }, never)
    // Opening a pipe without a writer blocks as a dead network mount does.
    const body = { ...partBody(randomBytes(10)), open: () => chunksOf('0123456789') }
    const part = await storage.putPart(upload, { number: 1, offsetBytes: 0, body }, never)
    await storage.complete(upload, [part], never)
    await unlink(join(root, 'host/a'))
    execFileSync('mkfifo', [join(root, 'host/a')])
    const begun = performance.now()
    const failure = await failureFrom(listed(storage.read('host/a', undefined, never)))
    expect(failure).toMatchObject({ code: 'SERVER_SILENT' })
    expect(performance.now() - begun).toBeLessThan(3 * FAST_LIMITS.silenceMs)
    // Lets the thread that waits for the pipe go.
    await writeFile(join(root, 'host/a'), '')
  })
})

function open(directory: string, isKnown = false): Storage {
  const options = { proxy: NO_PROXY, limits: FAST_LIMITS, rateLimit: undefined, isKnown }
  return openStorage(fileServer(directory), options)
}

async function prepared(directory: string): Promise<Storage> {
  const storage = open(directory)
  await storage.prepare(never)
  return storage
}
