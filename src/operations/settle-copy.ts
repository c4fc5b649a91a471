// Finds out what a server holds of a copy that did not end well, and ends its row: after a failed
// attempt at once, after a crash by the next run.
//
// Three things can be true. The object is there and proven: the copy is stored. The server confirmed
// that nothing is left: it failed. Or nobody knows: the row stays open, its bytes stay reserved.

import { isFailure, SpillwayError } from '../domain/errors.ts'
import { isProvenBy } from '../storage/storage.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Catalog, CopyId } from '../catalog/catalog.ts'
import type {
  AbortOutcome,
  HeadResult,
  PartReceipt,
  Storage,
  UploadTarget,
} from '../storage/storage.ts'

export type OpenCopy = {
  readonly id: CopyId
  readonly target: UploadTarget
  /** undefined: Create's answer never came; then no part was sent, and there is no object. */
  readonly uploadId: string | undefined
  /** Size of the archive once Complete may have been sent; undefined: it never was. */
  readonly completeBytes: number | undefined
  /** Of the parts, where they are still known: after a crash they are not, and token and size are all the proof. */
  readonly receipts?: readonly PartReceipt[]
  /** The object is known not to be what was sent. */
  readonly isDamaged?: boolean
  /** The server said no to Complete in so many words, or it was so long ago that nothing comes any more. */
  readonly isOver: boolean
  /** It was the former: where we may not look, there is nothing to be seen. */
  readonly isRefused?: boolean
  /** What the row says when it fails. */
  readonly reason: string
}

type Services = {
  readonly catalog: Catalog
  readonly storage: Storage
  /** Waits for an object that some servers show late. */
  readonly headDelaysMs: readonly number[]
}

/**
 * `open`: the server could not tell; the row is as it was. Rejects with the server's failure where it
 * did not answer; the row is then as it was, too.
 */
export async function settleCopy(
  services: Services,
  copy: OpenCopy,
  signal: AbortSignal,
): Promise<'stored' | 'failed' | 'deleted' | 'open'> {
  const { catalog, storage, headDelaysMs } = services
  const before = await adopt(services, copy, signal)
  if (before === 'stored' || before === 'deleted') return before
  const aborted = await abort(storage, copy, signal)
  let after: Found = before
  // An upload that is gone, and not by our abort, was completed, or is just being completed.
  const delaysMs = aborted === 'gone' && copy.completeBytes !== undefined ? headDelaysMs : []
  for (const delayMs of [0, ...delaysMs]) {
    if (delayMs > 0) await pause(delayMs, signal)
    after = await adopt(services, copy, signal)
    if (after === 'stored' || after === 'deleted') return after
  }
  const mayStillCome = aborted === 'gone' && copy.completeBytes !== undefined && !copy.isOver
  const isHidden = after === 'hidden' && aborted === 'gone'
  if (mayStillCome || isHidden) return 'open'
  await catalog.markCopyFailed(copy.id, copy.reason)
  return 'failed'
}

async function abort(
  storage: Storage,
  { target, uploadId, completeBytes, isRefused }: OpenCopy,
  signal: AbortSignal,
): Promise<AbortOutcome> {
  if (uploadId === undefined) return abortByKey(storage, target, signal)
  const upload = { ...target, uploadId }
  const first = await storage.abort(upload, signal)
  if (first === 'gone' || completeBytes === undefined || isRefused === true) return first
  // MinIO calls aborted what it does not have. It says so once more, and then neither proves anything.
  return (await storage.abort(upload, signal)) === 'gone' ? 'aborted' : 'gone'
}

/** `hidden`: the key may not look at it. */
type Found = 'stored' | 'deleted' | 'absent' | 'hidden'

async function adopt(
  { catalog, storage }: Services,
  copy: OpenCopy,
  signal: AbortSignal,
): Promise<Found> {
  if (copy.completeBytes === undefined || copy.uploadId === undefined) return 'absent'
  let head: HeadResult | undefined
  try {
    head = await storage.head(copy.target.key, signal)
  } catch (error) {
    if (isFailure(error, 'SERVER_DENIED')) return 'hidden'
    throw error
  }
  const expected = { token: copy.target.token, sizeBytes: copy.completeBytes }
  if (head === undefined || !isProvenBy(head, expected)) return 'absent'
  // What Complete answered is not known here. Where the server's formula is, the parts must make the ETag that is
  // shown; where it is not, the first and the last part are read back, as after an answer. After a crash nothing is left
  // to compare with, on any server.
  const sent = { parts: copy.receipts ?? [] }
  if (copy.isDamaged === true || !(await storage.isIntact(head, sent, signal))) {
    await catalog.markDamaged(copy.id, copy.reason)
    await removeDamaged({ catalog, storage }, copy.id, head, signal)
    return 'deleted'
  }
  const { sizeBytes, etag, versionId } = head
  await catalog.markStored(copy.id, { sizeBytes, etag, versionId, at: new Date() })
  return 'stored'
}

/** Of a copy in state `deleting`: an object of ours, by its token, that is not what was sent. */
export async function removeDamaged(
  { catalog, storage }: Pick<Services, 'catalog' | 'storage'>,
  copyId: CopyId,
  object: { readonly key: string; readonly versionId: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  await storage.remove(object.key, object.versionId, signal)
  if ((await storage.head(object.key, signal)) !== undefined) {
    throw new SpillwayError('SERVER_UNPROVEN', `${object.key} is still there after it was deleted`)
  }
  await catalog.markDeleted(copyId)
}

/** Create was sent and its answer lost: the upload can only be found by its key, which is ours. */
async function abortByKey(
  storage: Storage,
  target: UploadTarget,
  signal: AbortSignal,
): Promise<AbortOutcome> {
  let found: AbortOutcome = 'gone'
  try {
    for await (const { key, uploadId } of storage.listUploads(target.key, signal)) {
      await storage.abort({ key, uploadId, token: target.token }, signal)
      found = 'aborted'
    }
  } catch (error) {
    // Some keys may not list uploads, and some servers cannot. What may be there holds no bytes.
    if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) throw error
  }
  return found
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal })
  } catch (cause) {
    throw new SpillwayError('INTERRUPTED', 'interrupted while waiting for an object', { cause })
  }
}
