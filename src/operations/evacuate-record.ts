// What an evacuation did, archive by archive, in the shape of `evacuate --json`.

import { bucketOf } from '../domain/server.ts'
import { exitOf } from '../domain/exit-code.ts'
import { runOutcome } from '../domain/run-report.ts'
import { HandledArchives } from './copies-outcome.ts'
import { NO_SNAPSHOTS } from './evacuate-snapshots.ts'
import type { ArchiveWithCopies, ServerRow } from '../catalog/catalog.ts'
import type { CopiesOutcome, HandledArchive } from './copies-outcome.ts'
import type { Server } from '../domain/server.ts'
import type { SnapshotsLeft } from './evacuate-snapshots.ts'
import type { SpillwayError } from '../domain/errors.ts'

/** `remove`: there were enough other copies already. `leave`: its copy stays where it is. */
export type EvacuatedArchive = HandledArchive<'move' | 'remove' | 'leave'>

export type Evacuation = CopiesOutcome & {
  readonly dryRun: boolean
  readonly server: {
    readonly number: number
    readonly label: string
    readonly endpoint: string
    readonly bucket: string | null
    /** New archives still go there. */
    readonly enabled: boolean
    /** What is still there of archives, and of copies of the catalog. */
    readonly usedBytes: number
    readonly catalogBytes: number
  }
  readonly archives: readonly EvacuatedArchive[]
  /** This host's copies of the catalog that were removed there, or would be. */
  readonly catalogCopies: SnapshotsLeft
  readonly moved: number
  readonly removed: number
  readonly left: number
  readonly movedBytes: number
  readonly removedBytes: number
  readonly leftBytes: number
}

type Outcome = Pick<EvacuatedArchive, 'action' | 'to'> & {
  readonly error?: SpillwayError | undefined
}

export class EvacuationRecord {
  readonly #server: Server
  readonly #handled: HandledArchives<EvacuatedArchive['action']>
  #snapshots = NO_SNAPSHOTS

  constructor(server: Server, problems: readonly SpillwayError[]) {
    this.#server = server
    this.#handled = new HandledArchives(problems)
  }

  add(archive: ArchiveWithCopies, { action, to, error }: Outcome): EvacuatedArchive {
    return this.#handled.add(archive, action, to, error)
  }

  /** An archive stays there. */
  get hasLeft(): boolean {
    return this.#handled.archives.some(({ action }) => action === 'leave')
  }

  snapshots(removed: SnapshotsLeft): void {
    this.#snapshots = removed
  }

  problem(error: SpillwayError): void {
    this.#handled.problem(error)
  }

  ended(error: unknown, remaining: readonly ArchiveWithCopies[]): void {
    this.#handled.ended(error, remaining, 'leave')
  }

  report(row: ServerRow | undefined, dryRun = false): Evacuation {
    const { number, label, endpoint, isEnabled } = this.#server
    const { exit: handled, ...rest } = this.#handled.outcome()
    // New archives still go there, which is told as a warning.
    const exit = exitOf([handled, isEnabled ? 3 : 0])
    const [moved, removed] = [this.#handled.sum('move'), this.#handled.sum('remove')]
    const left = this.#handled.sum('leave')
    return {
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
      archives: this.#handled.archives,
      catalogCopies: this.#snapshots,
      moved: moved.count,
      removed: removed.count,
      left: left.count,
      movedBytes: moved.bytes,
      removedBytes: removed.bytes,
      leftBytes: left.bytes,
      ...{ ...rest, outcome: runOutcome(exit), exit },
    }
  }
}
