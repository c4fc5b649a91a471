// Which sources a command is about: those that were named, or all.

import type { Config } from '../domain/config.ts'

/** Names, in the order of the configuration; of names that nobody has, as they were given. */
export function chosenNames(
  { sources }: Pick<Config, 'sources'>,
  named: readonly string[],
): readonly string[] {
  const known = sources.map(({ name }) => name)
  if (named.length === 0) return known
  const unknown = named.filter((name) => !known.includes(name))
  return [...known.filter((name) => named.includes(name)), ...unknown]
}
