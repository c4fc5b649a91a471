// The part of the catalog's interface that verifying needs: what was proven of a copy, and when, and
// what was found to be wrong.
//
// - A frame has one date at most, and never a later one than that on which it was read back.
// - A problem stays until the same place is proven, or the copy is deleted.

import type { ArchiveId } from '../domain/archive.ts'
import type { Finding, ProblemPlace, ProvenStretch } from '../domain/proof.ts'
import type { ServerIdentity } from '../domain/server.ts'
import type { CopyId } from './catalog.ts'

export type CopyProof = {
  readonly copyId: CopyId
  /** When the server last showed token and size; undefined: not since it was stored. */
  readonly headedAt: Date | undefined
  /** Frames of the archive, those of index and manifest among them; undefined: never read back. */
  readonly frameCount: number | undefined
  readonly provenFrames: number
  /** The oldest date of a frame that was proven. */
  readonly oldestAt: Date | undefined
  /** Set once every frame is proven: the date of the oldest. */
  readonly deepVerifiedAt: Date | undefined
}

export type CopyProblem = Finding & {
  readonly copyId: CopyId
  readonly archiveId: ArchiveId
  readonly file: string
  readonly identity: ServerIdentity
  readonly foundAt: Date
  /** The last time that it was met. */
  readonly seenAt: Date
}

export interface ProofCalls {
  /** The server showed, after the archive was stored, that it still holds it. */
  setVerified(id: ArchiveId, at: Date): Promise<void>
  /** The same of one copy; settles what was wrong with the object as a whole. */
  setCopyHeaded(copyId: CopyId, at: Date): Promise<void>
  /** The object was written again by somebody, and proven to hold the same bytes. */
  adoptObject(
    copyId: CopyId,
    object: { readonly etag: string | undefined; readonly versionId: string | undefined },
  ): Promise<void>

  /** Of all copies that were looked at since they were stored, or of those named. */
  copyProofs(copyIds?: readonly CopyId[]): Promise<ReadonlyMap<CopyId, CopyProof>>
  /** In the order of the frames. */
  provenStretches(copyId: CopyId): Promise<readonly ProvenStretch[]>
  /**
   * These frames were read back; settles what was wrong with them. Another number of frames than
   * before: what was proven until then counts no more.
   */
  addProven(copyId: CopyId, proven: ProvenStretch & { readonly frameCount: number }): Promise<void>

  /**
   * What is wrong with the object or with its end, instead of what was said before. News of the object
   * as a whole: frames that were proven until then count no more.
   */
  setProblems(
    copyId: CopyId,
    place: Exclude<ProblemPlace, 'frame'>,
    findings: readonly Finding[],
    at: Date,
  ): Promise<void>
  /** Of frames, which count as not proven any more. A hundred of one copy are kept. */
  addFrameProblems(copyId: CopyId, findings: readonly Finding[], at: Date): Promise<void>
  /** Not settled yet: of copies that are stored or missing. */
  problems(): Promise<readonly CopyProblem[]>
}
