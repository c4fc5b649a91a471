// Files and archives as `find`, `history` and `diff` print them.

import { oneLine } from './text.ts'
import { formatCount, plural } from './output.ts'
import { printablePath } from '../lib/printable-path.ts'
import { SpillwayError } from '../domain/errors.ts'
import { noCatalog } from './no-catalog.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Io } from './command.ts'
import type { Services } from '../operations/services.ts'
import type { UnknownFiles } from '../operations/file-answers.ts'

/** Only what these commands need: no server is ever asked. */
export type FileServices = Pick<Services, 'config' | 'catalogIfPresent'>

/** More rows than anybody reads, and little memory for millions of files; --limit raises it. */
export const LIMIT_DEFAULT = 10_000

// Their rows are held until the last is found and then drawn: 70 MB for so many, gigabytes for all
// files of a large source.
const LIMIT_MAX = 100_000

export function limitOf(command: string, given: number | undefined): number {
  if (given === undefined) return LIMIT_DEFAULT
  if (given <= LIMIT_MAX) return given
  const what = `${command}: --limit may be at most ${formatCount(LIMIT_MAX)}, got ${given}`
  throw new SpillwayError('USAGE', what, {
    hint: 'ask for less at a time: a narrower pattern, one --source, or two archives nearer to each other',
  })
}

export async function openCatalogFor(
  io: Io<FileServices>,
): Promise<{ readonly config: Services['config']; readonly catalog: Catalog }> {
  const { config, catalogIfPresent } = await io.services()
  const catalog = await catalogIfPresent()
  if (catalog !== undefined) return { config, catalog }
  throw noCatalog(config)
}

/** On one line, whatever bytes it has; folders end with a slash. */
export function pathText(file: {
  readonly path: string
  readonly pathBytes?: string
  readonly kind?: string
}): string {
  const { path, pathBytes, kind } = file
  const bytes = pathBytes === undefined ? Buffer.from(path) : Buffer.from(pathBytes, 'base64')
  return `${printablePath(bytes.toString('latin1'))}${kind === 'directory' ? '/' : ''}`
}

/** `2026-03-01 02:30:05`, of a time with nanoseconds. */
export function timeText(time: string): string {
  return time.startsWith('@') ? time : time.replace(/\.\d+Z$|Z$/, '').replace('T', ' ')
}

/** An answer must not look complete when it is not. */
export function tellUnknown(
  io: Pick<Io<unknown>, 'printError'>,
  unknown: readonly UnknownFiles[],
): void {
  const unread = unknown.filter(({ reason }) => reason === null)
  if (unread.length > 0) {
    const first = unread[0]!.file
    const which = unread.length === 1 ? first : `${first} and ${unread.length - 1} more`
    io.printError(
      `not searched: ${plural(unread.length, 'archive')} whose files are not known yet (${which}); the next run reads them`,
    )
  }
  for (const { file, reason } of unknown)
    if (reason !== null) io.printError(`not searched: ${file}: ${oneLine(reason)}`)
}
