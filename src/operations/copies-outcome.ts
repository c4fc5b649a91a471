// What `copies` and `evacuate` keep while they work, and tell alike: what became of each archive, what is
// wrong besides, and the exit code that follows.

import { exitOf } from '../domain/exit-code.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { runOutcome } from '../domain/run-report.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { RunOutcome } from '../domain/run-report.ts'

export type HandledArchive<Action extends string> = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly sizeBytes: number
  readonly action: Action
  /** Servers that got a copy, or would get one. */
  readonly to: readonly number[]
  /** Why it is left as it is. */
  readonly code: string | null
  readonly message: string | null
}

export type CopiesOutcome = {
  readonly outcome: RunOutcome
  readonly exit: number
  /** What is wrong besides: damaged copies elsewhere, what an earlier process left. */
  readonly warnings: readonly string[]
  readonly hints: readonly string[]
  readonly seconds: number
}

export class HandledArchives<Action extends string> {
  readonly archives: HandledArchive<Action>[] = []
  readonly #begun = performance.now()
  readonly #warnings: string[] = []
  readonly #hints = new Set<string>()
  readonly #exits: number[] = []

  constructor(problems: readonly SpillwayError[]) {
    for (const problem of problems) this.problem(problem)
  }

  add(
    archive: ArchiveWithCopies,
    action: Action,
    to: readonly number[],
    error: SpillwayError | undefined,
  ): HandledArchive<Action> {
    if (error !== undefined) this.#exits.push(error.failure.exit)
    if (error?.hint !== undefined) this.#hints.add(error.hint)
    return this.push(archive, action, {
      to,
      code: error?.code ?? null,
      message: error?.message ?? null,
    })
  }

  /** Without a word about the exit code. */
  push(
    { id, source, file, sizeBytes = 0 }: ArchiveWithCopies,
    action: Action,
    how: Pick<HandledArchive<Action>, 'to' | 'code' | 'message'>,
  ): HandledArchive<Action> {
    const entry = { id, source, file, sizeBytes, action, ...how }
    this.archives.push(entry)
    return entry
  }

  /** Exit code 3, with what can be done about it. */
  warn(hint: string | undefined): void {
    if (hint !== undefined) this.#hints.add(hint)
    this.#exits.push(3)
  }

  /** Damage is a failure, wherever it is found; the rest are warnings. */
  problem(error: SpillwayError): void {
    // One that concerns two servers would be told with each archive.
    if (!this.#warnings.includes(error.message)) this.#warnings.push(error.message)
    const isLoss = isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED', 'ARCHIVE_LOST')
    this.#exits.push(isLoss ? error.failure.exit : 3)
  }

  /** It cannot go on: what was not reached stays as it is. */
  ended(error: unknown, remaining: readonly ArchiveWithCopies[], action: Action): void {
    this.#exits.push(failureOf(error).exit)
    const code = error instanceof SpillwayError ? error.code : 'BUG'
    // A bug is told with its stack: without it nobody could mend it.
    const isBug = code === 'BUG' && error instanceof Error
    this.#warnings.push(isBug ? (error.stack ?? error.message) : messageOf(error))
    for (const archive of remaining)
      this.push(archive, action, { to: [], code, message: 'it ended before its turn' })
  }

  sum(action: Action): { readonly count: number; readonly bytes: number } {
    const found = this.archives.filter((archive) => archive.action === action)
    return { count: found.length, bytes: found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }
  }

  outcome(): CopiesOutcome {
    const exit = exitOf(this.#exits)
    return {
      outcome: runOutcome(exit),
      exit,
      warnings: this.#warnings,
      hints: [...this.#hints],
      seconds: (performance.now() - this.#begun) / 1_000,
    }
  }
}
