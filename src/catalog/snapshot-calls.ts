// The part of the catalog's interface that copies the catalog to the servers.
//
// `catalogBytes` of a server is exactly the sum of its snapshots, whatever their state: a row is there
// before its object may be, and stays until the server confirmed that the object is gone.

import type { ServerIdentity } from '../domain/server.ts'

export type SnapshotId = number

export type SnapshotRow = {
  readonly id: SnapshotId
  readonly identity: ServerIdentity
  /** The whole key on that server, prefix included. */
  readonly key: string
  readonly token: string
  /** `uploading` after its run has ended: nobody knows whether the server has it. */
  readonly state: 'uploading' | 'stored' | 'deleting'
  readonly sizeBytes: number
  readonly madeAt: Date
}

export interface SnapshotCalls {
  /** Writes the whole catalog as it is now to a new file that only its owner may read. */
  copyTo(path: string): Promise<void>
  /** Those of this host, on all servers, oldest first. */
  snapshots(): Promise<readonly SnapshotRow[]>
  /** Promises bytes to a new snapshot, in one conditional update. undefined: no room. */
  reserveSnapshot(input: {
    readonly identity: ServerIdentity
    readonly key: string
    readonly token: string
    readonly madeAt: Date
    readonly sizeBytes: number
    readonly limitBytes: number
  }): Promise<SnapshotId | undefined>
  /** uploading -> stored, after proof. */
  markSnapshotStored(id: SnapshotId): Promise<void>
  /** Before the server is asked to delete it. */
  markSnapshotDeleting(id: SnapshotId): Promise<void>
  /** The server confirmed that there is no such object: the row goes, its bytes are given back. */
  dropSnapshot(id: SnapshotId): Promise<void>
  /** One of ours that no row knew: its bytes lie there whether they fit or not. false: known. */
  adoptSnapshot(input: {
    readonly identity: ServerIdentity
    readonly key: string
    readonly token: string
    readonly madeAt: Date
    readonly sizeBytes: number
  }): Promise<boolean>
}
