// What the model server holds: buckets, objects with their versions, open uploads, and how many bytes
// that is and was at most.

import { createHash, randomBytes } from 'node:crypto'
import { refusal, S3Refusal } from './s3-model-answers.ts'
import type { Piece } from './s3-model-bytes.ts'
import type { S3ModelSwitches } from './s3-model-options.ts'

export type ModelObject = {
  readonly bucket: string
  readonly key: string
  readonly pieces: readonly Piece[]
  readonly sizeBytes: number
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
  readonly versionId: string | undefined
  readonly modifiedAt: Date
}

export type ModelUpload = {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: Date
  readonly parts: Map<number, Piece>
}

/** What a server held at some moment; its pieces must be in memory, or those that went are gone. */
export type StoreMoment = Pick<
  ModelStore,
  'versions' | 'uploads' | 'completed' | 'objectBytes' | 'partBytes'
>

export type NamedPart = { readonly number: number; readonly etag: string }

export class ModelStore {
  readonly buckets: Set<string>
  /** Newest last; an entry without object is a delete marker. */
  readonly versions = new Map<string, (ModelObject | { readonly marker: string })[]>()
  readonly uploads = new Map<string, ModelUpload>()
  /** Uploads that were completed, for servers that answer a second Complete. */
  readonly completed = new Map<string, ModelObject>()
  objectBytes = 0
  partBytes = 0
  highWaterBytes = 0
  partsUnderWay = 0
  readonly #switches: () => S3ModelSwitches

  constructor(buckets: readonly string[], switches: () => S3ModelSwitches) {
    this.buckets = new Set(buckets)
    this.#switches = switches
  }

  current(bucket: string, key: string): ModelObject | undefined {
    const newest = this.versions.get(`${bucket}/${key}`)?.at(-1)
    return newest !== undefined && 'pieces' in newest ? newest : undefined
  }

  /** Every object that takes room, old versions too. */
  objects(): ModelObject[] {
    return [...this.versions.values()].flat().filter((entry) => 'pieces' in entry)
  }

