// Retention against a real gateway that does not let it delete: by the bucket's policy, by an object
// lock, and in a bucket with versions, where a delete that names none would free nothing.

import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { World } from '../support/world.ts'
import { addNights, lastNights } from '../support/past-nights.ts'

// Printed by scripts/ceph-gateway.sh.
const { endpoint, ...keys } = JSON.parse(process.env['SPILLWAY_CEPH'] ?? '{}') as {
  endpoint: string
  region: string
  accessKey: string
  secretKey: string
}
const credentials = { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey }
const client = new S3Client({ endpoint, region: keys.region, forcePathStyle: true, credentials })

let world: World
let bucket: string
beforeEach(async () => {
  bucket = `locked-${randomBytes(4).toString('hex')}`
  world = await World.make([])
  Object.assign(world.env, {
    S3_SERVER_1_ENDPOINT: endpoint,
    S3_SERVER_1_REGION: keys.region,
    S3_SERVER_1_BUCKET: bucket,
    S3_SERVER_1_ACCESS_KEY: keys.accessKey,
    S3_SERVER_1_SECRET_KEY: keys.secretKey,
    KEEP_LAST: '1',
    PRUNE_MAX_PER_RUN: '100',
  })
  await world.noise('file', 1_000)
})
afterEach(() => world.close())
afterAll(() => client.destroy())

/** Bytes of all versions of our archives, as the gateway counts them. */
async function heldBytes(): Promise<number> {
  const { Versions = [] } = await client.send(
    new ListObjectVersionsCommand({ Bucket: bucket, Prefix: 'host/' }),
  )
  return Versions.reduce((sum, { Size = 0 }) => sum + Size, 0)
}

const usedBytes = (): Promise<number> =>
  world.withCatalog(async (catalog) => (await catalog.servers())[0]!.usedBytes)

it('a policy that denies deletes is reported once per run, and the usage stays true [F43]', async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  await addNights(world, lastNights(6))
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
        Resource: [`arn:aws:s3:::${bucket}/*`],
      },
    ],
  })
  await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))

  for (const night of [1, 2]) {
    const { exit, retention } = await world.run()
    expect([night, exit]).toEqual([night, 3])
    expect(retention.refused).toMatchObject([{ server: 1, code: 'AccessDenied' }])
    expect([retention.deleted, retention.freedBytes]).toEqual([[], 0])
    expect(await usedBytes()).toBe(await heldBytes())
  }

  await client.send(new DeleteBucketPolicyCommand({ Bucket: bucket }))
  expect((await world.run()).retention.refused).toEqual([])
  const left = await world.withCatalog((catalog) => catalog.restorableArchives('docs'))
  expect(left).toHaveLength(1)
  expect(await usedBytes()).toBe(await heldBytes())
})

it('an object lock is reported once per run, and the usage stays true', async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }))
  await client.send(
    new PutObjectLockConfigurationCommand({
      Bucket: bucket,
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } },
      },
    }),
  )
  await addNights(world, lastNights(3))

  for (const night of [1, 2]) {
    const { exit, retention } = await world.run()
    expect([night, exit]).toEqual([night, 3])
    expect(retention.refused).toMatchObject([{ server: 1, code: 'AccessDenied' }])
    expect(retention.freedBytes).toBe(0)
    expect(await usedBytes()).toBe(await heldBytes())
  }
})

it('in a bucket with versions no bytes stay behind a delete marker', async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  await client.send(
    new PutBucketVersioningCommand({
      Bucket: bucket,
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  )
  await addNights(world, lastNights(3))

  const { exit, retention } = await world.run()

  expect([exit, retention.deleted.length]).toEqual([0, 3])
  const left = await world.withCatalog((catalog) => catalog.restorableArchives('docs'))
  expect(left).toHaveLength(1)
  expect(await heldBytes()).toBe(left[0]!.sizeBytes)
  expect(await usedBytes()).toBe(left[0]!.sizeBytes)
})
