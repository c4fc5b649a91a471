// What servers answer when they are busy, full, misconfigured, or no S3 servers at all.

import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { failureOf } from '../../src/domain/errors.ts'
import { isProvenBy } from '../../src/storage/storage.ts'
import type { Fault, FaultRule } from '../support/fault-proxy.ts'
import { PERSONALITIES } from '../support/s3-model-options.ts'
import type { QuotaSwitch } from '../support/s3-model-options.ts'
import type { PartReceipt } from '../../src/storage/storage.ts'
import { collect, failureFrom, listed, never, partBody } from '../support/storages.ts'
import { openWorld, PART_BYTES, putPart, store, TOKEN } from './faults.ts'
import type { FaultyWorld } from './faults.ts'

const worlds: FaultyWorld[] = []
const open: typeof openWorld = async (input) => {
  const world = await openWorld(input)
  worlds.push(world)
  return world
}
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
})

const CROWD_PART_BYTES = 2_000

const beginIn = ({ storage, key }: FaultyWorld) => storage.begin({ key, token: TOKEN }, never)

describe('a busy server', () => {
  const busy = { kind: 'answer', status: 503, code: 'SlowDown' } as const

  it('is asked again, and takes the part [F23]', async () => {
    const world = await open({ rules: [{ operation: 'UploadPart', times: 2, fault: busy }] })
    await store(world)
    world.proxy.assertFired()
  })

  it('is given up after four repeats [F23]', async () => {
    const world = await open({ rules: [{ operation: 'UploadPart', fault: busy }] })
    const failure = await failureFrom(putPart(world.storage, await beginIn(world)))
    expect(failure).toMatchObject({ code: 'SERVER_BUSY', facts: { code: 'SlowDown', status: 503 } })
    expect(world.proxy.fired()).toEqual([5])
  })

  it('may ask for more time than we would give [F24a]', async () => {
    const fault = { ...busy, headers: { 'retry-after': '1' } }
    const world = await open({ rules: [{ operation: 'Head', times: 1, fault }] })
    const begun = performance.now()
    await world.storage.head(world.key, never)
    expect(performance.now() - begun).toBeGreaterThan(990)
  })

  it('is not asked again when that would pass the limit without progress [F24a]', async () => {
    const world = await open({
      rules: [{ fault: { ...busy, headers: { 'retry-after': '15' } } }],
      limits: { withoutProgressMs: 2_000 },
    })
    expect(await failureFrom(world.storage.head(world.key, never))).toMatchObject({
      code: 'SERVER_BUSY',
    })
    expect(world.proxy.fired()).toEqual([1])
  })

  it.each([1, 2])('that takes %i parts at once is soon sent no more [F24b]', async (parts) => {
    const world = await open({ model: { crowd: { parts, ms: 15 } } })
    const bytes = randomBytes(60 * CROWD_PART_BYTES)
    const upload = await beginIn(world)
    const receipts: PartReceipt[] = []
    // As many at once as sendParts() begins, one after the other.
    const numbers = Array.from({ length: 60 }, (_, at) => at + 1).values()
    const sender = async (): Promise<void> => {
      for (const number of numbers) {
        const offsetBytes = (number - 1) * CROWD_PART_BYTES
        const body = partBody(bytes.subarray(offsetBytes, offsetBytes + CROWD_PART_BYTES))
        receipts.push(await world.storage.putPart(upload, { number, offsetBytes, body }, never))
      }
    }
    await Promise.all([sender(), sender(), sender()])
    receipts.sort((a, b) => a.number - b.number)
    await world.storage.complete(upload, receipts, never)

    expect(world.model.bytesOf(world.key).equals(bytes)).toBe(true)
    const refused = world.model.log.filter(({ code }) => code === 'SlowDown')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThanOrEqual(5)
  })

  it.each([500, 502, 504, 429, 520])('is meant by a bare status %i [F23]', async (status) => {
    const fault = { kind: 'answer', status, body: '<html><body>Oops</body></html>' } as const
    const world = await open({ rules: [{ fault }] })
    expect(await failureFrom(beginIn(world))).toMatchObject({
      code: 'SERVER_BUSY',
      facts: { code: `HTTP ${status}` },
    })
  })
})

