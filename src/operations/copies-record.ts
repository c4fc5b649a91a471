// What was copied, archive by archive, in the shape of `copies --json`.

import { HandledArchives } from './copies-outcome.ts'
import { noSoundCopy, noUsableCopy } from './copies-recopy.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveToCopy } from './copies-plan.ts'
import type { CopiesOutcome, HandledArchive } from './copies-outcome.ts'
import { formatBytes } from '../domain/sizes.ts'
import type { Server } from '../domain/server.ts'
import type { SpillwayError } from '../domain/errors.ts'

/**
 * `mend`: damaged copies are replaced; `to` has the servers that got a new one, if any was needed. `later`: the
 * budget is spent. `leave`: it has too few copies still, or a damaged one.
 */
type Action = 'copy' | 'mend' | 'leave' | 'later'

export type CopiedArchive = HandledArchive<Action> & {
  /** Servers with a copy that is known to be damaged, as it was before. */
  readonly damagedOn: readonly number[]
}

export type CopiesReport = CopiesOutcome & {
  readonly dryRun: boolean
  /** Those that lacked copies, or have damaged ones. */
  readonly archives: readonly CopiedArchive[]
  readonly copied: number
  readonly mended: number
  readonly left: number
  readonly later: number
  readonly copiedBytes: number
  readonly mendedBytes: number
  readonly leftBytes: number
  readonly laterBytes: number
}

export class CopiesRecord {
  readonly #handled: HandledArchives<Action>
  readonly #servers: readonly Server[]
  readonly #damagedOn = new Map<ArchiveId, CopiedArchive['damagedOn']>()

  constructor(servers: readonly Server[], problems: readonly SpillwayError[]) {
    this.#servers = servers
    this.#handled = new HandledArchives(problems)
  }

  add(work: ArchiveToCopy, to: readonly number[], error: SpillwayError | undefined): CopiedArchive {
    const done = work.damaged.length > 0 ? 'mend' : 'copy'
    const action = error === undefined ? done : 'leave'
    return this.#told(work, this.#handled.add(work.archive, action, to, error))
  }

  later(work: ArchiveToCopy): void {
    const message = 'it is larger than what is left of the budget'
    this.#told(work, this.#handled.push(work.archive, 'later', { to: [], code: null, message }))
  }

  /** The same budget every night would pass them by for ever. */
  neverWithin(budgetBytes: number, archives: number, largestBytes: number): void {
    const what = archives === 1 ? '1 archive is' : `${archives} archives are`
    this.#handled.warn(
      `${what} larger than the whole budget of ${formatBytes(budgetBytes)} and would wait for ever; ` +
        `the largest needs ${formatBytes(largestBytes)}`,
    )
  }

  /** A warning, and no failure: it would be one for ever, and the loss was told when it was found. */
  hopeless(work: ArchiveToCopy): CopiedArchive {
    const isDamaged = work.damaged.length > 0
    const error = isDamaged ? noSoundCopy(work.archive) : noUsableCopy(work.archive, work.unusable)
    const { code, hint, message } = error
    this.#handled.warn(hint)
    const how = { to: [], code, message }
    return this.#told(work, this.#handled.push(work.archive, 'leave', how))
  }

  problem(error: SpillwayError): void {
    this.#handled.problem(error)
  }

  ended(error: unknown, remaining: readonly ArchiveToCopy[]): void {
    for (const work of remaining) this.#damagedOn.set(work.archive.id, this.#numbersOf(work))
    const archives = remaining.map(({ archive }) => archive)
    this.#handled.ended(error, archives, 'leave')
  }

  report(dryRun = false): CopiesReport {
    const { outcome, exit, ...rest } = this.#handled.outcome()
    const [copied, mended] = [this.#handled.sum('copy'), this.#handled.sum('mend')]
    const [left, later] = [this.#handled.sum('leave'), this.#handled.sum('later')]
    return {
      outcome,
      exit,
      dryRun,
      archives: this.#handled.archives.map((each) => this.#withDamage(each)),
      copied: copied.count,
      mended: mended.count,
      left: left.count,
      later: later.count,
      copiedBytes: copied.bytes,
      mendedBytes: mended.bytes,
      leftBytes: left.bytes,
      laterBytes: later.bytes,
      ...rest,
    }
  }

  #told(work: ArchiveToCopy, entry: HandledArchive<Action>): CopiedArchive {
    this.#damagedOn.set(work.archive.id, this.#numbersOf(work))
    return this.#withDamage(entry)
  }

  #withDamage(entry: HandledArchive<Action>): CopiedArchive {
    return { ...entry, damagedOn: this.#damagedOn.get(entry.id) ?? [] }
  }

  #numbersOf({ damaged }: ArchiveToCopy): CopiedArchive['damagedOn'] {
    return this.#servers
      .filter((server) => damaged.some(({ identity }) => identity === server.identity))
      .map(({ number }) => number)
  }
}
