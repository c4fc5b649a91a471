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
/**
 * A server that drips would hold a read for ever. On a line of 64 kbit/s each of the four reads of a restore
 * still gets 2 kB/s: half of that, over a whole window of waiting, is too slow.
 */
const BYTES_PER_SECOND_MIN = 1_024

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
  const pace = new Pace(limits.silenceMs)
  const onAbort = (): void => void body.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      pace.came(chunk.length)
      watch.pause()
      yield chunk
      watch.resume()
      pace.wait()
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

/** The silence watch begins anew with every chunk; this adds up the waiting in between. */
class Pace {
  readonly #windowMs: number
  #bytes = 0
  #waitedMs = 0
  #sinceMs = performance.now()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** What the consumer did until now is not waiting. */
  wait(): void {
    this.#sinceMs = performance.now()
  }

  /** Throws when the window that ends here was too slow. */
  came(bytes: number): void {
    this.#bytes += bytes
    this.#waitedMs += performance.now() - this.#sinceMs
    if (this.#waitedMs < this.#windowMs) return
    const perSecond = (1_000 * this.#bytes) / this.#waitedMs
    if (perSecond < BYTES_PER_SECOND_MIN) {
      const what = `${Math.round(perSecond)} bytes a second for ${Math.round(this.#waitedMs)} ms`
      throw new ExchangeError(
        'silent',
        `it drips: ${what}, at least ${BYTES_PER_SECOND_MIN} are needed`,
      )
    }
    this.#bytes = 0
    this.#waitedMs = 0
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
