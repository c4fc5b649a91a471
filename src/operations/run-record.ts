// What happens in a run is noted here as it happens, and told at its end: one report in which every
// source and every archive has its line, also when the run ended early.

import { bucketOf } from '../domain/server.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { noServerLeft } from './deliver.ts'
import { runExit, runOutcome } from '../domain/run-report.ts'
import { shownState } from '../domain/archive.ts'
import type { ArchiveRow, ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Deletions } from './deletions.ts'
import type { PackResult } from '../pack/packer.ts'
import type {
  ReportedArchive,
  ReportedAttempt,
  ReportedServer,
  ReportedSource,
  RunReport,
} from '../domain/run-report.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Sent } from './send-from-spool.ts'
import type { Source } from '../domain/source.ts'

type RecordServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: { readonly warnings: readonly string[] }
  readonly emit: (event: RunEvent) => void
}

type Entry = {
  readonly id: string
  readonly packed: PackResult | undefined
  /** Filled by the delivery. */
  readonly attempts: readonly ReportedAttempt[]
}

export class RunRecord {
  /** Something is wrong that failed nothing: exit code 3. */
  hasWarnings = false
  readonly #services: RecordServices
  readonly #planned: readonly Source[]
  readonly startedAt = new Date()
  readonly #begun = performance.now()
  readonly #entries: Entry[] = []
  readonly #sources = new Map<string, ReportedSource>()
  readonly #failures: number[] = []
  readonly #warnings: string[] = []
  readonly #deletions: Deletions
  #endedBy: string | undefined

  constructor(services: RecordServices, planned: readonly Source[], deletions: Deletions) {
    this.#services = services
    this.#deletions = deletions
    this.#planned = planned
  }

  begin(entry: Entry): void {
    this.#entries.push(entry)
  }

  sourceDone(name: string, { warningCount }: PackResult): void {
    if (warningCount > 0) this.hasWarnings = true
    const message = warningCount === 0 ? null : `${warningCount} warnings: see the archive`
    const outcome = warningCount === 0 ? 'ok' : 'warnings'
    this.#source(name, { outcome, code: null, message, hint: null })
  }

  /** Of a source, or of an archive of it that waits. */
  failed(name: string, error: unknown): void {
    const { exit } = failureOf(error)
    this.#failures.push(exit)
    const outcome = exit === 3 ? 'warnings' : 'failed'
    const hint = error instanceof SpillwayError ? (error.hint ?? null) : null
    this.#source(name, { outcome, code: codeOf(error), message: tellingOf(error), hint })
  }

  /** The same, and said at once. */
  sourceFailed(source: string, error: unknown): void {
    this.failed(source, error)
    const hint = error instanceof SpillwayError ? error.hint : undefined
    const [code, message] = [codeOf(error), messageOf(error)]
    this.#services.emit({ kind: 'source-failed', source, code, message, hint })
  }

  /** What an earlier run left. */
  sentFromSpool(archive: ArchiveRow, { delivery, localPath, result }: Sent): void {
    if (result.hasSickServer) this.hasWarnings = true
    if (result.stored.length < delivery.copiesMissing)
      this.waits(archive, noServerLeft(delivery, result.stored.length, localPath))
  }

  /** Too few servers took the archive. */
  waits(
    { file, source, sizeBytes = 0 }: Pick<ArchiveRow, 'file' | 'source' | 'sizeBytes'>,
    error: SpillwayError,
  ): void {
    this.failed(source, error)
    const isStored = isFailure(error, 'COPIES_MISSING')
    this.#services.emit({ kind: 'waiting', isStored, file, sizeBytes, reason: error.message })
  }

  problem(error: SpillwayError): void {
    // A lost archive or copy is a failure; a copy that cannot be settled yet is a warning.
    const isLoss = isFailure(error, 'ARCHIVE_LOST', 'ARCHIVE_CORRUPT', 'ARCHIVE_MISSING')
    const { message } = error
    if (isLoss) this.#failures.push(error.failure.exit)
    this.hasWarnings = true
    this.#warnings.push(message)
    const { emit } = this.#services
    emit(isLoss ? { kind: 'damage', message } : { kind: 'warning', about: undefined, message })
  }

  /** In the report once more, whatever becomes of the source. */
  warns(error: unknown): void {
    this.#warnings.push(messageOf(error))
  }

