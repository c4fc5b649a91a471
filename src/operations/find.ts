// `find`: files across all archives of all sources, answered from the catalog alone, so also while every
// server is away.

import { parsePattern } from '../domain/file-history-pattern.ts'
import { timelines, told, toldPath, toldState, unknownFiles } from './file-answers.ts'
import { versionsByPath } from './history-cursor.ts'
import type { AnswerServices, ToldArchive, ToldState, UnknownFiles } from './file-answers.ts'
import type { FileState } from '../domain/file-history.ts'
import type { PathPattern } from '../domain/file-history-pattern.ts'
import type { PathVersions } from './history-cursor.ts'
import type { Timeline } from './history-timeline.ts'

export type FoundFile = ToldState & {
  readonly host: string
  readonly source: string
  readonly path: string
  /** Base64; only of a path that is no UTF-8. */
  readonly pathBytes?: string
  /** That can be restored; with --all, that are known. */
  readonly versions: number
  readonly archives: number
  /** The newest archive that has it; null: all are deleted. The size and time are those in it. */
  readonly newest: ToldArchive | null
  /** The first archive that did not have it any more; null: the newest archive of the source has it. */
  readonly goneAt: string | null
}

export type Found = {
  /** By host, source and path. */
  readonly files: readonly FoundFile[]
  /** There are more than the limit. */
  readonly hasMore: boolean
  readonly unknown: readonly UnknownFiles[]
}

export type FindInput = {
  readonly pattern: string
  readonly ignoresCase: boolean
  readonly source: string | undefined
  /** Also what only deleted archives had, as far as it is still known. */
  readonly includesDeleted: boolean
  readonly limit: number
}

export async function findFiles(services: AnswerServices, input: FindInput): Promise<Found> {
  const pattern = parsePattern(input.pattern, input.ignoresCase)
  const files: FoundFile[] = []
  let hasMore = false
  search: for (const timeline of await timelines(services, input)) {
    const read = { accepts: pattern.matches }
    for await (const group of versionsByPath(services.catalog, timeline.history.id, read)) {
      const file = foundFile(timeline, group, pattern)
      if (file === undefined) continue
      if (files.length === input.limit) {
        hasMore = true
        break search
      }
      files.push(file)
    }
  }
  return { files, hasMore, unknown: await unknownFiles(services, input.source) }
}

function foundFile(
  timeline: Timeline,
  { path, versions }: PathVersions,
  { kinds }: PathPattern,
): FoundFile | undefined {
  const { host, source } = timeline.history
  const stretches = timeline.stretches(versions)
  const shown = stretches.filter(({ state }) => kinds?.includes(state.kind) ?? true)
  const last = shown.at(-1)
  if (last === undefined) return undefined
  const newest = shown.map((stretch) => timeline.newestRestorable(stretch)).findLast(Boolean)
  // The same file may go and come back.
  const states = new Set(shown.map(({ state }) => keyOf(state)))
  return {
    host,
    source,
    ...toldPath(path),
    ...toldState(last.state),
    versions: states.size,
    archives: shown.reduce((sum, { first, last: to }) => sum + to - first + 1, 0),
    newest: newest === undefined ? null : told(newest),
    goneAt: timeline.archives[stretches.at(-1)!.last + 1]?.startedAt.toISOString() ?? null,
  }
}

function keyOf({ kind, sizeBytes, mtimeSeconds, mtimeNanos, mode }: FileState): string {
  return `${kind} ${sizeBytes} ${mtimeSeconds} ${mtimeNanos} ${mode}`
}
