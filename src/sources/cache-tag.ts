// What marks a folder as a cache (https://bford.info/cachedir/): the first bytes of its tag.

import { FILE_FLAGS, kindOf } from './source-files.ts'
import type { ByteString } from './member.ts'
import type { SourceFiles } from './source-files.ts'

export const CACHE_TAG_NAME = 'CACHEDIR.TAG'
const CACHE_TAG = 'Signature: 8a477f597d28d172789f06886806bc55'

export function isCacheTag(files: SourceFiles, at: ByteString): boolean {
  const start = Buffer.alloc(CACHE_TAG.length)
  try {
    const fd = files.open(at, FILE_FLAGS)
    try {
      if (kindOf(files.fstat(fd)) !== 'file') return false
      files.read(fd, start, 0, start.length, 0)
    } finally {
      files.close(fd)
    }
  } catch {
    // A tag that cannot be read marks nothing: rather too much in the archive than too little.
    return false
  }
  return start.toString('latin1') === CACHE_TAG
}
