// CompleteMultipartUpload: the one request whose answer must not be guessed.
//
// The object may exist although the answer says otherwise or never came, and a second Complete is 404
// on many servers. So after any failure the server is asked what is true: our object is there (done),
// the upload is still open (Complete may be sent again), or neither (failed).

import { CompleteMultipartUploadCommand } from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import type { FailureCode } from '../domain/errors.ts'
import { bareEtag, compareEtag, hasChanged, partEtagSays } from './composite-etag.ts'
import type { EtagHabits } from './composite-etag.ts'
import { COMPLETE_SILENCES_MAX } from './limits.ts'
import type { NetworkLimits } from './limits.ts'
import { asMaybeDone, LostAnswer } from './lost-answer.ts'
import { Patience, repeated } from './retry.ts'
import { isOfS3 } from './s3-absent.ts'
import type { S3Caller } from './s3-caller.ts'
import { damagedPart } from './s3-parts.ts'
import { isProvenBy } from './storage.ts'
import type { HeadResult, OpenUpload, PartReceipt, SentObject } from './storage.ts'

export type CompleteContext = {
  readonly caller: S3Caller
  readonly bucket: string
  readonly limits: NetworkLimits
  readonly etags: EtagHabits
  readonly head: (key: string, patience: Patience) => Promise<HeadResult | undefined>
  /** undefined: the server cannot tell. */
  readonly isOpen: (upload: OpenUpload, patience: Patience) => Promise<boolean | undefined>
  readonly read: (
    key: string,
    range: { offsetBytes: number; sizeBytes: number },
    patience: Patience,
  ) => AsyncIterable<Uint8Array>
}

/** What an object is compared with. */
type Sent = Pick<Completion, 'context' | 'parts' | 'patience'> & {
  readonly upload: Pick<OpenUpload, 'key'>
}

/** One upload that is being completed. One patience for all that is asked: nothing else adds up. */
type Completion = {
  readonly context: CompleteContext
  readonly upload: OpenUpload
  readonly parts: readonly PartReceipt[]
  readonly patience: Patience
  readonly signal: AbortSignal
}

export async function completeUpload(
  context: CompleteContext,
  upload: OpenUpload,
  parts: readonly PartReceipt[],
  signal: AbortSignal,
): Promise<string | undefined> {
  checkParts(context, upload, parts)
  const { limits } = context
  const patience = Patience.ofOperation(limits)
  const completion = { context, upload, parts, patience, signal }
  const answer = new LostAnswer()
  const completing = repeated({
    attempt: (repeat) =>
      attemptComplete(completion, repeat).catch((error: unknown) => {
        answer.note(error)
        // A page in the place of an answer refuses nothing: what is behind it may go on.
        throw isOfS3(error) ? error : asMaybeDone(error)
      }),
    // With less time than a connection may take, one more Complete would only leave more doubt.
    isFinal: () => patience.leftMs < limits.connectMs,
    patience,
    limits,
    signal,
  })
  const etag = await completing.catch(answer.rethrow)
  patience.noteProgress()
  // From here on the object is there: what fails is only the look at it.
  const onLook = (error: unknown): never => {
    throw asMaybeDone(error)
  }
  // Ceph's answer has an empty ETag; only HEAD shows the right one.
  const seen = etag ?? (await context.head(upload.key, patience).catch(onLook))?.etag
  if (await isAsSent(completion, seen).catch(onLook)) return seen
  throw new SpillwayError(
    'SERVER_DAMAGED_DATA',
    `${context.caller.place}: ${upload.key} is stored with other bytes than were sent (ETag ${seen})`,
    { facts: { code: 'EtagMismatch' } },
  )
}

/** Of an object that HEAD shows, whether the answer to Complete came or not. */
export async function isIntact(
  context: CompleteContext,
  { key, etag }: HeadResult,
  sent: SentObject,
): Promise<boolean> {
  if (hasChanged(sent.etag, etag)) return false
  const { parts } = sent
  const patience = Patience.ofOperation(context.limits)
  return isAsSent({ context, upload: { key }, parts, patience }, etag)
}

/**
 * Parts of which only some have their MD5 for an ETag are not encrypted, but damaged. When none has it, the server
 * encrypts; of one part alone that cannot be told.
 */
function checkParts(
  { etags, caller }: CompleteContext,
  { key }: OpenUpload,
  parts: readonly PartReceipt[],
): void {
  const other = parts.filter((part) => partEtagSays(part) === 'other')
  const [first] = other
  if (first === undefined) return
  if (etags.areMd5 === true || parts.some((part) => partEtagSays(part) === 'as sent'))
    throw damagedPart(caller.place, key, first)
  if (other.length > 1) etags.areMd5 = false
}

