// What a mutant is: one dangerous line of the product, changed so that something is lost, told wrongly, or let in. The
// lists beside this file hold them; `npm run mutants` tries them one at a time on a copy of the tree, and each must be
// found by the tests that it names. Nothing in the product can switch them on.

import type { Killer } from './killer.ts'

export type Mutant = {
  readonly name: string
  /** What a user would lose if this line were wrong. */
  readonly loses: string
  /** More than one where two places guard the same thing: then `loses` says which. */
  readonly edits: readonly Edit[]
  /** Every one of them fails. */
  readonly killedBy: readonly Killer[]
}

export type Edit = {
  /** Below src/. */
  readonly file: string
  /** Stands there exactly once. */
  readonly find: string
  readonly replace: string
}

/** `text` with the edit in it; undefined: what is to be changed does not stand there exactly once. */
export function mutate(text: string, { find, replace }: Edit): string | undefined {
  const at = text.indexOf(find)
  if (at === -1 || text.includes(find, at + 1)) return undefined
  return text.slice(0, at) + replace + text.slice(at + find.length)
}
