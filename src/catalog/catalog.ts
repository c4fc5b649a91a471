// The interface of the catalog: what is archived, where its copies lie, and the ledger of bytes.
//
// Contract, checked for every implementation by test/contract/catalog-contract.ts:
// - At all times, per server: bytes of our objects <= used + reserved + catalog <= limit as given to
//   the reservation. `used` is exactly the sum of the copies stored, deleting or missing;
//   `reserved` exactly the sum of the reservations of copies uploading or uncertain.
// - Each call is one transaction and is on disk when it resolves. No call waits for the network.
// - A call for a state that a row is not in is a bug and rejects; nothing changes.
// - Rejections are CATALOG_* SpillwayErrors.

import type { ArchiveId, ArchiveState, CopyState, Warning } from '../domain/archive.ts'
import type { CopiesWanted } from '../domain/copies.ts'
import type { AttemptOutcome } from '../domain/errors.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { HistoryCalls } from './history-calls.ts'
import type { PageCalls } from './page-calls.ts'
import type { ProofCalls } from './proof-calls.ts'
import type { RebuildCalls } from './rebuild-calls.ts'
import type { RecopyCalls } from './recopy-calls.ts'
import type { RetentionCalls } from './retention-calls.ts'
import type { StandingCalls } from './standing-calls.ts'
import type { UsageCalls } from './usage-calls.ts'

export type CopyId = number

export type ArchiveRow = {
  readonly id: ArchiveId
  readonly host: string
  readonly source: string
  readonly sourceKind: string
  readonly state: ArchiveState
  readonly file: string
  /** Without a server's prefix. */
  readonly key: string
  /** Absolute path in the spool while the file is there (LOCAL_KEEP keeps it after it is stored). */
  readonly localPath: string | undefined
  readonly sizeBytes: number | undefined
  readonly sourceBytes: number | undefined
  readonly memberCount: number | undefined
  readonly sha256: string | undefined
  readonly startedAt: Date
  readonly endedAt: Date | undefined
  readonly verifiedAt: Date | undefined
  readonly isPinned: boolean
  readonly warningCount: number
  readonly warnings: readonly Warning[]
  /** Why it failed. */
  readonly reason: string | undefined
}

export type CopyRow = {
  readonly id: CopyId
  readonly archiveId: ArchiveId
  readonly identity: ServerIdentity
  readonly state: CopyState
  /** The whole key on that server, prefix included. */
  readonly key: string
  readonly token: string
  readonly uploadId: string | undefined
  /** Complete was sent, or was about to be: the object may exist. */
  readonly isCompleting: boolean
  /** undefined also where an older version of this program sent it. */
  readonly completingAt: Date | undefined
  /** Size once stored; 0 before. */
  readonly sizeBytes: number
  readonly reservedBytes: number
  readonly etag: string | undefined
  readonly versionId: string | undefined
  readonly storedAt: Date | undefined
  readonly reason: string | undefined
}

export type ArchiveWithCopies = ArchiveRow & { readonly copies: readonly CopyRow[] }

export type AttemptRow = {
  readonly archiveId: ArchiveId
  readonly identity: ServerIdentity
  /** Of the server at that time. */
  readonly serverNumber: number
  readonly outcome: AttemptOutcome
  /** The server's or the system's own word, as in QuotaExceeded or ECONNREFUSED. */
  readonly code: string | undefined
  readonly message: string | undefined
  readonly bytesSent: number
  readonly seconds: number
  readonly at: Date
}

/** Three healths and one that needs a person; 'unknown' before the first contact. */
export type Health = 'alive' | 'full' | 'dead' | 'misconfigured' | 'unknown'

export type ServerRow = {
  readonly identity: ServerIdentity
  readonly label: string
  /** As last configured; for servers that left .env. */
  readonly endpoint: string
  readonly bucket: string | undefined
  readonly prefix: string
  readonly usedBytes: number
  readonly reservedBytes: number
  readonly catalogBytes: number
  readonly otherBytes: number
  /** When the server was last listed; undefined: never. */
  readonly listedAt: Date | undefined
  /** Copies that count in usedBytes. */
  readonly archives: number
  readonly health: Health
  readonly healthReason: string | undefined
  readonly checkedAt: Date | undefined
}

export type ArchiveFilter = {
  readonly source?: string | undefined
  readonly host?: string | undefined
  readonly states?: readonly ArchiveState[] | undefined
  /** Newest first; undefined: all. */
  readonly limit?: number | undefined
}

/** Keys, with the bytes that count as used; undefined: a copy that is not stored yet, or one of the catalog. */
export type KeysOnServer = ReadonlyMap<string, number | undefined>

