// What was copied, archive by archive, in the shape of `copies --json`.

import { HandledArchives } from './copies-outcome.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { CopiesOutcome, HandledArchive } from './copies-outcome.ts'
import type { SpillwayError } from '../domain/errors.ts'

/** `later`: the budget is spent. `leave`: it has too few copies still. */
export type CopiedArchive = HandledArchive<'copy' | 'leave' | 'later'>

export type CopiesReport = CopiesOutcome & {
  readonly dryRun: boolean
  /** Those that lacked copies. */
  readonly archives: readonly CopiedArchive[]
  readonly copied: number
  readonly left: number
  readonly later: number
  readonly copiedBytes: number
  readonly leftBytes: number
  readonly laterBytes: number
}

export class CopiesRecord {
  readonly #handled: HandledArchives<CopiedArchive['action']>

  constructor(problems: readonly SpillwayError[]) {
    this.#handled = new HandledArchives(problems)
  }

  add(
    archive: ArchiveWithCopies,
    to: readonly number[],
    error: SpillwayError | undefined,
  ): CopiedArchive {
    return this.#handled.add(archive, error === undefined ? 'copy' : 'leave', to, error)
  }

  later(archive: ArchiveWithCopies): void {
    const message = 'it is larger than what is left of the budget'
    this.#handled.push(archive, 'later', { to: [], code: null, message })
  }

  problem(error: SpillwayError): void {
    this.#handled.problem(error)
  }

  ended(error: unknown, remaining: readonly ArchiveWithCopies[]): void {
    this.#handled.ended(error, remaining, 'leave')
  }

  report(dryRun = false): CopiesReport {
    const { outcome, exit, ...rest } = this.#handled.outcome()
    const [copied, left] = [this.#handled.sum('copy'), this.#handled.sum('leave')]
    const later = this.#handled.sum('later')
    return {
      outcome,
      exit,
      dryRun,
      archives: this.#handled.archives,
      copied: copied.count,
      left: left.count,
      later: later.count,
      copiedBytes: copied.bytes,
      leftBytes: left.bytes,
      laterBytes: later.bytes,
      ...rest,
    }
  }
}
