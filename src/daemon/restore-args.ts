// Where the API may restore to: below a root, also where the path has links. That is looked at when the job is
// asked for. Whoever may write below a root could put a link there until it begins, so roots are to be folders
// that nobody else may write to (README).

import { isAbsolute, normalize } from 'node:path'
import { isBelow, realPlace } from '../lib/real-place.ts'
import { SpillwayError } from '../domain/errors.ts'

export type RestoreRequest = {
  readonly archive: string
  readonly to: string
  readonly paths?: readonly string[] | undefined
  readonly overwrite?: string | undefined
}

/** The arguments of `spillway restore`. Rejects with USAGE when it may not go there. */
export async function restoreArgs(
  roots: readonly string[],
  { archive, to, paths, overwrite }: RestoreRequest,
): Promise<readonly string[]> {
  const place = await requireBelow(roots, to)
  return [
    ...['restore', '--json', `--to=${place}`],
    ...(overwrite === undefined ? [] : [`--overwrite=${overwrite}`]),
    ...['--', archive, ...(paths ?? [])],
  ]
}

async function requireBelow(roots: readonly string[], to: string): Promise<string> {
  if (roots.length === 0)
    throw new SpillwayError('USAGE', 'no folder is set into which the API may restore', {
      hint: 'set RESTORE_ROOTS, or restore from the command line',
    })
  // eslint-disable-next-line no-control-regex -- they are what is refused
  if (!isAbsolute(to) || normalize(to) !== to.replace(/\/+$/, '') || /[\x00-\x1f]/.test(to))
    throw new SpillwayError(
      'USAGE',
      'the folder must be an absolute path without "..", "." or "//"',
    )
  const place = await realPlace(to)
  for (const root of roots) if (isBelow(place, await realPlace(root))) return place
  throw new SpillwayError('USAGE', `${to} is not below one of RESTORE_ROOTS`, {
    hint: `they are: ${roots.join(', ')}`,
  })
}
