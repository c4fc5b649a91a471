// What takes tar bytes and makes a tree of them: in this thread, for tests and small archives, or in a
// worker thread (compose-unpacker.ts), since the calls are synchronous and would hold up network and timers.

import { OwnRooms } from './block-rooms.ts'
import { TarReader } from './tar-reader.ts'
import { TreeWriter } from './extract-tree.ts'
import type { BlockRooms } from './block-rooms.ts'
import type { ExpectedMember, LinkTarget } from './extract-choice.ts'
import type { LostMember, PendingLink, TreeInput, TreeResult } from './extract-input.ts'
import type { UnpackProgress } from './unpacker.ts'

export interface TreeSink extends BlockRooms {
  /**
   * A block that lies in a room takes its room with it; any other may change again once it resolves. A later call
   * may reject for an earlier one's sake.
   * `expected`: the members that begin in it, as the index has them; once given it must always be.
   */
  write(block: Buffer, expected?: readonly ExpectedMember[]): Promise<void>
  /** What follows begins with a member's header; these, the last one perhaps half written, are damaged. */
  lose(members: readonly LostMember[]): Promise<void>
  /** Hard links whose content must be fetched: after all members, again and again until there are none. */
  takeLinks(countMax: number): Promise<readonly PendingLink[]>
  /** What follows is gone through for the content of these alone. */
  beginTargets(targets: readonly LinkTarget[]): Promise<void>
  finish(): Promise<TreeResult>
  /** Ends at once, also while another call is under way. */
  close(): Promise<void>
}

export type TreeSinkInput = {
  readonly tree: TreeInput
  readonly onProgress: (progress: UnpackProgress) => void
}

export type OpenTreeSink = (input: TreeSinkInput) => Promise<TreeSink>

/** Writes in this thread. */
export async function openTreeSink(input: TreeSinkInput): Promise<TreeSink> {
  const tree = new TreeWriter(input.tree)
  let reader = new TarReader(tree)
  const rooms = new OwnRooms()
  return {
    room: async () => rooms.room(),
    leave: (block) => rooms.leave(block),
    write: async (block, expected) => {
      if (expected !== undefined) tree.expect(expected)
      reader.write(block)
      if (rooms.has(block)) rooms.leave(block)
      input.onProgress(tree.progress)
    },
    lose: async (members) => {
      // The old one may stand in the middle of a member, and is forgotten there.
      reader = new TarReader(tree)
      tree.lose(members)
    },
    takeLinks: async (countMax) => {
      reader.finish()
      reader = new TarReader(tree)
      return tree.takeLinks(countMax)
    },
    beginTargets: async (targets) => tree.beginTargets(targets),
    finish: async () => {
      const result = tree.finish()
      input.onProgress(tree.progress)
      return result
    },
    close: async () => tree.close(),
  }
}
