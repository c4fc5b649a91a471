// The nightly job: what an earlier run left is settled, archives that wait are sent first, then every
// source is archived, and a report tells the truth about each of them.
//
// A failing source never stops the others. Only a failing catalog or an interrupt ends a run early.

import { archiveSource } from './archive-source.ts'
import { deliver, noServerLeft } from './deliver.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { bucketOf } from '../domain/server.ts'
import { isStored, prepareSpool, trimSpool } from './spool.ts'
import { keepsEverything } from '../domain/keep-policy.ts'
import { requireServers } from '../config/parse.ts'
import { recover } from './recover.ts'
import { runExit, runOutcome } from '../domain/run-report.ts'
import { shownState } from '../domain/archive.ts'
import { SpoolContent } from './spool-content.ts'
import type { ArchiveServices } from './archive-source.ts'
import type { ArchiveWithCopies } from '../catalog/catalog.ts'
import type { PackResult } from '../pack/packer.ts'
import type {
  ReportedArchive,
  ReportedAttempt,
  ReportedServer,
  ReportedSource,
  RunReport,
} from '../domain/run-report.ts'
import type { Source } from '../domain/source.ts'

export type RunServices = ArchiveServices

/**
 * Resolves with the report, whatever went wrong with sources, servers or archives; its `exit` is the
 * run's. Rejects when there is nothing to report about: no servers, an unknown source.
 */
export async function run(
  services: RunServices,
  input: { readonly sourceNames: readonly string[] },
  signal: AbortSignal,
): Promise<RunReport> {
  const sources = chooseSources(services, input.sourceNames)
  requireServers(services.config)
  const record = new RunRecord(services)
  try {
    // A ledger that is off by a byte could overrun a limit: nothing is sent on its word.
    await services.catalog.check()
    await services.catalog.registerServers(services.config.servers)
    await prepareSpool(services.config.spoolDir)
    for (const problem of await recover(services, signal)) record.problem(problem)
    await sendWaiting(services, record, signal)
    for (const source of sources) await runSource(services, source, record, signal)
    noteRetention(services, sources)
  } catch (error) {
    record.ended(error)
  }
  const report = await record.report()
  const { outcome, exit, seconds } = report
  const stored = report.archives.filter(({ state }) => state === 'stored')
  services.emit({
    kind: 'run-ended',
    outcome,
    exit,
    stored: stored.length,
    waiting: report.archives.filter(({ state }) => state === 'waiting').length,
    failed: report.sources.filter((source) => source.outcome === 'failed').length,
    storedBytes: stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    seconds,
  })
  return report
}

export function chooseSources(
  { config }: Pick<RunServices, 'config'>,
  names: readonly string[],
): readonly Source[] {
  for (const name of names) {
    if (config.sources.some((source) => source.name === name)) continue
    const known = config.sources.map((source) => source.name).join(', ') || 'none is configured'
    throw new SpillwayError('USAGE', `there is no source "${name}" (sources: ${known})`)
  }
  if (config.sources.length === 0) {
    throw new SpillwayError(
      'CONFIG_INVALID',
      'no sources configured: there is nothing to archive',
      {
        hint: 'set SOURCE_1_PATH in the env file, or run: spillway configure',
      },
    )
  }
  return names.length === 0
    ? config.sources
    : config.sources.filter(({ name }) => names.includes(name))
}

async function sendWaiting(
  services: RunServices,
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, config, emit } = services
  for (const archive of await catalog.waitingArchives(config.copies)) {
    if (archive.localPath === undefined || archive.sizeBytes === undefined) continue
    const holding = archive.copies.filter(({ state }) => state !== 'failed' && state !== 'deleted')
    const storedCopies = holding.filter(({ state }) => state === 'stored').length
    const delivery = {
      archive,
      content: SpoolContent.whole(archive.localPath, archive.sizeBytes),
      holders: new Set(holding.map(({ identity }) => identity)),
      copiesMissing: config.copies - storedCopies,
    }
    record.begin(archive.id, undefined)
    try {
      const result = await deliver(services, delivery, signal)
      record.delivered(archive.id, result.attempts, result.hasSickServer)
      if (result.stored.length < delivery.copiesMissing) {
        record.waits(archive.source, noServerLeft(result.attempts, archive.localPath))
        emit({
          kind: 'waiting',
          file: archive.file,
          sizeBytes: archive.sizeBytes,
          reason: 'no server took it',
        })
      }
    } catch (error) {
      if (endsRun(error)) throw error
      record.sourceFailed(archive.source, error)
    }
  }
  await trim(services)
}

async function runSource(
  services: RunServices,
  source: Source,
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const { config, emit } = services
  try {
    const { row, packed, localPath, delivery } = await archiveSource(
      services,
      source,
      (facts) => record.begin(facts.row.id, facts.packed),
      signal,
    )
    record.delivered(row.id, delivery.attempts, delivery.hasSickServer)
    for (const { path, reason } of packed.notes)
      emit({ kind: 'note', about: path, message: reason })
    for (const { path, reason } of packed.warnings)
      emit({ kind: 'warning', about: path, message: reason })
    if (delivery.stored.length < config.copies) {
      const error = noServerLeft(delivery.attempts, localPath)
      record.waits(source.name, error)
      emit({
        kind: 'waiting',
        file: row.file,
        sizeBytes: packed.outputBytes,
        reason: error.message,
      })
    } else {
      record.sourceDone(source.name, packed)
    }
    await trim(services)
  } catch (error) {
    record.sourceFailed(source.name, error)
    const hint = error instanceof SpillwayError ? error.hint : undefined
    const code = error instanceof SpillwayError ? error.code : 'BUG'
    emit({ kind: 'source-failed', source: source.name, code, message: messageOf(error), hint })
    if (endsRun(error)) throw error
  }
}

