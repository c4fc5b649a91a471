// Sends parts. The bytes go out as they are, in small chunks with their length and their MD5 in the
// header: no chunked encoding (which some servers store as part of the object), no hashing here.
//
// The signature covers the Content-MD5, and so the bytes; every server compares that with what arrived,
// and nearly all need it for the ETag anyway. A SHA-256 of the same bytes on top of it would cost us 0.7 s
// a gigabyte (measured), and the server something alike, so parts are sent as "UNSIGNED-PAYLOAD" (Ceph takes that over
// plain http, too). The archive has a SHA-256 of each frame inside (FORMAT.md).
//
// Where that comparison is left out, the ETag of the part shows what arrived, on a server that is known to give MD5s.
//
// A server that refuses a part before it reads it (Ceph, when full) closes the connection, and its answer
// is lost in the broken pipe. So after a connection that was closed, the part is sent once more with the
// body held back, to hear what the server has to say.

import { UploadPartCommand } from '@aws-sdk/client-s3'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { bareEtag, partEtagSays } from './composite-etag.ts'
import type { EtagHabits } from './composite-etag.ts'
import type { Exchange } from './exchange.ts'
import type { NetworkLimits } from './limits.ts'
import { PartRoom } from './part-room.ts'
import { Patience, repeated } from './retry.ts'
import type { S3Caller } from './s3-caller.ts'
import type { OpenUpload, PartInput, PartReceipt } from './storage.ts'

/** Of one upload. With one part being read ahead: 4 x 16 MiB of buffers, of the 256 MiB that a run may use. */
export const PARTS_AT_ONCE = 3

export class PartSender {
  readonly #caller: S3Caller
  readonly #bucket: string
  readonly #limits: NetworkLimits
  readonly #etags: EtagHabits
  readonly #rooms = new WeakMap<OpenUpload, PartRoom>()
  /** Under way, by upload id. */
  readonly #running = new Map<string, Set<{ stop: AbortController; done: Promise<unknown> }>>()

  constructor(caller: S3Caller, bucket: string, limits: NetworkLimits, etags: EtagHabits) {
    this.#caller = caller
    this.#bucket = bucket
    this.#limits = limits
    this.#etags = etags
  }

  async put(upload: OpenUpload, part: PartInput, signal: AbortSignal): Promise<PartReceipt> {
    const stop = new AbortController()
    const done = this.#putRepeatedly(upload, part, AbortSignal.any([signal, stop.signal]))
    const running = this.#running.get(upload.uploadId) ?? new Set()
    const entry = { stop, done: done.catch(() => undefined) }
    this.#running.set(upload.uploadId, running.add(entry))
    try {
      return await done
    } finally {
      running.delete(entry)
      if (running.size === 0) this.#running.delete(upload.uploadId)
    }
  }

  /** Ends the parts of an upload; resolves when none is under way any more. */
  async cancel(uploadId: string): Promise<void> {
    const running = [...(this.#running.get(uploadId) ?? [])]
    running.forEach(({ stop }) => stop.abort())
    await Promise.all(running.map(({ done }) => done))
  }

  async #putRepeatedly(
    upload: OpenUpload,
    part: PartInput,
    signal: AbortSignal,
  ): Promise<PartReceipt> {
    const { number, body } = part
    const patience = new Patience(this.#limits)
    const room = this.#rooms.get(upload) ?? new PartRoom(PARTS_AT_ONCE)
    this.#rooms.set(upload, room)
    const onSent = (bytes: number): void => {
      patience.noteProgress()
      part.onSent?.(bytes)
    }
    const attempt = async (_repeat: number, last?: SpillwayError): Promise<string> => {
      const holdsBody = last?.code === 'SERVER_CLOSED'
      const begun = performance.now()
      await room.enter(signal)
      patience.forgive(performance.now() - begun)
      let how: 'taken' | 'refused' | 'failed' = 'failed'
      try {
        const exchange = { openBody: body.open, onSent, holdsBody }
        const etag = await this.#send(upload, part, exchange, signal)
        how = 'taken'
        this.#checkEtag(upload, { number, etag, md5: body.md5 })
        return etag
      } catch (error) {
        if (isFailure(error, 'SERVER_BUSY')) how = 'refused'
        const isClosed = error instanceof SpillwayError && error.code === 'SERVER_CLOSED'
        throw holdsBody && isClosed ? closedTwice(last, error) : error
      } finally {
        room.leave(how)
      }
    }
    const isFinal = (error: SpillwayError): boolean => error.facts['closedTwice'] === true
    const etag = await repeated({ attempt, isFinal, patience, limits: this.#limits, signal })
    return { number, sizeBytes: body.sizeBytes, etag, md5: body.md5 }
  }

  /** Damage is sent once more; before the first MD5 it cannot be told from encryption: see s3-complete.ts. */
  #checkEtag({ key }: OpenUpload, part: Pick<PartReceipt, 'number' | 'etag' | 'md5'>): void {
    const says = partEtagSays(part)
    if (says === 'as sent') this.#etags.areMd5 = true
    if (says === 'other' && this.#etags.areMd5 === true)
      throw damagedPart(this.#caller.place, key, part)
  }

  async #send(
    { key, uploadId }: OpenUpload,
    { number, body }: PartInput,
    exchange: Partial<Exchange>,
    signal: AbortSignal,
  ): Promise<string> {
    const action = `part ${number} of ${key}`
    const sent = await this.#caller.once({
      action,
      signal,
      exchange,
      run: (client, options) => {
        const command = new UploadPartCommand({
          Bucket: this.#bucket,
          Key: key,
          UploadId: uploadId,
          PartNumber: number,
          ContentLength: body.sizeBytes,
          ContentMD5: Buffer.from(body.md5).toString('base64'),
        })
        presetHeaders(command, {
          'x-amz-content-sha256':
            body.sha256 === undefined
              ? 'UNSIGNED-PAYLOAD'
              : Buffer.from(body.sha256).toString('hex'),
          'content-type': 'application/octet-stream',
        })
        return client.send(command, options)
      },
    })
    const etag = bareEtag(sent.ETag)
    if (etag !== undefined) return etag
    const what = `${this.#caller.place}: ${action}: no ETag in the answer`
    throw new SpillwayError('SERVER_NOT_S3', what)
  }
}

/** Before the request is signed. */
function presetHeaders(command: UploadPartCommand, preset: Readonly<Record<string, string>>): void {
  command.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, preset)
      return next(args)
    },
    { step: 'build', name: 'presetHeaders' },
  )
}

export function damagedPart(
  place: string,
  key: string,
  { number, etag }: Pick<PartReceipt, 'number' | 'etag'>,
): SpillwayError {
  return new SpillwayError(
    'SERVER_DAMAGED_DATA',
    `${place}: part ${number} of ${key} arrived with other bytes than were sent (ETag ${etag})`,
    { facts: { code: 'EtagMismatch' } },
  )
}

function closedTwice(first: SpillwayError, second: SpillwayError): SpillwayError {
  const how = [first, second].map(({ facts }) => String(facts['code'])).join(', then ')
  return new SpillwayError(
    'SERVER_CLOSED',
    `${second.message}, and had done so before (${how}) without saying why`,
    { cause: second, facts: { ...second.facts, closedTwice: true } },
  )
}
