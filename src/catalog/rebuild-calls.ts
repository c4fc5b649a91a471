// The part of the catalog's interface that compares it with the servers and fills it again from them.
//
// What a rebuild adds, it adds archive by archive, and adding twice is adding once: a rebuild that was
// killed is begun again and goes on.

import type { ArchiveId, ArchiveState, CopyState, Warning } from '../domain/archive.ts'
import type { ServerIdentity } from '../domain/server.ts'
import type { CopyId } from './catalog.ts'
import type { SnapshotCalls } from './snapshot-calls.ts'

/** A copy that may lie on a server, with what reconcile needs to know of its archive. */
export type CopyOnServer = {
  readonly id: CopyId
  readonly archiveId: ArchiveId
  readonly file: string
  readonly archiveState: ArchiveState
  /** Copies of that archive, on all servers, that are not known to be gone. */
  readonly heldCopies: number
  readonly state: CopyState
  readonly key: string
  readonly token: string
  readonly sizeBytes: number
  /** When its server first said so; undefined for a missing one: not asked since the catalog was rebuilt. */
  readonly missingSince: Date | undefined
}

export type LostCopy = CopyOnServer & {
  readonly identity: ServerIdentity
  readonly missingSince: Date
}

/** What an archive's own tail says of it, and the name under which it lies. */
export type RebuiltArchive = {
  readonly id: ArchiveId
  readonly host: string
  readonly source: string
  readonly sourceKind: string
  readonly file: string
  /** Without a server's prefix. */
  readonly key: string
  readonly sizeBytes: number
  readonly sourceBytes: number
  readonly memberCount: number
  readonly sha256: string
  readonly startedAt: Date
  readonly endedAt: Date
  readonly warningCount: number
  readonly warnings: readonly Warning[]
}

export type FoundCopy = {
  readonly identity: ServerIdentity
  readonly key: string
  readonly token: string
  readonly sizeBytes: number
  readonly etag: string | undefined
  readonly versionId: string | undefined
  readonly storedAt: Date
}

/**
 * `joined`: the archive was known, the copy was not. `conflict`: it contradicts what is known. `twin`: the very
 * same upload is known on another server, so that may be the same place under another name.
 */
export type Adoption =
  | { readonly outcome: 'added' | 'joined' | 'known' }
  | { readonly outcome: 'twin'; readonly on: ServerIdentity }
  | { readonly outcome: 'conflict'; readonly why: string }

export type RebuildState = {
  /** Rows of archives, in any state. */
  readonly archives: number
  /** A rebuild was begun and did not come to its end. */
  readonly isRebuilding: boolean
  /** The one with which that rebuild began, unless it does not tell what was pinned. */
  readonly snapshot: string | undefined
}

/** Why an archive of a snapshot failed, unless its file turns up in the spool again. */
export const ONLY_IN_SPOOL = 'it was only in the spool when the catalog was copied'

/** Why a copy of a snapshot counts as missing, until its server shows it. */
export const UNASKED =
  'its server has not shown it since the catalog was rebuilt from an older copy: run spillway reconcile'

export interface RebuildCalls extends SnapshotCalls {
  // `verify` looks at copies without the run lock: each of these three changes nothing where it has noted
  // the same already, or where settling comes too late because it saw the copy again.

  /** stored -> missing: a HEAD said that the object is gone. Its bytes count until that is settled. */
  markMissing(copyId: CopyId, reason: string, at?: Date): Promise<void>
  /**
   * missing -> stored: a HEAD showed it again, with our token and the exact size. Settles what was wrong
   * with the object as a whole.
   */
  markFound(copyId: CopyId): Promise<void>
  /**
   * missing -> deleted: it is gone for good, and its bytes are given back; but for `othersBytes` of them, which
   * somebody else's object takes at its key. false: it was seen again meanwhile, and stays.
   */
  settleMissing(copyId: CopyId, reason: string, othersBytes?: number): Promise<boolean>
  /** Of this host: missing since at least then, as their servers said. By server. */
  lostCopies(since: Date): Promise<readonly LostCopy[]>
  /** Of all hosts of this catalog; not those that failed or are deleted. */
  copiesOn(identity: ServerIdentity): Promise<readonly CopyOnServer[]>
  /**
   * The row that names this upload, in whatever state; else a failed one of this key that never learned
   * its upload's id. undefined: nobody's.
   */
  copyOfUpload(
    identity: ServerIdentity,
    upload: { readonly key: string; readonly uploadId: string },
  ): Promise<
    { readonly state: CopyState; readonly token: string; readonly key: string } | undefined
  >

  /** Of every archive of this host that ever had a row, in any state, without a server's prefix. */
  archiveKeys(): Promise<ReadonlySet<string>>
  /**
   * Adds a copy that was found on a server, and its archive where that is not known. What cannot be
   * counted, since the server says sizes that no sum can hold, is a conflict. `apart`: servers that are
   * known to be other places.
   */
  adoptCopy(
    archive: RebuiltArchive,
    copy: FoundCopy,
    apart?: readonly ServerIdentity[],
  ): Promise<Adoption>
  /** Adds an archive that lies whole in the spool, or notes that it does. */
  adoptLocal(archive: RebuiltArchive, localPath: string): Promise<Adoption>

  rebuildState(): Promise<RebuildState>
  /**
   * Notes that a rebuild has begun; a second call changes nothing. With the name of the snapshot that
   * this catalog was until now, it also forgets what was true on the lost machine only: files in the
   * spool, uploads and deletions under way, and copies of the catalog that are said to be from after
   * `latest`. Stored copies become missing ones. Whatever of that still lies anywhere is found again.
   */
  beginRebuild(input: {
    readonly at: Date
    readonly snapshot: { readonly name: string; readonly latest: Date } | undefined
  }): Promise<void>
  /** Of the rebuild that is open: what was pinned counts as unknown, whatever it began with. */
  doubtPins(): Promise<void>
  endRebuild(at: Date): Promise<void>
}
