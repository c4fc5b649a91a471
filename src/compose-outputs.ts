// Runs what a source runs, one program after another, hands each output to the thread that packs, and tells
// that thread that an output is good once its program has ended well: the main thread's side of a source
// whose archive is what programs write.

import { closeSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { assert } from './lib/assert.ts'
import { formatBytes } from './domain/sizes.ts'
import { SpillwayError } from './domain/errors.ts'
import type { OutputSource, Program } from './domain/source.ts'
import { beatsOf } from './pack/block-ring.ts'
import type { RingMemory } from './pack/block-ring.ts'
import type { OutputMessage } from './pack-messages.ts'
import { failed, startChild } from './sources/child.ts'
import type { Child } from './sources/child.ts'
import { outputsOf } from './sources/output-series.ts'
import type { BytesOutput, OutputFacts, OutputSeries, ProgramOutput } from './sources/output.ts'
import type { FoundInOutput } from './sources/output-format.ts'

// After the end of the program its last bytes are read from the pipe, 64 KiB at most. If nothing moves for
// so long, somebody else holds the pipe open.
const LEFT_OPEN_MS = 10_000
const LOOKS = 20

type Input = {
  readonly source: OutputSource
  readonly worker: Worker
  readonly ring: RingMemory
  /** For the names of pipes, for a moment; for files with secrets, as long as this runs. */
  readonly folder: string
}

type WasRead = { readonly bytes: number; readonly found: FoundInOutput }

export class Outputs {
  readonly #input: Input
  readonly #stopping = new AbortController()
  readonly #stopped: Promise<'stopped'>
  #running: Promise<void> | undefined
  #starting: Promise<Child> | undefined
  #program: Program | undefined
  #openFd: number | undefined
  #onRead: (read: WasRead) => void = () => undefined
  #programBytes = 0
  #lastWords = ''
  #lastName = ''
  #folder: string | undefined

  constructor(input: Input) {
    this.#input = input
    const { signal } = this.#stopping
    this.#stopped = new Promise((resolve) =>
      signal.addEventListener('abort', () => resolve('stopped'), { once: true }),
    )
  }

  /** So long may nothing happen. */
  get silenceMs(): number {
    return this.#input.source.silenceMs
  }

  /**
   * Resolves when all outputs are good, or when it was stopped. Rejects with SOURCE_COMMAND_FAILED,
   * SOURCE_DATABASE_FAILED or SOURCE_EMPTY.
   */
  run(): Promise<void> {
    this.#running = this.#run()
    return this.#running
  }

  /** The thread has read an output to its end. */
  onRead(read: WasRead): void {
    this.#onRead(read)
  }

  /** The program says nothing and does not end. */
  silence(): SpillwayError {
    const { source } = this.#input
    const minutes = source.silenceMs / 60_000
    const what = `wrote nothing for ${minutes} minutes and did not end`
    const hint = `does it wait for somebody? If it needs that long, raise SOURCE_${source.number}_SILENCE_MINUTES`
    const { code, message } =
      this.#program === undefined
        ? new SpillwayError('SOURCE_COMMAND_FAILED', `${source.text} ${what}`)
        : this.#explained(failed(this.#program, what))
    return new SpillwayError(code, message, { hint })
  }

  /** After the ring was stopped. Resolves when nothing of the programs is left, nor of their secrets. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const child = await this.#starting?.catch(() => undefined)
    await child?.stop()
    await this.#running?.catch(() => undefined)
  }

  /** When no thread reads any more: a number that is closed may become another file's. */
  async close(): Promise<void> {
    await this.#starting?.catch(() => undefined)
    this.#closeFd()
  }

  async #run(): Promise<void> {
    const { source, folder } = this.#input
    const series = outputsOf(source, { folder, signal: this.#stopping.signal })
    try {
      await this.#series(series)
    } finally {
      // Takes away what it has left on disk. Whatever it has to say comes too late.
      await series.return({ warnings: [], notes: [] })
    }
  }

  async #series(series: OutputSeries): Promise<void> {
    let step = await series.next()
    while (step.done !== true) {
      if (this.#isStopped) return
      const output = step.value
      this.#putFolderOf(output.fileName)
      this.#requireOrder(output.fileName)
      const facts =
        output.kind === 'program' ? await this.#putProgram(output) : this.#putBytes(output)
      if (facts === 'stopped') return
      step = await series.next(facts)
    }
    if (this.#isStopped) return
    this.#requireSize()
    this.#post({ kind: 'outputs-end', findings: step.value })
  }

  #requireOrder(fileName: string): void {
    const name = asBytes(fileName)
    assert(name > this.#lastName, `${fileName} comes too late among the outputs`)
    this.#lastName = name
  }

  /** Restoring refuses what lies in a folder that did not come before it. */
  #putFolderOf(fileName: string): void {
    const [folder, ...rest] = fileName.split('/')
    if (rest.length === 0 || folder === undefined || this.#folder === folder) return
    assert(rest.length === 1, `${fileName} lies deeper than one folder`)
    this.#requireOrder(folder)
    this.#folder = folder
    this.#post({ kind: 'output-folder', fileName: asBytes(folder) })
  }

  #putBytes({ fileName, bytes }: BytesOutput): OutputFacts {
    this.#post({ kind: 'output-bytes', fileName: asBytes(fileName), bytes })
    const now = new Date()
    return { sizeBytes: bytes.length, startedAt: now, endedAt: now, said: '', found: {} }
  }

  async #putProgram(output: ProgramOutput): Promise<OutputFacts | 'stopped'> {
    const startedAt = new Date()
    const wasRead = new Promise<WasRead>((resolve) => (this.#onRead = resolve))
    this.#program = output.program
    this.#explain = output.explain
    try {
      this.#starting = startChild(output.program, this.#input.folder)
      const child = await this.#starting
      this.#openFd = child.outputFd
      if (this.#isStopped) return 'stopped'
      const { fileName, format } = output
      this.#post({ kind: 'output', fd: child.outputFd, fileName: asBytes(fileName), format })
      if ((await Promise.race([child.ended, this.#stopped])) === 'stopped') return 'stopped'
      const read = await this.#lastBytes(wasRead, child)
      if (read === 'stopped' || this.#isStopped) return 'stopped'
      this.#closeFd()
      await child.stop()
      this.#lastWords = child.lastWords()
      this.#requireSome(read.bytes, output.program)
      const endedAt = new Date()
      const facts = { sizeBytes: read.bytes, startedAt, endedAt, said: child.said() }
      output.accept?.({ ...facts, found: read.found })
      this.#programBytes += read.bytes
      this.#post({ kind: 'output-good', endedAt: output.modifiedAt ?? endedAt })
      return { ...facts, found: read.found }
    } catch (error) {
      throw error instanceof SpillwayError ? this.#explained(error) : error
    }
  }

  async #lastBytes(wasRead: Promise<WasRead>, child: Child): Promise<WasRead | 'stopped'> {
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
      return await Promise.race([wasRead, leftOpen, this.#stopped])
    } finally {
      clearInterval(timer)
    }
  }

  #leftOpen(): SpillwayError {
    return failed(
      this.#program!,
      'has ended, but something that it started still holds its output open: nobody can say how that ends',
    )
  }

  #requireSome(bytes: number, { argv }: Program): void {
    const { mayBeEmpty, number } = this.#input.source
    if (bytes > 0 || mayBeEmpty) return
    throw new SpillwayError(
      'SOURCE_EMPTY',
      `${argv[0]} ended with exit code 0 and wrote nothing${this.#lastWords}`,
      { hint: `if that is meant, set SOURCE_${number}_ALLOW_EMPTY=true` },
    )
  }

  /** Of all outputs together. */
  #requireSize(): void {
    const { kind, number, outputBytesMin } = this.#input.source
    const bytes = this.#programBytes
    if (bytes === 0 || bytes >= outputBytesMin) return
    const who = kind === 'command' ? this.#program?.argv[0] : 'the dumps together'
    const wrote = kind === 'command' ? 'wrote' : 'have'
    throw new SpillwayError(
      'SOURCE_EMPTY',
      `${who} ${wrote} ${formatBytes(bytes)}, less than the ${formatBytes(outputBytesMin)} of SOURCE_${number}_MIN_BYTES${this.#lastWords}`,
      { hint: 'look into what it writes; if it is right, lower that setting' },
    )
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  #explain: ProgramOutput['explain']

  #explained(failure: SpillwayError): SpillwayError {
    return this.#explain?.(failure) ?? failure
  }

  #closeFd(): void {
    if (this.#openFd !== undefined) closeSync(this.#openFd)
    this.#openFd = undefined
  }

  #post(message: OutputMessage): void {
    assert(!this.#isStopped, 'an output after the stop')
    this.#input.worker.postMessage(message)
  }
}

/** One character for each byte. */
function asBytes(fileName: string): string {
  return Buffer.from(fileName).toString('latin1')
}
