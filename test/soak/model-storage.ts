// The model server's store as a Storage, without HTTP: what S3Storage would answer, in microseconds. It keeps the same
// contract (model-storage.test.ts); the soak sends some nights through the real client, to the same store.

import { createHash } from 'node:crypto'
import { SpillwayError } from '../../src/domain/errors.ts'
import { compareEtag, compositeEtag } from '../../src/storage/composite-etag.ts'
import { TOKEN_METADATA } from '../../src/storage/s3-storage.ts'
import { S3Refusal } from '../support/s3-model-answers.ts'
import type { FailureCode } from '../../src/domain/errors.ts'
import type { ModelObject, ModelStore, ModelUpload } from '../support/s3-model-store.ts'
import type { Piece } from '../support/s3-model-bytes.ts'
import type {
  AbortOutcome,
  HeadResult,
  ListedUpload,
  OpenUpload,
  PartInput,
  PartReceipt,
  SentObject,
  Storage,
  StorageLimits,
  StoredObject,
  UploadTarget,
} from '../../src/storage/storage.ts'

/** What s3-errors.ts makes of the store's refusals. */
const CODES: Readonly<Record<string, FailureCode>> = {
  NoSuchUpload: 'UPLOAD_GONE',
  QuotaExceeded: 'SERVER_FULL',
  AccessDenied: 'SERVER_DENIED',
}

export class ModelStorage implements Storage {
  readonly limits: StorageLimits
  readonly #store: ModelStore
  readonly #bucket: string
  readonly #clockOffsetMs: () => number
  readonly #abortOfNone: AbortOutcome

  constructor(input: {
    readonly store: ModelStore
    readonly bucket: string
    readonly limits: StorageLimits
    /** The server's clock minus ours. */
    readonly clockOffsetMs?: () => number
    /** What Abort says of an upload that is not there; `aborted`: MinIO. */
    readonly abortOfNone?: AbortOutcome
  }) {
    this.limits = input.limits
    this.#store = input.store
    this.#bucket = input.bucket
    this.#clockOffsetMs = input.clockOffsetMs ?? (() => 0)
    this.#abortOfNone = input.abortOfNone ?? 'gone'
  }

  async prepare(signal: AbortSignal): Promise<void> {
    throwIfInterrupted(signal)
  }

  async begin(target: UploadTarget, signal: AbortSignal): Promise<OpenUpload> {
    throwIfInterrupted(signal)
    this.#requireFree(target.key)
    const upload = this.#store.begin(this.#bucket, target.key, { [TOKEN_METADATA]: target.token })
    return { ...target, uploadId: upload.uploadId }
  }

  async putPart(upload: OpenUpload, part: PartInput, signal: AbortSignal): Promise<PartReceipt> {
    throwIfInterrupted(signal)
    const { number, body, onSent } = part
    const open = this.#open(upload)
    const bytes = await collect(body.open(), onSent)
    const etag = asFailure(() => {
      this.#store.checkQuota(bytes.length)
      return this.#store.putPart(open, number, pieceOf(bytes))
    })
    return { number, sizeBytes: bytes.length, etag, md5: body.md5 }
  }