describe('a full server', () => {
  const quotas: Record<string, QuotaSwitch> = {
    'Ceph (before the body is read)': {
      bytes: 400_000,
      status: 403,
      code: 'QuotaExceeded',
      at: 'before-body',
    },
    MinIO: {
      bytes: 400_000,
      status: 400,
      code: 'XMinioAdminBucketQuotaExceeded',
      at: 'after-body',
    },
    'MinIO, disk full': {
      bytes: 400_000,
      status: 507,
      code: 'XMinioStorageFull',
      at: 'after-body',
    },
    B2: {
      bytes: 400_000,
      status: 403,
      code: 'AccessDenied',
      message:
        'Cannot upload files, storage cap exceeded. See the Caps & Alerts page to increase your cap.',
      at: 'after-body',
    },
    Storj: { bytes: 400_000, status: 403, code: 'StorageLimitExceeded', at: 'after-body' },
    'an unknown one': { bytes: 400_000, status: 507, code: 'Whatever', at: 'after-body' },
  }

  it.each(Object.entries(quotas))('like %s is full, not dead [F31]', async (_name, quota) => {
    const world = await open({ model: { quota } })
    const upload = await beginIn(world)
    await putPart(world.storage, upload, 1)

    // Large enough that the refusal comes while the body is being sent.
    const failure = await failureFrom(
      putPart(world.storage, upload, 2, randomBytes(8 * 1024 * 1024)),
    )

    expect(failure).toMatchObject({ code: 'SERVER_FULL', facts: { code: quota.code } })
    expect(failure.message).toContain('Not enough space')
    expect(failureOf(failure).server).toBe('full')
    await world.storage.abort(upload, never)
    expect(world.model.uploads()).toEqual([])
  })

  it('like Garage says so only at the end, and nothing is left [F31]', async () => {
    const message = 'Forbidden: Bucket size quota is reached, maximum total size for this bucket: 1'
    const world = await open({
      model: {
        ...PERSONALITIES.garage,
        quota: { bytes: 400_000, status: 403, code: 'AccessDenied', message, at: 'complete' },
      },
    })
    expect(await failureFrom(store(world))).toMatchObject({ code: 'SERVER_FULL' })
    expect(await world.storage.head(world.key, never)).toBeUndefined()
    expect(world.model.uploads()).toEqual([])
  })

  it('is heard even when its connection breaks twice before the answer could be read', async () => {
    // The first refusal is lost in the broken pipe; the held-back body makes room for the second.
    const lost = {
      operation: 'UploadPart',
      times: 1,
      fault: { kind: 'reset', afterBytes: 60_000 },
    } as const
    const refused = {
      kind: 'answer',
      status: 403,
      code: 'QuotaExceeded',
      readsBody: false,
    } as const
    const world = await open({ rules: [lost, { operation: 'UploadPart', fault: refused }] })
    const failure = await failureFrom(
      putPart(world.storage, await beginIn(world), 1, randomBytes(8 * 1024 * 1024)),
    )
    expect(failure).toMatchObject({
      code: 'SERVER_FULL',
      facts: { code: 'QuotaExceeded', status: 403 },
    })
    world.proxy.assertFired()
  })
})

