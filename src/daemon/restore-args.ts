// Where the API may restore to: into the server of a source, or below a root, also where the path has links.
// That is looked at when the job is asked for. Whoever may write below a root could put a link there until it
// begins, so roots are to be folders that nobody else may write to (README).

import { mkdir } from 'node:fs/promises'
import { isAbsolute, normalize } from 'node:path'
import { isBelow, realPlace } from '../lib/real-place.ts'
import { isServerSource } from '../domain/source.ts'
import { problem } from './problem.ts'
import { SOURCE_TARGET } from '../config/database-target.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { ArchiveRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Problem } from './problem.ts'
import type { Source } from '../domain/source.ts'

export type RestoreRequest = {
  readonly archive: string
  readonly to: string
  readonly paths?: readonly string[] | undefined
  readonly overwrite?: string | undefined
}

/** The arguments of `spillway restore`. Rejects with USAGE when it may not go there. */
export async function restoreArgs(
  { defaultRestoreRoot, restoreRoots }: Config['daemon'],
  { archive, to, paths, overwrite }: RestoreRequest,
): Promise<readonly string[]> {
  const { place, root } = await requireBelow(restoreRoots, to)
  // Nobody else makes it. One that was named must be there: it may be a disk that is not mounted.
  if (root === defaultRestoreRoot) await mkdir(root, { mode: 0o700, recursive: true })
  return [
    ...['restore', '--json', `--to=${place}`],
    ...(overwrite === undefined ? [] : [`--overwrite=${overwrite}`]),
    ...['--', archive, ...(paths ?? [])],
  ]
}

export type IntoRequest = {
  readonly archive: string
  readonly into: {
    readonly source: string
    readonly database?: string | undefined
    readonly replaceExisting?: boolean | undefined
  }
}

/**
 * The arguments of `spillway restore --into`: only the server of a source that is configured can be meant, so no
 * address and no password comes over HTTP. A problem where the command cannot do it: with what does.
 */
export function intoArgs(
  sources: readonly Source[],
  { id, file, sourceKind }: Pick<ArchiveRow, 'id' | 'file' | 'sourceKind'>,
  { source: name, database, replaceExisting }: IntoRequest['into'],
): readonly string[] | Problem {
  const source = sources.find((each) => each.name === name)
  const byHand = BY_HAND[sourceKind]
  if (byHand !== undefined)
    return cannot(`${file} is of ${sourceKind}, and the API restores it into no server`, {
      hint: byHand(id),
    })
  if (source === undefined)
    return cannot(`there is no source "${name}"`, { hint: namesOf(sources, sourceKind) })
  if (!isServerSource(source) || source.kind !== sourceKind)
    return cannot(`${file} is of ${sourceKind}, and cannot go into ${source.kind}`, {
      hint: namesOf(sources, sourceKind),
    })
  return [
    ...['restore', '--json', '--yes', `--into=${SOURCE_TARGET}${source.name}`],
    ...(replaceExisting === true ? ['--overwrite=always'] : []),
    ...['--', id, ...(database === undefined ? [] : [database])],
  ]
}

/** By the kind of the archive's source: what gives it back instead. */
const BY_HAND: Readonly<Record<string, ((id: string) => string) | undefined>> = {
  folder: (id) => `spillway restore ${id} --to=DIR`,
  command: (id) => `spillway restore ${id} --to=DIR`,
  sqlite: (id) => `spillway restore ${id} --to=DIR, and move the files to their place`,
  redis: (id) => `spillway restore ${id} --to=DIR, and have the stopped server load the file`,
  mongodb: (id) =>
    `spillway cat ${id} databases/NAME.archive | mongorestore --archive --config=FILE`,
}

function namesOf(sources: readonly Source[], kind: string): string {
  const names = sources.filter((source) => source.kind === kind).map(({ name }) => name)
  return `sources of ${kind}: ${names.join(', ') || 'none'}`
}

function cannot(detail: string, more: { readonly hint: string }): Problem {
  return { ...problem(422, detail, 'USAGE'), ...more }
}

async function requireBelow(
  roots: readonly string[],
  to: string,
): Promise<{ readonly place: string; readonly root: string }> {
  if (roots.length === 0)
    throw new SpillwayError('USAGE', 'no folder is set into which the API may restore', {
      hint: 'RESTORE_ROOTS=none says so; restore from the command line, or change that',
    })
  // eslint-disable-next-line no-control-regex -- they are what is refused
  if (!isAbsolute(to) || normalize(to) !== to.replace(/\/+$/, '') || /[\x00-\x1f]/.test(to))
    throw new SpillwayError(
      'USAGE',
      'the folder must be an absolute path without "..", "." or "//"',
    )
  const place = await realPlace(to)
  for (const root of roots) if (isBelow(place, await realPlace(root))) return { place, root }
  throw new SpillwayError('USAGE', `${to} is not below one of RESTORE_ROOTS`, {
    hint: `they are: ${roots.join(', ')}`,
  })
}
