// The nightly job as an administrator runs it, on real data and a real gateway: what comes back must be
// what was there, unpacked with stock tools that know nothing of Spillway.

import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { describeTree, removeTree } from '../support/tree.ts'
import { World } from '../support/world.ts'
import type { RunReport } from '../../src/domain/run-report.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')
const CEPH_SCRIPT = join(import.meta.dirname, '../../scripts/ceph-gateway.sh')
const MB = 1_000_000
const MEMORY_MIB_MAX = 256

const { endpoint, ...keys } = JSON.parse(process.env['SPILLWAY_CEPH'] ?? '{}') as {
  endpoint: string
  region: string
  accessKey: string
  secretKey: string
}
const bucket = `nightly-${randomBytes(4).toString('hex')}`
const client = new S3Client({
  endpoint,
  region: keys.region,
  forcePathStyle: true,
  credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
})

let world: World
beforeAll(async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
})
afterAll(() => client.destroy())
beforeEach(async () => {
  world = await World.make([])
  // One bucket, and each time a new catalog: under one name those archives would be of a catalog that was lost.
  world.env['SERVER_ID'] = `host-${randomBytes(4).toString('hex')}`
  useCeph()
})
afterEach(async () => {
  quota('off')
  removeTree(join(world.folder, 'back'))
  await world.close()
})

describe('on a Ceph gateway', () => {
  it('a tree of tens of thousands of files is one object, and tar and bsdtar give it back', async () => {
    world.env['SOURCE_1_PATH'] = '/usr/share'

    const { report, peakMiB } = await runProgram()

    const archive = report.archives[0]!
    expect(archive.warnings).toEqual([])
    expect(archive).toMatchObject({ state: 'stored', attempts: [{ outcome: 'stored' }] })
    expect(peakMiB).toBeLessThan(MEMORY_MIB_MAX)
    const file = await download(archive.key)
    execFileSync('zstd', ['-q', '-t', file])
    for (const [tool, args] of [
      ['tar', ['--zstd', '--numeric-owner', '-xpf']],
      ['bsdtar', ['--numeric-owner', '-xpf']],
    ] as const) {
      const back = join(world.folder, 'back')
      await mkdir(back)
      execFileSync(tool, [...args, file, '-C', back])
      expect(belowTop(back), tool).toEqual(belowTop('/usr/share'))
      removeTree(back)
    }
  }, 300_000)

  it('a gigabyte of noise is one object of many parts, in bounded memory', async () => {
    for (let file = 0; file < 10; file += 1) await world.noise(`noise-${file}`, 100 * MB)

    const { report, peakMiB } = await runProgram()

    const archive = report.archives[0]!
    expect(archive.state).toBe('stored')
    expect(peakMiB).toBeLessThan(MEMORY_MIB_MAX)
    const file = await download(archive.key)
    execFileSync('zstd', ['-q', '-t', file])
    const back = join(world.folder, 'back')
    await mkdir(back)
    execFileSync('tar', ['--zstd', '-xpf', file, '-C', back])
    expect(describeTree(back)).toEqual(describeTree(world.source))
  }, 300_000)

  it('a user quota that is reached in the middle of an upload sends the archive to the next server [F31]', async () => {
    const directory = join(world.folder, 'disk')
    await mkdir(directory)
    world.env['S3_SERVER_2_ENDPOINT'] = `file://${directory}`
    await world.noise('big', 100 * MB)
    quota(String((await usedBytes()) + 55 * MB))

    const { report } = await runProgram()

    expect(report.archives[0]?.attempts).toMatchObject([
      { server: 1, outcome: 'full', code: 'QuotaExceeded' },
      { server: 2, outcome: 'stored' },
    ])
    expect(report.exit).toBe(0)
    expect(await openUploads()).toEqual([])
    const back = join(world.folder, 'back')
    await mkdir(back)
    execFileSync('bsdtar', ['-xpf', join(directory, report.archives[0]!.key), '-C', back])
    expect(belowTop(back)).toEqual(belowTop(world.source))
  }, 120_000)
})

function useCeph(): void {
  const entry = {
    ENDPOINT: endpoint,
    REGION: keys.region,
    BUCKET: bucket,
    ACCESS_KEY: keys.accessKey,
    SECRET_KEY: keys.secretKey,
  }
  for (const [name, value] of Object.entries(entry)) world.env[`S3_SERVER_1_${name}`] = value
}

/** The built program, with its peak memory as the system counted it. */
async function runProgram(): Promise<{ readonly report: RunReport; readonly peakMiB: number }> {
  const figures = join(world.folder, 'time')
  const ended = spawnSync(
    '/usr/bin/time',
    [
      '-o',
      figures,
      '-f',
      '%M',
      process.execPath,
      PROGRAM,
      'run',
      '--json',
      '--config',
      await world.writeEnv(),
    ],
    { maxBuffer: 100 * MB },
  )
  if (ended.stdout.length === 0) throw new Error(`run printed nothing: ${ended.stderr.toString()}`)
  const report = JSON.parse(ended.stdout.toString()) as RunReport
  const peakKiB = Number((await readFile(figures, 'utf8')).trim().split('\n').at(-1))
  return { report, peakMiB: peakKiB / 1_024 }
}

async function download(key: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  const file = join(world.folder, 'downloaded.tar.zst')
  await pipeline(Body as Readable, createWriteStream(file))
  return file
}

async function usedBytes(): Promise<number> {
  let bytes = 0
  // The quota is the user's, over all buckets.
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}))
  for (const { Name } of Buckets) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: Name }))
    bytes += Contents.reduce((sum, { Size = 0 }) => sum + Size, 0)
  }
  return bytes
}

/** Without the folder itself: bsdtar 3.6 never sets the time of `./`. */
function belowTop(root: string): readonly string[] {
  return describeTree(root).filter((line) => !line.startsWith('. '))
}

async function openUploads(): Promise<readonly string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return Uploads.map(({ Key = '' }) => Key)
}

function quota(bytes: string): void {
  execFileSync('bash', [CEPH_SCRIPT, 'quota', process.env['SPILLWAY_CEPH_DIR'] ?? '', bytes])
}
