// A model server, a fault proxy in front of it and a storage that uses both: what the fault tests share.

import { randomBytes } from 'node:crypto'
import { openStorage } from '../../src/compose-storage.ts'
import type { NetworkLimits } from '../../src/storage/limits.ts'
import type { RateLimit } from '../../src/storage/rate-limit.ts'
import type { OpenUpload, PartReceipt, Storage } from '../../src/storage/storage.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { FaultProxy, FaultRule } from '../support/fault-proxy.ts'
import { startS3Model } from '../support/s3-model.ts'
import type { S3Model, S3ModelOptions } from '../support/s3-model.ts'
import { FAST_LIMITS, freshKey, never, NO_PROXY, partBody, s3Server } from '../support/storages.ts'
import type { S3Server } from '../../src/domain/server.ts'

export const TOKEN = 'token-of-this-test'
export const PART_BYTES = 300_000

export type FaultyWorld = {
  readonly model: S3Model
  readonly proxy: FaultProxy
  readonly storage: Storage
  readonly key: string
  close(): Promise<void>
}

export async function openWorld(
  input: {
    readonly model?: S3ModelOptions
    readonly rules?: readonly FaultRule[]
    readonly server?: Partial<S3Server>
    readonly limits?: Partial<NetworkLimits>
    readonly rateLimit?: RateLimit
    readonly tls?: { readonly key: string; readonly cert: string }
  } = {},
): Promise<FaultyWorld> {
  const model = await startS3Model({ partBytesMin: 1_000, keep: 'memory', ...input.model })
  const proxy = await startFaultProxy({
    target: model.endpoint,
    rules: input.rules ?? [],
    ...(input.tls === undefined ? {} : { tls: input.tls }),
  })
  const entry = { endpoint: proxy.endpoint, bucket: model.bucket, keys: model.keys }
  const storage = openStorage(s3Server(entry, input.server), {
    proxy: NO_PROXY,
    limits: { ...FAST_LIMITS, ...input.limits },
    rateLimit: input.rateLimit,
    isKnown: false,
  })
  return {
    model,
    proxy,
    storage,
    key: freshKey(),
    close: async () => {
      storage.close()
      await proxy.close()
      await model.close()
    },
  }
}

export async function putPart(
  storage: Storage,
  upload: OpenUpload,
  number = 1,
  bytes: Buffer = randomBytes(PART_BYTES),
  signal: AbortSignal = never,
): Promise<PartReceipt> {
  const offsetBytes = (number - 1) * PART_BYTES
  return storage.putPart(upload, { number, offsetBytes, body: partBody(bytes) }, signal)
}

/** A whole archive of three parts. */
export async function store({ storage, key }: FaultyWorld, bytes?: Buffer): Promise<OpenUpload> {
  const whole = bytes ?? randomBytes(2 * PART_BYTES + 5_000)
  const upload = await storage.begin({ key, token: TOKEN }, never)
  const receipts: PartReceipt[] = []
  for (let from = 0; from < whole.length; from += PART_BYTES)
    receipts.push(
      await putPart(storage, upload, receipts.length + 1, whole.subarray(from, from + PART_BYTES)),
    )
  await storage.complete(upload, receipts, never)
  return upload
}
