// Runs what a source runs, hands each output to the thread that packs, and tells that thread that an output
// is good once its program has ended well: the main thread's side of a source that is a command.

import { closeSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { assert } from './lib/assert.ts'
import { formatBytes } from './domain/sizes.ts'
import { SpillwayError } from './domain/errors.ts'
import type { CommandSource } from './domain/source.ts'
import { beatsOf } from './pack/block-ring.ts'
import type { RingMemory } from './pack/block-ring.ts'
import type { OutputMessage } from './pack-messages.ts'
import { failed, startChild } from './sources/child.ts'
import type { Child } from './sources/child.ts'

// After the end of the program its last bytes are read from the pipe, 64 KiB at most. If nothing moves for
// so long, somebody else holds the pipe open.
const LEFT_OPEN_MS = 10_000
const LOOKS = 20

type Input = {
  readonly source: CommandSource
  readonly worker: Worker
  readonly ring: RingMemory
  /** For the names of pipes, for a moment. */
  readonly folder: string
}

export class Outputs {
  readonly #input: Input
  #starting: Promise<Child> | undefined
  #isStopped = false
  #openFd: number | undefined
  #onRead: (bytes: number) => void = () => undefined

  constructor(input: Input) {
    this.#input = input
  }

  /** So long may nothing happen. */
  get silenceMs(): number {
    return this.#input.source.silenceMs
  }

  /** Resolves when all outputs are good. Rejects with SOURCE_COMMAND_FAILED or SOURCE_EMPTY. */
  async run(): Promise<void> {
    const { source, folder } = this.#input
    const wasRead = new Promise<number>((resolve) => (this.#onRead = resolve))
    this.#starting = startChild(source, folder)
    const child = await this.#starting
    this.#openFd = child.outputFd
    if (this.#isStopped) return
    const fileName = Buffer.from(source.fileName).toString('latin1')
    this.#post({ kind: 'output', fd: child.outputFd, fileName })
    await child.ended
    const bytes = await this.#lastBytes(wasRead, child)
    if (this.#isStopped) return
    requireSize(source, bytes, child)
    this.#post({ kind: 'output-good', endedAt: new Date() })
    this.#post({ kind: 'outputs-end' })
  }

  /** The thread has read an output to its end. */
  onRead(bytes: number): void {
    this.#onRead(bytes)
  }

  /** The program says nothing and does not end. */
  silence(): SpillwayError {
    const { source } = this.#input
    const minutes = source.silenceMs / 60_000
    const error = failed(source, `wrote nothing for ${minutes} minutes and did not end`)
    return new SpillwayError('SOURCE_COMMAND_FAILED', error.message, {
      hint: `does it wait for somebody? If it needs that long, raise SOURCE_${source.number}_SILENCE_MINUTES`,
    })
  }

  /** After the ring was stopped. Resolves when nothing of the program is left. */
  async stop(): Promise<void> {
    this.#isStopped = true
    // Nobody waits for the last bytes any more.
    this.#onRead(0)
    const child = await this.#starting?.catch(() => undefined)
    await child?.stop()
  }

  /** When no thread reads any more: a number that is closed may become another file's. */
  async close(): Promise<void> {
    await this.#starting?.catch(() => undefined)
    if (this.#openFd !== undefined) closeSync(this.#openFd)
    this.#openFd = undefined
  }

  async #lastBytes(wasRead: Promise<number>, child: Child): Promise<number> {
    let timer: NodeJS.Timeout | undefined
    const leftOpen = new Promise<never>((_resolve, reject) => {
      let beats = beatsOf(this.#input.ring)
      let looks = 0
      timer = setInterval(() => {
        const now = beatsOf(this.#input.ring)
        looks = now === beats ? looks + 1 : 0
        beats = now
        if (looks < LOOKS) return
        child.endRest()
        reject(this.#leftOpen())
      }, LEFT_OPEN_MS / LOOKS)
    })
    try {
      return await Promise.race([wasRead, leftOpen])
    } finally {
      clearInterval(timer)
    }
  }

  #leftOpen(): SpillwayError {
    return failed(
      this.#input.source,
      'has ended, but something that it started still holds its output open: nobody can say how that ends',
    )
  }

  #post(message: OutputMessage): void {
    assert(!this.#isStopped, 'an output after the stop')
    this.#input.worker.postMessage(message)
  }
}

function requireSize(source: CommandSource, bytes: number, child: Child): void {
  const { argv, mayBeEmpty, number, outputBytesMin } = source
  if (bytes === 0 && !mayBeEmpty) {
    throw new SpillwayError(
      'SOURCE_EMPTY',
      `${argv[0]} ended with exit code 0 and wrote nothing${child.lastWords()}`,
      { hint: `if that is meant, set SOURCE_${number}_ALLOW_EMPTY=true` },
    )
  }
  if (bytes > 0 && bytes < outputBytesMin) {
    throw new SpillwayError(
      'SOURCE_EMPTY',
      `${argv[0]} wrote ${formatBytes(bytes)}, less than the ${formatBytes(outputBytesMin)} of SOURCE_${number}_MIN_BYTES${child.lastWords()}`,
      { hint: 'look into what it writes; if it is right, lower that setting' },
    )
  }
}
