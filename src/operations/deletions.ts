// What one run deletes, and what it is not allowed to: the memory that keeps it from asking a server on
// and on that denies every delete, and the part about retention in its report.
//
// A denied or locked delete changes nothing but the row's state: the bytes stay counted, the copy is tried
// again by the next run, and this one says so in one line per server.

import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { journalCode } from './server-pool.ts'
import { removeCopy } from './remove-copy.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Catalog, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { ReportedRetention } from '../domain/run-report.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'

export type DeleteServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
}

// One may be locked by itself (a legal hold), and must not stop retention for good; when three are denied
// it is the key or the bucket, and a fourth question would be answered the same.
const REFUSALS_MAX = 3

const NOT_CONFIGURED = 'NOT_CONFIGURED'

type Refused = {
  readonly server: number | null
  readonly label: string
  copies: number
  bytes: number
  /** Of the first one. */
  readonly code: string
  readonly message: string
  /** How often the server itself said no; the others were not asked. */
  denials: number
}

/** A server; one that left the configuration has a label only. */
type Named = { readonly label: string; readonly number?: number }

export class Deletions {
  /** Archives that this run set out to delete, whatever became of it: they count against the cap. */
  begun = 0
  /** Due, and left to the next run by the cap. */
  remaining = 0
  readonly #deleted: ReportedRetention['deleted'][number][] = []
  readonly #partlyDeleted: ReportedRetention['partlyDeleted'][number][] = []
  readonly #refused = new Map<ServerIdentity, Refused>()
  readonly #held = new Map<string, string>()
  readonly #freedBytes = new Map<ServerIdentity, number>()
  readonly #warnings: SpillwayError[] = []
  #hasWarnings = false
  /** Of archives that the rules keep: whether a server has shown one of its copies in this run. */
  readonly shown = new Map<ArchiveId, boolean>()

  /**
   * Resolves with whether the copy is gone; the rest is in the report. Rejects only for what no server is
   * to blame for: the catalog, an interruption.
   */
  async remove(
    services: DeleteServices,
    copy: CopyRow,
    reason: string,
    signal: AbortSignal,
    guard: { readonly unlessPinned: boolean } = { unlessPinned: false },
  ): Promise<boolean> {
    const { catalog, config, pool } = services
    const server = config.servers.find(({ identity }) => identity === copy.identity)
    if (server?.isEnabled !== true) {
      await this.leaveOut(catalog, copy, server, undefined)
      return false
    }
    const down = pool.downBecause(server)
    if (down !== undefined || (this.#refused.get(copy.identity)?.denials ?? 0) >= REFUSALS_MAX) {
      this.#leave(copy, server, journalCode(down), messageOf(down))
      return false
    }
    try {
      const storage = await pool.ready(server, signal)
      const removal = await removeCopy({ catalog, storage }, copy, reason, signal, guard)
      if (removal === 'pinned') return false
      if (removal === 'overwritten') {
        this.warn(overwritten(server, copy))
        return true
      }
    } catch (error) {
      if (failureOf(error).server === undefined) throw error
      // What one restricted permission forbids here does not take the server out of the run.
      const isRefusal = isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED', 'SERVER_UNPROVEN')
      if (!isRefusal) await pool.settle(server, error)
      this.#leave(copy, server, journalCode(error), messageOf(error))
      this.#refused.get(copy.identity)!.denials += 1
      this.#hasWarnings = true
      return false
    }
    this.#freedBytes.set(copy.identity, this.freedOn(copy.identity) + copy.sizeBytes)
    return true
  }

  noteDeleted(archive: { id: ArchiveId; source: string; file: string; bytes: number }): void {
    this.#deleted.push(archive)
  }

  /** Every archive of which something was deleted is named, also where some of it stays. */
  notePartlyDeleted(archive: ReportedRetention['partlyDeleted'][number]): void {
    this.#partlyDeleted.push(archive)
  }

  /** Due, and its server cannot be asked to delete it now; said in the report like a refusal. */
  async leaveOut(
    catalog: Pick<Catalog, 'servers'>,
    copy: CopyRow,
    server: Server | undefined,
    error: unknown,
  ): Promise<void> {
    if (server?.isEnabled !== true) {
      const rows = server === undefined ? await catalog.servers() : []
      const named = server ?? rows.find(({ identity }) => identity === copy.identity)
      this.#leave(copy, named, NOT_CONFIGURED, 'the server is not configured, or disabled')
      return
    }
    this.#leave(copy, server, journalCode(error), messageOf(error))
    this.#hasWarnings = true
  }

  /** Found on the way: that a copy is lost. */
  warn(problem: SpillwayError): void {
    this.#warnings.push(problem)
    this.#hasWarnings = true
  }

  get warnings(): readonly SpillwayError[] {
    return this.#warnings
  }

  /** Nothing of the source is deleted in this run. */
  hold(source: string, reason: string, isWarning: boolean): void {
    if (isWarning) this.#hasWarnings = true
    if (!this.#held.has(source)) this.#held.set(source, reason)
  }

  heldBecause(source: string): string | undefined {
    return this.#held.get(source)
  }

  /** As the server confirmed it. */
  freedOn(identity: ServerIdentity): number {
    return this.#freedBytes.get(identity) ?? 0
  }

  /** Something should be looked into: exit code 3. */
  get hasWarnings(): boolean {
    return this.#hasWarnings
  }

  report(): ReportedRetention {
    return {
      deleted: this.#deleted,
      partlyDeleted: this.#partlyDeleted,
      freedBytes: [...this.#freedBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
      refused: [...this.#refused.values()].map(({ denials: _denials, ...refused }) => refused),
      held: [...this.#held].map(([source, reason]) => ({ source, reason })),
      remaining: this.remaining,
    }
  }

  /** What is refused, one line per server; a server that was taken away on purpose is no problem. */
  problems(): readonly SpillwayError[] {
    const refused = [...this.#refused.values()]
      .filter(({ code }) => code !== NOT_CONFIGURED)
      .map((each) => new SpillwayError('SERVER_UNPROVEN', refusalText(each)))
    return [...this.#warnings, ...refused]
  }

  #leave(copy: CopyRow, server: Named | undefined, code: string, message: string): void {
    const refused = this.#refused.get(copy.identity)
    if (refused === undefined) {
      const { number = null, label = copy.identity } = server ?? {}
      const { sizeBytes: bytes } = copy
      this.#refused.set(copy.identity, {
        ...{ server: number, label, copies: 1, bytes, code, message, denials: 0 },
      })
      return
    }
    refused.copies += 1
    refused.bytes += copy.sizeBytes
  }
}

function overwritten({ label }: Server, { key }: CopyRow): SpillwayError {
  const what = `${label}: ${key} was to be deleted, and what lies there now is not ours`
  return new SpillwayError(
    'SERVER_UNPROVEN',
    `${what}: it is left alone, and counts as others' bytes`,
  )
}

export function refusalText(refused: ReportedRetention['refused'][number]): string {
  const { label, copies, bytes, message } = refused
  const what = copies === 1 ? '1 copy is' : `${copies} copies are`
  return `${what} to go from ${label} and still counted as used (${formatBytes(bytes)}): ${message}`
}