async function trim({ catalog, config }: RunServices): Promise<void> {
  const { copies, localKeep, serverId } = config
  await trimSpool({ catalog, host: serverId, copies, localKeep })
}

function endsRun(error: unknown): boolean {
  const { exit } = failureOf(error)
  return exit === 130 || (exit >= 40 && exit < 50)
}

function noteRetention({ emit }: RunServices, sources: readonly Source[]): void {
  const kept = sources.filter((source) => !keepsEverything(source.keep)).map(({ name }) => name)
  if (kept.length === 0) return
  emit({
    kind: 'note',
    about: undefined,
    message: `KEEP_* is set for ${kept.join(', ')}, but this version does not prune yet: nothing was deleted`,
  })
}

type Entry = {
  readonly id: string
  readonly packed: PackResult | undefined
  attempts: readonly ReportedAttempt[]
}

/** What happened in a run, as it happens. */
class RunRecord {
  readonly #services: RunServices
  readonly #startedAt = new Date()
  readonly #begun = performance.now()
  readonly #entries: Entry[] = []
  readonly #sources = new Map<string, ReportedSource>()
  readonly #failures: number[] = []
  readonly #warnings: string[] = []
  #hasWarnings = false

  constructor(services: RunServices) {
    this.#services = services
  }

  begin(id: string, packed: PackResult | undefined): void {
    this.#entries.push({ id, packed, attempts: [] })
  }

  delivered(id: string, attempts: readonly ReportedAttempt[], hasSickServer: boolean): void {
    const entry = this.#entries.find((each) => each.id === id)
    if (entry) entry.attempts = attempts
    if (hasSickServer) this.#hasWarnings = true
  }

  sourceDone(name: string, packed: PackResult): void {
    const { warningCount } = packed
    if (warningCount > 0) this.#hasWarnings = true
    const message = warningCount === 0 ? null : `${warningCount} warnings: see the archive`
    this.#source(name, { outcome: warningCount === 0 ? 'ok' : 'warnings', code: null, message })
  }

  waits(name: string, error: SpillwayError): void {
    this.#failures.push(error.failure.exit)
    this.#source(name, { outcome: 'failed', code: error.code, message: error.message })
  }

  sourceFailed(name: string, error: unknown): void {
    this.#failures.push(failureOf(error).exit)
    const code = error instanceof SpillwayError ? error.code : 'BUG'
    const message = error instanceof SpillwayError ? error.message : stackOf(error)
    this.#source(name, { outcome: 'failed', code, message })
  }

  problem(error: SpillwayError): void {
    // A lost archive is a failure; a copy that cannot be settled yet is a warning.
    if (isFailure(error, 'ARCHIVE_LOST')) this.#failures.push(error.failure.exit)
    this.#hasWarnings = true
    this.#warnings.push(error.message)
    this.#services.emit({ kind: 'warning', about: undefined, message: error.message })
  }

  ended(error: unknown): void {
    const { exit } = failureOf(error)
    // The source in which it happened has told it already, or is told as skipped.
    if (exit !== 130)
      this.#warnings.push(error instanceof SpillwayError ? error.message : stackOf(error))
    this.#failures.push(exit)
  }

  async report(): Promise<RunReport> {
    const { config } = this.#services
    for (const { name } of config.sources) {
      if (this.#failures.includes(130) && !this.#sources.has(name)) {
        this.#source(name, {
          outcome: 'skipped',
          code: 'INTERRUPTED',
          message: 'the run was interrupted',
        })
      }
    }
    const archives = await Promise.all(this.#entries.map((entry) => this.#archive(entry)))
    const exit = runExit({ failures: this.#failures, hasWarnings: this.#hasWarnings })
    return {
      outcome: runOutcome(exit),
      exit,
      startedAt: this.#startedAt.toISOString(),
      seconds: (performance.now() - this.#begun) / 1_000,
      sources: config.sources.flatMap(({ name }) => this.#sources.get(name) ?? []),
      archives,
      warnings: this.#warnings,
    }
  }

  async #archive({ id, packed, attempts }: Entry): Promise<ReportedArchive> {
    const archive = await this.#services.catalog.findArchive(id)
    const copies = this.#storedOn(archive)
    const local = archive.localPath !== undefined && archive.state === 'ready'
    return {
      id,
      source: archive.source,
      file: archive.file,
      key: archive.key,
      state: shownState(archive.state, archive.copies, this.#services.config.copies),
      location: copies.length === 0 ? (local ? 'local' : null) : local ? 'both' : 's3',
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
  }

  #storedOn(archive: ArchiveWithCopies): ReportedServer[] {
    if (!isStored(archive, 1)) return []
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
    this.#sources.set(name, { name, ...outcome })
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
