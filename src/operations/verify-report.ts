// What verifying found, in the shape of `verify --json` (fields may be added, none changed).

import type { ArchiveWithCopies, CopyRow } from '../catalog/catalog.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Finding } from '../domain/proof.ts'
import type { Server } from '../domain/server.ts'

/** One copy to be verified. */
export type CopyTask = {
  readonly archive: ArchiveWithCopies
  readonly copy: CopyRow
  /** undefined: not configured any more. */
  readonly server: Server | undefined
  readonly label: string
}

/**
 * `proven`: token and size are ours. `rewritten`: they are, and yet somebody wrote the object again: only
 * reading it back can prove it. `unasked`: the server could not tell.
 */
export type HeadOutcome = 'proven' | 'missing' | 'replaced' | 'rewritten' | 'unasked'

export type VerifiedCopy = {
  /** null: the server is not configured any more. */
  readonly server: number | null
  readonly label: string
  readonly outcome: HeadOutcome | 'damaged'
  readonly message: string | null
  /** Of all that was ever read back: frames of the archive, and how many of them are proven. */
  readonly frames: number | null
  readonly provenFrames: number
  /** Once every frame is proven: the date of the oldest. */
  readonly deepVerifiedAt: string | null
}

export type VerifiedArchive = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly verifiedAt: string | null
  readonly copies: readonly VerifiedCopy[]
}

export type VerifyProblem = Omit<Finding, 'members'> & {
  readonly archive: ArchiveId
  readonly file: string
  readonly server: number | null
  readonly label: string
  /** Paths as they can be printed: bytes that are no UTF-8 are replaced. */
  readonly members: readonly string[]
  /** When it was found first, of what was not met this time and is not settled; null: met now. */
  readonly knownSince: string | null
}

export type VerifyReport = {
  readonly outcome: 'ok' | 'warnings' | 'failed'
  readonly exit: number
  readonly seconds: number
  readonly deep: boolean
  readonly budgetBytes: number | null
  /** Of the copies' bytes; HEAD requests have none. */
  readonly readBytes: number
  /** The budget ended before everything was read back: the next time goes on. */
  readonly isBudgetSpent: boolean
  /** Labels of servers that were too slow for what was to be read; the next time goes on. */
  readonly outOfTime: readonly string[]
  readonly archives: readonly VerifiedArchive[]
  readonly problems: readonly VerifyProblem[]
  /** Copies that could not be asked, and why. */
  readonly warnings: readonly string[]
  /** What can be done about what was found. */
  readonly hints: readonly string[]
}

/** What is wrong with the object as a whole; of one that was only written again nothing is lost yet. */
export function wholeObject(
  task: CopyTask,
  what: string,
  outcome: Exclude<HeadOutcome, 'proven' | 'unasked'>,
): Finding {
  return {
    place: 'object',
    frame: null,
    fromByte: 0,
    toByte: task.copy.sizeBytes,
    what,
    memberCount: outcome === 'rewritten' ? null : (task.archive.memberCount ?? 0),
    members: [],
  }
}
