// A bucket of an S3-compatible server as a Storage. What servers differ in is handled where it shows:
// addressing and optional headers in s3-caller.ts, error codes in s3-errors.ts, Complete in
// s3-complete.ts; here are the requests themselves.

import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
} from '@aws-sdk/client-s3'
import type { StorageClass } from '@aws-sdk/client-s3'
import { failureOf, isFailure, SpillwayError } from '../domain/errors.ts'
import type { S3Server } from '../domain/server.ts'
import { bareEtag } from './composite-etag.ts'
import type { EtagHabits } from './composite-etag.ts'
import type { NetworkLimits } from './limits.ts'
import { LostAnswer } from './lost-answer.ts'
import { interrupted, Patience } from './retry.ts'
import { isAbsent, isConfirmedAbsent, isOfS3 } from './s3-absent.ts'
import { S3Caller } from './s3-caller.ts'
import type { HandlerInput } from './s3-client.ts'
import { completeUpload, isIntact } from './s3-complete.ts'
import type { CompleteContext } from './s3-complete.ts'
import { limitsOf } from './s3-limits.ts'
import { PartSender } from './s3-parts.ts'
import { listObjects, listUploadsOf } from './s3-list.ts'
import { readObject } from './s3-read.ts'
import { putStream } from './s3-transfer.ts'
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
} from './storage.ts'

export const TOKEN_METADATA = 'spillway-token'

export type S3StorageOptions = Pick<HandlerInput, 'proxy' | 'rateLimit'> & {
  readonly limits: NetworkLimits
}

export class S3Storage implements Storage {
  readonly limits: StorageLimits
  readonly #server: S3Server
  readonly #limits: NetworkLimits
  readonly #caller: S3Caller
  readonly #parts: PartSender
  readonly #etags: EtagHabits = { areMd5: undefined, areComposite: undefined }

  constructor(server: S3Server, options: S3StorageOptions) {
    this.limits = limitsOf(server)
    this.#server = server
    this.#limits = options.limits
    this.#caller = new S3Caller({ server, ...options })
    this.#parts = new PartSender(this.#caller, server.bucket, options.limits, this.#etags)
  }

  async prepare(signal: AbortSignal): Promise<void> {
    // No probe: with restricted keys only the real operation tells, and it comes next anyway.
    if (signal.aborted) throw interrupted()
  }

