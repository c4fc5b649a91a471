// The blocks that a recording writes: compressed as they come, several at a time, and put aside in the
// catalog before they are too many. A usual night fits into the one commit at the end.

import { compressFrame } from '../pack/zstd.ts'
import { VersionEncoder } from '../domain/file-history.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { HistoryRecording, NewHistoryBlock } from '../catalog/history-calls.ts'

// A transaction of this size is on disk in some hundredths of a second: nobody waits for the catalog.
const STAGED_BYTES = 4 * 1024 * 1024
// Being compressed at once, of 64 KiB each.
const COMPRESSING_MAX = 32

// As for the index of an archive: a higher level wins a tenth and takes three times as long.
const LEVEL = 3

export class HistoryOutbox {
  readonly #catalog: Pick<Catalog, 'stageHistory'>
  readonly #recording: HistoryRecording
  #compressing: Promise<NewHistoryBlock>[] = []
  #ready: NewHistoryBlock[] = []
  #readyBytes = 0

  constructor(catalog: Pick<Catalog, 'stageHistory'>, recording: HistoryRecording) {
    this.#catalog = catalog
    this.#recording = recording
  }

  encoder(segment: number, blockBytes?: number): VersionEncoder {
    return new VersionEncoder(({ bytes, ...facts }) => {
      const stored = compressFrame(bytes, LEVEL).then((packed) => ({
        ...facts,
        segment,
        bytes: packed,
      }))
      // It is awaited in `room` or `rest`; until then a failure must not end the process.
      stored.catch(() => undefined)
      this.#compressing.push(stored)
    }, blockBytes)
  }

  /** To be awaited between blocks: waits while too many are under way. */
  async room(): Promise<void> {
    if (this.#compressing.length < COMPRESSING_MAX) return
    await this.#collect()
    if (this.#readyBytes < STAGED_BYTES) return
    const blocks = this.#ready
    this.#ready = []
    this.#readyBytes = 0
    await this.#catalog.stageHistory(this.#recording, blocks)
  }

  /** What is left for the commit. */
  async rest(): Promise<readonly NewHistoryBlock[]> {
    await this.#collect()
    return this.#ready
  }

  async #collect(): Promise<void> {
    const compressed = await Promise.all(this.#compressing)
    this.#compressing = []
    for (const block of compressed) {
      this.#ready.push(block)
      this.#readyBytes += block.bytes.length
    }
  }
}
