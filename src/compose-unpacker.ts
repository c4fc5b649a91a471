// Starts the worker thread that writes a restore's tree, and hands it blocks as fast as it takes them.

import { Worker } from 'node:worker_threads'
import { createUnpackerWith } from './pack/extract-archive.ts'
import { newPlaces, PLACE_COUNT, placeAt, receiveFailure } from './pack/extract-messages.ts'
import { workerUrl } from './lib/worker.ts'
import type { TreeResult } from './pack/extract-tree.ts'
import type { TreeSink, TreeSinkInput } from './pack/extract-archive.ts'
import type { Unpacker } from './pack/unpacker.ts'
import type { UnpackOrder, UnpackReport, UnpackWorkerData } from './pack/extract-messages.ts'

export function createUnpacker(): Unpacker {
  return createUnpackerWith(openWorkerSink)
}

async function openWorkerSink(input: TreeSinkInput): Promise<TreeSink> {
  const sink = new WorkerSink(input)
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
  #isReady = false
  #result: TreeResult | undefined
  #failure: Error | undefined
  #wake: () => void = () => {}

  constructor({ directory, limits, onProgress }: TreeSinkInput) {
    this.#onProgress = onProgress
    const workerData: UnpackWorkerData = { directory, limits, places: this.#places }
    this.#worker = new Worker(workerUrl('unpack-worker'), {
      workerData,
      // Members are many and short-lived: room for 4 MiB of them is swept as fast as room for 48.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
    this.#worker.on('message', (report: UnpackReport) => this.#take(report))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the thread of a restore ended by itself')))
  }

  async ready(): Promise<void> {
    await this.#until(() => this.#isReady)
  }

  async write(block: Buffer): Promise<void> {
    await this.#until(() => this.#free.length > 0)
    const place = this.#free.pop()!
    placeAt(this.#places, place, block.length).set(block)
    this.#order({ kind: 'block', place, sizeBytes: block.length })
  }

  async finish(): Promise<TreeResult> {
    this.#order({ kind: 'finish' })
    await this.#until(() => this.#result !== undefined)
    return this.#result!
  }

  async close(): Promise<void> {
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
        this.#free.push(report.place)
        this.#onProgress(report.progress)
        break
      case 'finished':
        this.#result = report.result
        break
      case 'failed':
        this.#failure ??= receiveFailure(report.failure)
    }
    this.#wake()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
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