  /** The run cannot go on. */
  ended(error: unknown): void {
    const { exit } = failureOf(error)
    this.#endedBy = codeOf(error)
    // The source in which it happened has told it already, or is told as skipped.
    if (exit !== 130) this.#warnings.push(tellingOf(error))
    this.#failures.push(exit)
  }

  async report(notices: readonly string[] = []): Promise<RunReport> {
    for (const { name } of this.#planned) {
      if (this.#endedBy === undefined || this.#sources.has(name)) continue
      const message = 'the run ended before its turn'
      this.#source(name, { outcome: 'skipped', code: this.#endedBy, message, hint: null })
    }
    const archives: ReportedArchive[] = []
    for (const entry of this.#entries) archives.push(...(await this.#archive(entry)))
    const warnings = [...this.#warnings, ...this.#services.pool.warnings]
    const exit = runExit({
      failures: this.#failures,
      hasWarnings: this.hasWarnings || this.#deletions.hasWarnings || warnings.length > 0,
    })
    return {
      outcome: runOutcome(exit),
      exit,
      startedAt: this.startedAt.toISOString(),
      seconds: (performance.now() - this.#begun) / 1_000,
      sources: this.#inOrder(),
      archives,
      retention: this.#deletions.report(),
      notices,
      warnings,
    }
  }

  /** As they are configured, however they overtook each other; behind those that only had archives waiting. */
  #inOrder(): readonly ReportedSource[] {
    const places = new Map(this.#planned.map(({ name }, place) => [name, place]))
    const placeOf = ({ name }: ReportedSource): number => places.get(name) ?? -1
    return [...this.#sources.values()].toSorted((a, b) => placeOf(a) - placeOf(b))
  }

  async #archive({ id, packed, attempts }: Entry): Promise<readonly ReportedArchive[]> {
    let archive: ArchiveWithCopies
    try {
      archive = await this.#services.catalog.findArchive(id)
    } catch (error) {
      // The rest of the report is worth more than this line of it.
      this.#warnings.push(`archive ${id} cannot be looked up: ${messageOf(error)}`)
      this.#failures.push(failureOf(error).exit)
      return []
    }
    const copies = this.#storedOn(archive)
    const local = archive.localPath !== undefined && archive.state === 'ready'
    const reported = {
      id,
      source: archive.source,
      file: archive.file,
      key: archive.key,
      state: shownState(archive.state, archive.copies, this.#services.config),
      location: locationOf(copies.length > 0, local),
      sizeBytes: archive.sizeBytes ?? 0,
      sourceBytes: archive.sourceBytes ?? 0,
      fileCount: archive.memberCount ?? 0,
      sha256: archive.sha256 ?? '',
      server: copies[0] ?? null,
      copies,
      attempts,
      warnings: archive.warnings,
      warningCount: archive.warningCount,
      notes: packed?.notes ?? [],
    }
    return [reported]
  }

  #storedOn(archive: ArchiveWithCopies): ReportedServer[] {
    return archive.copies
      .filter(({ state }) => state === 'stored')
      .flatMap(({ identity }) =>
        this.#services.config.servers.filter((server) => server.identity === identity),
      )
      .map((server) => ({
        number: server.number,
        endpoint: server.endpoint,
        bucket: bucketOf(server),
      }))
  }

  #source(name: string, outcome: Omit<ReportedSource, 'name'>): void {
    const before = this.#sources.get(name)
    // A source whose waiting archive failed again is not made good by tonight's archive.
    if (before?.outcome === 'failed' && outcome.outcome !== 'failed') return
    if (before?.outcome === 'warnings' && outcome.outcome === 'ok') return
    this.#sources.set(name, { name, ...outcome })
  }
}

function locationOf(isStored: boolean, isLocal: boolean): ReportedArchive['location'] {
  if (isStored) return isLocal ? 'both' : 's3'
  return isLocal ? 'local' : null
}

function codeOf(error: unknown): string {
  return error instanceof SpillwayError ? error.code : 'BUG'
}

/** A bug is told with its stack: without it nobody could mend it. */
function tellingOf(error: unknown): string {
  if (error instanceof SpillwayError || !(error instanceof Error)) return messageOf(error)
  return error.stack ?? error.message
}

/** An interrupt, and a catalog that fails: nothing of a run makes sense behind them. */
export function endsRun(error: unknown): boolean {
  const { exit } = failureOf(error)
  return exit === 130 || (exit >= 40 && exit < 50)
}