  async begin(target: UploadTarget, signal: AbortSignal): Promise<OpenUpload> {
    const { storageClass } = this.#server
    const patience = Patience.ofOperation(this.#limits)
    await this.checkFree(target.key, signal, patience)
    let tries = 0
    const answer = new LostAnswer()
    const creating = this.#caller.call({
      ...{ action: `beginning ${target.key}`, signal, patience, onFailure: answer.note },
      exchange: { root: 'InitiateMultipartUploadResult' },
      optional: 'storage-class',
      run: (client, options, lacks) => {
        tries += 1
        return client.send(
          new CreateMultipartUploadCommand({
            ...this.#object(target.key),
            ContentType: 'application/zstd',
            Metadata: { [TOKEN_METADATA]: target.token },
            ...(storageClass === undefined || lacks.has('storage-class')
              ? {}
              : { StorageClass: storageClass as StorageClass }),
          }),
          options,
        )
      },
    })
    const { UploadId: uploadId } = await creating.catch(answer.rethrow)
    if (!uploadId) throw this.#notS3(`beginning ${target.key}: no upload id in the answer`)
    const upload = { ...target, uploadId }
    if (tries > 1) await this.#abortOthers(upload, patience, signal)
    return upload
  }

  /**
   * Complete asks the server not to replace an object, too, but many ignore that (Ceph 16, Garage, GCS).
   * Asked before Create, and again before Complete, it leaves them the time of one request in which somebody else
   * may take our key.
   */
  async checkFree(key: string, signal: AbortSignal, patience?: Patience): Promise<void> {
    const given = patience ?? Patience.ofOperation(this.#limits)
    const head = await this.#head(key, given, signal).catch((error: unknown) => {
      // A key that may only write, another region, wrong keys: Create says it better.
      if (isFailure(error, 'INTERRUPTED') || failureOf(error).server === 'dead') throw error
      return undefined
    })
    if (head === undefined) return
    const what = `${key} is there already, and nothing is ever replaced: has another machine this SERVER_ID?`
    throw new SpillwayError('OBJECT_EXISTS', `${this.#caller.place}: ${what}`)
  }

  /**
   * A Create whose answer was lost has left an upload that nobody knows: the key is ours alone. All of it has what is
   * left of the time for beginning. What stays holds no bytes, and is found by `reconcile`.
   */
  async #abortOthers(upload: OpenUpload, patience: Patience, signal: AbortSignal): Promise<void> {
    if (patience.leftMs < this.#limits.connectMs) return
    const end = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(patience.leftMs))])
    try {
      for await (const { key, uploadId } of this.listUploads(upload.key, end))
        if (uploadId !== upload.uploadId)
          await this.abort({ key, uploadId, token: upload.token }, end)
    } catch (error) {
      // That is no reason not to store the archive.
      if (!(error instanceof SpillwayError) || signal.aborted) throw error
    }
  }

  async putPart(upload: OpenUpload, part: PartInput, signal: AbortSignal): Promise<PartReceipt> {
    return this.#parts.put(upload, part, signal)
  }

  async complete(
    upload: OpenUpload,
    parts: readonly PartReceipt[],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    return completeUpload(this.#completing(signal), upload, parts, signal)
  }

  async isIntact(head: HeadResult, sent: SentObject, signal: AbortSignal): Promise<boolean> {
    return isIntact(this.#completing(signal), head, sent)
  }

  #completing(signal: AbortSignal): CompleteContext {
    return {
      caller: this.#caller,
      bucket: this.#server.bucket,
      limits: this.#limits,
      etags: this.#etags,
      head: (key, patience) => this.#head(key, patience, signal),
      isOpen: (open, patience) => this.#isOpen(open, patience, signal),
      read: (key, range, patience) => this.#read(key, range, patience, signal),
    }
  }

  async abort(upload: OpenUpload, signal: AbortSignal): Promise<AbortOutcome> {
    await this.#parts.cancel(upload.uploadId)
    let outcome: AbortOutcome | undefined
    // A part that was on its way may land after the first Abort: AWS asks to repeat it.
    for (let tries = 1; tries <= 2; tries += 1) {
      const answer = await this.#sendAbort(upload, signal)
      outcome ??= answer
      if ((await this.#isOpen(upload, undefined, signal)) !== true) return outcome
    }
    throw new SpillwayError(
      'SERVER_REJECTED',
      `${this.#caller.place}: the upload of ${upload.key} is still there after it was aborted`,
    )
  }

  /** After a lost answer `gone` may be our own doing: then it is the careful answer. */
  async #sendAbort({ key, uploadId }: OpenUpload, signal: AbortSignal): Promise<AbortOutcome> {
    try {
      await this.#caller.call({
        action: `aborting the upload of ${key}`,
        signal,
        run: (client, options) =>
          client.send(
            new AbortMultipartUploadCommand({ ...this.#object(key), UploadId: uploadId }),
            options,
          ),
      })
      return 'aborted'
    } catch (error) {
      if (!isFailure(error, 'UPLOAD_GONE') && !(isAbsent(error) && isOfS3(error))) throw error
      return 'gone'
    }
  }

  /** undefined: the server cannot tell, or does not want to. */
  async #isOpen(
    { key, uploadId }: OpenUpload,
    patience: Patience | undefined,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    try {
      await this.#caller.call({
        action: `listing the parts of ${key}`,
        signal,
        ...(patience === undefined ? {} : { patience }),
        exchange: { root: 'ListPartsResult' },
        run: (client, options) =>
          client.send(
            new ListPartsCommand({ ...this.#object(key), UploadId: uploadId, MaxParts: 1 }),
            options,
          ),
      })
      return true
    } catch (error) {
      if (isFailure(error, 'UPLOAD_GONE') || (isAbsent(error) && isOfS3(error))) return false
      if (isFailure(error, 'SERVER_REJECTED', 'SERVER_DENIED')) return undefined
      throw error
    }
  }

  async head(key: string, signal: AbortSignal): Promise<HeadResult | undefined> {
    return this.#head(key, undefined, signal)
  }

  async #head(
    key: string,
    patience: Patience | undefined,
    signal: AbortSignal,
    isAgain = false,
  ): Promise<HeadResult | undefined> {
    try {
      const head = await this.#caller.call({
        action: `looking at ${key}`,
        signal,
        ...(patience === undefined ? {} : { patience }),
        run: (client, options) => client.send(new HeadObjectCommand(this.#object(key)), options),
      })
      // A HEAD has no body that could tell an S3 server from whatever says 200 to everything.
      if (head.ETag === undefined && head.LastModified === undefined)
        throw this.#notS3(`looking at ${key}: neither ETag nor date in the answer`)
      return {
        key,
        sizeBytes: head.ContentLength ?? 0,
        etag: bareEtag(head.ETag),
        modifiedAt: head.LastModified,
        token: head.Metadata?.[TOKEN_METADATA],
        versionId: head.VersionId,
      }
    } catch (error) {
      // Only a plain 404: a 403 may mean anything, and never that the object is absent.
      if (!isAbsent(error)) throw error
      if (isOfS3(error)) return undefined
      const asked = { caller: this.#caller, object: this.#object(key), patience, signal }
      if (await isConfirmedAbsent(asked)) return undefined
      if (isAgain) throw this.#notS3(`looking at ${key}: 404 to HEAD, and the object to GET`)
      return this.#head(key, patience, signal, true)
    }
  }

  read(
    key: string,
    range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return this.#read(key, range, undefined, signal)
  }

  #read(
    key: string,
    range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined,
    patience: Patience | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const { bucket } = this.#server
    const caller = this.#caller
    return readObject({ caller, bucket, key, range, limits: this.#limits, patience, signal })
  }

  async remove(key: string, versionId: string | undefined, signal: AbortSignal): Promise<void> {
    try {
      await this.#caller.call({
        action: `deleting ${key}`,
        signal,
        run: (client, options) =>
          client.send(
            new DeleteObjectCommand({
              ...this.#object(key),
              ...(versionId === undefined ? {} : { VersionId: versionId }),
            }),
            options,
          ),
      })
    } catch (error) {
      if (!isFailure(error, 'ARCHIVE_MISSING')) throw error
    }
  }

  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    return listObjects(this.#caller, { bucket: this.#server.bucket, prefix, signal })
  }

  listUploads(key: string, signal: AbortSignal): AsyncIterable<ListedUpload> {
    return listUploadsOf(this.#caller, { bucket: this.#server.bucket, key, signal })
  }

  async putSmall(
    key: string,
    body: AsyncIterable<Uint8Array>,
    token: string,
    signal: AbortSignal,
  ): Promise<void> {
    const metadata = { [TOKEN_METADATA]: token }
    const object = { ...this.#object(key), Metadata: metadata }
    const sizeBytes = await putStream({ caller: this.#caller, object, body, signal })
    const head = await this.head(key, signal)
    if (head?.token === token && head.sizeBytes === sizeBytes) return
    throw new SpillwayError(
      'SERVER_UNPROVEN',
      `${this.#caller.place}: ${key} was sent, but the server does not show it as sent`,
    )
  }

  shortfalls(): readonly string[] {
    const { storageClass, number } = this.#server
    if (storageClass === undefined || !this.#caller.lacks.has('storage-class')) return []
    const setting = `S3_SERVER_${number}_STORAGE_CLASS`
    return [`does not take the storage class ${storageClass}; correct or remove ${setting}`]
  }

  clockOffsetMs(): number {
    return this.#caller.clockOffsetMs
  }

  close(): void {
    this.#caller.close()
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#server.bucket, Key: key }
  }

  #notS3(what: string): SpillwayError {
    return new SpillwayError('SERVER_NOT_S3', `${this.#caller.place}: ${what}`)
  }
}
