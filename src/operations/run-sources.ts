// The sources of a run, in their order, PARALLEL_SOURCES of them at a time. Each becomes an archive that is
// stored or waits, or fails for itself: only a failing catalog or an interrupt ends the others.
//
// What only fails because others are under way is no failure: a source that has no room in the spool beside them
// is read when they are done, and an archive for which their reservations left no room on a server is sent again.

import { archiveDirect } from './archive-direct.ts'
import type { GivenUp } from './archive-direct.ts'
import { archiveSource } from './archive-source.ts'
import { endsRun } from './run-record.ts'
import { inLanes } from './source-lanes.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { noServerLeft } from './deliver.ts'
import { oneAtATime } from '../lib/one-at-a-time.ts'
import { sendFromSpool } from './send-from-spool.ts'
import type { Sent } from './send-from-spool.ts'
import { SourceHooks } from './source-hooks.ts'
import { SpoolShares } from './spool-shares.ts'
import { trimSpool } from './spool.ts'
import type { ArchivedSource, ArchiveOptions } from './archive-source.ts'
import type { LaneOutcome } from './source-lanes.ts'
import type { RunRecord } from './run-record.ts'
import type { RunServices } from './run.ts'
import type { Source } from '../domain/source.ts'
import type { ReportedAttempt } from '../domain/run-report.ts'
import type { UnderWay } from './under-way.ts'

/** What is left to do when nothing else is under way. */
type Left =
  | 'nothing'
  | { readonly toRead: { readonly earlierAttempts: readonly ReportedAttempt[] } }
  | { readonly toSend: ArchivedSource }

type Turn = Pick<ArchiveOptions, 'isAlone' | 'spoolShares' | 'underWay'> & {
  readonly earlierAttempts: readonly ReportedAttempt[]
}

/** Rejects with what ends a run: CATALOG_*, INTERRUPTED. */
export async function runSources(
  services: RunServices,
  { sources, underWay }: { readonly sources: readonly Source[]; readonly underWay: UnderWay },
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const inTurn = oneAtATime()
  const lanes = Math.min(services.config.parallelSources, sources.length)
  const spoolShares = new SpoolShares(lanes, sources.length)

  const readOne = async (
    source: Source,
    order: Pick<Turn, 'isAlone' | 'earlierAttempts'>,
  ): Promise<Left> => {
    const turn = { ...order, spoolShares, underWay }
    const left = await runSource(services, source, turn, record, signal)
    if (left === 'nothing') underWay.end(source.name)
    await inTurn(() => trim(services, record, underWay))
    spoolShares.giveBack(source.name)
    return left
  }
  await inLanes(sources, lanes, async (source, isAlone): Promise<LaneOutcome> => {
    const left = await readOne(source, { isAlone, earlierAttempts: [] })
    if (left === 'nothing') return 'done'
    const again = async (): Promise<void> => {
      if ('toRead' in left) return void (await readOne(source, { isAlone: true, ...left.toRead }))
      await sendAgain(services, source, left.toSend, record, signal)
      underWay.end(source.name)
      await trim(services, record, underWay)
    }
    return { again }
  })
}

async function runSource(
  services: RunServices,
  source: Source,
  turn: Turn,
  record: RunRecord,
  signal: AbortSignal,
): Promise<Left> {
  const { config, emit } = services
  const hooks = new SourceHooks(services, source)
  let isFailed = false
  let givenUp: GivenUp | undefined
  try {
    const archived = await (config.hasSpool ? archiveSource : archiveDirect)(
      services,
      source,
      {
        onPacked: ({ row, packed, attempts }) => record.begin({ id: row.id, packed, attempts }),
        onGivenUp: (facts) => (givenUp = facts),
        ...{ hooks, ...turn },
      },
      signal,
    )
    const { delivery, result } = archived
    const isMissing = result.stored.length < config.copies
    if (!turn.isAlone && isMissing && wasCrowdedOut(delivery.attempts)) return { toSend: archived }
    isFailed = !tellArchived(services, source, archived, record)
    return 'nothing'
  } catch (error) {
    isFailed = true
    const isCrowded = isFailure(error, 'SPOOL_FULL') || wasOnlyCrowdedOut(givenUp)
    // An AFTER that failed has left something down: then it is not begun again.
    if (!turn.isAlone && isCrowded && hooks.problems.length === 0) {
      if (givenUp?.hasSickServer === true) record.hasWarnings = true
      emit({ kind: 'source-postponed', source: source.name, reason: messageOf(error) })
      return { toRead: { earlierAttempts: givenUp?.attempts ?? [] } }
    }
    if (givenUp !== undefined)
      record.begin({ id: givenUp.row.id, packed: undefined, attempts: givenUp.attempts })
    record.sourceFailed(source.name, error)
    if (endsRun(error)) throw error
    return 'nothing'
  } finally {
    tellHooks(source, { problems: hooks.problems, isFailed }, record)
  }
}

