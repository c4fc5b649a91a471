// What `find`, `history` and `diff` share: files and archives as they are told to people and programs,
// which histories are meant, and the archives that cannot be spoken of.

import { checkSource } from './list.ts'
import { printableTime } from '../domain/file-history-time.ts'
import { Timeline } from './history-timeline.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { FileKind, FileState } from '../domain/file-history.ts'

export type AnswerServices = { readonly catalog: Catalog; readonly config: Config }

export type ToldArchive = {
  readonly id: ArchiveId
  readonly file: string
  readonly createdAt: string
}

export type ToldState = {
  readonly kind: FileKind
  readonly sizeBytes: number
  /** ISO 8601 with nanoseconds. */
  readonly modifiedAt: string
  /** As in chmod: "0644". */
  readonly mode: string
}

/** An archive that can be restored and whose files are not known. */
export type UnknownFiles = ToldArchive & {
  readonly host: string
  readonly source: string
  /** null: a later run reads its index. */
  readonly reason: string | null
}

export function told(archive: {
  readonly id: ArchiveId
  readonly file: string
  readonly startedAt: Date
}): ToldArchive {
  return { id: archive.id, file: archive.file, createdAt: archive.startedAt.toISOString() }
}

export function toldState(state: FileState): ToldState {
  return {
    kind: state.kind,
    sizeBytes: state.sizeBytes,
    modifiedAt: printableTime(state),
    mode: `0${state.mode.toString(8).padStart(3, '0')}`,
  }
}

/** A path as text, and its bytes where it is none: a name may hold anything but a slash and a NUL. */
export function toldPath(path: string): { readonly path: string; readonly pathBytes?: string } {
  const bytes = Buffer.from(path, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes)
    ? { path: text }
    : { path: text, pathBytes: bytes.toString('base64') }
}

export async function timelines(
  { catalog, config }: AnswerServices,
  {
    source,
    includesDeleted,
  }: { readonly source: string | undefined; readonly includesDeleted: boolean },
): Promise<readonly Timeline[]> {
  const histories = await catalog.histories({ source, includesLetGo: includesDeleted })
  const recorded = histories.filter(({ archives, hasLetGo }) => archives.length > 0 || hasLetGo)
  const isKnown =
    recorded.length > 0 ||
    source === undefined ||
    (await catalog.archives({ source, limit: 1 })).length > 0
  checkSource(config, source, isKnown)
  return recorded.map((history) => new Timeline(history, includesDeleted))
}

export async function unknownFiles(
  { catalog }: AnswerServices,
  source: string | undefined,
): Promise<readonly UnknownFiles[]> {
  const unknown = await catalog.archivesWithoutHistory()
  return unknown
    .filter((archive) => source === undefined || archive.source === source)
    .map((archive) => ({
      ...told(archive),
      host: archive.host,
      source: archive.source,
      reason: archive.unreadableBecause ?? null,
    }))
}
