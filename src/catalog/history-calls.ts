// The part of the catalog's interface that knows files across archives. It keeps blocks and never looks
// into them: domain/file-history.ts says what is in one, history-tables.ts which blocks there are.

import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveRow, ArchiveWithCopies } from './catalog.ts'

export type HistoryId = number

/** The history of one source of one host. */
export type FileHistory = {
  readonly id: HistoryId
  readonly host: string
  readonly source: string
  /** Number of the last recording that came to its end; 0: none did. */
  readonly generation: number
  /** The segment that was last looked through for what no archive holds any more. */
  readonly sweptSegment: number
  /** Those whose files are known, by serial; gone ones as far as they are still known, if those were asked for. */
  readonly archives: readonly RecordedArchive[]
  /** Archives were let go of, whether they are among these or not. */
  readonly hasLetGo: boolean
}

export type RecordedArchive = Pick<ArchiveRow, 'id' | 'file' | 'startedAt'> & {
  readonly serial: number
  /** Whole in the spool, or a copy of it is stored. */
  readonly isRestorable: boolean
  /** Neither that, nor is there a copy that is expected to turn up again. */
  readonly isGone: boolean
  /** An earlier recording found it gone: some of what only it had may be dropped. */
  readonly isLetGo: boolean
}

/** What the last archive holds. */
export const CURRENT_SEGMENT = 0

export type HistoryBlock = {
  readonly id: number
  readonly segment: number
  readonly versionCount: number
  /** One character per byte. */
  readonly firstPath: string
}

export type NewHistoryBlock = Omit<HistoryBlock, 'id'> & { readonly bytes: Uint8Array }

/** A recording under way. */
export type HistoryRecording = {
  readonly historyId: HistoryId
  /** Becomes the serial of the archive. */
  readonly generation: number
}

/** An archive that can be restored and whose files are not known. */
export type UnknownArchive = ArchiveWithCopies & {
  /** Why its index cannot be read, ever; undefined: it was not recorded yet. */
  readonly unreadableBecause: string | undefined
}

export interface HistoryCalls {
  /** Of all hosts and sources that these fit, each with its archives. */
  histories(filter?: {
    readonly host?: string | undefined
    readonly source?: string | undefined
    /** Those that were let go as well. */
    readonly includesLetGo?: boolean | undefined
  }): Promise<readonly FileHistory[]>
  /** Something was recorded, and of no archive is there anything left to keep. */
  emptyHistories(): Promise<readonly HistoryId[]>
  /** The blocks as of the history's generation, in no order; undefined: the history is gone. */
  historyBlocks(
    id: HistoryId,
  ): Promise<{ readonly generation: number; readonly blocks: readonly HistoryBlock[] } | undefined>
  /** Blocks that a recording has replaced since they were listed are not among them. */
  historyBytes(ids: readonly number[]): Promise<ReadonlyMap<number, Buffer>>

  /** Makes the history if need be, clears away what a killed recording left, and ends any other. */
  beginRecording(host: string, source: string): Promise<HistoryRecording>
  /** Blocks that nobody sees before the recording is committed; for more than one commit should hold. */
  stageHistory(recording: HistoryRecording, blocks: readonly NewHistoryBlock[]): Promise<void>
  /** All at once: these and the staged blocks instead of the replaced ones, and the archive is known. */
  commitRecording(
    recording: HistoryRecording,
    change: {
      readonly archiveId: ArchiveId
      readonly blocks: readonly NewHistoryBlock[]
      readonly replaced: readonly number[]
      /** Gone archives for which versions need not be kept from now on. */
      readonly letGo: readonly ArchiveId[]
      readonly sweptSegment: number
    },
  ): Promise<void>
  /** Its index is damaged: not tried again before there is news of a copy (history-unreadable.ts). */
  setHistoryUnreadable(archive: ArchiveRow, reason: string): Promise<void>
  /** A history that is damaged is dropped, and filled again from the indexes of the archives. */
  dropHistory(id: HistoryId): Promise<void>
  /** Oldest first, of all hosts. */
  archivesWithoutHistory(): Promise<readonly UnknownArchive[]>
}
