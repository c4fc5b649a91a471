// Gives archives the copies that they lack: after COPIES was raised, after a server lost objects, after one
// left the configuration; and replaces those that verifying found damaged. From the spool's file where it is
// there, else from another copy.
//
// A command of its own and no part of the run: bytes must be fetched from a server first, which providers
// charge for, and the night belongs to new archives. `budgetBytes` makes it a share per night.

import { copiesToMake, planCopies } from './copies-plan.ts'
import { CopiesRecord } from './copies-record.ts'
import { Deletions } from './deletions.ts'
import { damagedAmong, damagedCopyIds } from './damaged-copies.ts'
import { endsWork, recopy } from './copies-recopy.ts'
import { isFailure, SpillwayError } from '../domain/errors.ts'
import { removeDamaged } from './copies-mend.ts'
import { requireServers } from '../config/parse.ts'
import { usageForArchives } from './catalog-snapshot-room.ts'
import { finishCopies, withCopySession } from './copies-session.ts'
import type { ArchiveToCopy } from './copies-plan.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { CopiedArchive, CopiesReport } from './copies-record.ts'
import type { CopyServices, CopySession } from './copies-session.ts'
import type { EvacuateProgress } from './evacuate.ts'
import type { MendServices } from './copies-mend.ts'
import type { Recopied } from './copies-recopy.ts'
import type { ServerUsage } from '../domain/placement.ts'

export type FillServices = CopyServices & MendServices

export type FillInput = {
  /** Most bytes of archives that are copied now; undefined: all. */
  readonly budgetBytes: number | undefined
  readonly onProgress?: (progress: EvacuateProgress) => void
  /** As each archive is through. */
  readonly onArchive?: (archive: CopiedArchive) => void
}

/** Resolves with what was done, also when it ended early: `exit` tells. */
export async function fillCopies(
  services: FillServices,
  input: FillInput,
  signal: AbortSignal,
): Promise<CopiesReport> {
  return withCopySession(
    services,
    undefined,
    async (session, problems) => {
      const { config } = session
      const record = new CopiesRecord(config.servers, problems)
      const { toCopy, hopeless } = await copiesToMake({ config, catalog: services.catalog })
      for (const each of hopeless) record.hopeless(each)
      const { now, later } = withinBudget(toCopy, input.budgetBytes)
      noteLater(record, later, input)
      const filling = { services, session, record, input, now, deletions: new Deletions() }
      const done = { archives: 0, bytes: 0 }
      try {
        for (const work of now) await fillOne(filling, work, done, signal)
        await finishCopies(session, now.length > 0, (error) => record.problem(error), signal)
      } catch (error) {
        record.ended(error, now.slice(done.archives))
      }
      for (const problem of filling.deletions.problems()) record.problem(problem)
      return record.report()
    },
    signal,
  )
}

/** What `fillCopies` would do, from the catalog alone: no server is asked. */
export async function planFill(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog },
  { budgetBytes }: Pick<FillInput, 'budgetBytes'>,
): Promise<CopiesReport> {
  requireServers(config)
  const record = new CopiesRecord(config.servers, [])
  const usage = new Map<string, ServerUsage>(await usageForArchives(catalog))
  const { toCopy, hopeless } = await copiesToMake({ config, catalog })
  for (const each of hopeless) record.hopeless(each)
  const { now, later } = withinBudget(toCopy, budgetBytes)
  noteLater(record, later, { budgetBytes })
  for (const work of now) {
    const { to, error } = planCopies(config.servers, usage, work.archive, work)
    record.add(work, to, error)
  }
  return record.report(true)
}

/** One that is larger than what is left of the budget waits for another time; smaller ones go on. */
function withinBudget(
  archives: readonly ArchiveToCopy[],
  budgetBytes: number | undefined,
): { readonly now: readonly ArchiveToCopy[]; readonly later: readonly ArchiveToCopy[] } {
  let leftBytes = budgetBytes ?? Infinity
  const [now, later]: ArchiveToCopy[][] = [[], []]
  for (const work of archives) {
    const sizeBytes = bytesOf(work)
    if (sizeBytes > leftBytes) {
      later!.push(work)
      continue
    }
    leftBytes -= sizeBytes
    now!.push(work)
  }
  return { now: now!, later: later! }
}