export interface Catalog
  extends
    RetentionCalls,
    ProofCalls,
    HistoryCalls,
    RebuildCalls,
    RecopyCalls,
    PageCalls,
    StandingCalls,
    UsageCalls {
  /** Adds servers never seen, renews label and endpoint of known ones. Moves no bytes. */
  registerServers(servers: readonly Server[]): Promise<void>
  /** Every server ever seen, with this host's view of its health. */
  servers(): Promise<readonly ServerRow[]>
  /** Bytes there that no row of this catalog accounts for, as just listed. */
  setOtherBytes(identity: ServerIdentity, otherBytes: number, listedAt: Date): Promise<void>
  setHealth(
    identity: ServerIdentity,
    health: Health,
    reason: string | undefined,
    at: Date,
  ): Promise<void>
  /** What may lie on a server now: copies not deleted and not failed, and snapshots. */
  keysOn(identity: ServerIdentity): Promise<KeysOnServer>

  beginArchive(input: {
    readonly id: ArchiveId
    readonly source: string
    readonly sourceKind: string
    /** A file name that is taken gets "-2", "-3", ... : returned in the row. */
    readonly startedAt: Date
    /** The row's `localPath` is FILE.partial there until `markReady` gives the final one. */
    readonly spoolDir: string
  }): Promise<ArchiveRow>
  /** packing -> ready: the file is whole, fsynced, and lies at `localPath`. */
  markReady(
    id: ArchiveId,
    facts: {
      readonly localPath: string
      readonly sizeBytes: number
      readonly sourceBytes: number
      readonly memberCount: number
      readonly sha256: string
      readonly endedAt: Date
      readonly warningCount: number
      readonly warnings: readonly Warning[]
    },
  ): Promise<void>
  /** packing or ready -> failed. */
  markArchiveFailed(id: ArchiveId, reason: string, at: Date): Promise<void>
  /** The spool file lies elsewhere now: its folder was moved. Of archives that are ready. */
  markMoved(id: ArchiveId, localPath: string): Promise<void>
  /** The spool file is gone on purpose; ready -> gone. A bug while no copy is stored. */
  markLocalGone(id: ArchiveId): Promise<void>

  /**
   * Promises bytes on a server to a new copy, in one conditional update. undefined: no room.
   * The row is there, with key and token, before anything is asked of the server.
   */
  reserve(input: {
    readonly archiveId: ArchiveId
    readonly identity: ServerIdentity
    readonly key: string
    readonly token: string
    readonly bytes: number
    readonly limitBytes: number
  }): Promise<CopyId | undefined>
  /** Sets the reservation of a copy under way, up or down. false: no room, nothing changed. */
  resizeReservation(copyId: CopyId, bytes: number, limitBytes: number): Promise<boolean>
  setUploadId(copyId: CopyId, uploadId: string): Promise<void>
  /** Before Complete is sent: from here on the object may exist. */
  markCompleting(copyId: CopyId, at: Date): Promise<void>
  /** uploading or uncertain -> stored: reservation becomes use. Only after proof. */
  markStored(
    copyId: CopyId,
    proof: {
      readonly sizeBytes: number
      readonly etag: string | undefined
      readonly versionId: string | undefined
      readonly at: Date
    },
  ): Promise<void>
  /** uploading -> uncertain: nobody knows what the server holds; the reservation stays. */
  markUncertain(copyId: CopyId, reason: string): Promise<void>
  /** uploading or uncertain -> failed: the server confirmed that nothing is left. */
  markCopyFailed(copyId: CopyId, reason: string): Promise<void>

  /**
   * uploading or uncertain -> deleting: the object is there and is not what was sent. It may never be
   * taken for a copy again; its bytes count as used until `markDeleted`.
   */
  markDamaged(copyId: CopyId, reason: string): Promise<void>
  /** deleting -> deleted: the server confirmed that the object is gone. */
  markDeleted(copyId: CopyId, at?: Date): Promise<void>
  /** deleting -> deleted: somebody else's object of so many bytes lies where ours was, and counts as others'. */
  markOverwritten(copyId: CopyId, othersBytes: number): Promise<void>

  addAttempt(attempt: AttemptRow): Promise<void>
  attempts(id: ArchiveId): Promise<readonly AttemptRow[]>

  /** Newest first. */
  archives(filter?: ArchiveFilter): Promise<readonly ArchiveWithCopies[]>
  /**
   * By id, unique prefix of an id, file name, key, or `latest:SOURCE` (the newest that is stored or
   * whole in the spool). A file name or source that this host does not have may be another host's,
   * if only one has it. Rejects with ARCHIVE_MISSING, naming the candidates if there are several.
   */
  findArchive(name: string): Promise<ArchiveWithCopies>
  /** Archives of this host left in `packing`: their process died. */
  interruptedArchives(): Promise<readonly ArchiveRow[]>
  /** Archives of this host that are whole in the spool and lack copies on these servers, oldest first. */
  waitingArchives(wanted: CopiesWanted): Promise<readonly ArchiveWithCopies[]>
  /** Copies of this host that nobody works on any more: uploading, uncertain, deleting. */
  unsettledCopies(): Promise<readonly CopyRow[]>
  /** The newest archive of a source of this host with a stored copy of which no damage is known. */
  lastGood(source: string): Promise<ArchiveRow | undefined>

  /**
   * Reads the whole catalog and recounts every sum; rejects with CATALOG_CORRUPT and what is wrong.
   * Opening does a quicker form of this, and only while the file is small: a run calls it once.
   */
  check(): Promise<void>

  close(): Promise<void>
}
