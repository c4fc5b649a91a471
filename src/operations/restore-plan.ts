// What a restore of these PATHs would give back, and what it would read for that: from the index alone.

import { countReads } from '../pack/extract-fetch.ts'
import { allFrames, framesOf } from '../pack/extract-parts.ts'
import { Selection } from '../pack/extract-patterns.ts'
import { selectedMembers } from '../pack/extract-select.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveTail } from '../pack/archive-tail.ts'
import type { IndexedMember } from '../pack/member-record.ts'
import type { PathSpec } from '../pack/extract-patterns.ts'

export type RestorePlan = {
  readonly memberCount: number
  readonly sourceBytes: number
  /** Requests for frames, and their bytes; what hard links need beyond that is known only from their headers. */
  readonly reads: number
  readonly readBytes: number
  readonly hardLinkCount: number
}

/** Rejects with MEMBER_MISSING when one of the PATHs means nothing that is there. */
export async function planRestore(
  tail: ArchiveTail,
  input: { readonly texts: readonly string[]; readonly specs: readonly PathSpec[] },
  onMember: (member: IndexedMember) => void = () => {},
): Promise<RestorePlan> {
  const { texts, specs } = input
  const selection = new Selection(specs)
  const matched = new Set<number>()
  const counts = { memberCount: 0, sourceBytes: 0, hardLinkCount: 0 }
  async function* counted(): AsyncGenerator<IndexedMember> {
    for await (const { member, isParent } of selectedMembers(tail, selection)) {
      counts.memberCount += 1
      counts.sourceBytes += member.sizeBytes
      if (member.kind === 'hard-link') counts.hardLinkCount += 1
      // The folders above are given back too, but it is not them that are meant.
      if (!isParent && matched.size < specs.length)
        for (const at of selection.matchedBy(member.path)) matched.add(at)
      onMember(member)
      yield member
    }
  }
  const place = { frames: await tail.frames(), tarBytes: tail.manifest.tarBytes }
  const reads = await countReads(framesOf(counted(), place))
  const missing = texts.filter((_, at) => !matched.has(at))
  if (missing.length > 0) throw memberMissing(missing)
  return { ...counts, ...reads }
}

/** Of a whole archive, without its members. */
export async function planWhole(tail: ArchiveTail): Promise<{ readonly readBytes: number }> {
  return countReads(allFrames(await tail.frames()))
}

export function memberMissing(texts: readonly string[]): SpillwayError {
  const shown = texts.map((text) => `"${text}"`).join(', ')
  return new SpillwayError('MEMBER_MISSING', `the archive has nothing that ${shown} means`)
}
