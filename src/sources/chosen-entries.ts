// Which entries of a folder are walked, and in what order.

import type { FolderSource } from '../domain/source.ts'
import { CACHE_TAG_NAME, isCacheTag } from './cache-tag.ts'
import { pathOf } from './open-folders.ts'
import type { FolderEntry, SourceFiles } from './source-files.ts'

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
