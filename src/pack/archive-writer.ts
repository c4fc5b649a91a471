// Writes an archive file: the frames of the tar, then index, manifest and seek table (FORMAT.md).
// Whoever has the blocks of a tar stream can use it; the packing worker does.

import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import type { Warning } from '../domain/archive.ts'
import { IndexWriter } from './index-writer.ts'
import { encodeManifest, FORMAT_VERSION } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import type { RawIndexBlock } from './member-record.ts'
import type { PackJob, PackResult } from './packer.ts'
import {
  checksumOf,
  encodeSeekEntry,
  SEEK_ENTRY_BYTES,
  seekTableFooter,
  seekTableHeader,
} from './seek-table.ts'
import type { SeekEntry } from './seek-table.ts'
import { MANIFEST_MAGIC, skippableHeader } from './skippable-frame.ts'
import { SpoolFile } from './spool-file.ts'
import { TarFrames } from './tar-frames.ts'
import type { WrittenFrame } from './tar-frames.ts'

/** What only the walk knows, at its end. */
export type WalkTotals = {
  readonly sourceBytes: number
  readonly memberCount: number
  readonly warningCount: number
  readonly warnings: readonly Warning[]
  readonly notes: readonly Warning[]
}

export type ArchiveJob = Pick<
  PackJob,
  'archiveId' | 'host' | 'startedAt' | 'zstdLevel' | 'verifies' | 'outputPath'
> & { readonly source: { readonly name: string; readonly kind: string } }

// 16 384 entries: 64 GiB of tar.
const SEEK_BUFFER_BYTES = 16_384 * SEEK_ENTRY_BYTES

const NO_BYTES = Buffer.alloc(0)

export class ArchiveWriter {
  readonly #job: ArchiveJob
  readonly #onWritten: (outputBytes: number) => void
  readonly #file: SpoolFile
  readonly #spills: SpoolFile[] = []
  readonly #seekSpill: SpoolFile
  readonly #seekBuffer = Buffer.alloc(SEEK_BUFFER_BYTES)
  readonly #index: IndexWriter
  readonly #frames: TarFrames
  readonly #sha256 = createHash('sha256')
  #seekBuffered = 0
  #tarBytes = 0
  #frameCount = 0
  #seekCount = 0
  #indexing: Promise<void> = Promise.resolve()

  /** `file` is new; the caller closes it. `indexPayloadMax` is smaller in tests only. */
  constructor(
    file: SpoolFile,
    job: ArchiveJob,
    onWritten: (outputBytes: number) => void = () => {},
    indexPayloadMax?: number,
  ) {
    this.#job = job
    this.#onWritten = onWritten
    this.#file = file
    this.#index = new IndexWriter(this.#openSpill(), indexPayloadMax)
    this.#seekSpill = this.#openSpill()
    this.#frames = new TarFrames({
      file: this.#file,
      zstdLevel: job.zstdLevel,
      verifies: job.verifies,
      onWritten: (frame) => this.#addFrame(frame),
    })
  }

  /** The next block of the tar stream; `release` is called when its memory is free again. */
  async addBlock(block: Buffer, release: () => void): Promise<void> {
    await this.#frames.add(block, release)
    await this.#indexing
  }

  async addMembers(block: RawIndexBlock): Promise<void> {
    await this.#index.addMembers(block)
  }

  /** Writes the tail. The file is whole and on disk when this resolves. */
  async finish(totals: WalkTotals): Promise<PackResult> {
    await this.#frames.finish()
    await this.#indexing
    const sha256 = this.#sha256.digest('hex')
    const frameCount = this.#frameCount
    const directory = await this.#index.appendTo(this.#file, (storedBytes) =>
      this.#addSeekEntry(skippableEntry(storedBytes)),
    )
    const endedAt = new Date()
    const { archiveId, host, source, startedAt } = this.#job
    const manifest: Manifest = {
      format: 'spillway',
      version: FORMAT_VERSION,
      archiveId,
      host,
      source: { name: source.name, kind: source.kind },
      startedAt: startedAt.toISOString(),
      endedAt: endedAt.toISOString(),
      encryption: 'none',
      memberCount: totals.memberCount,
      sourceBytes: totals.sourceBytes,
      tarBytes: this.#tarBytes,
      frameCount,
      sha256,
      warningCount: totals.warningCount,
      warnings: totals.warnings,
      directory,
    }
    const payload = encodeManifest(manifest)
    const header = skippableHeader(MANIFEST_MAGIC, payload.length)
    this.#file.append(header)
    this.#file.append(payload)
    this.#addSeekEntry(skippableEntry(header.length + payload.length))
    this.#appendSeekTable()
    this.#file.sync()
    this.#onWritten(this.#file.readableBytes)
    return { ...totals, outputBytes: this.#file.bytes, sha256, endedAt }
  }

  /** After a failure, or the end: resolves when no thread reads a block any more. */
  async close(): Promise<void> {
    await this.#frames.settle()
    await this.#indexing.catch(() => undefined)
    for (const spill of this.#spills) spill.close()
  }

  #openSpill(): SpoolFile {
    const spill = SpoolFile.createUnnamed(dirname(this.#job.outputPath))
    this.#spills.push(spill)
    return spill
  }

  #addFrame(frame: WrittenFrame): void {
    this.#tarBytes += frame.rawBytes
    this.#frameCount += 1
    this.#sha256.update(frame.sha256)
    this.#addSeekEntry(frame)
    // Almost always it only remembers the hash. A rejection is heard by the next to wait for it.
    this.#indexing = this.#indexing.then(() => this.#index.addFrameHash(frame.sha256))
    this.#indexing.catch(() => undefined)
    this.#onWritten(this.#file.readableBytes)
  }

  #addSeekEntry(entry: SeekEntry): void {
    if (this.#seekBuffered === SEEK_BUFFER_BYTES) {
      this.#seekSpill.append(this.#seekBuffer)
      this.#seekBuffered = 0
    }
    encodeSeekEntry(this.#seekBuffer, this.#seekBuffered, entry)
    this.#seekBuffered += SEEK_ENTRY_BYTES
    this.#seekCount += 1
  }

  #appendSeekTable(): void {
    this.#file.append(seekTableHeader(this.#seekCount))
    for (let at = 0; at < this.#seekSpill.bytes; at += SEEK_BUFFER_BYTES)
      this.#file.append(this.#seekSpill.read(at, SEEK_BUFFER_BYTES))
    this.#file.append(this.#seekBuffer.subarray(0, this.#seekBuffered))
    this.#file.append(seekTableFooter(this.#seekCount))
  }
}

/** Skippable frames yield nothing, and that is what their checksum is of. */
function skippableEntry(storedBytes: number): SeekEntry {
  return { storedBytes, rawBytes: 0, checksum: checksumOf(NO_BYTES) }
}
