// The bytes of the model server: a body is received into memory or a file, hashed on the way, and
// read again by range. A gigabyte goes through here in the benchmark, so nothing is copied twice.

import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { refusal } from './s3-model-answers.ts'
import { unframed } from './s3-model-chunks.ts'
import type { DeclaredPayload } from './s3-model-signature.ts'

/** Some bytes that do not change any more: one part, or one small object. */
export type Piece = {
  readonly sizeBytes: number
  /** Hex. */
  readonly md5: string
  readonly read: (start: number, end: number) => Buffer
  /** Changes one stored byte: damage on the server's disk. */
  readonly flip: (position: number) => void
  readonly drop: () => void
}

export type ReceiveInput = {
  readonly request: IncomingMessage
  /** undefined: memory. */
  readonly folder: string | undefined
  readonly declared: DeclaredPayload
  readonly checksHashes: boolean
  readonly ignoresHashes?: boolean
}

let filesWritten = 0

/** Reads the whole body; throws the refusal that a server gives for a damaged or short one. */
export async function receivePiece(input: ReceiveInput): Promise<Piece> {
  const { request, folder, checksHashes, ignoresHashes = false } = input
  const { sha256: declaredSha256, chunks } = input.declared
  const lengthHeader = chunks === undefined ? 'content-length' : 'x-amz-decoded-content-length'
  const expectedBytes = Number(request.headers[lengthHeader] ?? NaN)
  if (!Number.isSafeInteger(expectedBytes)) throw refusal('MissingContentLength')
  const wantedMd5 = md5Header(request)
  const md5 = checksHashes || wantedMd5 === undefined ? createHash('md5') : undefined
  const sha256 = checksHashes && declaredSha256 !== undefined ? createHash('sha256') : undefined
  const body = chunks === undefined ? request : unframed(request, chunks, checksHashes)
  const sink = folder === undefined ? memorySink() : fileSink(join(folder, `${++filesWritten}`))
  let sizeBytes = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      md5?.update(chunk)
      sha256?.update(chunk)
      sizeBytes += chunk.length
      sink.write(chunk)
    }
    if (sizeBytes !== expectedBytes)
      throw refusal('IncompleteBody', `got ${sizeBytes} of ${expectedBytes} bytes`)
    const gotMd5 = md5?.digest('hex') ?? wantedMd5!
    if (!ignoresHashes && wantedMd5 !== undefined && wantedMd5 !== gotMd5)
      throw refusal('BadDigest')
    if (!ignoresHashes && sha256 !== undefined && sha256.digest('hex') !== declaredSha256)
      throw refusal('XAmzContentSHA256Mismatch')
    return { sizeBytes, md5: gotMd5, ...sink.finish() }
  } catch (error) {
    sink.finish().drop()
    throw error
  }
}

function md5Header(request: IncomingMessage): string | undefined {
  const header = request.headers['content-md5']
  if (header === undefined) return undefined
  const bytes = Buffer.from(String(header), 'base64')
  if (bytes.length !== 16) throw refusal('InvalidDigest')
  return bytes.toString('hex')
}

type Sink = {
  readonly write: (chunk: Buffer) => void
  readonly finish: () => Pick<Piece, 'read' | 'flip' | 'drop'>
}

function memorySink(): Sink {
  const chunks: Buffer[] = []
  return {
    write: (chunk) => void chunks.push(chunk),
    finish: () => {
      const bytes = Buffer.concat(chunks)
      return {
        read: (start, end) => bytes.subarray(start, end),
        flip: (position) => void (bytes[position] = bytes[position]! ^ 1),
        drop: () => {},
      }
    },
  }
}

function fileSink(path: string): Sink {
  const file = openSync(path, 'wx+', 0o600)
  let isOpen = true
  return {
    write: (chunk) => {
      // writeSync may write less than it was given.
      for (let done = 0; done < chunk.length;) done += writeSync(file, chunk, done)
    },
    finish: () => {
      if (isOpen) closeSync(file)
      isOpen = false
      return {
        read: (start, end) => readRange(path, start, end),
        flip: (position) => {
          const byte = readRange(path, position, position + 1)
          const again = openSync(path, 'r+')
          writeSync(again, Buffer.from([byte[0]! ^ 1]), 0, 1, position)
          closeSync(again)
        },
        drop: () => unlinkSync(path),
      }
    },
  }
}

function readRange(path: string, start: number, end: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(end - start)
    let done = 0
    while (done < bytes.length) {
      const got = readSync(file, bytes, done, bytes.length - done, start + done)
      if (got === 0) throw new Error(`${path} is shorter than ${end} bytes`)
      done += got
    }
    return bytes
  } finally {
    closeSync(file)
  }
}

/** Chunks of at most 1 MiB from `start` (included) to `end` (excluded) of the pieces in a row. */
export function* readPieces(
  pieces: readonly Piece[],
  start: number,
  end: number,
): Generator<Buffer> {
  const chunkBytes = 1024 * 1024
  let base = 0
  for (const piece of pieces) {
    const to = Math.min(piece.sizeBytes, end - base)
    for (let from = Math.max(0, start - base); from < to; from += chunkBytes)
      yield piece.read(from, Math.min(to, from + chunkBytes))
    base += piece.sizeBytes
  }
}
