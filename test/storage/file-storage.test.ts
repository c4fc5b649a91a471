// A local directory as a server: the contract, and what only a disk can do.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync } from 'node:fs'
import {
  link,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { heldSteps } from '../../src/lib/left-behind.ts'
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
    expect(failure.hint).toContain('S3_SERVER_1_ENDPOINT')
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

// What a dead network mount does to a call, a pipe without its other end does to an open: it never comes
// back, and holds a thread of the pool. The pipes are opened at the end, to let the threads go.
describe('a disk that stops answering', () => {
  const pipes: string[] = []
  const pipeAt = async (path: string): Promise<void> => {
    await rm(path, { force: true })
    execFileSync('mkfifo', [path])
    pipes.push(path)
  }
  const letGo = async (): Promise<void> => {
    // Both ends at once, and gone: what waits for either comes back, and finds the end of the pipe.
    for (const path of pipes) closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
    await vi.waitFor(() => expect(heldSteps()).toBe(0), { timeout: 5_000, interval: 5 })
    pipes.splice(0)
  }
  afterEach(async () => {
    await letGo()
    vi.restoreAllMocks()
  })

  /** From now on writes hang; as Node's own, `close` waits for a write that is under way. */
  const hangWrites = async (): Promise<void> => {
    const pipe = join(root, 'pipe')
    await pipeAt(pipe)
    const some = await openFile(join(root, '.spillway-server'), 'r')
    const handles = Object.getPrototypeOf(some) as FileHandle
    await some.close()
    const hang = async function (this: FileHandle, bytes: Uint8Array) {
      const hanging = openFile(pipe, 'r').then((opened) => opened.close())
      const close = this.close.bind(this)
      this.close = async () => {
        await hanging
        await close()
      }
      await hanging
      return { bytesWritten: bytes.length, buffer: bytes }
    }
    vi.spyOn(handles, 'write').mockImplementation(hang as never)
  }

  const part = { number: 1, offsetBytes: 0, body: partBody(randomBytes(1_000)) }
  const beginIn = (storage: Storage) => storage.begin({ key: freshKey(), token: 't' }, never)
  const tokenOf = async (storage: Storage): Promise<{ key: string; path: string }> => {
    const key = freshKey()
    await storage.putSmall(key, chunksOf('x'), 't', never)
    const [name] = await readdir(join(root, '.tokens'))
    return { key, path: join(root, '.tokens', name!) }
  }
  const silenceOf = async (work: Promise<unknown>): Promise<void> => {
    const begun = performance.now()
    expect(await failureFrom(work)).toMatchObject({ code: 'SERVER_SILENT' })
    expect(performance.now() - begun).toBeLessThan(2 * FAST_LIMITS.silenceMs)
  }

  it('is silent while a part is written, and the file is not waited for', async () => {
    const storage = await prepared(root)
    const upload = await beginIn(storage)
    await hangWrites()
    await silenceOf(storage.putPart(upload, part, never))
  })

  it('is silent while it is prepared', async () => {
    await pipeAt(join(root, `.spillway-server.${process.pid}.new`))
    await silenceOf(open(root).prepare(never))
  })

  it('is silent while an object is looked at', async () => {
    const storage = await prepared(root)
    const { key, path } = await tokenOf(storage)
    await pipeAt(path)
    await silenceOf(storage.head(key, never))
  })

  it('is silent while an upload is completed', async () => {
    const storage = await prepared(root)
    const { key } = await tokenOf(storage)
    await storage.remove(key, undefined, never)
    const again = await storage.begin({ key, token: 't' }, never)
    const hash = again.uploadId.split('.')[0]!
    await pipeAt(join(root, '.tokens', `${hash}.${process.pid}.new`))
    await silenceOf(storage.complete(again, [], never))
    expect(await readdir(root)).not.toContain('host')
  })

  it('lets go at once of who is interrupted, or has waited long enough', async () => {
    const storage = await prepared(root)
    const upload = await beginIn(storage)
    const { key, path } = await tokenOf(storage)
    await pipeAt(path)
    await hangWrites()
    for (const work of [
      (signal: AbortSignal) => storage.putPart(upload, part, signal),
      (signal: AbortSignal) => storage.head(key, signal),
    ]) {
      const begun = performance.now()
      const failure = await failureFrom(work(AbortSignal.timeout(100)))
      expect(failure).toMatchObject({ code: 'INTERRUPTED' })
      expect(performance.now() - begun).toBeLessThan(FAST_LIMITS.silenceMs / 2)
    }
  })

  it('is not asked again while the call hangs: each would take a thread of the pool', async () => {
    const storage = await prepared(root)
    const upload = await beginIn(storage)
    await hangWrites()
    await failureFrom(storage.putPart(upload, part, never))
    const held = heldSteps()

    const begun = performance.now()
    for (const work of [
      storage.head(upload.key, never),
      storage.abort(upload, never),
      storage.putPart(upload, part, never),
      listed(storage.list('', never)),
    ])
      expect(await failureFrom(work)).toMatchObject({ code: 'SERVER_SILENT' })
    expect(performance.now() - begun).toBeLessThan(FAST_LIMITS.silenceMs / 2)
    expect(heldSteps()).toBe(held)
  })

  it('is asked again when it has come back', async () => {
    const storage = await prepared(root)
    const upload = await beginIn(storage)
    await hangWrites()
    await failureFrom(storage.putPart(upload, part, never))
    await letGo()
    expect(await storage.head(upload.key, never)).toBeUndefined()
  })
})

describe('a run that was killed between the name and the end of its upload', () => {
  // complete() links the temporary file to its name and then removes it: here it is killed in between.
  const killed = async () => {
    const storage = await prepared(root)
    const key = freshKey()
    const upload = await storage.begin({ key, token: 't' }, never)
    const temporary = join(root, '.uploads', upload.uploadId)
    const part = { number: 1, offsetBytes: 0, body: partBody(randomBytes(100)) }
    const receipt = await storage.putPart(upload, part, never)
    await link(temporary, join(root, 'second-link'))
    await storage.complete(upload, [receipt], never)
    await rename(join(root, 'second-link'), temporary)
    return { storage, key, upload }
  }
  const uploads = () => readdir(join(root, '.uploads'))

  it('leaves an object that is whole; an abort takes the second link away, and only that', async () => {
    const { storage, key, upload } = await killed()
    expect(await storage.head(key, never)).toMatchObject({ token: 't', sizeBytes: 100 })
    expect(await storage.abort(upload, never)).toBe('gone')
    expect(await uploads()).toEqual([])
    expect(await storage.head(key, never)).toMatchObject({ token: 't', sizeBytes: 100 })
  })

  it('leaves no bytes behind once the object is removed', async () => {
    const { storage, key } = await killed()
    const open = await storage.begin({ key: `${key}-2`, token: 't' }, never)
    await storage.remove(key, undefined, never)
    expect(await uploads()).toEqual([open.uploadId])
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
