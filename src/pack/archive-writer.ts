// Writes an archive file: the frames of the tar, then index, manifest and seek table (FORMAT.md).
// Whoever has the blocks of a tar stream can use it; the packing worker does.

import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { assert } from '../lib/assert.ts'
import type { Warning } from '../domain/archive.ts'
import { FrameLedger } from './frame-ledger.ts'
import { IndexWriter } from './index-writer.ts'
import { encodeManifest, FORMAT_VERSION } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import type { RawIndexBlock } from './member-record.ts'
import type { PackJob, PackResult } from './packer.ts'
import { checksumOf, seekTableFooter, seekTableHeader } from './seek-table.ts'
import type { SeekEntry } from './seek-table.ts'
import { MANIFEST_MAGIC, skippableHeader } from './skippable-frame.ts'
import type { ArchiveFile } from './part-memory.ts'
import { SpoolFile } from './spool-file.ts'
import { TarFrames } from './tar-frames.ts'
import type { KeptPlace, WrittenFrame } from './tar-frames.ts'

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

const NO_BYTES = Buffer.alloc(0)

export class ArchiveWriter {
  readonly #job: ArchiveJob
  readonly #onWritten: (outputBytes: number) => void
  readonly #file: ArchiveFile
  readonly #spills: SpoolFile[] = []
  readonly #ledger: FrameLedger
  readonly #index: IndexWriter
  readonly #frames: TarFrames
  #tarBytes = 0

  /** `file` is new; the caller closes it. `indexPayloadMax` is smaller in tests only. */
  constructor(
    file: ArchiveFile,
    job: ArchiveJob,
    onWritten: (outputBytes: number) => void = () => {},
    indexPayloadMax?: number,
  ) {
    this.#job = job
    this.#onWritten = onWritten
    this.#file = file
    this.#index = new IndexWriter(this.#openSpill(), indexPayloadMax)
    this.#ledger = new FrameLedger(this.#openSpill())
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
  }

  /** Bytes of the file that will be written again; undefined: none. */
  get kept(): KeptPlace | undefined {
    return this.#frames.kept
  }

  /** Keeps a place in the tar for a block of so many bytes that is known later. */
  async keepPlace(blockBytes: number): Promise<void> {
    await this.#frames.keep(blockBytes)
  }

  /** The block that a place was kept for. All blocks behind it that were added are written before. */
  async fillPlace(block: Buffer): Promise<void> {
    const { number, frame } = await this.#frames.fill(block)
    this.#ledger.set(number, frame, frame.sha256)
    this.#onWritten(this.#file.readableBytes)
  }

  async addMembers(block: RawIndexBlock): Promise<void> {
    await this.#index.addMembers(block)
  }

  /** Writes the tail. The file is whole and on disk when this resolves. */
  async finish(totals: WalkTotals): Promise<PackResult> {
    await this.#frames.finish()
    assert(this.kept === undefined, 'a place was kept and never filled')
    const frameCount = this.#ledger.count
    const hash = createHash('sha256')
    // Only now, since a late header is known last and stands first.
    for (const each of this.#ledger.hashes()) {
      hash.update(each)
      await this.#index.addFrameHash(each)
    }
    const sha256 = hash.digest('hex')
    const directory = await this.#index.appendTo(this.#file, (storedBytes) =>
      this.#ledger.add(skippableEntry(storedBytes)),
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
    this.#ledger.add(skippableEntry(header.length + payload.length))
    this.#appendSeekTable()
    this.#file.sync()
    this.#onWritten(this.#file.readableBytes)
    return { ...totals, outputBytes: this.#file.bytes, sha256, endedAt }
  }

  /** After a failure, or the end: resolves when no thread reads a block any more. */
  async close(): Promise<void> {
    await this.#frames.close()
    for (const spill of this.#spills) spill.close()
  }

  #openSpill(): SpoolFile {
    const spill = SpoolFile.createUnnamed(dirname(this.#job.outputPath))
    this.#spills.push(spill)
    return spill
  }

  #addFrame(frame: WrittenFrame): void {
    this.#tarBytes += frame.rawBytes
    this.#ledger.add(frame, frame.sha256)
    this.#onWritten(this.#file.readableBytes)
  }

  #appendSeekTable(): void {
    this.#file.append(seekTableHeader(this.#ledger.count))
    for (const entries of this.#ledger.seekEntries()) this.#file.append(entries)
    this.#file.append(seekTableFooter(this.#ledger.count))
  }
}

/** Skippable frames yield nothing, and that is what their checksum is of. */
function skippableEntry(storedBytes: number): SeekEntry {
  return { storedBytes, rawBytes: 0, checksum: checksumOf(NO_BYTES) }
}