describe('a misconfigured entry', () => {
  it('with an unknown access key [F29]', async () => {
    const world = await open({ server: { accessKey: 'AKIAUNKNOWN' } })
    const failure = await failureFrom(beginIn(world))
    expect(failure).toMatchObject({
      code: 'SERVER_KEYS',
      facts: { code: 'InvalidAccessKeyId', status: 403 },
    })
    expect(failure.message).toContain(
      'Invalid S3 credentials: the server does not know the access key ...NOWN',
    )
  })

  it('with a wrong secret key, which no message shows [F29]', async () => {
    const secretKey = 'canary-secret-value'
    const world = await open({ server: { secretKey } })
    const failure = await failureFrom(beginIn(world))
    expect(failure).toMatchObject({ code: 'SERVER_KEYS', facts: { code: 'SignatureDoesNotMatch' } })
    expect(failure.message).toContain('Invalid S3 credentials: the secret key of ...')
    expect(JSON.stringify([failure.message, failure.facts, failure.hint])).not.toContain(secretKey)
  })

  it('with a bucket that does not exist [F30a]', async () => {
    const world = await open({ server: { bucket: 'no-such-bucket' } })
    const failure = await failureFrom(beginIn(world))
    expect(failure).toMatchObject({ code: 'SERVER_BUCKET', facts: { code: 'NoSuchBucket' } })
    expect(failure.message).toContain('/no-such-bucket')
  })

  it('with keys that are revoked midway [F29]', async () => {
    const world = await open()
    const upload = await beginIn(world)
    await putPart(world.storage, upload, 1)
    world.model.change({ accessKey: 'another-key-now' })
    const failure = await failureFrom(putPart(world.storage, upload, 2))
    expect(failure).toMatchObject({ code: 'SERVER_KEYS' })
    expect(failureOf(failure).server).toBe('misconfigured')
  })

  it.each(['Create', 'UploadPart', 'Complete', 'Abort', 'Head', 'Get', 'Delete', 'List'] as const)(
    'with a key that may not %s [F30a]',
    async (operation) => {
      const world = await open({ model: { denies: [operation] } })
      const { storage, key } = world
      const everything = async (): Promise<void> => {
        await store(world)
        await storage.head(key, never)
        await collect(storage.read(key, undefined, never))
        await listed(storage.list('', never))
        await storage.abort(await storage.begin({ key: `${key}-2`, token: TOKEN }, never), never)
        await storage.remove(key, undefined, never)
      }
      const failure = await failureFrom(everything())
      expect(failure).toMatchObject({ code: 'SERVER_DENIED', facts: { status: 403 } })
    },
  )

  it('with another region is repaired by what the server says, and remembered', async () => {
    const world = await open({ model: { region: 'fsn1' }, server: { region: 'us-east-1' } })
    await store(world)
    // HEAD comes first, and its answer has no body that could name the region.
    const refused = world.model.log.filter(({ status }) => status === 400)
    expect(refused.map(({ operation }) => operation)).toEqual(['Head', 'Create'])
  })

  it('with a storage class that the server does not know does without it', async () => {
    const world = await open({
      model: { storageClass: '501' },
      server: { storageClass: 'GLACIER_IR' },
    })
    await store(world)
    await world.storage.begin({ key: `${world.key}-2`, token: TOKEN }, never)
    expect(world.model.log.filter(({ status }) => status === 501)).toHaveLength(1)
  })

  it('with a clock that is wrong is repaired by the date in the answer [F33a]', async () => {
    const world = await open({ model: { skewMs: 40 * 60 * 1000 } })
    await store(world)
    const refused = world.model.log.filter(({ code }) => code === 'RequestTimeTooSkewed')
    expect(refused).toHaveLength(1)
  })

  it('with a clock that cannot be repaired is told so [F33a]', async () => {
    const fault = { kind: 'answer', status: 403, code: 'RequestTimeTooSkewed' } as const
    const world = await open({ rules: [{ operation: 'Create', fault }] })
    expect(await failureFrom(beginIn(world))).toMatchObject({ code: 'SERVER_CLOCK' })
    expect(world.proxy.fired()).toEqual([2])
  })
})

