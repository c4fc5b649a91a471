// How large the parts of an upload may be, and how many: S3's own limits, and those of services that differ.

import type { S3Server } from '../domain/server.ts'
import { PARTS_AT_ONCE } from './s3-parts.ts'
import type { StorageLimits } from './storage.ts'

const MiB = 1024 * 1024

export function limitsOf(server: S3Server): StorageLimits {
  const host = new URL(server.endpoint).hostname
  return {
    // S3 allows 10 000; what is left is room to grow. Scaleway allows 1 000.
    partsMax: /(^|\.)scw\.cloud$/.test(host) ? 1_000 : 9_500,
    partBytesMin: 5 * MiB,
    // Storj splits every object into segments of 64 MiB and bills by their number.
    partBytesDefault: /(^|\.)storjshare\.io$/.test(host) ? 64 * MiB : 16 * MiB,
    partsAtOnce: PARTS_AT_ONCE,
  }
}