  /** The bytes that the quota is compared with. */
  get usedBytes(): number {
    return this.objectBytes + (this.#switches().countsParts ? this.partBytes : 0)
  }

  /** Throws the server's quota answer when `bytes` more would pass the quota. */
  checkQuota(bytes: number): void {
    const { quota } = this.#switches()
    if (quota === undefined || this.usedBytes + bytes <= quota.bytes) return
    throw new S3Refusal(quota.code, quota.status, quota.message)
  }

  begin(bucket: string, key: string, metadata: Readonly<Record<string, string>>): ModelUpload {
    const uploadId = randomBytes(16).toString('hex')
    const upload = { bucket, key, uploadId, metadata, startedAt: new Date(), parts: new Map() }
    this.uploads.set(uploadId, upload)
    return upload
  }

  upload(bucket: string, key: string, uploadId: string): ModelUpload {
    const upload = this.uploads.get(uploadId)
    if (upload === undefined || upload.bucket !== bucket || upload.key !== key)
      throw refusal('NoSuchUpload', 'the upload does not exist')
    return upload
  }

  putPart(upload: ModelUpload, number: number, piece: Piece): string {
    if (!this.uploads.has(upload.uploadId)) {
      piece.drop()
      throw refusal('NoSuchUpload', 'the upload was aborted meanwhile')
    }
    const old = upload.parts.get(number)
    this.partBytes += piece.sizeBytes - (old?.sizeBytes ?? 0)
    old?.drop()
    upload.parts.set(number, piece)
    this.#noteHighWater()
    return this.partEtag(piece)
  }

  partEtag(piece: Piece): string {
    if (this.#switches().etag !== 'opaque') return piece.md5
    return createHash('md5').update(`secret ${piece.md5}`).digest('hex')
  }

  complete(upload: ModelUpload, named: readonly NamedPart[]): ModelObject {
    const pieces = this.#checkedParts(upload, named)
    const digests = pieces.map((piece) => Buffer.from(this.partEtag(piece), 'hex'))
    const salt = this.#switches().etag === 'odd-composite' ? 'odd' : ''
    const etag = createHash('md5').update(salt).update(Buffer.concat(digests)).digest('hex')
    this.drop(upload, new Set(pieces))
    const object = this.put(upload.bucket, upload.key, pieces, {
      etag: `${etag}-${pieces.length}`,
      metadata: upload.metadata,
    })
    this.completed.set(upload.uploadId, object)
    return object
  }

  #checkedParts(upload: ModelUpload, named: readonly NamedPart[]): Piece[] {
    const { partBytesMin, hasEqualParts } = this.#switches()
    if (named.length === 0) throw refusal('MalformedXML', 'no parts are named')
    const pieces: Piece[] = []
    for (const [index, { number, etag }] of named.entries()) {
      if (index > 0 && number <= named[index - 1]!.number) throw refusal('InvalidPartOrder')
      const piece = upload.parts.get(number)
      if (piece === undefined || this.partEtag(piece) !== etag)
        throw refusal('InvalidPart', `part ${number} was not found, or its ETag differs`)
      const isLast = index === named.length - 1
      if (!isLast && piece.sizeBytes < partBytesMin) throw refusal('EntityTooSmall')
      if (hasEqualParts && !isLast && piece.sizeBytes !== upload.parts.get(1)?.sizeBytes)
        throw refusal('InvalidPart', 'all parts but the last must have one size')
      pieces.push(piece)
    }
    return pieces
  }

  put(
    bucket: string,
    key: string,
    pieces: readonly Piece[],
    more: { readonly etag: string; readonly metadata: Readonly<Record<string, string>> },
  ): ModelObject {
    const { isVersioned } = this.#switches()
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0)
    const versionId = isVersioned ? randomBytes(8).toString('hex') : undefined
    const object = { bucket, key, pieces, sizeBytes, versionId, modifiedAt: new Date(), ...more }
    const path = `${bucket}/${key}`
    const kept = this.versions.get(path) ?? []
    if (!isVersioned) kept.splice(0).forEach((old) => this.#forget(old))
    this.versions.set(path, [...kept, object])
    this.objectBytes += sizeBytes
    this.#noteHighWater()
    return object
  }

  remove(bucket: string, key: string, versionId: string | undefined): void {
    const path = `${bucket}/${key}`
    const kept = this.versions.get(path) ?? []
    if (versionId !== undefined) {
      const gone = kept.filter((entry) => versionOf(entry) === versionId)
      gone.forEach((entry) => this.#forget(entry))
      this.versions.set(
        path,
        kept.filter((entry) => !gone.includes(entry)),
      )
    } else if (this.#switches().isVersioned) {
      this.versions.set(path, [...kept, { marker: randomBytes(8).toString('hex') }])
    } else {
      kept.forEach((entry) => this.#forget(entry))
      this.versions.delete(path)
    }
  }

  /** Ends an upload; pieces in `keeping` have become an object. */
  drop(upload: ModelUpload, keeping: ReadonlySet<Piece> = new Set()): void {
    this.uploads.delete(upload.uploadId)
    for (const piece of upload.parts.values()) {
      this.partBytes -= piece.sizeBytes
      if (!keeping.has(piece)) piece.drop()
    }
  }

  #forget(entry: ModelObject | { readonly marker: string }): void {
    if (!('pieces' in entry)) return
    this.objectBytes -= entry.sizeBytes
    entry.pieces.forEach((piece) => piece.drop())
  }

  moment(): StoreMoment {
    const { objectBytes, partBytes } = this
    return { ...copied(this), objectBytes, partBytes }
  }

  /** As if nothing had happened since; the most that it held is counted anew. */
  goBack(moment: StoreMoment): void {
    const { versions, uploads, completed } = copied(moment)
    refill(this.versions, versions)
    refill(this.uploads, uploads)
    refill(this.completed, completed)
    this.objectBytes = moment.objectBytes
    this.partBytes = moment.partBytes
    this.highWaterBytes = this.objectBytes + this.partBytes
  }

  #noteHighWater(): void {
    this.highWaterBytes = Math.max(this.highWaterBytes, this.objectBytes + this.partBytes)
  }
}

export function versionOf(entry: ModelObject | { readonly marker: string }): string | undefined {
  return 'pieces' in entry ? entry.versionId : entry.marker
}

function copied({ versions, uploads, completed }: Kept): Kept {
  return {
    versions: new Map([...versions].map(([path, entries]) => [path, [...entries]])),
    uploads: new Map(
      [...uploads].map(([id, upload]) => [id, { ...upload, parts: new Map(upload.parts) }]),
    ),
    completed: new Map(completed),
  }
}

type Kept = Pick<ModelStore, 'versions' | 'uploads' | 'completed'>

function refill<Key, Value>(map: Map<Key, Value>, entries: ReadonlyMap<Key, Value>): void {
  map.clear()
  for (const [key, value] of entries) map.set(key, value)
}