/** A server had no room by what others had only reserved there, perhaps: alone it is asked once more. */
function wasCrowdedOut(attempts: readonly ReportedAttempt[]): boolean {
  return attempts.some(({ code }) => code === 'STORAGE_LIMIT')
}

/** A second reading could be a second archive on a server that has the first after all. */
function wasOnlyCrowdedOut(givenUp: GivenUp | undefined): boolean {
  return givenUp !== undefined && !givenUp.mayBeStored && wasCrowdedOut(givenUp.attempts)
}

async function sendAgain(
  services: RunServices,
  source: Source,
  archived: ArchivedSource,
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  const { delivery, result, row } = archived
  let sent: Sent | undefined
  try {
    const archive = await services.catalog.findArchive(row.id)
    sent = await sendFromSpool(services, archive, delivery.attempts, signal)
  } catch (error) {
    // What was read is told in any case.
    tellRead(services, archived, record)
    record.sourceFailed(source.name, error)
    if (endsRun(error)) throw error
    return
  }
  if (sent === undefined) {
    tellRead(services, archived, record)
    return tellGone(services, source, archived, record)
  }
  const stored = [...result.stored, ...sent.result.stored]
  const hasSickServer = result.hasSickServer || sent.result.hasSickServer
  tellArchived(services, source, { ...archived, result: { stored, hasSickServer } }, record)
}

/** A moment ago it was whole in the spool. Where a server has it, only a copy is missing. */
function tellGone(
  { emit }: RunServices,
  source: Source,
  { localPath, result, row }: ArchivedSource,
  record: RunRecord,
): void {
  const what = `${localPath} was to be sent again, and is gone from the spool or has another size`
  if (result.stored.length === 0)
    return record.sourceFailed(source.name, new SpillwayError('SPOOL_FAILED', what))
  emit({ kind: 'warning', about: row.file, message: what })
  record.failed(source.name, new SpillwayError('COPIES_MISSING', what))
}

/** Returns whether a server has it. */
function tellArchived(
  services: RunServices,
  source: Source,
  archived: ArchivedSource,
  record: RunRecord,
): boolean {
  const { delivery, localPath, packed, result, row } = archived
  tellRead(services, archived, record)
  if (result.stored.length >= services.config.copies) {
    record.sourceDone(source.name, packed)
    return true
  }
  const error = noServerLeft(delivery, result.stored.length, localPath)
  record.waits({ ...row, sizeBytes: packed.outputBytes }, error)
  return isFailure(error, 'COPIES_MISSING')
}

/** What came up while it was read and sent. */
function tellRead(
  { emit }: RunServices,
  { historyProblems, packed, result }: ArchivedSource,
  record: RunRecord,
): void {
  if (result.hasSickServer) record.hasWarnings = true
  for (const problem of historyProblems) record.problem(problem)
  for (const { path, reason } of packed.notes) emit({ kind: 'note', about: path, message: reason })
  for (const { path, reason } of packed.warnings)
    emit({ kind: 'warning', about: path, message: reason })
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
export async function trim(
  { catalog, config }: RunServices,
  record: RunRecord,
  underWay: UnderWay,
): Promise<void> {
  try {
    await trimSpool({ catalog, config, underWay: underWay.ids })
  } catch (error) {
    if (!isFailure(error, 'SPOOL_FAILED')) throw error
    record.problem(error as SpillwayError)
  }
}
