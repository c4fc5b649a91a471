// Remembers, over the tries of one request, that an answer may have been lost: then the server may have
// done what it refused when it was asked again, and the failure says so to whoever cleans up.

import { isFailure, reworded, SpillwayError } from '../domain/errors.ts'

export class LostAnswer {
  #mayBeDone = false

  /** Each try that failed. */
  readonly note = (failure: unknown): void => {
    // Busy, too: a gateway in front gives up on a server that goes on.
    this.#mayBeDone ||= isFailure(
      failure,
      ...(['SERVER_CLOSED', 'SERVER_SILENT', 'SERVER_BUSY', 'SERVER_DAMAGED_DATA'] as const),
    )
  }

  /** Throws the last failure on, with the fact `mayBeDone` where it is not the whole truth. */
  readonly rethrow = (error: unknown): never => {
    throw this.#mayBeDone ? asMaybeDone(error) : error
  }
}

/** The same failure, with the fact `mayBeDone`. */
export function asMaybeDone(error: unknown): unknown {
  return error instanceof SpillwayError
    ? reworded(error, error.message, { mayBeDone: true })
    : error
}
