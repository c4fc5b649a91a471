// Joins a server of the configuration with the code that talks to it, and starts the thread that reads
// parts. Loaded only when a command needs servers: the S3 client alone takes a third of a second.

import { Worker } from 'node:worker_threads'
import type { ProxySettings } from './domain/config.ts'
import type { Server } from './domain/server.ts'
import { workerUrl } from './lib/worker.ts'
import { FileStorage } from './storage/file-storage.ts'
import type { NetworkLimits } from './storage/limits.ts'
import type { PartReader } from './storage/part-reader.ts'
import type { RateLimit } from './storage/rate-limit.ts'
import { S3Storage } from './storage/s3-storage.ts'
import type { Storage } from './storage/storage.ts'
import { WorkerPartReader } from './storage/worker-part-reader.ts'

export type StorageOptions = {
  readonly proxy: ProxySettings
  readonly limits: NetworkLimits
  /** Shared by all servers; undefined: no limit. */
  readonly rateLimit: RateLimit | undefined
  /** The catalog has used this server before: a directory must then have its marker. */
  readonly isKnown: boolean
}

export function openStorage(server: Server, options: StorageOptions): Storage {
  return server.kind === 's3' ? new S3Storage(server, options) : new FileStorage(server, options)
}

export function createPartReader(): PartReader {
  // It makes short-lived objects only: the usual 48 MiB for those would be a fifth of what a run may use.
  const resourceLimits = { maxYoungGenerationSizeMb: 4 }
  return new WorkerPartReader(() => new Worker(workerUrl('part-worker'), { resourceLimits }))
}