// Each may hide a success. SERVER_SILENT does, too, but after silence nothing more is asked here: that is
// the caller's HEAD.
const LEAVES_DOUBT: ReadonlySet<string> = new Set<FailureCode>([
  'SERVER_BUSY',
  'SERVER_CLOSED',
  'SERVER_UNREACHABLE',
  'UPLOAD_GONE',
  'OBJECT_EXISTS',
])

async function attemptComplete(
  completion: Completion,
  repeat: number,
): Promise<string | undefined> {
  const { context, upload, parts, patience } = completion
  try {
    return await sendComplete(completion, repeat)
  } catch (error) {
    if (!(error instanceof SpillwayError) || !LEAVES_DOUBT.has(error.code)) throw error
    const head = await context.head(upload.key, patience).catch(() => {
      throw error
    })
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
    if (isProvenBy(head, { token: upload.token, sizeBytes })) return head?.etag
    const isOpen = await context.isOpen(upload, patience).catch(() => undefined)
    if (isOpen === true || error.code === 'OBJECT_EXISTS') throw error
    throw doubtful(error)
  }
}

async function sendComplete(completion: Completion, repeat: number): Promise<string | undefined> {
  const { context, parts, patience, signal } = completion
  const { caller, bucket, limits } = context
  const { key, uploadId } = completion.upload
  const done = await caller.once({
    action: `completing ${key}`,
    signal,
    patience,
    exchange: {
      root: 'CompleteMultipartUploadResult',
      // Blanks sent to keep the line alive are a sign of life here.
      silence: { silenceMs: limits.completeSilenceMs, bytesMin: 1 },
      onReceived: (chunk) => {
        if (isBlank(chunk)) patience.noteProgress()
      },
      // The patience begins when the list of parts, up to a megabyte, is there; not with each repeat.
      onSent: () => {
        if (repeat === 0) patience.noteProgress()
      },
      deadlineMs: COMPLETE_SILENCES_MAX * limits.completeSilenceMs,
      // A kept connection that is closed under this request would leave its result in doubt.
      isFresh: true,
    },
    optional: 'if-none-match',
    run: (client, options, lacks) =>
      client.send(
        new CompleteMultipartUploadCommand({
          Bucket: bucket,
          Key: key,
          UploadId: uploadId,
          // A key is never written twice, not even by somebody else's mistake.
          ...(lacks.has('if-none-match') ? {} : { IfNoneMatch: '*' }),
          MultipartUpload: {
            Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: `"${etag}"` })),
          },
        }),
        options,
      ),
  })
  return bareEtag(done.ETag)
}

function isBlank(chunk: Uint8Array): boolean {
  return chunk.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
}

/** The same failure, but no repeat: the upload is gone, or nobody knows whether it is. */
function doubtful(error: SpillwayError): SpillwayError {
  return new SpillwayError(
    'SERVER_UNPROVEN',
    `${error.message}; neither the object nor the upload can be seen there now`,
    { cause: error, facts: error.facts },
  )
}

/**
 * A different composite ETag is damage on a server whose composites were right before. On another it may
 * be the server's own formula (SeaweedFS, rclone): then the first and the last part are read back.
 */
async function isAsSent(sent: Sent, etag: string | undefined): Promise<boolean> {
  const { etags } = sent.context
  const compared = etags.areComposite === false ? 'unknown' : compareEtag(etag, sent.parts)
  if (compared === 'unknown') return isOnlyPartIntact(sent)
  if (compared === 'equal') {
    etags.areComposite = true
    return true
  }
  if (etags.areComposite === true || !(await areEndsIntact(sent))) return false
  etags.areComposite = false
  return true
}

/**
 * One part whose ETag is not its MD5, of a server of which nothing is known: encrypted, or damaged on its way and not
 * looked at. Reading it back tells, once.
 */
async function isOnlyPartIntact(sent: Sent): Promise<boolean> {
  const { etags } = sent.context
  const [part, ...more] = sent.parts
  if (part === undefined || more.length > 0 || etags.areMd5 !== undefined) return true
  if (partEtagSays(part) !== 'other') return true
  try {
    if (!(await areEndsIntact(sent))) return false
  } catch (error) {
    // A key that may only write: then token and size are all the proof there is.
    if (isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) return true
    throw error
  }
  etags.areMd5 = false
  return true
}

async function areEndsIntact({ context, upload, parts, patience }: Sent): Promise<boolean> {
  let offsetBytes = 0
  for (const [index, { sizeBytes, md5 }] of parts.entries()) {
    if (index === 0 || index === parts.length - 1) {
      const hash = createHash('md5')
      const range = { offsetBytes, sizeBytes }
      for await (const chunk of context.read(upload.key, range, patience)) hash.update(chunk)
      if (!hash.digest().equals(md5)) return false
    }
    offsetBytes += sizeBytes
  }
  return true
}
