// One attempt: one archive to one server, from the reservation to the proof.
//
// The row is always ahead of the server: reserved before Create, upload id before part 1, and
// `stored` only after HEAD showed our token and the exact size. Whatever goes wrong, the copy's row
// ends as `failed` (the server confirmed that nothing is left) or as `uncertain` (nobody knows; its
// reservation stays, and the next run asks again).

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { choosePartBytes } from '../domain/placement.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { copyKey, keyOnServer } from '../domain/archive.ts'
import { isProvenBy } from '../storage/storage.ts'
import { noRoom, sendParts } from './send-parts.ts'
import { settleCopy } from './settle-copy.ts'
import type { ArchiveRow, Catalog, CopyRow } from '../catalog/catalog.ts'
import type {
  HeadResult,
  OpenUpload,
  PartReceipt,
  Storage,
  StorageLimits,
} from '../storage/storage.ts'
import type { PartReader } from '../storage/part-reader.ts'
import type { Server } from '../domain/server.ts'
import type { OpenCopy } from './settle-copy.ts'
import type { UploadContent } from './upload-content.ts'

export type UploadServices = {
  readonly catalog: Catalog
  readonly partReader: PartReader
  readonly limits: DeliveryLimits
}

export type DeliveryLimits = {
  /** How long an unfinished upload may take to be given up: the next server waits for it. */
  readonly abortMs: number
  /** The same when the user interrupts: Ctrl-C should end within seconds. */
  readonly interruptedAbortMs: number
  /** For the HEAD after a Complete that failed. */
  readonly headMs: number
  /** Waits between HEADs of an object that should be there: some servers show it late. */
  readonly headDelaysMs: readonly number[]
}

export const DELIVERY_LIMITS: DeliveryLimits = {
  abortMs: 15_000,
  interruptedAbortMs: 4_000,
  headMs: 10_000,
  headDelaysMs: [500, 2_000, 5_000],
}

export type ArchiveToSend = Pick<ArchiveRow, 'id' | 'key' | 'file'> & {
  /** Of earlier times; undefined: nothing was ever sent. */
  readonly copies?: readonly Pick<CopyRow, 'identity' | 'key' | 'state' | 'isCompleting'>[]
}

export type Attempt = {
  readonly archive: ArchiveToSend
  readonly content: UploadContent
  readonly server: Server
  readonly storage: Storage
  readonly onSent: (bytes: number) => void
}

/** One part of the default size: no upload begins before it has as much to send. */
export const FIRST_BYTES = 16 * 1024 * 1024

/**
 * Resolves when the copy is stored. Rejects with what happened; the row is settled either way. A failure of our own
 * (a disk under the catalog that could not be synced) rejects also where the copy turned out to be stored.
 */
