// `diff`: what one archive holds and another does not, or holds otherwise; from the catalog alone. They
// may be of different sources, or hosts.

import { changesOf } from './history.ts'
import { comparePaths } from '../pack/member-record.ts'
import { membersOf, placeOf } from './archive-members.ts'
import { told, toldPath, toldState } from './file-answers.ts'
import { versionsByPath } from './history-cursor.ts'
import type { AnswerServices, ToldArchive, ToldState } from './file-answers.ts'
import type { ArchivePlace } from './archive-members.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { FileChange } from './history.ts'
import type { FileVersion } from '../domain/file-history.ts'

export type FileDifference = {
  readonly difference: 'added' | 'removed' | 'changed'
  readonly path: string
  readonly pathBytes?: string
  readonly changes: readonly FileChange[]
  readonly before: ToldState | null
  readonly after: ToldState | null
}

export type DifferenceSum = { readonly files: number; readonly bytes: number }

export type ArchiveDifference = {
  readonly from: ToldArchive & { readonly source: string }
  readonly to: ToldArchive & { readonly source: string }
  /** In the order of paths, at most `limit`. */
  readonly differences: readonly FileDifference[]
  readonly hasMore: boolean
  /** Of all differences. `bytes` of changed files are those of the later version. */
  readonly added: DifferenceSum
  readonly removed: DifferenceSum
  readonly changed: DifferenceSum
  readonly unchanged: DifferenceSum
}

export async function diffArchives(
  services: AnswerServices,
  input: { readonly from: string; readonly to: string; readonly limit: number },
): Promise<ArchiveDifference> {
  const { catalog } = services
  const [from, to] = [await catalog.findArchive(input.from), await catalog.findArchive(input.to)]
  const sums = { added: newSum(), removed: newSum(), changed: newSum(), unchanged: newSum() }
  const differences: FileDifference[] = []
  for await (const pair of pairsOf(
    catalog,
    await placeOf(catalog, from),
    await placeOf(catalog, to),
  )) {
    const found = differenceOf(pair)
    const sum = sums[found?.difference ?? 'unchanged']
    sum.files += 1
    sum.bytes += (pair.after ?? pair.before)?.sizeBytes ?? 0
    if (found !== undefined && differences.length <= input.limit) differences.push(found)
  }
  return {
    from: { ...told(from), source: from.source },
    to: { ...told(to), source: to.source },
    differences: differences.slice(0, input.limit),
    hasMore: differences.length > input.limit,
    ...sums,
  }
}

type Pair = {
  readonly path: string
  readonly before: FileVersion | undefined
  readonly after: FileVersion | undefined
}

async function* pairsOf(
  catalog: Catalog,
  from: ArchivePlace,
  to: ArchivePlace,
): AsyncGenerator<Pair> {
  const id = from.timeline.history.id
  if (id === to.timeline.history.id) {
    // One pass for both.
    for await (const { path, versions } of versionsByPath(catalog, id)) {
      const before = from.timeline.heldBy(from.serial, versions)
      const after = from.timeline.heldBy(to.serial, versions)
      if (before !== undefined || after !== undefined) yield { path, before, after }
    }
    return
  }
  const [left, right] = [membersOf(catalog, from), membersOf(catalog, to)]
  try {
    let [before, after] = [await left.next(), await right.next()]
    while (before.done !== true || after.done !== true) {
      const order =
        before.done === true
          ? 1
          : after.done === true
            ? -1
            : comparePaths(before.value.path, after.value.path)
      const pair = {
        before: order <= 0 ? (before.value as FileVersion) : undefined,
        after: order >= 0 ? (after.value as FileVersion) : undefined,
      }
      yield { path: (pair.before ?? pair.after)!.path, ...pair }
      if (order <= 0) before = await left.next()
      if (order >= 0) after = await right.next()
    }
  } finally {
    await Promise.all([left.return(undefined), right.return(undefined)])
  }
}

function differenceOf({ path, before, after }: Pair): FileDifference | undefined {
  const changes = before === undefined || after === undefined ? [] : changesOf(before, after)
  if (before !== undefined && after !== undefined && isUnchanged(after, changes)) return undefined
  return {
    difference: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    ...toldPath(path),
    changes,
    before: before === undefined ? null : toldState(before),
    after: after === undefined ? null : toldState(after),
  }
}

/** A folder's time changes with what is in it, and that is listed itself. */
function isUnchanged({ kind }: FileVersion, changes: readonly FileChange[]): boolean {
  if (kind === 'directory') return changes.every((change) => change === 'time')
  return changes.length === 0
}

function newSum(): { files: number; bytes: number } {
  return { files: 0, bytes: 0 }
}
