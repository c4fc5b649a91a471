// One exit code out of many failures: the first in an order of how much the operator must know it.

import { assert } from '../lib/assert.ts'

/** Done, and somebody should look at something. */
export const EXIT_WITH_WARNINGS = 3

/** As every `--help` lists them. */
export const EXIT_MEANINGS: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done'],
  ['1', 'a bug of Spillway'],
  ['2', 'wrong usage'],
  ['3', 'done, with warnings'],
  ['4', 'the configuration is wrong, or has no servers'],
  ['10-19', 'a source could not be read'],
  ['20-29', 'servers (23: none took an archive; it waits in the spool)'],
  ['30-39', 'an archive, or the spool'],
  ['40-49', 'the catalog'],
  ['74', 'what is printed could not be written'],
  ['75', 'another run is going on'],
  ['130', 'interrupted'],
]

// 2, 4 and 75 mean that nothing was begun, so they come alone; should one ever meet others, it is told
// before them, because the others cannot be trusted to be all.
const ORDER: readonly ((exit: number) => boolean)[] = [
  (exit) => exit === 130,
  (exit) => exit === 1,
  (exit) => exit === 2 || exit === 4 || exit === 75,
  (exit) => exit >= 40 && exit <= 49,
  (exit) => exit === 23,
  (exit) => exit >= 20 && exit <= 29,
  (exit) => exit >= 30 && exit <= 39,
  (exit) => exit >= 10 && exit <= 19,
  // All else is done then.
  (exit) => exit === 74,
  (exit) => exit === EXIT_WITH_WARNINGS,
  (exit) => exit === 0,
]

/** The code that the shell sees; 0 for an empty list. Within one group, the smallest. */
export function exitOf(exits: readonly number[]): number {
  for (const exit of exits)
    assert(
      ORDER.some((matches) => matches(exit)),
      `${exit} is no exit code of ours`,
    )
  for (const matches of ORDER) {
    const found = exits.filter(matches)
    if (found.length > 0) return Math.min(...found)
  }
  return 0
}