export async function uploadCopy(
  services: UploadServices,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<void> {
  const { catalog } = services
  const { content, server, storage } = attempt
  const partBytes = partBytesFor(storage.limits, content)
  const key = freshKey(server, attempt.archive)
  const token = randomBytes(16).toString('hex')
  const neededBytes = content.isWhole ? content.bytes : (content.expectedBytes ?? FIRST_BYTES)
  const copyId = await catalog.reserve({
    archiveId: attempt.archive.id,
    identity: server.identity,
    key,
    token,
    bytes: neededBytes,
    limitBytes: server.limitBytes,
  })
  if (copyId === undefined) throw noRoom(server, neededBytes)

  const work = new AbortController()
  const stop = AbortSignal.any([signal, work.signal])
  let upload: OpenUpload | undefined
  let receipts: readonly PartReceipt[] | undefined
  const completing = { isDone: false }
  try {
    upload = await storage.begin({ key, token }, stop)
    await catalog.setUploadId(copyId, upload.uploadId)
    content.begin(partBytes)
    receipts = await sendParts(services, attempt, { copyId, upload, partBytes }, stop, work)
    await storage.checkFree?.(key, stop)
    await catalog.markCompleting(copyId, new Date())
    const head = await completeAndProve(services, attempt, { upload, receipts, completing }, stop)
    const { sizeBytes, etag, versionId } = head
    await catalog.markStored(copyId, { sizeBytes, etag, versionId, at: new Date() })
  } catch (error) {
    work.abort()
    const copy = {
      id: copyId,
      target: { key, token },
      uploadId: upload?.uploadId,
      completeBytes: receipts === undefined ? undefined : content.bytes,
      receipts: receipts ?? [],
      // A look at the object that is refused says nothing about Complete, which was not.
      isRefused: wasRefused(error) && !completing.isDone,
    }
    const isStored = await giveUp(services, attempt, copy, error, signal)
    // Its proof is only an answer to doubts about the server, and to those who stop a run that is through.
    if (!isStored || !(isOfServer(error) || isFailure(error, 'INTERRUPTED'))) throw error
  }
}

function partBytesFor(limits: StorageLimits, content: UploadContent): number {
  const { partBytes, expectedBytes, isWhole } = content
  const usual = Math.max(limits.partBytesMin, partBytes?.usual ?? limits.partBytesDefault)
  const chosen = choosePartBytes(
    { ...limits, partBytesDefault: usual },
    { sizeBytes: expectedBytes ?? 0, isExact: isWhole },
  )
  return Math.min(chosen, partBytes?.max ?? chosen)
}

/**
 * One that was written is not written again, also when its object is gone; nor one to which Complete was sent: a
 * server that is still at it would put that object over the new one.
 */
function freshKey({ identity, prefix }: Server, { key, copies = [] }: ArchiveToSend): string {
  const there = copies.filter((copy) => copy.identity === identity)
  const written = new Set(
    there.filter((copy) => copy.state !== 'failed' || copy.isCompleting).map((copy) => copy.key),
  )
  for (let number = 1; ; number += 1) {
    const fresh = keyOnServer(prefix, copyKey(key, number))
    if (!written.has(fresh)) return fresh
  }
}

async function completeAndProve(
  { limits }: UploadServices,
  { content, storage, server }: Attempt,
  sent: {
    readonly upload: OpenUpload
    readonly receipts: readonly PartReceipt[]
    readonly completing: { isDone: boolean }
  },
  stop: AbortSignal,
): Promise<HeadResult> {
  const { upload, receipts, completing } = sent
  const expected = { token: upload.token, sizeBytes: content.bytes }
  let refusal: Error | undefined
  let etag: string | undefined
  try {
    etag = await storage.complete(upload, receipts, stop)
    completing.isDone = true
  } catch (error) {
    // The answer may be lost and the object there all the same: only HEAD can tell.
    if (isFailure(error, 'INTERRUPTED', 'SERVER_DAMAGED_DATA')) throw error
    refusal = asError(error)
  }
  const delays = refusal === undefined ? limits.headDelaysMs : limits.headDelaysMs.slice(0, 1)
  // After a refusal or silence the server has had its time: this HEAD gets a short one.
  const brief =
    refusal === undefined ? stop : AbortSignal.any([stop, AbortSignal.timeout(limits.headMs)])
  for (const delayMs of [...delays, undefined]) {
    const orRefusal = (error: unknown): never => {
      throw refusal ?? asError(error)
    }
    const head = await storage.head(upload.key, brief).catch(orRefusal)
    if (isProvenBy(head, expected)) {
      const object = { parts: receipts, etag }
      if (await storage.isIntact(head!, object, brief).catch(orRefusal)) return head!
      throw damaged(server, upload.key)
    }
    if (head !== undefined) throw refusal ?? unproven(server, upload.key, head, expected)
    if (delayMs !== undefined) await sleep(delayMs, undefined, { signal: stop }).catch(interrupted)
  }
  throw refusal ?? unproven(server, upload.key, undefined, expected)
}

/**
 * Settles the row of a copy that did not make it; true when it turns out that it did: Complete may
 * have won the race against its own lost answer. Rejects only when the catalog does.
 */
async function giveUp(
  { catalog, limits }: UploadServices,
  { storage }: Attempt,
  copy: Omit<OpenCopy, 'isOver' | 'reason'>,
  error: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  const reason = messageOf(error)
  if (copy.uploadId === undefined && neverBegan(error)) {
    await catalog.markCopyFailed(copy.id, reason)
    return false
  }
  const deadline = AbortSignal.timeout(signal.aborted ? limits.interruptedAbortMs : limits.abortMs)
  const settling = {
    ...copy,
    reason,
    isOver: copy.isRefused === true,
    isDamaged: isFailure(error, 'SERVER_DAMAGED_DATA'),
  }
  let why = reason
  try {
    const { headDelaysMs } = limits
    const settled = await settleCopy({ catalog, storage, headDelaysMs }, settling, deadline)
    if (settled !== 'open') return settled === 'stored'
  } catch (cause) {
    if (!(cause instanceof SpillwayError) || cause.code.startsWith('CATALOG_')) throw cause
    why = `${reason}; the server did not confirm that the upload was given up: ${cause.message}`
  }
  await leaveOpen(catalog, copy, why)
  return false
}

/** Unless it is known to be damaged: that stays `deleting`, and must never look like a copy. */
async function leaveOpen(
  catalog: Catalog,
  copy: Pick<OpenCopy, 'id' | 'uploadId'>,
  why: string,
): Promise<void> {
  const isOpen = (await catalog.unsettledCopies()).some(
    ({ id, state }) => id === copy.id && state === 'uploading',
  )
  if (!isOpen) return
  // Without an upload id no part was sent: whatever the server began, it holds no bytes.
  if (copy.uploadId === undefined) await catalog.resizeReservation(copy.id, 0, 0)
  await catalog.markUncertain(copy.id, why)
}

// The server was never reached, or refused in so many words: nothing was begun there, unless a refusal
// came after a try whose answer was lost.
function neverBegan(error: unknown): boolean {
  return !mayBeDone(error) && (wasRefused(error) || isFailure(error, 'SERVER_UNREACHABLE'))
}

function isOfServer(error: unknown): boolean {
  return failureOf(error).server !== undefined
}

/** Said no in so many words; not where an earlier try may have done it, or only a look at it was refused. */
function wasRefused(error: unknown): boolean {
  const says = failureOf(error).server
  return !mayBeDone(error) && (says === 'misconfigured' || says === 'full')
}

function mayBeDone(error: unknown): boolean {
  return error instanceof SpillwayError && error.facts['mayBeDone'] === true
}

function damaged(server: Server, key: string): SpillwayError {
  const what = 'by its ETag it is not what was sent'
  return new SpillwayError('SERVER_DAMAGED_DATA', `${server.label} took ${key}, but ${what}`)
}

function unproven(
  server: Server,
  key: string,
  head: HeadResult | undefined,
  expected: { readonly sizeBytes: number },
): SpillwayError {
  const found =
    head === undefined
      ? 'it is not there'
      : head.sizeBytes === expected.sizeBytes
        ? 'it does not carry the token of this upload'
        : `it has ${head.sizeBytes} bytes instead of ${expected.sizeBytes}`
  return new SpillwayError('SERVER_UNPROVEN', `${server.label} took ${key}, but ${found}`)
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown))
}

function interrupted(cause: unknown): never {
  throw new SpillwayError('INTERRUPTED', 'interrupted while waiting for the object to appear', {
    cause,
  })
}