describe('something that is no S3 server', () => {
  const page = '<!doctype html><html><body>Please sign in</body></html>'

  it.each([
    { what: 'a sign-in page for everything', fault: { kind: 'answer', status: 200, body: page } },
    { what: 'an empty answer', fault: { kind: 'answer', status: 200 } },
    {
      what: 'another XML',
      fault: {
        kind: 'answer',
        status: 200,
        headers: { 'content-type': 'application/xml' },
        body: '<feed/>',
      },
    },
    { what: 'a page "not found"', fault: { kind: 'answer', status: 405, body: page } },
  ] as { what: string; fault: Fault }[])('is recognised: $what [F25a]', async ({ fault }) => {
    const world = await open({ rules: [{ fault }] })
    expect(await failureFrom(beginIn(world))).toMatchObject({ code: 'SERVER_NOT_S3' })
  })

  it.each(['List', 'ListUploads', 'ListParts', 'Complete'] as const)(
    'is recognised by a strange answer to %s, which is not taken for an empty one [F25a]',
    async (operation) => {
      const headers = { 'content-type': 'application/xml' }
      const fault = { kind: 'answer', status: 200, headers, body: '<feed></feed>' } as const
      const world = await open({ rules: [{ operation, fault }] })
      const { storage, key } = world
      const everything = async (): Promise<void> => {
        await store(world)
        await listed(storage.list('', never))
        await listed(storage.listUploads(key, never))
        await storage.abort(await storage.begin({ key: `${key}-2`, token: TOKEN }, never), never)
      }
      expect(await failureFrom(everything())).toMatchObject({ code: 'SERVER_NOT_S3' })
    },
  )

  it('is recognised by a page that claims to have deleted', async () => {
    const fault = { kind: 'answer', status: 200, body: page } as const
    const world = await open({ rules: [{ operation: 'Delete', fault }] })
    const failure = await failureFrom(world.storage.remove(world.key, undefined, never))
    expect(failure).toMatchObject({ code: 'SERVER_NOT_S3' })
  })

  it('is recognised by a part that gets no ETag', async () => {
    const fault = { kind: 'answer', status: 200 } as const
    const world = await open({ rules: [{ operation: 'UploadPart', fault }] })
    const failure = await failureFrom(putPart(world.storage, await beginIn(world)))
    expect(failure).toMatchObject({ code: 'SERVER_NOT_S3' })
  })

  it.each([301, 302, 307, 308])(
    'is not followed when it redirects with %i [F44]',
    async (status) => {
      const elsewhere = await open()
      const headers = { location: `${elsewhere.model.endpoint}/archives/x` }
      const world = await open({ rules: [{ fault: { kind: 'answer', status, headers } }] })
      const failure = await failureFrom(beginIn(world))
      expect(failure.code).toMatch(/SERVER_(BUCKET|NOT_S3)/)
      // No request, and so no signature, went there.
      expect(elsewhere.model.log).toEqual([])
    },
  )

  it('cannot fill our memory with an endless answer [F93a]', async () => {
    const body = `<ListBucketResult>${' '.repeat(17 * 1024 * 1024)}</ListBucketResult>`
    const fault = {
      kind: 'answer',
      status: 200,
      body,
      headers: { 'content-type': 'application/xml' },
    } as const
    const world = await open({ rules: [{ operation: 'List', fault }] })
    expect(await failureFrom(listed(world.storage.list('', never)))).toMatchObject({
      code: 'SERVER_NOT_S3',
    })
  })

  it('cannot lead a listing in circles', async () => {
    const body =
      '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken></ListBucketResult>'
    const fault = {
      kind: 'answer',
      status: 200,
      body,
      headers: { 'content-type': 'application/xml' },
    } as const
    const world = await open({ rules: [{ operation: 'List', fault }] })
    expect(await failureFrom(listed(world.storage.list('', never)))).toMatchObject({
      code: 'SERVER_NOT_S3',
    })
    expect(world.proxy.fired()).toEqual([2])
  })
})

describe('damage', () => {
  it('on the way is noticed by the server, and heals with one repeat [F34a]', async () => {
    const fault = { kind: 'flip', position: 100_000 } as const
    const world = await open({
      rules: [{ operation: 'UploadPart', partNumber: 2, times: 1, fault }],
    })
    const bytes = randomBytes(2 * PART_BYTES + 10)
    await store(world, bytes)
    expect(world.model.bytesOf(world.key).equals(bytes)).toBe(true)
    expect(world.model.log.filter(({ code }) => code === 'BadDigest')).toHaveLength(1)
  })

  it('on the way every time ends the attempt', async () => {
    const fault = { kind: 'flip' } as const
    const world = await open({ rules: [{ operation: 'UploadPart', fault }] })
    const failure = await failureFrom(putPart(world.storage, await beginIn(world)))
    expect(failure).toMatchObject({ code: 'SERVER_DAMAGED_DATA', facts: { code: 'BadDigest' } })
    expect(world.proxy.fired()).toEqual([2])
  })

  it('shows in the composite ETag of a server whose ETags were right before [F35b]', async () => {
    const world = await open()
    await store(world)
    const receipts = []
    const upload = await world.storage.begin({ key: `${world.key}-2`, token: TOKEN }, never)
    for (const number of [1, 2]) receipts.push(await putPart(world.storage, upload, number))
    // The server has other bytes than those that the receipts are about.
    const other = { ...receipts[1]!, md5: randomBytes(16) }
    const forged = { ...other, etag: other.md5.toString('hex') }
    world.proxy.add({ operation: 'Complete', fault: completeResult(`"${'0'.repeat(32)}-2"`) })
    const failure = await failureFrom(world.storage.complete(upload, [receipts[0]!, forged], never))
    expect(failure).toMatchObject({ code: 'SERVER_DAMAGED_DATA', facts: { code: 'EtagMismatch' } })
  })

  it('is not suspected of a server with its own formula, once its bytes were read back', async () => {
    const world = await open()
    world.proxy.add({
      operation: 'Complete',
      times: 1,
      fault: { kind: 'wait', until: async () => {} },
    })
    world.model.change({ etag: 'odd-composite' })
    const bytes = randomBytes(2 * PART_BYTES)
    await store(world, bytes)
    expect(world.proxy.requests.filter((operation) => operation === 'Get')).toHaveLength(2)
  })

  it('is found by that reading back [F35b]', async () => {
    const world = await open({ model: { etag: 'odd-composite' } })
    world.proxy.add({
      operation: 'Get',
      nth: 2,
      times: 1,
      fault: { kind: 'flip-answer', position: 7 },
    })
    expect(await failureFrom(store(world))).toMatchObject({ code: 'SERVER_DAMAGED_DATA' })
    world.proxy.assertFired()
  })
})

