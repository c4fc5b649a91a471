// All members of an archive from its index, some hundreds at a time: who compares every one of them
// waits once for many, and not for each (half of the time that recording a night takes).

import { IndexBlocks, membersIn } from '../pack/index-blocks.ts'
import type { ArchiveTail } from '../pack/archive-tail.ts'
import type { IndexedMember } from '../pack/member-record.ts'

// Few enough that they are gone before the garbage collector moves them, and that paths which a hostile
// index makes half a megabyte long each do not fill the memory together.
const MEMBERS_AT_ONCE = 512
const PATH_BYTES_AT_ONCE = 1024 * 1024

/**
 * In the order of the archive, of this size. Rejects with ARCHIVE_CORRUPT or ARCHIVE_REFUSED where the index
 * cannot be read.
 */
export async function* memberBlocks(
  tail: ArchiveTail,
  sizeBytes: number,
): AsyncGenerator<readonly IndexedMember[], undefined> {
  const blocks = new IndexBlocks((offset, size) => tail.readStored(offset, size), sizeBytes)
  for (const block of (await tail.directory()).members) {
    let members: IndexedMember[] = []
    let pathBytes = 0
    for (const member of membersIn({ block, bytes: await blocks.readBlock(block) })) {
      members.push(member)
      pathBytes += member.path.length
      if (members.length < MEMBERS_AT_ONCE && pathBytes < PATH_BYTES_AT_ONCE) continue
      yield members
      members = []
      pathBytes = 0
    }
    yield members
  }
  return undefined
}
