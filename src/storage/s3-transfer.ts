// Streams of unknown length that are small (catalog snapshots, the self-test's transfer), sent with the
// SDK's own Upload. It buffers parts of 5 MiB, never cancels a request that is under way, and knows no
// MD5: what it lacks (repeats, time limits, the signal, the MD5 that a bucket with object lock demands) is
// given to it through the client that it sends with.

import { createHash } from 'node:crypto'
import type { PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { Readable } from 'node:stream'
import { interrupted } from './retry.ts'
import type { S3Caller } from './s3-caller.ts'

const PART_BYTES = 5 * 1024 * 1024

export type PutStreamInput = {
  readonly caller: S3Caller
  readonly object: {
    readonly Bucket: string
    readonly Key: string
  } & Partial<PutObjectCommandInput>
  readonly body: AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
}

/** Resolves to the number of bytes sent. Nothing is left behind when it rejects. */
export async function putStream(input: PutStreamInput): Promise<number> {
  const { object, body, signal } = input
  if (signal.aborted) throw interrupted()
  let sizeBytes = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      if (signal.aborted) throw interrupted()
      sizeBytes += chunk.length
      yield chunk
    }
  }
  // Upload's own abort() leaves its requests running; ours end through the signal in the client.
  const upload = new Upload({
    client: repeatingClient(input),
    params: { ...object, Body: Readable.from(counted(), { objectMode: false }) },
    partSize: PART_BYTES,
    queueSize: 1,
  })
  try {
    await upload.done()
  } catch (error) {
    throw signal.aborted ? interrupted() : error
  }
  return sizeBytes
}

/** A client whose `send` goes through our caller: Upload hands over buffers, which may be repeated. */
function repeatingClient({ caller, object, signal }: PutStreamInput): S3Client {
  const send = (command: Parameters<S3Client['send']>[0]): Promise<unknown> => {
    const isAbort = command.constructor.name.startsWith('Abort')
    addMd5(command.input)
    return caller.call({
      action: `storing ${object.Key}`,
      // After an interrupt the parts that arrived are still cleared away.
      signal: isAbort ? AbortSignal.timeout(CLEANUP_MS) : signal,
      run: (client, options) => client.send(command, options),
    })
  }
  return Object.create(caller.client, { send: { value: send } }) as S3Client
}

function addMd5(input: object): void {
  const put = input as { readonly Body?: unknown; ContentMD5?: string }
  if (put.Body instanceof Uint8Array)
    put.ContentMD5 = createHash('md5').update(put.Body).digest('base64')
}

// Long enough for one request on a slow line, short enough for Ctrl-C.
const CLEANUP_MS = 5_000
