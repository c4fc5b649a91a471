// What tests of storages share: entries, bodies, limits scaled down so that a minute's silence takes a
// third of a second.

import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { identityOf } from '../../src/domain/server.ts'
import type { FileServer, S3Server } from '../../src/domain/server.ts'
import type { NetworkLimits } from '../../src/storage/limits.ts'
import type { PartBody } from '../../src/storage/storage.ts'

/** Never aborted. */
export const never = new AbortController().signal

// Long enough that a busy machine with two cores is not taken for a silent server.
export const FAST_LIMITS: NetworkLimits = {
  connectMs: 800,
  silenceMs: 1_000,
  completeSilenceMs: 1_500,
  withoutProgressMs: 10_000,
  repeatDelayMs: 5,
}

export const NO_PROXY = { httpsProxy: undefined, noProxy: undefined }

export type S3Entry = {
  readonly endpoint: string
  readonly bucket: string
  readonly keys: { readonly accessKey: string; readonly secretKey: string; readonly region: string }
}

export function s3Server(entry: S3Entry, more: Partial<S3Server> = {}): S3Server {
  const { endpoint, bucket, keys } = entry
  return {
    kind: 's3',
    number: 1,
    identity: identityOf(endpoint, bucket, ''),
    label: 'test',
    endpoint,
    bucket,
    ...keys,
    prefix: '',
    limitBytes: 1e12,
    isEnabled: true,
    caPem: undefined,
    isPathStyle: undefined,
    storageClass: undefined,
    ...more,
  }
}

export function fileServer(directory: string): FileServer {
  return {
    kind: 'file',
    number: 1,
    identity: directory,
    label: 'test',
    endpoint: `file://${directory}`,
    directory,
    prefix: '',
    limitBytes: 1e12,
    isEnabled: true,
  }
}

/** A part in memory, in the chunks that the part reader gives. */
export function partBody(bytes: Uint8Array): PartBody {
  const chunkBytes = 256 * 1024
  return {
    sizeBytes: bytes.length,
    open: async function* () {
      for (let from = 0; from < bytes.length; from += chunkBytes)
        yield bytes.subarray(from, from + chunkBytes)
    },
    md5: createHash('md5').update(bytes).digest(),
    sha256: createHash('sha256').update(bytes).digest(),
  }
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  // Copied: the memory of a chunk may be used again for a later one.
  for await (const chunk of chunks) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}

export async function listed<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

export async function* chunksOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

/** A key that no other test has. */
export function freshKey(name = 'archive'): string {
  return `host/2026/11/07/${name}-${randomBytes(6).toString('hex')}.tar.zst`
}

/** The failure with which it rejects; throws when it does not. */
export async function failureFrom(promise: Promise<unknown>): Promise<Error & Failure> {
  try {
    await promise
  } catch (error) {
    return error as Error & Failure
  }
  return expect.unreachable('it rejects')
}

type Failure = {
  readonly code: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly hint: string | undefined
}
