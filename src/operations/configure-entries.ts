// Entries of an env file as a whole: S3_SERVER_N_* and SOURCE_N_* added, removed, renumbered.

import type { EnvEdit } from '../config/env-file.ts'
import { entryName, entryNumbers, entryPrefix } from '../config/names.ts'
import type { EntryKind } from '../config/names.ts'
import type { EnvRecord } from '../config/read-settings.ts'

export function nextNumber(values: EnvRecord, kind: EntryKind): number {
  return Math.max(0, ...entryNumbers(values, kind)) + 1
}

/** All variables of one entry, also empty and unknown ones. */
export function entryVariables(values: EnvRecord, kind: EntryKind, number: number): string[] {
  return Object.keys(values).filter((name) => {
    const entry = entryName(name)
    return entry?.kind === kind && entry.number === number
  })
}

export function removeEntry(values: EnvRecord, kind: EntryKind, number: number): EnvEdit {
  return { remove: entryVariables(values, kind, number) }
}

/**
 * Puts the entries into the given order: the numbers stay the same ones, and are dealt out anew.
 * The lines stay where they are, so that comments stay beside what they explain.
 */
export function reorderEntries(
  values: EnvRecord,
  kind: EntryKind,
  order: readonly number[],
): EnvEdit {
  const numbers = order.toSorted((a, b) => a - b)
  const rename = new Map<string, string>()
  for (const [at, number] of order.entries()) {
    const becomes = numbers[at]
    if (becomes === undefined || becomes === number) continue
    for (const variable of entryVariables(values, kind, number)) {
      const setting = entryName(variable)?.setting ?? ''
      rename.set(variable, entryPrefix(kind, becomes) + setting)
    }
  }
  return { rename }
}
