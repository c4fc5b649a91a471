// The part of the catalog's interface that tells how things stand: answered from sums and from the beginnings of
// indexes, whatever the catalog has seen in ten years.

import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies } from './catalog.ts'
import type { PastDay } from '../domain/forecast-trend.ts'
import type { ServerIdentity } from '../domain/server.ts'

/** Of the copies that are stored on one server. */
export type StandingOf = {
  readonly identity: ServerIdentity
  readonly copies: number
  readonly bytes: number
  /** Shown by HEAD since they were stored, and nothing else since; the oldest date of that. */
  readonly headedCopies: number
  readonly headedAt: Date | undefined
  /** Every frame of them was read back. */
  readonly deepCopies: number
  /** Of frames that were read back, about; the oldest date of one. */
  readonly provenBytes: number
  readonly oldestAt: Date | undefined
}

export type DoubtInput = {
  /** How many servers each archive must reach. */
  readonly copies: number
  /** Those that are configured. */
  readonly servers: readonly ServerIdentity[]
  /** Archives that lack copies and nothing else: given among the others, or only counted. */
  readonly lacking: 'given' | 'counted'
}

export type Doubts = {
  /** Of this host, ready or gone, newest first: among them all that lack a sound copy on a configured server. */
  readonly archives: readonly ArchiveWithCopies[]
  /** Not among these: gone, with at least one copy, on fewer servers than they must reach. */
  readonly lacking: number
}

export type HeldArchive = {
  readonly id: ArchiveId
  readonly startedMs: number
  readonly sizeBytes: number
  readonly isPinned: boolean
  /** Where a copy is stored. */
  readonly servers: readonly ServerIdentity[]
}

export type Failure = { readonly startedAt: Date; readonly reason: string | undefined }

export interface StandingCalls {
  standing(): Promise<readonly StandingOf[]>
  archivesInDoubt(input: DoubtInput): Promise<Doubts>
  /**
   * Whole archives of a source of this host that were begun until then, deleted ones too: at least those of the
   * newest `days` days that have any. Oldest first.
   */
  pastDays(source: string, until: Date, days: number): Promise<readonly PastDay[]>
  /** Of a source of this host, if its newest archive failed. */
  newestFailure(source: string): Promise<Failure | undefined>
  /** Those of a source of this host with a stored copy, oldest first. */
  heldArchives(source: string): Promise<readonly HeldArchive[]>
}
