// SOURCE_N_BEFORE, _AFTER and _ON_ERROR -> SourceHooks, for every kind of source.

import type { Hook, ProgramSurroundings, SourceHooks } from '../domain/source.ts'
import type { CommandLine } from './command-line.ts'
import type { SOURCE_SETTINGS, Values } from './settings.ts'

/** undefined: it has none. */
export function readHooks(
  { BEFORE, AFTER, ON_ERROR, HOOK_MINUTES }: Values<typeof SOURCE_SETTINGS>,
  surroundings: ProgramSurroundings,
): SourceHooks | undefined {
  if (BEFORE === undefined && AFTER === undefined && ON_ERROR === undefined) return undefined
  const program = (line: CommandLine | undefined): Hook | undefined =>
    line === undefined ? undefined : { ...line, ...surroundings }
  return {
    before: program(BEFORE),
    after: program(AFTER),
    onError: program(ON_ERROR),
    timeoutMs: HOOK_MINUTES * 60_000,
  }
}
