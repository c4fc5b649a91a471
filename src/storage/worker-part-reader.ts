// The part reader: asks its worker thread for MD5s (and bytes), and makes bodies of what comes back.

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { leaveBehind } from '../lib/left-behind.ts'
import { SpillwayError } from '../domain/errors.ts'
import { alignedBuffer, alignedUp, isAligned } from '../lib/direct-io.ts'
import type { FilePartRequest, MemoryPartRequest, PartReply, PartRequest } from './part-messages.ts'
import { PART_BUFFER_BYTES_MAX } from './part-reader.ts'
import type { PartReader } from './part-reader.ts'
import type { PartBody } from './storage.ts'

/** What is used of a worker thread. */
export interface PartThread {
  postMessage(request: PartRequest): void
  on(event: 'message', listener: (reply: PartReply) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number) => void): unknown
  /** Keeps the process alive, or not. */
  ref(): void
  unref(): void
  terminate(): Promise<unknown>
}

type Waiting = {
  readonly request: PartRequest
  readonly resolve: (body: PartBody) => void
  readonly reject: (error: Error) => void
}

// Progress and the rate limit work in pieces of this size (storage.ts).
const CHUNK_BYTES = 256 * 1024

// It ends between two reads, and none takes longer on a disk that answers.
const STOP_TIMEOUT_MS = 1_000

export class WorkerPartReader implements PartReader {
  readonly #startThread: () => PartThread
  readonly #waiting = new Map<number, Waiting>()
  #thread: PartThread | undefined
  #nextId = 1
  #isClosed = false

  /** The thread is started by the first part: many commands send none. */
  constructor(startThread: () => PartThread) {
    this.#startThread = startThread
  }

  async readPart(input: {
    readonly path: string
    readonly offsetBytes: number
    readonly sizeBytes: number
  }): Promise<PartBody> {
    return this.#ask({ ...input, withBytes: input.sizeBytes <= PART_BUFFER_BYTES_MAX })
  }

  async hashPart(bytes: Uint8Array): Promise<PartBody> {
    return this.#ask({ bytes })
  }

  async #ask(
    input: Omit<FilePartRequest, 'id'> | Omit<MemoryPartRequest, 'id'>,
  ): Promise<PartBody> {
    if (this.#isClosed) throw new Error('the part reader is closed')
    const thread = (this.#thread ??= this.#start())
    const id = this.#nextId++
    const request: PartRequest = { ...input, id }
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { request, resolve, reject })
      thread.ref()
      thread.postMessage(request)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#failAll(new Error('the part reader was closed'))
    const ended = this.#thread?.terminate()
    if (ended === undefined) return
    // Not awaited for ever: the thread may hang in a read of a disk that does not answer.
    leaveBehind(ended)
    await Promise.race([ended, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })])
  }

  #start(): PartThread {
    const thread = this.#startThread()
    thread.unref()
    thread.on('message', (reply) => this.#settle(reply))
    thread.on('error', (error) => this.#failAll(error))
    thread.on('exit', (code) => {
      this.#thread = undefined
      this.#failAll(new Error(`the part reader's thread ended with code ${code}`))
    })
    return thread
  }

  #settle(reply: PartReply): void {
    const waiting = this.#waiting.get(reply.id)
    if (waiting === undefined) return
    this.#waiting.delete(reply.id)
    // A thread that waits for work must not keep a command alive that has ended.
    if (this.#waiting.size === 0) this.#thread?.unref()
    const { request } = waiting
    if ('error' in reply)
      waiting.reject('path' in request ? spoolFailed(request, reply) : new Error(reply.error))
    else waiting.resolve(bodyOf(waiting.request, reply))
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

function bodyOf(
  request: PartRequest,
  { md5, bytes }: Extract<PartReply, { md5: Uint8Array }>,
): PartBody {
  if ('bytes' in request)
    return { sizeBytes: request.bytes.length, md5, open: () => memoryChunks(request.bytes) }
  const { path, offsetBytes, sizeBytes } = request
  const openBytes =
    bytes === undefined
      ? () => fileChunks(path, offsetBytes, sizeBytes)
      : () => bufferChunks(new Uint8Array(bytes))
  return { sizeBytes, md5, open: openBytes }
}

async function* bufferChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES)
    yield bytes.subarray(from, from + CHUNK_BYTES)
}

