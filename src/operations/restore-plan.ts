// What a restore of these PATHs would give back, and what it would read for that: from the index alone.

import { countReads } from '../pack/extract-fetch.ts'
import { allFrames, framesOf } from '../pack/extract-parts.ts'
import { Selection } from '../pack/extract-patterns.ts'
import { strippedPath } from '../pack/extract-choice.ts'
import { selectedMembers } from '../pack/extract-select.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveTail } from '../pack/archive-tail.ts'
import type { IndexedMember } from '../pack/member-record.ts'
import type { PathSpec } from '../pack/extract-patterns.ts'

export type RestorePlan = {
  readonly memberCount: number
  readonly sourceBytes: number
  /** Left out, because `strip` takes their whole path. Folders are not counted: that is what it is for. */
  readonly strippedCount: number
  /** Requests for frames, and their bytes; what hard links need beyond that is known only from their headers. */
  readonly reads: number
  readonly readBytes: number
  readonly hardLinkCount: number
}

/** Rejects with MEMBER_MISSING when a PATH means nothing that is there, USAGE when strip leaves nothing of it. */
export async function planRestore(
  tail: ArchiveTail,
  input: {
    readonly texts: readonly string[]
    readonly specs: readonly PathSpec[]
    readonly strip: number
  },
  onMember: (member: IndexedMember) => void = () => {},
): Promise<RestorePlan> {
  const { texts, specs, strip } = input
  const selection = new Selection(specs)
  const [matched, given] = [new Set<number>(), new Set<number>()]
  const counts = { memberCount: 0, sourceBytes: 0, hardLinkCount: 0, strippedCount: 0 }
  async function* counted(): AsyncGenerator<IndexedMember> {
    for await (const { member, isParent } of selectedMembers(tail, selection)) {
      const isStripped = strippedPath(member.path, strip) === undefined
      if (isStripped && member.kind !== 'directory') counts.strippedCount += 1
      if (!isStripped) {
        counts.memberCount += 1
        // Holes are no content; the map of the others is, a few hundred bytes.
        counts.sourceBytes += member.storedBytes ?? member.sizeBytes
        if (member.kind === 'hard-link') counts.hardLinkCount += 1
      }
      // The folders above are given back too, but it is not them that are meant.
      if (!isParent && given.size < specs.length)
        for (const at of selection.matchedBy(member.path)) (isStripped ? matched : given).add(at)
      onMember(member)
      yield member
    }
  }
  const place = { frames: await tail.frames(), tarBytes: tail.manifest.tarBytes }
  const reads = await countReads(framesOf(counted(), place))
  const left = texts.map((text, at) => ({ text, at })).filter(({ at }) => !given.has(at))
  const missing = left.filter(({ at }) => !matched.has(at))
  if (missing.length > 0) throw memberMissing(missing.map(({ text }) => text))
  if (left.length > 0 || (counts.memberCount === 0 && counts.strippedCount > 0))
    throw allStripped(
      left.map(({ text }) => text),
      strip,
    )
  return { ...counts, ...reads }
}

/** Of a whole archive, without its members. */
export async function planWhole(tail: ArchiveTail): Promise<{ readonly readBytes: number }> {
  return countReads(allFrames(await tail.frames()))
}

/** What was asked for is there, and none of it would be given back: as wrong as if it were not. */
export function allStripped(texts: readonly string[], strip: number): SpillwayError {
  const what = texts.length === 0 ? 'the archive' : `what ${quoted(texts)} means`
  return new SpillwayError('USAGE', `--strip=${strip} leaves nothing of ${what}`, {
    hint: 'take a smaller N: it is how many leading folders of every path are left out',
  })
}

export function memberMissing(texts: readonly string[]): SpillwayError {
  const shown = quoted(texts)
  return new SpillwayError('MEMBER_MISSING', `the archive has nothing that ${shown} means`)
}

function quoted(texts: readonly string[]): string {
  return texts.map((text) => `"${text}"`).join(', ')
}
