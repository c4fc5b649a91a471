// Listings, page by page, with a guard against servers whose pages lead in a circle or nowhere. Listings
// only count and show: that something is absent from one is never taken as proof of anything.
//
// That keys ascend is not asked for: Storj lists them in the order of their encrypted names. But no page may
// begin as an earlier one did.

import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { SpillwayError } from '../domain/errors.ts'
import { bareEtag } from './composite-etag.ts'
import type { S3Caller } from './s3-caller.ts'
import type { ListedUpload, StoredObject } from './storage.ts'

type Page<T> = { readonly entries: readonly T[]; readonly next: string | undefined }

// Servers that skip over what was deleted send a page without entries now and then; AWS and Ceph a few.
const EMPTY_PAGES_MAX = 20

// 100 million objects, a thousand to a page: hours at the pace of a fast server. One that goes on longer
// makes them up as it is asked.
const PAGES_MAX = 100_000

export async function* listObjects(
  caller: S3Caller,
  input: { readonly bucket: string; readonly prefix: string; readonly signal: AbortSignal },
): AsyncGenerator<StoredObject> {
  const { bucket, prefix, signal } = input
  const pages = followPages(
    caller,
    async (from) => {
      const page = await caller.call({
        action: `listing ${prefix || 'the bucket'}`,
        signal,
        exchange: { root: 'ListBucketResult' },
        run: (client, options) =>
          client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: prefix,
              ...placeOf(from),
            }),
            options,
          ),
      })
      return { entries: page.Contents ?? [], next: nextOf(caller, page) }
    },
    ({ Key }) => Key,
  )
  for await (const { Key: key, Size: sizeBytes, ETag, LastModified: modifiedAt } of pages) {
    if (key === undefined || !key.startsWith(prefix)) continue
    if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw odd(caller, `the size of ${key} is "${sizeBytes}"`)
    yield { key, sizeBytes, etag: bareEtag(ETag), modifiedAt }
  }
}

const [TOKEN, AFTER] = ['token ', 'after ']

/**
 * A page that says that it is not the last, and not how to ask for the next one: a proxy dropped that, or a
 * gateway answers as the first version of the listing does. What comes after its last key is asked for; a
 * gateway that does not know that question gives the same page again, and that ends the listing.
 */
function nextOf(
  caller: S3Caller,
  page: Pick<ListObjectsV2CommandOutput, 'Contents' | 'IsTruncated' | 'NextContinuationToken'>,
): string | undefined {
  const { IsTruncated: isTruncated, NextContinuationToken: token = '' } = page
  if (token !== '' && isTruncated !== false) return TOKEN + token
  if (isTruncated !== true) return undefined
  const lastKey = page.Contents?.at(-1)?.Key
  if (lastKey === undefined)
    throw odd(caller, 'a page of the listing is empty, and names no next one')
  return AFTER + lastKey
}

function placeOf(from: string | undefined): { ContinuationToken?: string; StartAfter?: string } {
  if (from === undefined) return {}
  return from.startsWith(AFTER)
    ? { StartAfter: from.slice(AFTER.length) }
    : { ContinuationToken: from.slice(TOKEN.length) }
}

export async function* listUploadsOf(
  caller: S3Caller,
  input: { readonly bucket: string; readonly key: string; readonly signal: AbortSignal },
): AsyncGenerator<ListedUpload> {
  const { bucket, key, signal } = input
  const pages = followPages(
    caller,
    async (marker) => {
      const [keyMarker, uploadIdMarker] = marker?.split('\n') ?? []
      const page = await caller.call({
        action: `listing the uploads of ${key}`,
        signal,
        exchange: { root: 'ListMultipartUploadsResult' },
        run: (client, options) =>
          client.send(
            new ListMultipartUploadsCommand({
              Bucket: bucket,
              // MinIO lists only for the exact key, so that is what everybody is asked.
              Prefix: key,
              ...(keyMarker ? { KeyMarker: keyMarker } : {}),
              ...(uploadIdMarker ? { UploadIdMarker: uploadIdMarker } : {}),
            }),
            options,
          ),
      })
      const markers = [page.NextKeyMarker ?? '', page.NextUploadIdMarker ?? ''].join('\n')
      return { entries: page.Uploads ?? [], next: page.IsTruncated === true ? markers : undefined }
    },
    ({ Key, UploadId }) => `${Key}\n${UploadId}`,
  )
  try {
    for await (const { Key, UploadId: uploadId } of pages)
      if (Key !== undefined && uploadId !== undefined && isAsked(Key, key))
        yield { key: Key, uploadId }
  } catch (error) {
    // Such servers (rclone) have their own end for idle uploads; nothing can be asked of them here.
    if (!(error instanceof SpillwayError) || error.facts['status'] !== 501) throw error
  }
}

function isAsked(found: string, key: string): boolean {
  return found === key || (key.endsWith('/') && found.startsWith(key))
}

async function* followPages<T>(
  caller: S3Caller,
  fetchPage: (token: string | undefined) => Promise<Page<T>>,
  nameOf: (entry: T) => string | undefined,
): AsyncGenerator<T> {
  const tokens = new Set<string>()
  const begins = new Set<string>()
  let token: string | undefined
  let emptyPages = 0
  for (let pages = 1; ; pages += 1) {
    const { entries, next } = await fetchPage(token)
    const [first] = entries
    const begin = first && nameOf(first)
    if (begin !== undefined && begins.has(begin))
      throw odd(caller, `two pages of the listing begin with ${begin.split('\n')[0]}`)
    if (begin !== undefined) begins.add(begin)
    yield* entries
    if (next === undefined) return
    if (tokens.has(next)) throw odd(caller, 'a page of the listing leads back to an earlier one')
    emptyPages = begin === undefined ? emptyPages + 1 : 0
    if (emptyPages > EMPTY_PAGES_MAX)
      throw odd(caller, `${emptyPages} pages of the listing after another are empty`)
    if (pages === PAGES_MAX) throw odd(caller, `the listing has more than ${PAGES_MAX} pages`)
    tokens.add(next)
    token = next
  }
}

function odd(caller: S3Caller, what: string): SpillwayError {
  return new SpillwayError('SERVER_NOT_S3', `${caller.place}: ${what}`)
}
