// The S3 adapter against a real server: Ceph's RADOS gateway. The same contract as the model keeps, and
// what only a real one can tell: how it says that it is full, and that our signatures hold.

import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openStorage } from '../../src/compose-storage.ts'
import { NETWORK_LIMITS } from '../../src/storage/limits.ts'
import { isProvenBy } from '../../src/storage/storage.ts'
import type { PartReceipt, Storage } from '../../src/storage/storage.ts'
import type { S3Server } from '../../src/domain/server.ts'
import { describeStorage } from '../contract/storage-contract.ts'
import {
  failureFrom,
  freshKey,
  listed,
  never,
  NO_PROXY,
  partBody,
  s3Server,
} from '../support/storages.ts'

const MiB = 1024 * 1024
const TOKEN = 'token-of-this-test'

// Printed by scripts/ceph-gateway.sh.
const ceph = JSON.parse(process.env['SPILLWAY_CEPH'] ?? 'null') as {
  endpoint: string
  region: string
  accessKey: string
  secretKey: string
} | null
if (ceph === null) throw new Error('no gateway: run npm run test:servers')

const { endpoint, ...keys } = ceph
const bucket = `contract-${randomBytes(4).toString('hex')}`

beforeAll(async () => {
  const credentials = { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey }
  const client = new S3Client({ endpoint, region: keys.region, forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
})
afterEach(() => setQuota('off'))

describeStorage('a Ceph gateway', async () => ({
  storage: open(),
  close: async () => {},
  partBytes: 5 * MiB,
  // Measured: 16.2 honours If-None-Match for PutObject, but not for CompleteMultipartUpload.
  replacesObjects: true,
}))

describe('a Ceph gateway', () => {
  it('that reaches its quota in the middle of an upload is full, and an abort leaves nothing [F31]', async () => {
    const storage = open()
    const key = freshKey('quota')
    const upload = await storage.begin({ key, token: TOKEN }, never)
    await put(storage, upload, 1)
    setQuota('22000000')

    const failure = await failureFrom(putUntilRefused(storage, upload))

    expect(failure).toMatchObject({
      code: 'SERVER_FULL',
      facts: { code: 'QuotaExceeded', status: 403 },
    })
    expect(failure.message).toContain('Not enough space')
    await storage.abort(upload, never)
    expect(await listed(storage.listUploads(key, never))).toEqual([])
    expect(await storage.head(key, never)).toBeUndefined()
    storage.close()
  })

  it.each([
    {
      what: 'an unknown access key',
      more: { accessKey: 'NOSUCHKEY' },
      code: 'SERVER_KEYS',
      s3: 'InvalidAccessKeyId',
    },
    {
      what: 'a wrong secret key',
      more: { secretKey: 'wrong' },
      code: 'SERVER_KEYS',
      s3: 'SignatureDoesNotMatch',
    },
    {
      what: 'a bucket that does not exist',
      more: { bucket: 'no-such-bucket-here' },
      code: 'SERVER_BUCKET',
      s3: 'NoSuchBucket',
    },
  ])('says what is wrong with $what', async ({ more, code, s3 }) => {
    const storage = open(more)
    const failure = await failureFrom(storage.begin({ key: freshKey(), token: TOKEN }, never))
    expect(failure).toMatchObject({ code, facts: { code: s3 } })
    storage.close()
  })

  it('takes an object of many parts, three at a time', async () => {
    const storage = open()
    const key = freshKey('many')
    const upload = await storage.begin({ key, token: TOKEN }, never)
    const receipts: PartReceipt[] = []
    for (let first = 1; first <= 12; first += 3) {
      const numbers = [first, first + 1, first + 2]
      receipts.push(...(await Promise.all(numbers.map((number) => put(storage, upload, number)))))
    }
    await storage.complete(upload, receipts, never)
    const head = await storage.head(key, never)
    expect(isProvenBy(head, { token: TOKEN, sizeBytes: 60 * MiB })).toBe(true)
    await storage.remove(key, head?.versionId, never)
    storage.close()
  })
})

function open(more: Partial<S3Server> = {}): Storage {
  const server = s3Server({ endpoint, bucket, keys }, more)
  const options = { proxy: NO_PROXY, limits: NETWORK_LIMITS, rateLimit: undefined, isKnown: false }
  return openStorage(server, options)
}

async function put(
  storage: Storage,
  upload: Parameters<Storage['putPart']>[0],
  number: number,
): Promise<PartReceipt> {
  const offsetBytes = (number - 1) * 5 * MiB
  const body = partBody(randomBytes(5 * MiB))
  return storage.putPart(upload, { number, offsetBytes, body }, never)
}

/** The gateway looks at its quota a little late; within ten parts it notices. */
async function putUntilRefused(
  storage: Storage,
  upload: Parameters<Storage['putPart']>[0],
): Promise<void> {
  for (let number = 2; number <= 12; number += 1) await put(storage, upload, number)
}

function setQuota(bytes: string): void {
  const script = join(import.meta.dirname, '../../scripts/ceph-gateway.sh')
  const folder = process.env['SPILLWAY_CEPH_DIR'] ?? ''
  execFileSync('bash', [script, 'quota', folder, bytes], { stdio: 'pipe' })
}
