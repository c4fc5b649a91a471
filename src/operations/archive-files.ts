// `files`: what one archive holds, from the catalog alone.

import { membersOf, placeOf } from './archive-members.ts'
import { parsePattern } from '../domain/file-history-pattern.ts'
import { told, toldPath, toldState } from './file-answers.ts'
import type { AnswerServices, ToldArchive, ToldState } from './file-answers.ts'

export type ArchiveFile = ToldState & { readonly path: string; readonly pathBytes?: string }

export type ArchiveFiles = {
  readonly archive: ToldArchive & { readonly source: string }
  /** In the order of their paths, at most `limit`. */
  readonly files: readonly ArchiveFile[]
  readonly hasMore: boolean
}

/** Rejects with ARCHIVE_MISSING, HISTORY_MISSING or USAGE (the pattern). */
export async function archiveFiles(
  { catalog }: Pick<AnswerServices, 'catalog'>,
  input: {
    /** An id, a unique prefix of one, a file name, or `latest:SOURCE`. */
    readonly archive: string
    /** As of `find`; undefined: everything. */
    readonly pattern: string | undefined
    readonly limit: number
  },
): Promise<ArchiveFiles> {
  const accepts =
    input.pattern === undefined ? {} : { accepts: parsePattern(input.pattern, false).matches }
  const archive = await catalog.findArchive(input.archive)
  const files: ArchiveFile[] = []
  let hasMore = false
  for await (const member of membersOf(catalog, await placeOf(catalog, archive), accepts)) {
    hasMore = files.length === input.limit
    if (hasMore) break
    files.push({ ...toldPath(member.path), ...toldState(member) })
  }
  return { archive: { ...told(archive), source: archive.source }, files, hasMore }
}
