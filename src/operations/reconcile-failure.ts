// Which failures are told about one server or one object, and which end the whole command.

import { failureOf, SpillwayError } from '../domain/errors.ts'

/** Throws it on when it is our bug, the catalog's failure, or an interrupt. */
export function asServerFailure(error: unknown): SpillwayError {
  const { exit } = failureOf(error)
  const isFatal = exit === 1 || exit === 130 || (exit >= 40 && exit < 50)
  if (isFatal || !(error instanceof SpillwayError)) throw error
  return error
}
