// The nightly job: what an earlier run left is settled, archives that wait are sent first, then every
// source is archived, and a report tells the truth about each of them.
//
// A failing source never stops the others. Only a failing catalog or an interrupt ends a run early.

import { copyCatalog } from './catalog-snapshot.ts'
import { SpillwayError } from '../domain/errors.ts'
import { isSpooled, prepareSpool } from './spool.ts'
import { createMakeRoom, prune } from './prune.ts'
import { Deletions } from './deletions.ts'
import { catchUpHistory } from './record-history.ts'
import { giveUpLost } from './give-up-lost.ts'
import { forecastInRun, verifyShare } from './nightly-share.ts'
import { noteMachine } from './data-machine.ts'
import { oneAtATime } from '../lib/one-at-a-time.ts'
import { recover } from './recover.ts'
import { requireServers } from '../config/parse.ts'
import { recoverHooks } from './source-hooks.ts'
import { endsRun, RunRecord } from './run-record.ts'
import { runSources, trim } from './run-sources.ts'
import { sendFromSpool } from './send-from-spool.ts'
import { snapshotsGiveWay, spareBytesOn } from './catalog-snapshot-room.ts'
import { UnderWay } from './under-way.ts'
import { writeMetrics } from './metrics-file.ts'
import type { ArchiveServices } from './archive-source.ts'
import type { MetricsServices } from './metrics-file.ts'
import type { MakeRoom, PruneServices } from './prune.ts'
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
  const underWay = new UnderWay()
  const services = { ...given, makeRoom: createRoomMaker(given, deletions, underWay) }
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
    await prepareSpool(services)
    for (const problem of await recover(services, deletions, signal)) record.problem(problem)
    const onProblem = (problem: SpillwayError): void => record.problem(problem)
    await giveUpLost({ ...services, onProblem }, signal)
    await sendWaiting(services, record, underWay, signal)
    await runSources(services, { sources, underWay }, record, signal)
    for (const problem of await catchUpHistory(services, signal)) record.problem(problem)
    await prune(services, { sources, deletions }, signal)
    for (const problem of deletions.warnings) record.problem(problem)
    for (const problem of await verifyShare(services, signal)) record.problem(problem)
    // Last: the copy holds what this run did.
    const copied = await copyCatalog(services, signal)
    for (const problem of copied.problems) record.problem(problem)
    told.push(...copied.notices)
    noteMachine(config.dataDir)
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

/** For one archive at a time, by what is spare when its turn comes: nothing is deleted for two, or counted twice. */
function createRoomMaker(
  services: RunServices,
  deletions: Deletions,
  underWay: UnderWay,
): MakeRoom {
  const inTurn = oneAtATime()
  return (input, signal) =>
    inTurn(async () => {
      const { neededBytes, server } = input
      const spareBytes = spareBytesOn(await services.catalog.servers(), server)
      const missingBytes = neededBytes === undefined ? input.missingBytes : neededBytes - spareBytes
      if (missingBytes <= 0) return true
      const retention = createMakeRoom(services, deletions, underWay.ids)
      return snapshotsGiveWay(services, retention)({ ...input, missingBytes }, signal)
    })
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

async function sendWaiting(
  services: RunServices,
  record: RunRecord,
  underWay: UnderWay,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, config } = services
  for (const archive of await catalog.waitingArchives(config)) {
    if (archive.sizeBytes === undefined || !isSpooled(archive.localPath)) continue
    const attempts: ReportedAttempt[] = []
    record.begin({ id: archive.id, packed: undefined, attempts })
    try {
      const sent = await sendFromSpool(services, archive, attempts, signal)
      if (sent !== undefined) record.sentFromSpool(archive, sent)
    } catch (error) {
      record.sourceFailed(archive.source, error)
      if (endsRun(error)) throw error
      // Tonight's archive of that source will have the last word about it.
      record.warns(error)
    }
  }
  await trim(services, record, underWay)
}

/** AFTER of sources whose run was killed. Resolves with what is worth knowing of it. */
async function runLeftHooks(
  services: RunServices,
  record: RunRecord,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { done, failed, problems } = await recoverHooks(services, signal)
  for (const problem of problems) record.problem(problem)
  for (const { source, error } of failed) record.sourceFailed(source, error)
  return done
}
