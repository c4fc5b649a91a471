// The nightly job: what an earlier run left is settled, archives that wait are sent first, then every
// source is archived, and a report tells the truth about each of them.
//
// A failing source never stops the others. Only a failing catalog or an interrupt ends a run early.

import { archiveDirect } from './archive-direct.ts'
import { archiveSource } from './archive-source.ts'
import { copyCatalog } from './catalog-snapshot.ts'
import { deliver, noServerLeft } from './deliver.ts'
import { dirname } from 'node:path'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { fileSize, isSpooled, prepareSpool, trimSpool } from './spool.ts'
import { createMakeRoom, prune } from './prune.ts'
import { Deletions } from './deletions.ts'
import { catchUpHistory } from './record-history.ts'
import { forecastInRun, verifyShare } from './nightly-share.ts'
import { proveWaiting } from './prove-waiting.ts'
import { recover } from './recover.ts'
import { requireServers } from '../config/parse.ts'
import { recoverHooks, SourceHooks } from './source-hooks.ts'
import { RunRecord } from './run-record.ts'
import { snapshotsGiveWay } from './catalog-snapshot-room.ts'
import { SpoolContent } from './spool-content.ts'
import { writeMetrics } from './metrics-file.ts'
import type { ArchiveServices } from './archive-source.ts'
import type { MetricsServices } from './metrics-file.ts'
import type { PruneServices } from './prune.ts'
import type { ReportedAttempt, RunReport } from '../domain/run-report.ts'
import type { Source } from '../domain/source.ts'

export type RunServices = ArchiveServices & PruneServices & MetricsServices

/**
 * Resolves with the report, whatever went wrong with sources, servers or archives; its `exit` is the
 * run's. Rejects when there is nothing to report about: no servers, an unknown source.
 */
export async function run(
  given: RunServices,
  input: {
    readonly sourceNames: readonly string[]
    /** Has the last word: tells others of the report, and what went wrong with that. */
    readonly tell?: (report: RunReport) => Promise<RunReport>
  },
  signal: AbortSignal,
): Promise<RunReport> {
  const sources = chooseSources(given, input.sourceNames)
  const { config } = given
  requireServers(config)
  const deletions = new Deletions()
  const services = { ...given, makeRoom: snapshotsGiveWay(given, createMakeRoom(given, deletions)) }
  const record = new RunRecord(services, sources, deletions)
  const told: string[] = []
  try {
    // First of all: something may be down until then.
    told.push(...(await runLeftHooks(services, record, signal)))
    // A ledger that is off by a byte could overrun a limit: nothing is sent on its word.
    await services.catalog.check()
    await services.catalog.registerServers(config.servers)
    // What stands in its way is told at the end, where it is written again.
    await writeMetrics(services, { pid: process.pid, since: record.startedAt.toISOString() })
    await prepareSpool(config.spoolDir, await holdsArchives(services))
    for (const problem of await recover(services, deletions, signal)) record.problem(problem)
    await sendWaiting(services, record, signal)
    for (const source of sources) await runSource(services, source, record, signal)
    for (const problem of await catchUpHistory(services, signal)) record.problem(problem)
    await prune(services, { sources, deletions }, signal)
    for (const problem of deletions.warnings) record.problem(problem)
    for (const problem of await verifyShare(services, signal)) record.problem(problem)
    // Last: the copy holds what this run did.
    for (const problem of await copyCatalog(services, signal)) record.problem(problem)
  } catch (error) {
    record.ended(error)
  }
  const { warnings, notices } = await forecastInRun(services, new Date())
  for (const warning of warnings) record.problem(new SpillwayError('SERVERS_FULL_SOON', warning))
  for (const problem of await writeMetrics(services, undefined)) record.problem(problem)
  for (const message of notices) services.emit({ kind: 'note', about: undefined, message })
  const own = await record.report([...told, ...notices])
  const report = (await input.tell?.(own)) ?? own
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
    const hasServers = config.servers.some(({ isEnabled }) => isEnabled)
    throw new SpillwayError(
      'CONFIG_INVALID',
      hasServers
        ? 'no sources configured: there is nothing to archive'
        : 'No S3 servers configured, and no sources: there is nothing to archive, and nowhere to put it',
      {
        hint: hasServers
          ? 'set SOURCE_1_PATH in the env file, or run: spillway configure'
          : 'fill in S3_SERVER_1_... and SOURCE_1_PATH in the env file, or run: spillway configure',
      },
    )
  }
  return names.length === 0
    ? config.sources
    : config.sources.filter(({ name }) => names.includes(name))
}

async function holdsArchives({ catalog, config }: RunServices): Promise<boolean> {
  const { serverId, spoolDir } = config
  const ready = await catalog.archives({ host: serverId, states: ['ready'] })
  return ready.some(({ localPath }) => isSpooled(localPath) && dirname(localPath) === spoolDir)
}

