// Which entries of a folder are walked, and in what order.

import type { FolderSource } from '../domain/source.ts'
import { CACHE_TAG_NAME, isCacheTag } from './cache-tag.ts'
import { pathOf } from './open-folders.ts'
import type { Findings } from './findings.ts'
import type { FolderEntry, SourceFiles } from './source-files.ts'

/** The same of the source itself: as a cache it has next to nothing to archive, and that is hardly meant. */
export function chosenOfSource(
  files: SourceFiles,
  fd: number,
  entries: readonly FolderEntry[],
  source: Pick<FolderSource, 'excludesCaches' | 'number'>,
  findings: Findings,
): readonly FolderEntry[] {
  const chosen = chosenEntries(files, fd, entries, source)
  if (chosen.length === 1 && chosen[0]!.name === CACHE_TAG_NAME && entries.length > 1)
    findings.warn(
      '',
      `is a cache by its ${CACHE_TAG_NAME}, and nothing else of it is in the archive: remove that file, or ` +
        `SOURCE_${source.number}_EXCLUDE_CACHES`,
    )
  return chosen
}

/** In byte order, each name once; of a cache folder its tag only. */
export function chosenEntries(
  files: SourceFiles,
  fd: number,
  entries: readonly FolderEntry[],
  { excludesCaches }: Pick<FolderSource, 'excludesCaches'>,
): readonly FolderEntry[] {
  if (excludesCaches) {
    const tag = entries.find(({ name }) => name === CACHE_TAG_NAME)
    if (tag !== undefined && isCacheTag(files, `${pathOf(fd)}/${CACHE_TAG_NAME}`)) return [tag]
  }
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))
  // XFS lists a name twice that was deleted and made again meanwhile.
  return sorted.filter(({ name }, at) => name !== sorted[at - 1]?.name)
}
