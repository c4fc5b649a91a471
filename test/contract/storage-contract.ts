// What every Storage must do. A new implementation calls this once and inherits the tests; the model
// server and a real one run the same, so that the model cannot lie.

import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareEtag, compositeEtag } from '../../src/storage/composite-etag.ts'
import { isProvenBy } from '../../src/storage/storage.ts'
import type { OpenUpload, PartReceipt, Storage } from '../../src/storage/storage.ts'
import {
  chunksOf,
  collect,
  failureFrom,
  freshKey,
  listed,
  never,
  partBody,
} from '../support/storages.ts'

export type ContractSubject = {
  readonly storage: Storage
  readonly close: () => Promise<void>
  /** Smallest part but the last; tests send parts of just this size. */
  readonly partBytes: number
  /** The server cannot list uploads (rclone serve). */
  readonly cannotListUploads?: boolean
  /** The server ignores If-None-Match. */
  readonly replacesObjects?: boolean
  /** The server confirms every Abort, also of an upload that it does not know. */
  readonly abortsTwice?: boolean
}

const TOKEN = 'token-0123456789abcdef'

export function describeStorage(name: string, open: () => Promise<ContractSubject>): void {
  describe(`${name} keeps the Storage contract`, () => {
    let subject: ContractSubject
    let storage: Storage
    beforeAll(async () => {
      subject = await open()
      storage = subject.storage
      await storage.prepare(never)
    })
    afterAll(async () => {
      storage.close()
      await subject.close()
    })

    const begin = (key: string): Promise<OpenUpload> => storage.begin({ key, token: TOKEN }, never)
    const putAll = async (upload: OpenUpload, parts: readonly Buffer[]): Promise<PartReceipt[]> => {
      let offsetBytes = 0
      const inputs = parts.map((bytes, index) => {
        const input = { number: index + 1, offsetBytes, body: partBody(bytes) }
        offsetBytes += bytes.length
        return input
      })
      // Backwards and at once: neither order nor time matters.
      const receipts = await Promise.all(
        inputs.toReversed().map((part) => storage.putPart(upload, part, never)),
      )
      return receipts.toReversed()
    }
    const store = async (key: string, parts: readonly Buffer[]): Promise<PartReceipt[]> => {
      const upload = await begin(key)
      const receipts = await putAll(upload, parts)
      await storage.complete(upload, receipts, never)
      return receipts
    }
    const threeParts = (): Buffer[] => [
      randomBytes(subject.partBytes),
      randomBytes(subject.partBytes),
      randomBytes(1_000),
    ]

    it('stores parts that came in any order, and proves it by token and size', async () => {
      const key = freshKey()
      const parts = threeParts()
      const whole = Buffer.concat(parts)

      const receipts = await store(key, parts)
      const head = await storage.head(key, never)

      expect(isProvenBy(head, { token: TOKEN, sizeBytes: whole.length })).toBe(true)
      expect(await storage.isIntact(head!, { parts: receipts }, never)).toBe(true)
      expect(receipts.map(({ number }) => number)).toEqual([1, 2, 3])
      expect((await collect(storage.read(key, undefined, never))).equals(whole)).toBe(true)
    })

    it('shows nothing at the key before it is complete', async () => {
      const key = freshKey()
      const upload = await begin(key)
      await putAll(upload, [randomBytes(100)])

      expect(await storage.head(key, never)).toBeUndefined()
      expect(await listed(storage.list(key, never))).toEqual([])
      await storage.abort(upload, never)
    })

    it('takes a part again, and keeps what came last', async () => {
      const key = freshKey()
      const upload = await begin(key)
      const [first, second, last] = threeParts() as [Buffer, Buffer, Buffer]
      await putAll(upload, [first, first, last])
      const body = partBody(second)
      const offsetBytes = subject.partBytes
      const receipt = await storage.putPart(upload, { number: 2, offsetBytes, body }, never)
      const others = await putAll(upload, [first])
      const lastInput = { number: 3, offsetBytes: 2 * offsetBytes, body: partBody(last) }
      const end = await storage.putPart(upload, lastInput, never)
      await storage.complete(upload, [others[0]!, receipt, end], never)

      const got = await collect(storage.read(key, undefined, never))
      expect(got.equals(Buffer.concat([first, second, last]))).toBe(true)
    })

    it.each([0, 1, 70_000])('stores an object of one part of %i bytes', async (sizeBytes) => {
      const key = freshKey(`size-${sizeBytes}`)
      const bytes = randomBytes(sizeBytes)

      await store(key, [bytes])

      expect((await storage.head(key, never))?.sizeBytes).toBe(sizeBytes)
      expect((await collect(storage.read(key, undefined, never))).equals(bytes)).toBe(true)
    })

    it('reports every byte that it has handed on, exactly', async () => {
      const upload = await begin(freshKey())
      const bytes = randomBytes(700_001)
      let sent = 0
      const onSent = (more: number): void => void (sent += more)
      await storage.putPart(
        upload,
        { number: 1, offsetBytes: 0, body: partBody(bytes), onSent },
        never,
      )

      expect(sent).toBe(bytes.length)
      await storage.abort(upload, never)
    })

    it('reads a range, and an empty one', async () => {
      const key = freshKey()
      const parts = threeParts()
      await store(key, parts)

      const from = subject.partBytes - 10
      const range = await collect(storage.read(key, { offsetBytes: from, sizeBytes: 20 }, never))
      expect(range.equals(Buffer.concat(parts).subarray(from, from + 20))).toBe(true)
      const none = await collect(storage.read(key, { offsetBytes: 5, sizeBytes: 0 }, never))
      expect(none.length).toBe(0)
    })

    it('rejects a range that the object does not have', async () => {
      const key = freshKey()
      await store(key, [randomBytes(100)])

      const beyond = collect(storage.read(key, { offsetBytes: 90, sizeBytes: 20 }, never))
      expect(await failureFrom(beyond)).toMatchObject({ code: 'SERVER_REJECTED' })
    })

    it('stops reading when the consumer stops', async () => {
      const key = freshKey()
      await store(key, threeParts())

      for await (const chunk of storage.read(key, undefined, never)) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
      // The connection of the half-read body must not be taken for the next request.
      expect((await storage.head(key, never))?.token).toBe(TOKEN)
    })

    it('says what is missing', async () => {
      const key = freshKey('missing')
      expect(await storage.head(key, never)).toBeUndefined()
      const read = collect(storage.read(key, undefined, never))
      expect(await failureFrom(read)).toMatchObject({ code: 'ARCHIVE_MISSING' })
    })

    it('removes an object, and complains about none that is gone', async () => {
      const key = freshKey()
      await store(key, [randomBytes(10)])
      const head = await storage.head(key, never)

      await storage.remove(key, head?.versionId, never)
      expect(await storage.head(key, never)).toBeUndefined()
      await storage.remove(key, head?.versionId, never)
    })

    it('lists by any prefix, on as many pages as it takes', async () => {
      const folder = `host/${randomBytes(4).toString('hex')}`
      const keys = [1, 2, 3, 4, 5].map((n) => `${folder}/day/archive-${n}.tar.zst`)
      for (const key of keys) await store(key, [randomBytes(10)])

      const all = await listed(storage.list(`${folder}/`, never))
      expect(all.map(({ key }) => key).sort()).toEqual(keys)
      expect(all.every(({ sizeBytes }) => sizeBytes === 10)).toBe(true)
      const some = await listed(storage.list(`${folder}/day/archive-3`, never))
      expect(some.map(({ key }) => key)).toEqual([keys[2]])
      expect(await listed(storage.list(`${folder}-other/`, never))).toEqual([])
    })

    it('lists the open uploads of exactly one key', async () => {
      const key = freshKey()
      const upload = await begin(key)
      const longer = await begin(`${key}-2`)

      const found = await listed(storage.listUploads(key, never))
      const expected = [{ key, uploadId: upload.uploadId }]
      expect(found).toEqual(subject.cannotListUploads ? [] : expected)
      await storage.abort(upload, never)
      await storage.abort(longer, never)
      expect(await listed(storage.listUploads(key, never))).toEqual([])
    })

    it('aborts an upload with its parts, twice if asked, and takes no part after that', async () => {
      const key = freshKey()
      const upload = await begin(key)
      const receipts = await putAll(upload, [randomBytes(1_000)])

      expect(await storage.abort(upload, never)).toBe('aborted')
      expect(await storage.abort(upload, never)).toBe(subject.abortsTwice ? 'aborted' : 'gone')

      const body = partBody(randomBytes(10))
      const late = storage.putPart(upload, { number: 1, offsetBytes: 0, body }, never)
      expect(await failureFrom(late)).toMatchObject({ code: 'UPLOAD_GONE' })
      expect(await failureFrom(storage.complete(upload, receipts, never))).toBeInstanceOf(Error)
      expect(await storage.head(key, never)).toBeUndefined()
    })

    it('does not begin where an object is', async () => {
      const key = freshKey()
      await store(key, [randomBytes(10)])

      expect(await failureFrom(begin(key))).toMatchObject({ code: 'OBJECT_EXISTS' })
      expect(await listed(storage.listUploads(key, never))).toEqual([])
    })

    it('never replaces an object, not even one that came meanwhile', async () => {
      if (subject.replacesObjects) return
      const key = freshKey()
      const bytes = randomBytes(50)
      const first = await begin(key)
      const second = await storage.begin({ key, token: 'another-token' }, never)
      const late = await putAll(second, [randomBytes(50)])
      await storage.complete(first, await putAll(first, [bytes]), never)

      const failure = await failureFrom(storage.complete(second, late, never))

      expect(failure).toMatchObject({ code: 'OBJECT_EXISTS' })
      expect((await storage.head(key, never))?.token).toBe(TOKEN)
      expect((await collect(storage.read(key, undefined, never))).equals(bytes)).toBe(true)
      await storage.abort(second, never)
    })

    it('stores a small stream of unknown length', async () => {
      const key = freshKey('small')
      await storage.putSmall(key, chunksOf('hel', '', 'lo'), TOKEN, never)

      expect(isProvenBy(await storage.head(key, never), { token: TOKEN, sizeBytes: 5 })).toBe(true)
      expect((await collect(storage.read(key, undefined, never))).toString()).toBe('hello')
    })

    it('stores a small stream that is larger than one part', async () => {
      const key = freshKey('less-small')
      const chunks = Array.from({ length: 7 }, () => randomBytes(1024 * 1024))
      await storage.putSmall(key, chunksOf(...chunks), TOKEN, never)

      const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
      const got = await collect(storage.read(key, undefined, never))
      expect(sha256(got)).toBe(sha256(Buffer.concat(chunks)))
    })

    it('leaves nothing of a small stream that breaks off', async () => {
      const key = freshKey('broken')
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield randomBytes(6 * 1024 * 1024)
        throw new Error('the source broke')
      }
      const failure = await failureFrom(storage.putSmall(key, broken(), TOKEN, never))

      expect(failure.message).toContain('the source broke')
      expect(await storage.head(key, never)).toBeUndefined()
      expect(await listed(storage.listUploads(key, never))).toEqual([])
    })

    it('rejects everything with INTERRUPTED once the signal is aborted', async () => {
      const key = freshKey()
      const upload = await begin(key)
      const body = partBody(randomBytes(10))
      const part = { number: 1, offsetBytes: 0, body }
      const gone = AbortSignal.abort()

      const attempts = [
        () => storage.begin({ key, token: TOKEN }, gone),
        () => storage.putPart(upload, part, gone),
        () => storage.complete(upload, [], gone),
        () => storage.head(key, gone),
        () => storage.remove(key, undefined, gone),
        () => listed(storage.list('', gone)),
        () => collect(storage.read(key, undefined, gone)),
        () => storage.putSmall(key, chunksOf('x'), TOKEN, gone),
        () => storage.abort(upload, gone),
        () => storage.prepare(gone),
      ]
      for (const attempt of attempts)
        expect(await failureFrom(attempt())).toMatchObject({ code: 'INTERRUPTED' })
      await storage.abort(upload, never)
    })

    it('knows the composite ETag of what it was given', async () => {
      const key = freshKey()
      const parts = threeParts()
      const receipts = await store(key, parts)
      const etag = (await storage.head(key, never))?.etag

      if (compareEtag(etag, receipts) === 'unknown') return
      expect(etag).toBe(compositeEtag(receipts))
    })
  })
}
