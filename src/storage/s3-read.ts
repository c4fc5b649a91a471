// Reads an object as a stream that survives a broken connection: it goes on with a new ranged request
// from where it stopped, of the same object (same ETag), and ends only when every byte has come.

import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { IncomingMessage } from 'node:http'
import { failureOf, SpillwayError } from '../domain/errors.ts'
import { bareEtag } from './composite-etag.ts'
import { ExchangeError } from './exchange.ts'
import type { NetworkLimits } from './limits.ts'
import { interrupted } from './retry.ts'
import type { Patience } from './retry.ts'
import type { S3Caller } from './s3-caller.ts'
import { silent } from './s3-http.ts'
import { SilenceWatch } from './silence-watch.ts'

export type ReadInput = {
  readonly caller: S3Caller
  readonly bucket: string
  readonly key: string
  readonly range: { readonly offsetBytes: number; readonly sizeBytes: number } | undefined
  readonly limits: NetworkLimits
  readonly signal: AbortSignal
  /** Of the operation that this is a part of. */
  readonly patience?: Patience | undefined
}

// A line that breaks more often than this within one archive is not worth the next try.
const RESUMES_MAX = 20
// Fewer bytes than this within one window of silence are silence.
const WINDOW_BYTES_MIN = 1_024

type Opened = {
  readonly body: IncomingMessage
  readonly bytes: number
  readonly etag: string | undefined
}

export async function* readObject(input: ReadInput): AsyncGenerator<Uint8Array> {
  const { range, signal } = input
  if (range?.sizeBytes === 0) return
  let position = range?.offsetBytes ?? 0
  let endBytes = range === undefined ? undefined : position + range.sizeBytes
  let etag: string | undefined
  for (let failures = 0, resumes = 0; ; resumes += 1) {
    const opened = await open(input, position, endBytes, resumes > 0)
    endBytes ??= opened.bytes
    checkSame(input, etag, opened)
    etag = opened.etag
    const before = position
    try {
      for await (const chunk of guarded(opened.body, input)) {
        position += chunk.length
        input.patience?.noteProgress()
        if (position > endBytes) throw tooLong(input, endBytes)
        yield chunk
      }
      if (position === endBytes) return
      throw broken(input, position, endBytes)
    } catch (error) {
      if (signal.aborted) throw interrupted()
      if (!(error instanceof SpillwayError)) throw error
      failures = position > before ? 1 : failures + 1
      if (failures > failureOf(error).repeat || resumes >= RESUMES_MAX) throw error
    } finally {
      opened.body.destroy()
    }
  }
}

async function open(
  { caller, bucket, key, signal, patience }: ReadInput,
  start: number,
  endBytes: number | undefined,
  isResumed: boolean,
): Promise<Opened> {
  const isRanged = isResumed || start > 0 || endBytes !== undefined
  const last = endBytes === undefined ? '' : String(endBytes - 1)
  const got = await caller.call({
    action: `reading ${key}`,
    signal,
    exchange: { isStreamed: true },
    ...(patience === undefined ? {} : { patience }),
    run: (client, options) =>
      client.send(
        new GetObjectCommand({
          Bucket: bucket,
          Key: key,
          ...(isRanged ? { Range: `bytes=${start}-${last}` } : {}),
        }),
        options,
      ),
  })
  const body = got.Body as unknown as IncomingMessage
  if (isRanged && !got.ContentRange?.startsWith(`bytes ${start}-`)) {
    body.destroy()
    throw notAsAsked(caller, key, `asked from byte ${start}, got "${got.ContentRange ?? 'all'}"`)
  }
  const bytes = got.ContentLength
  if (bytes === undefined || (endBytes !== undefined && bytes !== endBytes - start)) {
    body.destroy()
    throw notAsAsked(caller, key, `the server announces ${bytes ?? 'no number of'} bytes`)
  }
  return { body, bytes, etag: bareEtag(got.ETag) }
}

/** The body's chunks; only the waiting for a byte is watched, not what the consumer does with it. */
async function* guarded(
  body: IncomingMessage,
  { caller, key, limits, signal }: ReadInput,
): AsyncGenerator<Buffer> {
  let bytes = 0
  const rule = { silenceMs: limits.silenceMs, bytesMin: WINDOW_BYTES_MIN }
  const watch = new SilenceWatch(
    rule,
    () => bytes,
    () => body.destroy(silent(limits.silenceMs)),
  )
  const onAbort = (): void => void body.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      watch.pause()
      yield chunk
      watch.resume()
    }
  } catch (error) {
    const isSilent = error instanceof ExchangeError
    throw new SpillwayError(
      isSilent ? 'SERVER_SILENT' : 'SERVER_CLOSED',
      `${caller.place}: reading ${key}: ${(error as Error).message}`,
      { cause: error, facts: { code: isSilent ? 'TimeoutError' : 'ECONNRESET' } },
    )
  } finally {
    signal.removeEventListener('abort', onAbort)
    watch.stop()
  }
}

function checkSame(input: ReadInput, etag: string | undefined, opened: Opened): void {
  if (etag === undefined || opened.etag === etag) return
  opened.body.destroy()
  throw notAsAsked(input.caller, input.key, 'the object was replaced while it was being read')
}

function broken({ caller, key }: ReadInput, position: number, endBytes: number): SpillwayError {
  const what = `reading ${key}: the connection ended at byte ${position} of ${endBytes}`
  return new SpillwayError('SERVER_CLOSED', `${caller.place}: ${what}`)
}

function tooLong({ caller, key }: ReadInput, endBytes: number): SpillwayError {
  return notAsAsked(caller, key, `the server sends more than the ${endBytes} bytes announced`)
}

function notAsAsked(caller: S3Caller, key: string, what: string): SpillwayError {
  return new SpillwayError('SERVER_REJECTED', `${caller.place}: reading ${key}: ${what}`)
}