  async complete(
    upload: OpenUpload,
    parts: readonly PartReceipt[],
    signal: AbortSignal,
  ): Promise<string> {
    throwIfInterrupted(signal)
    const open = this.#open(upload)
    this.#requireFree(upload.key)
    const object = asFailure(() => this.#store.complete(open, parts))
    if (object.etag !== compositeEtag(parts))
      throw new SpillwayError('SERVER_DAMAGED_DATA', `${upload.key} has other bytes than were sent`)
    return object.etag
  }

  async isIntact(
    { etag }: HeadResult,
    { parts }: SentObject,
    signal: AbortSignal,
  ): Promise<boolean> {
    throwIfInterrupted(signal)
    return compareEtag(etag, parts) !== 'differs'
  }

  async abort(upload: OpenUpload, signal: AbortSignal): Promise<AbortOutcome> {
    throwIfInterrupted(signal)
    const open = this.#store.uploads.get(upload.uploadId)
    if (open === undefined) return this.#abortOfNone
    this.#store.drop(open)
    return 'aborted'
  }

  async head(key: string, signal: AbortSignal): Promise<HeadResult | undefined> {
    throwIfInterrupted(signal)
    const object = this.#store.current(this.#bucket, key)
    if (object === undefined) return undefined
    const { metadata, versionId } = object
    return { ...listedOf(object), token: metadata[TOKEN_METADATA], versionId }
  }

  async *read(
    key: string,
    range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    throwIfInterrupted(signal)
    const object = this.#store.current(this.#bucket, key)
    if (object === undefined) throw new SpillwayError('ARCHIVE_MISSING', `no object ${key}`)
    const { offsetBytes, sizeBytes } = range ?? { offsetBytes: 0, sizeBytes: object.sizeBytes }
    if (offsetBytes + sizeBytes > object.sizeBytes)
      throw new SpillwayError('SERVER_REJECTED', `${key} does not have that range`)
    if (sizeBytes > 0) yield bytesOf(object).subarray(offsetBytes, offsetBytes + sizeBytes)
  }

  async remove(key: string, versionId: string | undefined, signal: AbortSignal): Promise<void> {
    throwIfInterrupted(signal)
    this.#store.remove(this.#bucket, key, versionId)
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    throwIfInterrupted(signal)
    const front = `${this.#bucket}/${prefix}`
    // Taken at once: who reads slowly sees the bucket as it was.
    const found: StoredObject[] = []
    for (const [path, versions] of this.#store.versions) {
      const newest = path.startsWith(front) ? versions.at(-1) : undefined
      if (newest !== undefined && 'pieces' in newest) found.push(listedOf(newest))
    }
    yield* found
  }

  async *listUploads(key: string, signal: AbortSignal): AsyncGenerator<ListedUpload> {
    throwIfInterrupted(signal)
    const isFolder = key.endsWith('/')
    const found = [...this.#store.uploads.values()].filter(
      (upload) =>
        upload.bucket === this.#bucket &&
        (isFolder ? upload.key.startsWith(key) : upload.key === key),
    )
    for (const { key: found_, uploadId } of found) yield { key: found_, uploadId }
  }

  async putSmall(
    key: string,
    body: AsyncIterable<Uint8Array>,
    token: string,
    signal: AbortSignal,
  ): Promise<void> {
    throwIfInterrupted(signal)
    const bytes = await collect(body)
    asFailure(() => this.#store.checkQuota(bytes.length))
    const piece = pieceOf(bytes)
    const metadata = { [TOKEN_METADATA]: token }
    this.#store.put(this.#bucket, key, [piece], { etag: piece.md5, metadata })
  }

  clockOffsetMs(): number {
    return this.#clockOffsetMs()
  }

  close(): void {}

  #requireFree(key: string): void {
    if (this.#store.current(this.#bucket, key) !== undefined)
      throw new SpillwayError('OBJECT_EXISTS', `${key} is there already`)
  }

  #open({ key, uploadId }: OpenUpload): ModelUpload {
    return asFailure(() => this.#store.upload(this.#bucket, key, uploadId))
  }
}

export function bytesOf({ pieces }: ModelObject): Buffer {
  const parts = pieces.map((piece) => piece.read(0, piece.sizeBytes))
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

export function pieceOf(bytes: Buffer): Piece {
  return {
    sizeBytes: bytes.length,
    md5: createHash('md5').update(bytes).digest('hex'),
    read: (start, end) => bytes.subarray(start, end),
    flip: (position) => void (bytes[position]! ^= 0x10),
    drop: () => {},
  }
}

function listedOf({ key, sizeBytes, etag, modifiedAt }: ModelObject): StoredObject {
  return { key, sizeBytes, etag, modifiedAt }
}

/** A copy: the memory of a chunk may be used again. */
async function collect(
  chunks: AsyncIterable<Uint8Array>,
  onBytes?: (bytes: number) => void,
): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of chunks) {
    all.push(Buffer.from(chunk))
    onBytes?.(chunk.length)
  }
  return Buffer.concat(all)
}

function asFailure<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof S3Refusal)) throw error
    throw new SpillwayError(CODES[error.code] ?? 'SERVER_REJECTED', error.message || error.code, {
      facts: { code: error.code },
    })
  }
}

function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new SpillwayError('INTERRUPTED', 'interrupted')
}