describe('damage that a server does not look for, and that its part ETag shows', () => {
  const flip = { kind: 'flip', position: 1_000 } as const
  const openCareless = (fault: Omit<FaultRule, 'fault' | 'operation'>) =>
    open({
      model: { ignoresHashes: true },
      rules: [{ operation: 'UploadPart', fault: flip, ...fault }],
    })

  it('in a later part heals with one repeat', async () => {
    const world = await openCareless({ partNumber: 2, times: 1 })
    const bytes = randomBytes(2 * PART_BYTES + 10)
    await store(world, bytes)
    world.proxy.assertFired()
    expect(world.model.bytesOf(world.key).equals(bytes)).toBe(true)
    expect(world.model.count('UploadPart')).toBe(4)
  })

  it('in a later part, every time, ends the attempt', async () => {
    const world = await openCareless({ partNumber: 2 })
    const failure = await failureFrom(store(world))
    expect(failure).toMatchObject({ code: 'SERVER_DAMAGED_DATA', facts: { code: 'EtagMismatch' } })
    expect(world.proxy.fired()).toEqual([2])
  })

  it('in the first part, before anything is known of the server, is never completed', async () => {
    const world = await openCareless({ partNumber: 1, times: 1 })
    const failure = await failureFrom(store(world))
    expect(failure).toMatchObject({ code: 'SERVER_DAMAGED_DATA', facts: { code: 'EtagMismatch' } })
    expect(world.model.count('Complete')).toBe(0)
  })

  it('in the only part heals with one repeat where the server gave MD5s before', async () => {
    const world = await openCareless({ nth: 2, times: 1 })
    await store(world, randomBytes(10_000))
    const bytes = randomBytes(PART_BYTES)
    await store({ ...world, key: `${world.key}-2` }, bytes)
    world.proxy.assertFired()
    expect(world.model.bytesOf(`${world.key}-2`).equals(bytes)).toBe(true)
  })

  it('in the only part that the server ever had is found by reading it back', async () => {
    const world = await openCareless({ times: 1 })
    const failure = await failureFrom(store(world, randomBytes(PART_BYTES)))
    expect(failure).toMatchObject({ code: 'SERVER_DAMAGED_DATA', facts: { code: 'EtagMismatch' } })
  })
})

describe('a server that encrypts, and whose ETags are no MD5s', () => {
  const storeTwo = async (world: FaultyWorld, bytes: number): Promise<void> => {
    await store(world, randomBytes(bytes))
    await store({ ...world, key: `${world.key}-2` }, randomBytes(bytes))
  }
  const reads = ({ proxy }: FaultyWorld) => proxy.requests.filter((each) => each === 'Get').length

  it('is asked for its first archive of one part, and for no other', async () => {
    const world = await open({ model: { etag: 'opaque' } })
    await storeTwo(world, PART_BYTES)
    expect([world.model.objects().length, reads(world)]).toEqual([2, 1])
  })

  it('is known by many parts, of which none has its MD5', async () => {
    const world = await open({ model: { etag: 'opaque' } })
    await storeTwo(world, 2 * PART_BYTES)
    await store({ ...world, key: `${world.key}-3` }, randomBytes(PART_BYTES))
    expect([world.model.objects().length, reads(world)]).toEqual([3, 0])
  })

  it('is believed by token and size where the key may not read', async () => {
    const world = await open({ model: { etag: 'opaque', denies: ['Get'] } })
    await storeTwo(world, PART_BYTES)
    expect(world.model.objects()).toHaveLength(2)
  })
})