async function sendWaiting(
  services: RunServices,
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, config } = services
  for (const archive of await catalog.waitingArchives(config.copies)) {
    const { localPath, sizeBytes } = archive
    if (sizeBytes === undefined || !isSpooled(localPath)) continue
    const attempts: ReportedAttempt[] = []
    record.begin({ id: archive.id, packed: undefined, attempts })
    const holding = archive.copies.filter(({ state }) => state !== 'failed' && state !== 'deleted')
    const storedCopies = holding.filter(({ state }) => state === 'stored').length
    const delivery = {
      archive,
      content: SpoolContent.whole(localPath, sizeBytes),
      holders: new Set(holding.map(({ identity }) => identity)),
      copiesMissing: config.copies - storedCopies,
      copiesStored: storedCopies,
      attempts,
      prove: (ending: AbortSignal) => proveWaiting(archive, localPath, ending),
    }
    try {
      // A file that is gone was told by `recover`; there is nothing to send.
      if ((await fileSize(localPath)) !== sizeBytes) continue
      const result = await deliver(services, delivery, signal)
      if (result.hasSickServer) record.hasWarnings = true
      if (result.stored.length < delivery.copiesMissing) {
        waits(services, record, archive, noServerLeft(delivery, result.stored.length, localPath))
      }
    } catch (error) {
      fails(services, record, archive.source, error)
      if (endsRun(error)) throw error
    }
  }
  await trim(services, record)
}

function waits(
  { emit }: RunServices,
  record: RunRecord,
  { file, source, sizeBytes }: { file: string; source: string; sizeBytes: number | undefined },
  error: SpillwayError,
): void {
  record.failed(source, error)
  const isStored = isFailure(error, 'COPIES_MISSING')
  emit({ kind: 'waiting', isStored, file, sizeBytes: sizeBytes ?? 0, reason: error.message })
}

function fails({ emit }: RunServices, record: RunRecord, source: string, error: unknown): void {
  record.failed(source, error)
  const hint = error instanceof SpillwayError ? error.hint : undefined
  emit({ kind: 'source-failed', source, code: codeOf(error), message: messageOf(error), hint })
}

/** AFTER of sources whose run was killed. Resolves with what is worth knowing of it. */
async function runLeftHooks(
  services: RunServices,
  record: RunRecord,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { done, failed, problems } = await recoverHooks(services, signal)
  for (const problem of problems) record.problem(problem)
  for (const { source, error } of failed) fails(services, record, source, error)
  return done
}

async function runSource(
  services: RunServices,
  source: Source,
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const { config, emit } = services
  const hooks = new SourceHooks(services, source)
  let isFailed = false
  try {
    const { row, packed, delivery, result, localPath, historyProblems } = await (
      config.hasSpool ? archiveSource : archiveDirect
    )(
      services,
      source,
      {
        onPacked: ({ row, packed, attempts }) => record.begin({ id: row.id, packed, attempts }),
        onGivenUp: ({ row, attempts }) => record.begin({ id: row.id, packed: undefined, attempts }),
        hooks,
      },
      signal,
    )
    if (result.hasSickServer) record.hasWarnings = true
    for (const problem of historyProblems) record.problem(problem)
    for (const { path, reason } of packed.notes)
      emit({ kind: 'note', about: path, message: reason })
    for (const { path, reason } of packed.warnings)
      emit({ kind: 'warning', about: path, message: reason })
    if (result.stored.length < config.copies) {
      const error = noServerLeft(delivery, result.stored.length, localPath)
      waits(services, record, { ...row, sizeBytes: packed.outputBytes }, error)
      isFailed = !isFailure(error, 'COPIES_MISSING')
    } else {
      record.sourceDone(source.name, packed)
    }
  } catch (error) {
    isFailed = true
    fails(services, record, source.name, error)
    if (endsRun(error)) throw error
  } finally {
    for (const problem of hooks.problems) {
      // Without another failure it is that of the source: its archive is good, and yet somebody must look.
      if (isFailed) record.problem(problem)
      else fails(services, record, source.name, problem)
      isFailed = true
    }
  }
  await trim(services, record)
}

/** What cannot be taken out of the spool stays there: a warning, and no reason to stop. */
async function trim({ catalog, config }: RunServices, record: RunRecord): Promise<void> {
  const { copies, localKeep, serverId } = config
  try {
    await trimSpool({ catalog, host: serverId, copies, localKeep })
  } catch (error) {
    if (!isFailure(error, 'SPOOL_FAILED')) throw error
    record.problem(error as SpillwayError)
  }
}

function codeOf(error: unknown): string {
  return error instanceof SpillwayError ? error.code : 'BUG'
}

function endsRun(error: unknown): boolean {
  const { exit } = failureOf(error)
  return exit === 130 || (exit >= 40 && exit < 50)
}
