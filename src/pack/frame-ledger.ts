// The frames of an archive while it is written: for each its entry in the seek table and its SHA-256, on
// disk but for the last ones, so that a million frames take no memory. A late header is put in afterwards.

import { encodeSeekEntry, SEEK_ENTRY_BYTES } from './seek-table.ts'
import type { SeekEntry } from './seek-table.ts'
import type { SpoolFile } from './spool-file.ts'

const SHA256_BYTES = 32
const ROW_BYTES = SEEK_ENTRY_BYTES + SHA256_BYTES

// 64 GiB of tar.
const ROWS_IN_MEMORY = 16_384

const NO_HASH = Buffer.alloc(SHA256_BYTES)

export class FrameLedger {
  readonly #spill: SpoolFile
  readonly #rowsInMemory: number
  readonly #rows: Buffer
  #count = 0

  /** `rowsInMemory` is smaller in tests only. */
  constructor(spill: SpoolFile, rowsInMemory = ROWS_IN_MEMORY) {
    this.#spill = spill
    this.#rowsInMemory = rowsInMemory
    this.#rows = Buffer.alloc(rowsInMemory * ROW_BYTES)
  }

  get count(): number {
    return this.#count
  }

  /** Frames that are no tar have no hash. */
  add(entry: SeekEntry, sha256: Buffer = NO_HASH): void {
    if (this.#count > 0 && this.#count % this.#rowsInMemory === 0) this.#spill.append(this.#rows)
    this.#write(this.#rows, (this.#count % this.#rowsInMemory) * ROW_BYTES, entry, sha256)
    this.#count += 1
  }

  /** Instead of what was added as that frame. */
  set(number: number, entry: SeekEntry, sha256: Buffer): void {
    const offsetBytes = number * ROW_BYTES
    if (offsetBytes >= this.#spill.bytes) {
      this.#write(this.#rows, offsetBytes - this.#spill.bytes, entry, sha256)
      return
    }
    const row = Buffer.alloc(ROW_BYTES)
    this.#write(row, 0, entry, sha256)
    this.#spill.overwrite(offsetBytes, row)
  }

  /** The SHA-256 of all frames, in order; each is valid until the next one is asked for. */
  *hashes(): Generator<Buffer> {
    for (const { rows, count } of this.#pieces())
      for (let row = 0; row < count; row += 1)
        yield rows.subarray(row * ROW_BYTES + SEEK_ENTRY_BYTES, (row + 1) * ROW_BYTES)
  }

  /** The entries of the seek table, some thousands at a time. */
  *seekEntries(): Generator<Buffer> {
    for (const { rows, count } of this.#pieces()) {
      const entries = Buffer.alloc(count * SEEK_ENTRY_BYTES)
      for (let row = 0; row < count; row += 1)
        rows.copy(
          entries,
          row * SEEK_ENTRY_BYTES,
          row * ROW_BYTES,
          row * ROW_BYTES + SEEK_ENTRY_BYTES,
        )
      yield entries
    }
  }

  *#pieces(): Generator<{ readonly rows: Buffer; readonly count: number }> {
    const pieceBytes = this.#rows.length
    for (let at = 0; at < this.#spill.bytes; at += pieceBytes)
      yield { rows: this.#spill.read(at, pieceBytes), count: this.#rowsInMemory }
    yield { rows: this.#rows, count: this.#count - this.#spill.bytes / ROW_BYTES }
  }

  #write(out: Buffer, at: number, entry: SeekEntry, sha256: Buffer): void {
    encodeSeekEntry(out, at, entry)
    sha256.copy(out, at + SEEK_ENTRY_BYTES)
  }
}