function noteLater(
  record: CopiesRecord,
  later: readonly ArchiveToCopy[],
  { budgetBytes = Infinity }: Pick<FillInput, 'budgetBytes'>,
): void {
  for (const each of later) record.later(each)
  const never = later.map(bytesOf).filter((sizeBytes) => sizeBytes > budgetBytes)
  if (never.length > 0) record.neverWithin(budgetBytes, never.length, Math.max(...never))
}

/** Only removing a damaged copy moves no bytes. */
function bytesOf({ archive, missing }: ArchiveToCopy): number {
  return missing === 0 ? 0 : (archive.sizeBytes ?? 0)
}

type Filling = {
  readonly services: FillServices
  readonly session: CopySession
  readonly record: CopiesRecord
  readonly input: FillInput
  readonly now: readonly ArchiveToCopy[]
  readonly deletions: Deletions
}

async function fillOne(
  filling: Filling,
  work: ArchiveToCopy,
  done: { archives: number; bytes: number },
  signal: AbortSignal,
): Promise<void> {
  const { input, now } = filling
  const { file } = work.archive
  if (signal.aborted) throw new SpillwayError('INTERRUPTED', 'interrupted before the next archive')
  const tell = (readBytes: number | undefined) =>
    input.onProgress?.({
      archivesDone: done.archives,
      archivesTotal: now.length,
      bytesDone: done.bytes,
      bytesTotal: now.reduce((sum, each) => sum + bytesOf(each), 0),
      reading: readBytes === undefined ? undefined : { file, readBytes },
    })
  tell(undefined)
  const entry = await copyOne(filling, work, tell, signal)
  done.archives += 1
  done.bytes += bytesOf(work)
  input.onArchive?.(entry)
  tell(undefined)
}

async function copyOne(
  { services, session, record, deletions }: Filling,
  listed: ArchiveToCopy,
  onRead: (readBytes: number) => void,
  signal: AbortSignal,
): Promise<CopiedArchive> {
  const copiesWanted = session.config.copies
  let work = listed
  try {
    const { catalog } = services
    // As it is now: the list was read before hours of work, and verifying needs no lock.
    const archive = await catalog.findArchive(listed.archive.id)
    const damaged = damagedAmong(archive, await damagedCopyIds(catalog)).filter(({ identity }) =>
      session.config.servers.some((server) => server.identity === identity),
    )
    work = { ...listed, archive, damaged }
    const recopied = await recopy(session, { archive, copiesWanted, damaged, onRead }, signal)
    for (const problem of recopied.damaged) record.problem(problem)
    // Its file in the spool, which was all that was left, is none either.
    if (isFailure(recopied.error, 'ARCHIVE_CORRUPT') && isHopeless(recopied, work))
      return record.hopeless(work)
    const to = recopied.stored.map(({ number }) => number)
    const error = recopied.error ?? tooFewProven(recopied, work, copiesWanted)
    if (error !== undefined || damaged.length === 0) return record.add(work, to, error)
    const staysBecause = await removeDamaged(services, session, { ...work, deletions }, signal)
    return record.add(work, to, staysBecause)
  } catch (error) {
    if (endsWork(error)) throw error
    return record.add(work, [], error as SpillwayError)
  }
}

function isHopeless({ damaged, provenCount, unknown }: Recopied, work: ArchiveToCopy): boolean {
  const isKnown = damaged.length === 0 && unknown.length === 0
  return isKnown && provenCount === 0 && work.damaged.length > 0
}

/** A copy that does not answer tonight counts as one, and proves nothing: the damaged one stays. */
function tooFewProven(
  { provenCount, unknown }: Recopied,
  { damaged }: ArchiveToCopy,
  copiesWanted: number,
): SpillwayError | undefined {
  return damaged.length > 0 && provenCount < copiesWanted ? unknown[0]?.error : undefined
}
