// Nights without packing: what archives would hold, recorded in a real catalog as a run does it.

import { recordMembers } from '../../src/operations/history-recorder.ts'
import { comparePaths } from '../../src/pack/member-record.ts'
import type { Story } from './catalog-story.ts'
import type { ArchiveRow } from '../../src/catalog/catalog.ts'
import type { FileState } from '../../src/domain/file-history.ts'
import type { IndexedMember } from '../../src/pack/member-record.ts'
import type { Server } from '../../src/domain/server.ts'

/** By path, one character per byte. */
export type Tree = ReadonlyMap<string, FileState>

export const fileState = (change: Partial<FileState> = {}): FileState => ({
  kind: 'file',
  sizeBytes: 10,
  mtimeSeconds: 1_700_000_000,
  mtimeNanos: 0,
  mode: 0o644,
  ...change,
})

export function membersOf(tree: Tree): IndexedMember[] {
  return [...tree]
    .map(([path, state]) => ({ path, ...state, offsetBytes: 0, spanBytes: 512 }))
    .sort((a, b) => comparePaths(a.path, b.path))
}

/** As an index gives them. */
export async function* inBlocks(
  members: readonly IndexedMember[],
  count = 1_000,
): AsyncGenerator<readonly IndexedMember[]> {
  for (let at = 0; at < members.length; at += count) yield members.slice(at, at + count)
}

export async function recordTree(
  { catalog }: Pick<Story, 'catalog'>,
  archive: ArchiveRow,
  tree: Tree,
  blockCount?: number,
): Promise<void> {
  const members = inBlocks(membersOf(tree), blockCount)
  await recordMembers(catalog, archive, members, new AbortController().signal)
}

/** An archive that is stored there, and recorded. */
export async function night(
  story: Story,
  server: Server,
  at: string,
  tree: Tree,
  source = 'etc',
): Promise<ArchiveRow> {
  const archive = await story.store(source, at, [server], { sizeBytes: 1_000 })
  await recordTree(story, archive, tree)
  return archive
}

/** As pruning does it. */
export async function deleteArchive(
  { catalog }: Pick<Story, 'catalog'>,
  { id }: Pick<ArchiveRow, 'id'>,
): Promise<void> {
  const { copies } = await catalog.findArchive(id)
  for (const copy of copies) {
    await catalog.markDeleting(copy.id, 'not kept')
    await catalog.markDeleted(copy.id)
  }
}
