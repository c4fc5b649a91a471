// What a 404 means. S3 says it of objects, uploads and buckets; a proxy in front of a server that is down says it of
// everything, and its page must not be taken for the news that something is gone.

import { GetObjectCommand } from '@aws-sdk/client-s3'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import type { Patience } from './retry.ts'
import type { S3Caller } from './s3-caller.ts'

export function isAbsent(error: unknown): boolean {
  if (isFailure(error, 'ARCHIVE_MISSING')) return true
  return (
    error instanceof SpillwayError &&
    error.facts['status'] === 404 &&
    (error.facts['s3Code'] ?? 'NotFound') === 'NotFound'
  )
}

/** By its code, or by the id that most servers give to every request. */
export function isOfS3(error: unknown): boolean {
  if (isFailure(error, 'ARCHIVE_MISSING', 'UPLOAD_GONE')) return true
  if (!(error instanceof SpillwayError)) return false
  const { requestId, s3Code } = error.facts
  return requestId !== undefined || (s3Code !== undefined && s3Code !== 'NotFound')
}

/**
 * An answer to HEAD has no body that would tell; one to GET has. False: the object is there by now. Rejects with
 * SERVER_NOT_S3 where that answer is no S3 server's either.
 */
export async function isConfirmedAbsent(input: {
  readonly caller: S3Caller
  readonly object: { readonly Bucket: string; readonly Key: string }
  readonly patience: Patience | undefined
  readonly signal: AbortSignal
}): Promise<boolean> {
  const { caller, object, patience, signal } = input
  const action = `looking at ${object.Key}`
  try {
    await caller.call({
      ...{ action, signal },
      ...(patience === undefined ? {} : { patience }),
      run: (client, options) =>
        client.send(new GetObjectCommand({ ...object, Range: 'bytes=0-0' }), options),
    })
  } catch (error) {
    if (isAbsent(error) && isOfS3(error)) return true
    if (!isFailure(error, 'SERVER_BUCKET') || isOfS3(error)) throw error
    const what = `${action}: a page with 404 instead of an S3 answer`
    throw new SpillwayError('SERVER_NOT_S3', `${caller.place}: ${what}`)
  }
  return false
}
