// The bytes of one archive that goes straight to a server: a few parts in memory, each forgotten once the server
// has it. For one upload only: the next server gets another archive.

import { SpoolContent } from './spool-content.ts'
import { createPartMemory, freePart, MEMORY_PART_BYTES, partIn } from '../pack/part-memory.ts'
import type { PartMemory } from '../pack/part-memory.ts'
import type { PartBody } from '../storage/storage.ts'
import type { PartPlace, UploadContent } from './upload-content.ts'
import type { PartReader } from '../storage/part-reader.ts'

export class MemoryContent implements UploadContent {
  readonly partBytes = MEMORY_PART_BYTES
  /** How far it has grown; the bytes themselves are in the memory. */
  readonly growth: SpoolContent
  readonly #onBegin: (memory: PartMemory) => void
  #memory: PartMemory | undefined

  /** `onBegin`: a server waits for the first part. */
  constructor(expectedBytes: number | undefined, onBegin: (memory: PartMemory) => void) {
    this.growth = SpoolContent.growing('(memory)', expectedBytes)
    this.#onBegin = onBegin
  }

  get bytes(): number {
    return this.growth.bytes
  }

  get isWhole(): boolean {
    return this.growth.isWhole
  }

  get expectedBytes(): number | undefined {
    return this.growth.expectedBytes
  }

  async until(bytes: number, signal: AbortSignal): Promise<void> {
    await this.growth.until(bytes, signal)
  }

  async untilWhole(signal: AbortSignal): Promise<void> {
    await this.growth.untilWhole(signal)
  }

  isKept(offsetBytes: number, sizeBytes: number): boolean {
    return this.growth.isKept(offsetBytes, sizeBytes)
  }

  begin(partBytes: number): void {
    this.#memory = createPartMemory(partBytes)
    this.#onBegin(this.#memory)
  }

  async readPart(reader: PartReader, { number, sizeBytes }: PartPlace): Promise<PartBody> {
    return reader.hashPart(partIn(this.#memory!, number, sizeBytes))
  }

  partSent(number: number): void {
    freePart(this.#memory!, number)
  }
}
