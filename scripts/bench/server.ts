// The server that all contenders send to: the model server as a process of its own, on loopback, which counts what goes
// over the wire; or another one, named by BENCH_ENDPOINT, BENCH_BUCKET, BENCH_ACCESS_KEY, BENCH_SECRET_KEY, BENCH_REGION and, for
// the tables, BENCH_SERVER ("Ceph 16.2 in the same rack"). Of another one nothing is touched but what lies below a prefix of ours.

// Its switch for the SDK's line about versions of Node, which is only noise here.
import '../../src/storage/s3-client.ts'
import { DeleteObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { WireTraffic } from './results.ts'
import type { Traffic } from '../../test/support/s3-model-traffic.ts'

const MODEL = join(import.meta.dirname, '../../test/support/s3-model-main.js')

export type Endpoint = {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKey: string
  readonly secretKey: string
}

/** Where one contender works: a folder for its state, a source, and its part of the bucket. */
export type Place = {
  readonly folder: string
  readonly source: string
  readonly server: Endpoint
  /** Without slash at the end. */
  readonly prefix: string
}

export type BenchServer = {
  readonly endpoint: Endpoint
  /** For the tables. */
  readonly title: string
  /** Since the start; null where the server does not count. */
  readonly traffic: () => Promise<WireTraffic | null>
  /** Bytes of the objects below a prefix. */
  readonly storedBytes: (prefix: string) => Promise<number>
  readonly removeAll: (prefix: string) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Keeps the bytes of the model server below `folder`. */
export async function startServer(folder: string): Promise<BenchServer> {
  const { BENCH_ENDPOINT: given } = process.env as Record<string, string | undefined>
  if (given === undefined) return startModel(folder)
  const endpoint = {
    endpoint: given,
    region: process.env['BENCH_REGION'] ?? 'us-east-1',
    bucket: process.env['BENCH_BUCKET'] ?? 'bench',
    accessKey: process.env['BENCH_ACCESS_KEY'] ?? '',
    secretKey: process.env['BENCH_SECRET_KEY'] ?? '',
  }
  return {
    endpoint,
    title: process.env['BENCH_SERVER'] ?? 'a server given by BENCH_ENDPOINT',
    traffic: () => Promise.resolve(null),
    ...objectsOf(endpoint),
    stop: () => Promise.resolve(),
  }
}

async function startModel(folder: string): Promise<BenchServer> {
  const bucket = 'bench'
  // Without TLS restic signs its bodies chunk by chunk.
  const options = { buckets: [bucket], takesSignedChunks: true }
  const child = spawn(process.execPath, [MODEL, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, TMPDIR: folder },
    // An interruption from the keyboard is not for it: what lies on it is removed first.
    detached: true,
  })
  const { endpoint, keys } = await readyLine(child)
  const server = { endpoint, bucket, ...keys }
  return {
    endpoint: server,
    title: 'model server (JavaScript) on loopback, which takes its part of the same cores',
    traffic: async () => {
      child.send('traffic')
      const [{ requests, receivedBytes, sentBytes }] = (await once(child, 'message')) as [Traffic]
      return { requests, sentBytes: receivedBytes, receivedBytes: sentBytes }
    },
    ...objectsOf(server),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}

type Ready = {
  readonly endpoint: string
  readonly keys: Pick<Endpoint, 'region' | 'accessKey' | 'secretKey'>
}

async function readyLine(child: ChildProcess): Promise<Ready> {
  for await (const line of createInterface({ input: child.stdout! }))
    return JSON.parse(line) as Ready
  throw new Error('the model server did not start')
}

function objectsOf({ endpoint, region, bucket, accessKey, secretKey }: Endpoint) {
  const client = new S3Client({
    ...{ endpoint, region, forcePathStyle: true },
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  async function* objects(prefix: string) {
    const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: `${prefix}/` })
    for await (const { Contents = [] } of pages) yield* Contents
  }
  return {
    storedBytes: async (prefix: string) => {
      let bytes = 0
      for await (const { Size = 0 } of objects(prefix)) bytes += Size
      return bytes
    },
    removeAll: async (prefix: string) => {
      for await (const { Key } of objects(prefix))
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
    },
  }
}
