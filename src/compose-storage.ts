// Joins a server of the configuration with the code that talks to it. Loaded only when a command needs
// servers: the S3 client alone takes a third of a second.

import type { ProxySettings } from './domain/config.ts'
import type { Server } from './domain/server.ts'
import { FileStorage } from './storage/file-storage.ts'
import type { NetworkLimits } from './storage/limits.ts'
import type { RateLimit } from './storage/rate-limit.ts'
import { S3Storage } from './storage/s3-storage.ts'
import type { Storage } from './storage/storage.ts'

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
