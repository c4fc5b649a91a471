// The one interface between Spillway and a place that takes archives.
//
// Contract, checked for every implementation by test/contract/storage-contract.ts:
// - An object is whole or absent: until `complete` nothing is listed at the key, and a key is never
//   written twice.
// - Every rejection is a SpillwayError that says what it means for the server (domain/errors.ts);
//   no SDK error and no errno leaves this folder. An aborted signal rejects with INTERRUPTED.
// - Requests are repeated inside, as often as the failure's row allows, so a rejection is final.
// - Silence ends a request (limits.ts) with SERVER_SILENT; nothing is repeated after that.
// - `abort` and `remove` of what is not there succeed: both are repeated after a crash.

export type UploadTarget = {
  /** The whole key on this server, prefix included. */
  readonly key: string
  /** Random, written with the object, read back by `head`: proof that the object is ours. */
  readonly token: string
}

/** An upload that was begun. Everything that is needed to continue or abort it after a crash. */
export type OpenUpload = UploadTarget & { readonly uploadId: string }

/** A part as the part reader hands it over. */
export type PartBody = {
  readonly sizeBytes: number
  /**
   * Opens the bytes; may be called again for a repeat. Chunks of at most 256 KiB; the memory of one
   * may be used again as soon as the next one has been asked for.
   */
  readonly open: () => AsyncIterable<Uint8Array>
  readonly md5: Uint8Array
  /** Signed, too, where it is known. Parts of a spool file go without: see s3-parts.ts. */
  readonly sha256?: Uint8Array
}

export type PartInput = {
  /** From 1. */
  readonly number: number
  readonly offsetBytes: number
  readonly body: PartBody
  /** Called with bytes newly handed to the network or disk, for progress; repeats count again. */
  readonly onSent?: (bytes: number) => void
}

export type PartReceipt = {
  readonly number: number
  readonly sizeBytes: number
  readonly etag: string
  readonly md5: Uint8Array
}

/** What is known of an object that was sent; without parts its ETag proves nothing. */
export type SentObject = {
  readonly parts: readonly PartReceipt[]
  /** The one that `complete` resolved with; undefined: it did not, or there is none. */
  readonly etag?: string | undefined
}

export type StoredObject = {
  readonly key: string
  readonly sizeBytes: number
  /** Without quotes; undefined where the server has none. */
  readonly etag: string | undefined
  readonly modifiedAt: Date | undefined
}

export type HeadResult = StoredObject & {
  /** The write token; undefined: the object was not written by Spillway. */
  readonly token: string | undefined
  readonly versionId: string | undefined
}

/**
 * `gone`: the server did not know the upload when it was first asked. Somebody aborted it before, or it
 * was completed: only `head` can tell. Some servers (MinIO) say `aborted` of those, too, each time.
 */
export type AbortOutcome = 'aborted' | 'gone'

export type ListedUpload = { readonly key: string; readonly uploadId: string }

export type StorageLimits = {
  /** Most parts of one upload. */
  readonly partsMax: number
  /** Smallest part but the last. */
  readonly partBytesMin: number
  /** The part size where nothing asks for a larger one. */
  readonly partBytesDefault: number
  /** Parts under way at once. */
  readonly partsAtOnce: number
}

export interface Storage {
  readonly limits: StorageLimits

  /** Before the first use in a run: for a directory, that its disk is mounted (marker file). */
  prepare(signal: AbortSignal): Promise<void>

  begin(target: UploadTarget, signal: AbortSignal): Promise<OpenUpload>

  /** Parts have one size but the last, and may be put again, in any order and at the same time. */
  putPart(upload: OpenUpload, part: PartInput, signal: AbortSignal): Promise<PartReceipt>

  /**
   * Makes the object appear. When this rejects, the object may exist all the same: ask `head`.
   * Receipts in ascending order. Resolves with the ETag that was accepted, for `isIntact`.
   */
  complete(
    upload: OpenUpload,
    parts: readonly PartReceipt[],
    signal: AbortSignal,
  ): Promise<string | undefined>

  /**
   * Whether an object that `head` showed with our token and the exact size is what was sent, as far as
   * this server's ETags tell, or its first and last part, where they tell nothing we know. It rejects
   * where that could not be found out.
   */
  isIntact(head: HeadResult, sent: SentObject, signal: AbortSignal): Promise<boolean>

  /** Resolves when the server has confirmed that nothing of the upload is left. */
  abort(upload: OpenUpload, signal: AbortSignal): Promise<AbortOutcome>

  /** undefined: the server says that there is no such object. */
  head(key: string, signal: AbortSignal): Promise<HeadResult | undefined>

  /** Ranged when given. Rejects with ARCHIVE_MISSING when there is no such object. */
  read(
    key: string,
    range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>

  /** Of exactly this version, where there are versions. */
  remove(key: string, versionId: string | undefined, signal: AbortSignal): Promise<void>

  /** All objects whose key begins with `prefix`, in any order. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject>

  /**
   * Uploads begun and neither completed nor aborted, for exactly this key; below it, where it ends in "/",
   * as far as the server can tell (MinIO lists for whole keys only, a directory does not know the keys).
   */
  listUploads(key: string, signal: AbortSignal): AsyncIterable<ListedUpload>

  /**
   * Stores a small stream of unknown length under a new key, and proves it by `head`. It is gone
   * through once; nothing is left behind when this rejects.
   */
  putSmall(
    key: string,
    body: AsyncIterable<Uint8Array>,
    token: string,
    signal: AbortSignal,
  ): Promise<void>

  /**
   * Rejects with OBJECT_EXISTS when something is at the key. Where Complete itself never replaces anything there is no
   * such question.
   */
  checkFree?(key: string, signal: AbortSignal): Promise<void>

  /** The server's clock minus ours, to about a second, as its answers told; without: it has none. */
  clockOffsetMs?(): number

  /** What was asked of this server so far and it does not do, each as `does not ...`. Archives are stored all the same. */
  shortfalls?(): readonly string[]

  /** Ends connections. */
  close(): void
}

/**
 * The proof that a copy is stored, together with `isIntact`: our token and the exact size.
 */
export function isProvenBy(
  head: HeadResult | undefined,
  expected: { readonly token: string; readonly sizeBytes: number },
): boolean {
  return (
    head !== undefined && head.token === expected.token && head.sizeBytes === expected.sizeBytes
  )
}
