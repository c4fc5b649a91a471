// What a user's PATHs mean in one archive, found in its index: which members, with the folders above them, in
// the order of the archive. Nothing is kept but one block of the index and the folders above one path.

import { comparePaths } from './member-record.ts'
import { isBelow, parsePathPattern, plainPaths } from './extract-patterns.ts'
import { parentOf } from './extract-folders.ts'
import type { ArchiveTail } from './archive-tail.ts'
import type { ByteString } from './tar-header.ts'
import type { IndexedMember } from './member-record.ts'
import type { PathSpec, Selection } from './extract-patterns.ts'

/** A text with wildcards in it may be the very name of a member: then it is meant. Throws USAGE. */
export async function specsOf(
  find: (path: ByteString) => Promise<unknown>,
  texts: readonly string[],
): Promise<readonly PathSpec[]> {
  const specs: PathSpec[] = []
  for (const text of texts) {
    const pattern = parsePathPattern(text)
    const path = pattern.isGlob ? await firstFound(find, plainPaths(text)) : pattern.base
    specs.push(path === undefined ? { kind: 'glob', text } : { kind: 'exact', path })
  }
  return specs
}

async function firstFound(
  find: (path: ByteString) => Promise<unknown>,
  paths: readonly ByteString[],
): Promise<ByteString | undefined> {
  for (const path of paths) if ((await find(path)) !== undefined) return path
  return undefined
}

/**
 * The members that are meant, each with those folders above it that are not meant themselves and did not
 * come before.
 */
export async function* selectedMembers(
  tail: ArchiveTail,
  selection: Selection,
): AsyncGenerator<{ readonly member: IndexedMember; readonly isParent: boolean }> {
  // Folders on the way to where we are: those that were given already and those that wait.
  let given: readonly ByteString[] = []
  for (const base of [...selection.bases()].sort(comparePaths)) {
    const way: IndexedMember[] = []
    for await (const member of tail.membersUnder(base)) {
      while (way.length > 0 && !isBelow(member.path, way.at(-1)!.path)) way.pop()
      if (!selection.includes(member.path)) {
        if (member.kind === 'directory') way.push(member)
        continue
      }
      const above = [...(await foldersAbove(tail, base, given)), ...way]
      given = given.filter((path) => isBelow(member.path, path))
      for (const parent of above) {
        if (parent.path === '' || given.includes(parent.path)) continue
        given = [...given, parent.path]
        yield { member: parent, isParent: true }
      }
      yield { member, isParent: false }
      if (member.kind === 'directory') given = [...given, member.path]
    }
  }
}

/** The folders above where the search began; [] once they were given. */
async function foldersAbove(
  tail: ArchiveTail,
  base: ByteString,
  given: readonly ByteString[],
): Promise<readonly IndexedMember[]> {
  const found: IndexedMember[] = []
  for (let path = parentOf(base); path !== ''; path = parentOf(path)) {
    if (given.includes(path)) break
    const member = await tail.findMember(path)
    if (member !== undefined) found.unshift(member)
  }
  return found
}
