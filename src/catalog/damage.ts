// What is said about a damaged catalog: always what was found, and what to do about it.

import { SpillwayError } from '../domain/errors.ts'

/** Damage that we find ourselves: sums that are wrong, values that cannot be. */
export function corrupt(path: string, finding: string, cause?: unknown): SpillwayError {
  return new SpillwayError('CATALOG_CORRUPT', `the catalog ${path} is damaged: ${finding}`, {
    cause,
    facts: { path },
    hint: repairHint(path),
  })
}

export function repairHint(path: string): string {
  return (
    `move ${path} aside, with ${path}-wal and ${path}-shm where they are there; then put back a copy of the file ` +
    'from before, or have the copies that lie on the servers brought back: spillway reconcile --rebuild. ' +
    'Archives on the servers are not touched'
  )
}
