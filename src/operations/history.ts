// `history`: the versions of one path, when each appeared, changed and went, and which archives have it.

import { join, relative } from 'node:path/posix'
import { SpillwayError } from '../domain/errors.ts'
import { pathOfPrinted } from '../lib/printable-path.ts'
import { isSameState } from '../domain/file-history.ts'
import { timelines, told, toldPath, toldState, unknownFiles } from './file-answers.ts'
import { versionsByPath } from './history-cursor.ts'
import type { AnswerServices, ToldArchive, ToldState, UnknownFiles } from './file-answers.ts'
import type { FileState, FileVersion } from '../domain/file-history.ts'
import type { Timeline } from './history-timeline.ts'

/** What differs from the version before. */
export type FileChange = 'kind' | 'size' | 'time' | 'mode'

export type ToldVersion = ToldState & {
  /** `returned`: it was gone in between. */
  readonly event: 'appeared' | 'changed' | 'returned'
  readonly changes: readonly FileChange[]
  /** Of the first archive that has this version. */
  readonly since: string
  /** Of the first archive that has not this version any more; null: the newest one has it. */
  readonly until: string | null
  /** That archive has nothing at this path; false also where `until` is null. */
  readonly isGoneThen: boolean
  /** Oldest first; never deleted ones. */
  readonly archives: readonly ToldArchive[]
}

export type PathHistory = {
  readonly host: string
  readonly source: string
  readonly path: string
  readonly pathBytes?: string
  /** Oldest first. */
  readonly versions: readonly ToldVersion[]
}

export type HistoryAnswer = {
  readonly histories: readonly PathHistory[]
  readonly unknown: readonly UnknownFiles[]
}

export type HistoryInput = {
  /** Relative to a source's folder, or absolute and inside of one that is configured. */
  readonly path: string
  readonly source: string | undefined
  /** Also versions that only deleted archives had, as far as they are still known. */
  readonly includesDeleted: boolean
}

/** Rejects with ARCHIVE_MISSING when no archive holds the path. */
export async function pathHistory(
  services: AnswerServices,
  input: HistoryInput,
): Promise<HistoryAnswer> {
  const histories: PathHistory[] = []
  for (const timeline of await timelines(services, input)) {
    for (const path of pathsMeant(services, timeline, input.path)) {
      const read = { from: path, to: path }
      for await (const group of versionsByPath(services.catalog, timeline.history.id, read)) {
        const versions = toldVersions(timeline, group.versions)
        const { host, source } = timeline.history
        if (versions.length > 0) histories.push({ host, source, ...toldPath(path), versions })
      }
    }
  }
  const unknown = await unknownFiles(services, input.source)
  if (histories.length === 0) throw notFound(input, unknown.length)
  return { histories, unknown }
}

/** Of this source: as written from its folder on, and as written from the root of the machine. */
function pathsMeant({ config }: AnswerServices, timeline: Timeline, given: string): Set<string> {
  const { host, source } = timeline.history
  const normal = join('/', given).replace(/(.)\/+$/, '$1')
  const meant = [normal.slice(1)]
  const configured = config.sources.find(({ name }) => name === source)
  const folder = configured?.kind === 'folder' ? configured.path : undefined
  if (given.startsWith('/') && folder !== undefined && host === config.serverId) {
    const inside = relative(folder, normal)
    if (inside !== '..' && !inside.startsWith('../')) meant.unshift(inside)
  }
  // As it is, and as find prints it.
  return new Set(
    meant.flatMap((path) => [Buffer.from(path).toString('latin1'), pathOfPrinted(path)]),
  )
}

function toldVersions(timeline: Timeline, versions: readonly FileVersion[]): ToldVersion[] {
  const { archives } = timeline
  const stretches = timeline.stretches(versions)
  const shown: ToldVersion[] = []
  for (const [place, stretch] of stretches.entries()) {
    const before = stretches[place - 1]
    const isNext = before?.last === stretch.first - 1
    const next = archives[stretch.last + 1]
    const isFollowed = stretches[place + 1]?.first === stretch.last + 1
    shown.push({
      ...toldState(stretch.state),
      event: before === undefined ? 'appeared' : isNext ? 'changed' : 'returned',
      changes: before === undefined ? [] : changesOf(before.state, stretch.state),
      since: archives[stretch.first]!.startedAt.toISOString(),
      until: next?.startedAt.toISOString() ?? null,
      // What a deleted archive had may have been dropped: that says nothing.
      isGoneThen: next !== undefined && !isFollowed && !next.isGone,
      archives: archives
        .slice(stretch.first, stretch.last + 1)
        .filter(({ isRestorable }) => isRestorable)
        .map(told),
    })
  }
  return shown
}

export function changesOf(before: FileState, after: FileState): readonly FileChange[] {
  if (isSameState(before, after)) return []
  const hasTime =
    before.mtimeSeconds !== after.mtimeSeconds || before.mtimeNanos !== after.mtimeNanos
  const found: readonly (readonly [FileChange, boolean])[] = [
    ['kind', before.kind !== after.kind],
    ['size', before.sizeBytes !== after.sizeBytes],
    ['time', hasTime],
    ['mode', before.mode !== after.mode],
  ]
  return found.filter(([, isSo]) => isSo).map(([change]) => change)
}

function notFound({ path, source }: HistoryInput, unknown: number): SpillwayError {
  const where = source === undefined ? '' : ` of source "${source}"`
  const but = unknown === 0 ? '' : ` (the files of ${unknown} archives are not known yet)`
  return new SpillwayError('ARCHIVE_MISSING', `no archive${where} holds "${path}"${but}`, {
    facts: { path },
    hint: 'paths are relative to the folder of the source; spillway find looks for a part of a name, and --all into deleted archives',
  })
}
