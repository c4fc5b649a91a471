// Starts the worker thread that writes a restore's tree, and hands it blocks as fast as it takes them.

import { Worker } from 'node:worker_threads'
import { createUnpackerWith } from './pack/extract-archive.ts'
import {
  newPlaces,
  PLACE_COUNT,
  placeAt,
  placeOf,
  receiveFailure,
} from './pack/extract-messages.ts'
import { assert } from './lib/assert.ts'
import { keepNativeLibraries } from './lib/native-library.ts'
import { workerUrl } from './lib/worker.ts'
import type { ExpectedMember, LinkTarget } from './pack/extract-choice.ts'
import type { LostMember, PendingLink, TreeResult } from './pack/extract-input.ts'
import type { TreeSink, TreeSinkInput } from './pack/extract-sink.ts'
import type { Unpacker } from './pack/unpacker.ts'
import type { UnpackOrder, UnpackReport, UnpackStart } from './pack/extract-messages.ts'

// A thread that is asked to close takes away what it wrote half; one that hangs in a call of the system
// (a dead network mount) is left to the kernel.
const CLOSE_MS = 2_000

/** `startsNow`: the thread loads while the caller looks for the archive; `close` ends it where it was not needed. */
export function createUnpacker({ startsNow = false } = {}): Unpacker & {
  readonly close: () => void
} {
  let spare = startsNow ? startWorker() : undefined
  const open = async (input: TreeSinkInput): Promise<TreeSink> => {
    const worker = spare ?? startWorker()
    spare = undefined
    return openWorkerSink(worker, input)
  }
  const close = (): void => {
    void spare?.terminate()
    spare = undefined
  }
  return { ...createUnpackerWith(open), close }
}

function startWorker(): Worker {
  const worker = new Worker(workerUrl('unpack-worker'), {
    // Members are many and short-lived: room for 4 MiB of them is swept as fast as room for 48.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  })
  keepNativeLibraries()
  return worker
}

async function openWorkerSink(worker: Worker, input: TreeSinkInput): Promise<TreeSink> {
  const sink = new WorkerSink(worker, input)
  try {
    await sink.ready()
  } catch (error) {
    await sink.close()
    throw error
  }
  return sink
}

class WorkerSink implements TreeSink {
  readonly #places = newPlaces()
  readonly #free = Array.from({ length: PLACE_COUNT }, (_, place) => place)
  readonly #worker: Worker
  readonly #onProgress: TreeSinkInput['onProgress']
  /** Who waits for a place, in order. */
  readonly #waiting: { readonly take: (place: number) => void; fail: (error: Error) => void }[] = []
  #isReady = false
  #isClosed = false
  #links: readonly PendingLink[] | undefined
  #result: TreeResult | undefined
  #failure: Error | undefined
  #wake: () => void = () => {}
  #hasEnded = false
  #onClosed: () => void = () => {}

  constructor(worker: Worker, { tree, onProgress }: TreeSinkInput) {
    this.#onProgress = onProgress
    this.#worker = worker
    const start: UnpackStart = { order: { tree, places: this.#places } }
    worker.postMessage(start)
    this.#worker.on('message', (report: UnpackReport) => this.#take(report))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => {
      this.#hasEnded = true
      this.#onClosed()
      this.#fail(new Error('the thread of a restore ended by itself'))
    })
  }

  async ready(): Promise<void> {
    await this.#until(() => this.#isReady)
  }

  async room(): Promise<Buffer> {
    if (this.#failure !== undefined) throw this.#failure
    const place =
      this.#free.pop() ??
      (await new Promise<number>((take, fail) => this.#waiting.push({ take, fail })))
    return placeAt(this.#places, place)
  }

  leave(block: Buffer): void {
    const at = placeOf(this.#places, block)
    assert(at !== undefined, 'what is given back is a room')
    this.#release(at.place)
  }

  async write(block: Buffer, expected?: readonly ExpectedMember[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const at = placeOf(this.#places, block) ?? { ...(await this.#copied(block)), offsetBytes: 0 }
    this.#order({ kind: 'block', ...at, sizeBytes: block.length, expected })
  }

  async lose(members: readonly LostMember[]): Promise<void> {
    this.#order({ kind: 'lose', members })
  }

  async takeLinks(countMax: number): Promise<readonly PendingLink[]> {
    this.#links = undefined
    this.#order({ kind: 'take-links', countMax })
    await this.#until(() => this.#links !== undefined)
    return this.#links ?? []
  }

  async beginTargets(targets: readonly LinkTarget[]): Promise<void> {
    this.#order({ kind: 'begin-targets', targets })
  }

  async finish(): Promise<TreeResult> {
    this.#order({ kind: 'finish' })
    await this.#until(() => this.#result !== undefined)
    return this.#result!
  }

  async close(): Promise<void> {
    const isOver = this.#isClosed || this.#hasEnded
    if (!isOver) {
      const closed = new Promise<void>((resolve) => (this.#onClosed = resolve))
      const timer = setTimeout(this.#onClosed, CLOSE_MS)
      this.#order({ kind: 'close' })
      await closed
      clearTimeout(timer)
    }
    await this.#worker.terminate()
  }

  #order(order: UnpackOrder): void {
    this.#worker.postMessage(order)
  }

  #take(report: UnpackReport): void {
    switch (report.kind) {
      case 'ready':
        this.#isReady = true
        break
      case 'written':
        this.#release(report.place)
        this.#onProgress(report.progress)
        break
      case 'links':
        this.#links = report.links
        break
      case 'closed':
        this.#isClosed = true
        this.#onClosed()
        break
      case 'finished':
        this.#result = report.result
        break
      case 'failed':
        return this.#fail(receiveFailure(report.failure))
    }
    this.#wake()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { fail } of this.#waiting.splice(0)) fail(this.#failure)
    this.#wake()
  }

  /** The place that its block is in now. */
  async #copied(block: Buffer): Promise<{ readonly place: number }> {
    const room = await this.room()
    room.set(block)
    return placeOf(this.#places, room)!
  }

  #release(place: number): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(place)
    else next.take(place)
  }

  /** One caller at a time: the restore goes on step by step. */
  async #until(isSo: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (isSo()) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
