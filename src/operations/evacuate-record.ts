// What an evacuation did, archive by archive, in the shape of `evacuate --json`.

import { bucketOf } from '../domain/server.ts'
import { exitOf } from '../domain/exit-code.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { runOutcome } from '../domain/run-report.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies, ServerRow } from '../catalog/catalog.ts'
import type { RunOutcome } from '../domain/run-report.ts'
import type { Server } from '../domain/server.ts'

export type EvacuatedArchive = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly sizeBytes: number
  /** `remove`: there were enough other copies already. `leave`: its copy stays where it is. */
  readonly action: 'move' | 'remove' | 'leave'
  /** Servers that got a copy, or would get one. */
  readonly to: readonly number[]
  /** Why it stays. */
  readonly code: string | null
  readonly message: string | null
}

export type Evacuation = {
  readonly outcome: RunOutcome
  readonly exit: number
  readonly dryRun: boolean
  readonly server: {
    readonly number: number
    readonly label: string
    readonly endpoint: string
    readonly bucket: string | null
    /** New archives still go there. */
    readonly enabled: boolean
    /** What is still there of archives, and of copies of the catalog, which are not moved. */
    readonly usedBytes: number
    readonly catalogBytes: number
  }
  readonly archives: readonly EvacuatedArchive[]
  readonly moved: number
  readonly removed: number
  readonly left: number
  readonly movedBytes: number
  readonly removedBytes: number
  readonly leftBytes: number
  /** What is wrong besides: damaged copies elsewhere, what an earlier process left. */
  readonly warnings: readonly string[]
  readonly hints: readonly string[]
  readonly seconds: number
}

type Outcome = Pick<EvacuatedArchive, 'action' | 'to'> & {
  readonly error?: SpillwayError | undefined
}

export class EvacuationRecord {
  readonly #server: Server
  readonly #begun = performance.now()
  readonly #archives: EvacuatedArchive[] = []
  readonly #warnings: string[] = []
  readonly #hints = new Set<string>()
  readonly #exits: number[] = []

  constructor(server: Server, problems: readonly SpillwayError[]) {
    this.#server = server
    for (const problem of problems) this.problem(problem)
  }

  add(archive: ArchiveWithCopies, { action, to, error }: Outcome): EvacuatedArchive {
    if (error !== undefined) this.#failed(error)
    const { id, source, file, sizeBytes = 0 } = archive
    const [code, message] = [error?.code ?? null, error?.message ?? null]
    const entry = { id, source, file, sizeBytes, action, to, code, message }
    this.#archives.push(entry)
    return entry
  }

  /** Damage is a failure, wherever it is found; the rest are warnings. */
  problem(error: SpillwayError): void {
    this.#warnings.push(error.message)
    const isLoss = isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED', 'ARCHIVE_LOST')
    this.#exits.push(isLoss ? error.failure.exit : 3)
  }

  /** It cannot go on: what was not reached stays. */
  ended(error: unknown, remaining: readonly ArchiveWithCopies[]): void {
    this.#exits.push(failureOf(error).exit)
    const code = error instanceof SpillwayError ? error.code : 'BUG'
    // A bug is told with its stack: without it nobody could mend it.
    const isBug = code === 'BUG' && error instanceof Error
    this.#warnings.push(isBug ? (error.stack ?? error.message) : messageOf(error))
    for (const { id, source, file, sizeBytes = 0 } of remaining) {
      const message = 'it ended before its turn'
      this.#archives.push({ id, source, file, sizeBytes, action: 'leave', to: [], code, message })
    }
  }

  report(row: ServerRow | undefined, dryRun = false): Evacuation {
    const { number, label, endpoint, isEnabled } = this.#server
    const exit = exitOf(this.#exits)
    const sum = (action: EvacuatedArchive['action']) => {
      const found = this.#archives.filter((archive) => archive.action === action)
      return {
        count: found.length,
        bytes: found.reduce((all, { sizeBytes }) => all + sizeBytes, 0),
      }
    }
    const [moved, removed, left] = [sum('move'), sum('remove'), sum('leave')]
    return {
      outcome: runOutcome(exit),
      exit,
      dryRun,
      server: {
        number,
        label,
        endpoint,
        bucket: bucketOf(this.#server),
        enabled: isEnabled,
        usedBytes: row?.usedBytes ?? 0,
        catalogBytes: row?.catalogBytes ?? 0,
      },
      archives: this.#archives,
      moved: moved.count,
      removed: removed.count,
      left: left.count,
      movedBytes: moved.bytes,
      removedBytes: removed.bytes,
      leftBytes: left.bytes,
      warnings: this.#warnings,
      hints: [...this.#hints],
      seconds: (performance.now() - this.#begun) / 1_000,
    }
  }

  #failed(error: SpillwayError): void {
    this.#exits.push(error.failure.exit)
    if (error.hint !== undefined) this.#hints.add(error.hint)
  }
}