/** Copies, since no socket is promised to take shared memory. */
async function* memoryChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const memory = spareMemory.pop() ?? alignedBuffer(2 * CHUNK_BYTES)
  for (let done = 0; done < bytes.length; done += CHUNK_BYTES) {
    const begin = (done / CHUNK_BYTES) % 2 === 0 ? 0 : CHUNK_BYTES
    const piece = bytes.subarray(done, done + CHUNK_BYTES)
    memory.set(piece, begin)
    yield memory.subarray(begin, begin + piece.length)
  }
  spareMemory.push(memory)
}

async function* fileChunks(
  path: string,
  offsetBytes: number,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  const file = await openFile(path, offsetBytes)
  // Two buffers for the whole part, one being sent and one being read ahead. With a new one for every
  // chunk the process grows by some 60 MB before the collector minds.
  const memory = spareMemory.pop() ?? alignedBuffer(2 * CHUNK_BYTES)
  const readNext = (done: number): Promise<Uint8Array | Error> => {
    const begin = (done / CHUNK_BYTES) % 2 === 0 ? 0 : CHUNK_BYTES
    const chunk = memory.subarray(begin, begin + Math.min(CHUNK_BYTES, sizeBytes - done))
    const room = memory.subarray(begin, begin + alignedUp(chunk.length))
    return readChunk(file, offsetBytes + done, chunk, room)
  }
  let next = readNext(0)
  try {
    for (let done = 0; done < sizeBytes;) {
      const chunk = await next
      if (chunk instanceof Error)
        throw spoolFailed({ path, offsetBytes }, { error: chunk.message, code: undefined })
      done += chunk.length
      if (done < sizeBytes) next = readNext(done)
      yield chunk
    }
    // Not after an end half-way: a broken connection may still hold the last chunk.
    spareMemory.push(memory)
  } finally {
    await next
    await file.close()
  }
}

// As many as parts were ever under way at once.
const spareMemory: Buffer[] = []

async function openFile(path: string, offsetBytes: number): Promise<FileHandle> {
  // Past the page cache where that can be done: what is sent is not needed here any more.
  const direct = isAligned(offsetBytes) ? constants.O_DIRECT : 0
  try {
    return await open(path, constants.O_RDONLY | direct).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EINVAL') throw error
      return open(path, constants.O_RDONLY)
    })
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    throw spoolFailed({ path, offsetBytes }, { error: message, code })
  }
}

/**
 * `room` is the chunk rounded up to whole units: past the page cache nothing less can be read.
 * Never rejects: a chunk that is read ahead may have nobody who waits for it any more.
 */
async function readChunk(
  file: FileHandle,
  position: number,
  chunk: Uint8Array,
  room: Uint8Array,
): Promise<Uint8Array | Error> {
  try {
    for (let done = 0; done < chunk.length;) {
      const left = room.length - done
      const { bytesRead } = await file.read(room, done, left, position + done)
      done += bytesRead
      // Only the end of the file cuts a read within a unit.
      const isEnd = bytesRead === 0 || !isAligned(bytesRead)
      if (done < chunk.length && isEnd)
        return new Error(`the file ends before byte ${position + chunk.length}`)
    }
    return chunk
  } catch (error) {
    return error as Error
  }
}

function spoolFailed(
  { path, offsetBytes }: Pick<FilePartRequest, 'path' | 'offsetBytes'>,
  { error, code }: { readonly error: string; readonly code: string | undefined },
): SpillwayError {
  return new SpillwayError(
    'SPOOL_FAILED',
    `cannot read ${path} at byte ${offsetBytes} for its upload: ${error}`,
    { facts: { code: code ?? 'SHORT_READ' } },
  )
}