describe('Complete', () => {
  it('is not done when a 200 answer carries an error [F36a]', async () => {
    const world = await open({ model: { completeBody: 'error200' } })
    expect(await failureFrom(store(world))).toMatchObject({ code: 'SERVER_BUSY' })
    expect(await world.storage.head(world.key, never)).toBeUndefined()
  })

  it('is not done when a 200 answer has nothing in it [F36c]', async () => {
    const nothing = { operation: 'Complete', fault: { kind: 'answer', status: 200 } } as const
    const world = await open({ rules: [nothing] })
    expect(await failureFrom(store(world))).toMatchObject({ code: 'SERVER_BUSY' })
    expect(await world.storage.head(world.key, never)).toBeUndefined()
    world.proxy.assertFired()
  })

  it('is repeated after such an answer, because the upload is still open [F36a]', async () => {
    const fault: Fault = {
      kind: 'answer',
      status: 200,
      headers: { 'content-type': 'application/xml' },
      body: '<?xml version="1.0"?>\n<Error><Code>InternalError</Code></Error>',
    }
    const world = await open({ rules: [{ operation: 'Complete', times: 1, fault }] })
    await store(world)
    expect((await world.storage.head(world.key, never))?.token).toBe(TOKEN)
    world.proxy.assertFired()
  })

  it.each(['result', 'NoSuchUpload'] as const)(
    'is proved by HEAD when its answer is lost, and not sent twice (second: %s) [F37]',
    async (secondComplete) => {
      const rule = { operation: 'Complete', fault: { kind: 'drop-answer' } } as const
      const world = await open({ rules: [rule], model: { secondComplete } })
      const bytes = randomBytes(2 * PART_BYTES)
      await store(world, bytes)
      const expected = { token: TOKEN, sizeBytes: bytes.length }
      expect(isProvenBy(await world.storage.head(world.key, never), expected)).toBe(true)
      expect(world.model.count('Complete')).toBe(1)
    },
  )

  it('leaves the proof to the caller when the server falls silent', async () => {
    const rule = { operation: 'Complete', fault: { kind: 'drop-answer', how: 'hang' } } as const
    const world = await open({ rules: [rule] })
    expect(await failureFrom(store(world))).toMatchObject({ code: 'SERVER_SILENT' })
    expect((await world.storage.head(world.key, never))?.token).toBe(TOKEN)
  })

  it('is sent again when it never arrived', async () => {
    const rule = { operation: 'Complete', times: 1, fault: { kind: 'reset' } } as const
    const world = await open({ rules: [rule] })
    await store(world)
    expect(world.model.count('Complete')).toBe(1)
    world.proxy.assertFired()
  })

  it('does not take an older object at the key for ours [F38]', async () => {
    const world = await open({ model: { conditional: 'ignored', secondComplete: 'NoSuchUpload' } })
    const bytes = randomBytes(PART_BYTES)
    const upload = await beginIn(world)
    world.model.seed(world.key, bytes, { 'spillway-token': 'of somebody else' })
    const receipt = await putPart(world.storage, upload, 1, bytes)
    world.model.expireUploads()
    world.proxy.add({ operation: 'Complete', fault: { kind: 'drop-answer' } })
    const failure = await failureFrom(world.storage.complete(upload, [receipt], never))
    expect(failure).toMatchObject({ code: 'SERVER_UNPROVEN' })
  })

  it.each([
    ['a page', { status: 200, body: '<html>please log in</html>' }, true],
    ['a page with 404', { status: 404, body: 'not found' }, true],
    ['a page with 403', { status: 403, body: '<html>forbidden</html>' }, true],
    ['S3 itself', { status: 403, code: 'AccessDenied' }, undefined],
  ])('and is refused by %s is over only where S3 says so', async (_who, answer, mayBeDone) => {
    const fault = { kind: 'answer', ...answer } as const
    const world = await open({ rules: [{ operation: 'Complete', fault }] })
    const failure = await failureFrom(store(world))
    expect(failure.facts['mayBeDone']).toBe(mayBeDone)
  })

  it('of an upload that the server has expired fails for good', async () => {
    const world = await open()
    const upload = await beginIn(world)
    const receipt = await putPart(world.storage, upload)
    world.model.expireUploads()
    expect(await failureFrom(putPart(world.storage, upload, 2))).toMatchObject({
      code: 'UPLOAD_GONE',
    })
    const failure = await failureFrom(world.storage.complete(upload, [receipt], never))
    expect(failureOf(failure)).toMatchObject({ repeat: 0, server: 'failed' })
  })
})

function completeResult(etag: string): Fault {
  const body = `<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`
  return { kind: 'answer', status: 200, body, headers: { 'content-type': 'application/xml' } }
}
