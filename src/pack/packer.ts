// Packing: one source becomes one whole archive file in the spool.
//
// The implementation runs in worker threads (src/pack-worker.ts and its neighbours); the main thread
// hears only how far the file has grown, so that the upload can follow it.

import type { ArchiveId, Warning } from '../domain/archive.ts'
import type { Source } from '../domain/source.ts'
import type { PartMemory } from './part-memory.ts'

export type PackJob = {
  readonly archiveId: ArchiveId
  readonly host: string
  readonly source: Source
  /** Created by the packer, mode 0600; must not exist. Left for the caller to rename or remove. */
  readonly outputPath: string
  /** The archive goes there, and nowhere else: no file is created. */
  readonly outputMemory?: PartMemory
  readonly startedAt: Date
  readonly zstdLevel: number
  /** Decompress every frame again and compare (VERIFY_PACK). */
  readonly verifies: boolean
  /** Absolute paths that are left out with a note when they lie inside the source. */
  readonly ownPaths: readonly string[]
  /** SPOOL_FULL when the file would grow beyond this; undefined: no limit. */
  readonly outputBytesMax: number | undefined
}

export type PackProgress = {
  /** Bytes of the file that are written and will not change any more, but for those of `kept`. */
  readonly outputBytes: number
  /** What is written last: see `KeptPlace`. undefined: nothing. */
  readonly kept: { readonly offsetBytes: number; readonly storedBytes: number } | undefined
  /** Bytes of file content read so far. */
  readonly sourceBytes: number
  readonly memberCount: number
}

export type PackResult = {
  /** Of the whole file, which is fsynced. */
  readonly outputBytes: number
  /** Content of the members. */
  readonly sourceBytes: number
  readonly memberCount: number
  /** Hex; SHA-256 over the SHA-256 of the tar frames (FORMAT.md). */
  readonly sha256: string
  readonly endedAt: Date
  readonly warningCount: number
  /** The first WARNINGS_KEPT_MAX of them. */
  readonly warnings: readonly Warning[]
  /** What was left out on purpose: sockets, own folders, other file systems. Not warnings. */
  readonly notes: readonly Warning[]
}

/** Warnings kept per archive. More tell no more, and a broken disk can produce millions. */
export const WARNINGS_KEPT_MAX = 1_000

/** And of those of a survey: a person looks at them. */
export const SURVEY_WARNINGS_KEPT_MAX = 5

export interface Packer {
  /**
   * Rejects with SOURCE_* (missing, empty, unreadable, a command or a database that failed), SPOOL_FULL, SPOOL_FAILED or INTERRUPTED; the
   * file is then worthless. Files that change or vanish while they are read are warnings.
   */
  pack(
    job: PackJob,
    onProgress: (progress: PackProgress) => void,
    signal: AbortSignal,
  ): Promise<PackResult>

  /**
   * A walk without reading: for `run --dry-run`. Same rejections. Commands are looked for and not run:
   * what they would write, or make readable, nobody knows. A server of databases is asked for them.
   */
  survey(job: Pick<PackJob, 'source' | 'ownPaths'>, signal: AbortSignal): Promise<Surveyed>
}

export type Surveyed = {
  /** undefined: nobody knows. */
  readonly sourceBytes: number | undefined
  readonly memberCount: number | undefined
  /** What it consists of, where a person would name that: databases. */
  readonly parts?: readonly { readonly name: string; readonly sizeBytes: number | undefined }[]
  /** What a run would warn of, as far as it can be seen without reading files; the first of them. */
  readonly findings?: { readonly warnings: readonly Warning[]; readonly warningCount: number }
}
