// Gives archives the copies that they lack: after COPIES was raised, after a server lost objects, after one
// left the configuration. From the spool's file where it is there, else from another copy.
//
// A command of its own and no part of the run: bytes must be fetched from a server first, which providers
// charge for, and the night belongs to new archives. `budgetBytes` makes it a share per night.

import { archivesLackingCopies, planCopies, storedOn } from './copies-plan.ts'
import { CopiesRecord } from './copies-record.ts'
import { endsWork, recopy } from './copies-recopy.ts'
import { SpillwayError } from '../domain/errors.ts'
import { requireServers } from '../config/parse.ts'
import { usageForArchives } from './catalog-snapshot-room.ts'
import { finishCopies, withCopySession } from './copies-session.ts'
import type { ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { CopiedArchive, CopiesReport } from './copies-record.ts'
import type { CopyServices, CopySession } from './copies-session.ts'
import type { EvacuateProgress } from './evacuate.ts'
import type { ServerUsage } from '../domain/placement.ts'

export type FillInput = {
  /** Most bytes of archives that are copied now; undefined: all. */
  readonly budgetBytes: number | undefined
  readonly onProgress?: (progress: EvacuateProgress) => void
  /** As each archive is through. */
  readonly onArchive?: (archive: CopiedArchive) => void
}

/** Resolves with what was done, also when it ended early: `exit` tells. */
export async function fillCopies(
  services: CopyServices,
  input: FillInput,
  signal: AbortSignal,
): Promise<CopiesReport> {
  return withCopySession(
    services,
    undefined,
    async (session, problems) => {
      const { catalog } = services
      const record = new CopiesRecord(problems)
      const lacking = await archivesLackingCopies({ config: session.config, catalog })
      const { now, later } = withinBudget(lacking, input.budgetBytes)
      for (const archive of later) record.later(archive)
      const done = { archives: 0, bytes: 0 }
      try {
        for (const archive of now) {
          await fillOne(session, { archive, record, input, now, done }, signal)
        }
        await finishCopies(session, now.length > 0, (error) => record.problem(error), signal)
      } catch (error) {
        record.ended(error, now.slice(done.archives))
      }
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
  const record = new CopiesRecord([])
  const usage = new Map<string, ServerUsage>(await usageForArchives(catalog))
  const { now, later } = withinBudget(await archivesLackingCopies({ config, catalog }), budgetBytes)
  for (const archive of later) record.later(archive)
  for (const archive of now) {
    const missing = config.copies - storedOn(archive, config.servers)
    const { to, error } = planCopies(config.servers, usage, archive, missing)
    record.add(archive, to, error)
  }
  return record.report(true)
}

/** One that is larger than what is left of the budget waits for another time; smaller ones go on. */
function withinBudget(
  archives: readonly ArchiveWithCopies[],
  budgetBytes: number | undefined,
): { readonly now: readonly ArchiveWithCopies[]; readonly later: readonly ArchiveWithCopies[] } {
  let leftBytes = budgetBytes ?? Infinity
  const [now, later]: ArchiveWithCopies[][] = [[], []]
  for (const archive of archives) {
    const { sizeBytes = 0 } = archive
    if (sizeBytes > leftBytes) {
      later!.push(archive)
      continue
    }
    leftBytes -= sizeBytes
    now!.push(archive)
  }
  return { now: now!, later: later! }
}

async function fillOne(
  session: CopySession,
  work: {
    readonly archive: ArchiveWithCopies
    readonly record: CopiesRecord
    readonly input: FillInput
    readonly now: readonly ArchiveWithCopies[]
    readonly done: { archives: number; bytes: number }
  },
  signal: AbortSignal,
): Promise<void> {
  const { archive: listed, record, input, now, done } = work
  if (signal.aborted) throw new SpillwayError('INTERRUPTED', 'interrupted before the next archive')
  const tell = (readBytes: number | undefined) =>
    input.onProgress?.({
      archivesDone: done.archives,
      archivesTotal: now.length,
      bytesDone: done.bytes,
      bytesTotal: now.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
      reading: readBytes === undefined ? undefined : { file: listed.file, readBytes },
    })
  tell(undefined)
  const entry = await copyOne(session, { listed, record, onRead: tell }, signal)
  done.archives += 1
  done.bytes += listed.sizeBytes ?? 0
  input.onArchive?.(entry)
  tell(undefined)
}

async function copyOne(
  session: CopySession,
  work: {
    readonly listed: ArchiveWithCopies
    readonly record: CopiesRecord
    readonly onRead: (readBytes: number) => void
  },
  signal: AbortSignal,
): Promise<CopiedArchive> {
  const { listed, record, onRead } = work
  try {
    const archive = await session.delivery.catalog.findArchive(listed.id)
    const input = { archive, copiesWanted: session.config.copies, onRead }
    const { damaged, error, stored } = await recopy(session, input, signal)
    for (const problem of damaged) record.problem(problem)
    return record.add(
      archive,
      stored.map(({ number }) => number),
      error,
    )
  } catch (error) {
    if (endsWork(error)) throw error
    return record.add(listed, [], error as SpillwayError)
  }
}
