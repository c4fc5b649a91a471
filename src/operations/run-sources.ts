// The sources of a run, in their order, PARALLEL_SOURCES of them at a time. Each becomes an archive that is
// stored or waits, or fails for itself: only a failing catalog or an interrupt ends the others.

import { archiveDirect } from './archive-direct.ts'
import { archiveSource } from './archive-source.ts'
import { endsRun } from './run-record.ts'
import { inLanes } from './source-lanes.ts'
import { isFailure } from '../domain/errors.ts'
import { noServerLeft } from './deliver.ts'
import { oneAtATime } from '../lib/one-at-a-time.ts'
import { SourceHooks } from './source-hooks.ts'
import { SpoolShares } from './spool-shares.ts'
import { trimSpool } from './spool.ts'
import type { ArchivedSource, ArchiveOptions } from './archive-source.ts'
import type { LaneOutcome } from './source-lanes.ts'
import type { RunRecord } from './run-record.ts'
import type { RunServices } from './run.ts'
import type { Source } from '../domain/source.ts'
import type { SpillwayError } from '../domain/errors.ts'

/** Rejects with what ends a run: CATALOG_*, INTERRUPTED. */
export async function runSources(
  services: RunServices,
  sources: readonly Source[],
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const inTurn = oneAtATime()
  const lanes = Math.min(services.config.parallelSources, sources.length)
  const spoolShares = new SpoolShares(lanes)
  await inLanes(sources, lanes, async (source, isAlone) => {
    const turn = { source, isAlone, spoolShares }
    const outcome = await runSource(services, turn, record, signal)
    await inTurn(() => trim(services, record))
    spoolShares.giveBack(source.name)
    return outcome
  })
}

type Turn = Pick<ArchiveOptions, 'isAlone' | 'spoolShares'> & { readonly source: Source }

async function runSource(
  services: RunServices,
  { source, ...turn }: Turn,
  record: RunRecord,
  signal: AbortSignal,
): Promise<LaneOutcome> {
  const { config, emit } = services
  const hooks = new SourceHooks(services, source)
  let isFailed = false
  try {
    const archived = await (config.hasSpool ? archiveSource : archiveDirect)(
      services,
      source,
      {
        onPacked: ({ row, packed, attempts }) => record.begin({ id: row.id, packed, attempts }),
        onGivenUp: ({ row, attempts }) => record.begin({ id: row.id, packed: undefined, attempts }),
        ...{ hooks, ...turn },
      },
      signal,
    )
    isFailed = !tellArchived(services, source, archived, record)
    return 'done'
  } catch (error) {
    isFailed = true
    if (!turn.isAlone && isFailure(error, 'SPOOL_FULL')) {
      const message =
        'the spool has no room for it beside the others: it is read when they are done'
      emit({ kind: 'note', about: source.name, message })
      return 'again'
    }
    record.sourceFailed(source.name, error)
    if (endsRun(error)) throw error
    return 'done'
  } finally {
    tellHooks(source, { problems: hooks.problems, isFailed }, record)
  }
}

/** Returns whether a server has it. */
function tellArchived(
  { config, emit }: RunServices,
  source: Source,
  archived: ArchivedSource,
  record: RunRecord,
): boolean {
  const { delivery, historyProblems, localPath, packed, result, row } = archived
  if (result.hasSickServer) record.hasWarnings = true
  for (const problem of historyProblems) record.problem(problem)
  for (const { path, reason } of packed.notes) emit({ kind: 'note', about: path, message: reason })
  for (const { path, reason } of packed.warnings)
    emit({ kind: 'warning', about: path, message: reason })
  if (result.stored.length >= config.copies) {
    record.sourceDone(source.name, packed)
    return true
  }
  const error = noServerLeft(delivery, result.stored.length, localPath)
  record.waits({ ...row, sizeBytes: packed.outputBytes }, error)
  return isFailure(error, 'COPIES_MISSING')
}

function tellHooks(
  source: Source,
  hooks: { readonly problems: readonly SpillwayError[]; readonly isFailed: boolean },
  record: RunRecord,
): void {
  let { isFailed } = hooks
  for (const problem of hooks.problems) {
    // Without another failure it is that of the source: its archive is good, and yet somebody must look.
    if (isFailed) record.problem(problem)
    else record.sourceFailed(source.name, problem)
    isFailed = true
  }
}

/** What cannot be taken out of the spool stays there: a warning, and no reason to stop. */
export async function trim({ catalog, config }: RunServices, record: RunRecord): Promise<void> {
  const { copies, localKeep, serverId } = config
  try {
    await trimSpool({ catalog, host: serverId, copies, localKeep })
  } catch (error) {
    if (!isFailure(error, 'SPOOL_FAILED')) throw error
    record.problem(error as SpillwayError)
  }
}
