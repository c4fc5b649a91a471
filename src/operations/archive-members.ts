// The members of one archive as the catalog knows them: no server is asked.

import { SpillwayError } from '../domain/errors.ts'
import { Timeline } from './history-timeline.ts'
import { versionsByPath } from './history-cursor.ts'
import type { ArchiveRow, Catalog } from '../catalog/catalog.ts'
import type { FileVersion } from '../domain/file-history.ts'
import type { ReadOptions } from './history-cursor.ts'

/** An archive among the nights of its source. */
export type ArchivePlace = { readonly timeline: Timeline; readonly serial: number }

/** Rejects with ARCHIVE_MISSING when it is deleted, and with HISTORY_MISSING when nobody knows. */
export async function placeOf(catalog: Catalog, archive: ArchiveRow): Promise<ArchivePlace> {
  const { host, source } = archive
  const [history] = await catalog.histories({ host, source })
  const isIt = ({ id }: { readonly id: string }): boolean => id === archive.id
  const recorded = history?.archives.find(isIt)
  // Those that were let go are many, and nobody asks for one but by mistake.
  const letGo =
    recorded === undefined && history?.hasLetGo === true
      ? (await catalog.histories({ host, source, includesLetGo: true }))[0]?.archives.find(isIt)
      : undefined
  if ((recorded ?? letGo)?.isGone === true)
    throw new SpillwayError('ARCHIVE_MISSING', `${archive.file} is deleted, and so is what it held`)
  if (history !== undefined && recorded !== undefined)
    return { timeline: new Timeline(history), serial: recorded.serial }
  throw new SpillwayError(
    'HISTORY_MISSING',
    `the files of ${archive.file} are not known: its index was not read yet, or cannot be`,
    { facts: { archive: archive.id } },
  )
}

/** In the order of their paths. */
export async function* membersOf(
  catalog: Catalog,
  { timeline, serial }: ArchivePlace,
  options: ReadOptions = {},
): AsyncGenerator<FileVersion, undefined> {
  for await (const { versions } of versionsByPath(catalog, timeline.history.id, options)) {
    const held = timeline.heldBy(serial, versions)
    if (held !== undefined) yield held
  }
  return undefined
}
