// What was copied, archive by archive, in the shape of `copies --json`.

import { exitOf } from '../domain/exit-code.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { runOutcome } from '../domain/run-report.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { RunOutcome } from '../domain/run-report.ts'

export type CopiedArchive = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly sizeBytes: number
  /** `later`: the budget is spent. `leave`: it has too few copies still. */
  readonly action: 'copy' | 'leave' | 'later'
  /** Servers that got a copy, or would get one. */
  readonly to: readonly number[]
  /** Why it has too few. */
  readonly code: string | null
  readonly message: string | null
}

export type CopiesReport = {
  readonly outcome: RunOutcome
  readonly exit: number
  readonly dryRun: boolean
  /** Those that lacked copies. */
  readonly archives: readonly CopiedArchive[]
  readonly copied: number
  readonly left: number
  readonly later: number
  readonly copiedBytes: number
  readonly leftBytes: number
  readonly laterBytes: number
  readonly warnings: readonly string[]
  readonly hints: readonly string[]
  readonly seconds: number
}

export class CopiesRecord {
  readonly #begun = performance.now()
  readonly #archives: CopiedArchive[] = []
  readonly #warnings: string[] = []
  readonly #hints = new Set<string>()
  readonly #exits: number[] = []

  constructor(problems: readonly SpillwayError[]) {
    for (const problem of problems) this.problem(problem)
  }

  add(
    archive: ArchiveWithCopies,
    to: readonly number[],
    error: SpillwayError | undefined,
  ): CopiedArchive {
    if (error !== undefined) this.#exits.push(error.failure.exit)
    if (error?.hint !== undefined) this.#hints.add(error.hint)
    const [code, message] = [error?.code ?? null, error?.message ?? null]
    return this.#push(archive, error === undefined ? 'copy' : 'leave', { to, code, message })
  }

  later(archive: ArchiveWithCopies): void {
    const message = 'it is larger than what is left of the budget'
    this.#push(archive, 'later', { to: [], code: null, message })
  }

  /** Damage is a failure, wherever it is found; the rest are warnings. */
  problem(error: SpillwayError): void {
    this.#warnings.push(error.message)
    const isLoss = isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED', 'ARCHIVE_LOST')
    this.#exits.push(isLoss ? error.failure.exit : 3)
  }

  /** It cannot go on: what was not reached stays as it is. */
  ended(error: unknown, remaining: readonly ArchiveWithCopies[]): void {
    this.#exits.push(failureOf(error).exit)
    const code = error instanceof SpillwayError ? error.code : 'BUG'
    // A bug is told with its stack: without it nobody could mend it.
    const isBug = code === 'BUG' && error instanceof Error
    this.#warnings.push(isBug ? (error.stack ?? error.message) : messageOf(error))
    for (const archive of remaining)
      this.#push(archive, 'leave', { to: [], code, message: 'it ended before its turn' })
  }

  report(dryRun = false): CopiesReport {
    const exit = exitOf(this.#exits)
    const of = (action: CopiedArchive['action']) => {
      const found = this.#archives.filter((archive) => archive.action === action)
      return { count: found.length, bytes: found.reduce((sum, each) => sum + each.sizeBytes, 0) }
    }
    const [copied, left, later] = [of('copy'), of('leave'), of('later')]
    return {
      outcome: runOutcome(exit),
      exit,
      dryRun,
      archives: this.#archives,
      copied: copied.count,
      left: left.count,
      later: later.count,
      copiedBytes: copied.bytes,
      leftBytes: left.bytes,
      laterBytes: later.bytes,
      warnings: this.#warnings,
      hints: [...this.#hints],
      seconds: (performance.now() - this.#begun) / 1_000,
    }
  }

  #push(
    { id, source, file, sizeBytes = 0 }: ArchiveWithCopies,
    action: CopiedArchive['action'],
    how: Pick<CopiedArchive, 'to' | 'code' | 'message'>,
  ): CopiedArchive {
    const entry = { id, source, file, sizeBytes, action, ...how }
    this.#archives.push(entry)
    return entry
  }
}
