// What an archive holds is read from its own index and recorded in the history of its source, so that
// `find`, `history` and `diff` are answered from the catalog alone.
//
// A finished archive is recorded from the spool while it is still being sent. What was missed then (a
// crash, a catalog made anew from the servers) is recorded by a later run: from the spool, or with a few
// ranged reads from a server. Not being able to is worth a warning, and never fails an archive.

import { open } from 'node:fs/promises'
import { isDamagedHistory } from '../domain/file-history.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { memberBlocks } from './index-members.ts'
import { openArchiveTail } from '../pack/archive-tail.ts'
import { recordMembers } from './history-recorder.ts'
import type { ArchiveRow, ArchiveWithCopies, Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { ReadRange } from '../pack/archive-tail.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { Storage } from '../storage/storage.ts'

export type RecordServices = { readonly catalog: Catalog; readonly config: Config }

/**
 * Records what this source has in the spool and is not known yet: tonight's archive, and those of an
 * earlier run that died in between, oldest first. Resolves with what went wrong; [] also when it was
 * interrupted, since the next run goes on.
 */
export async function recordSpooled(
  { catalog, config }: RecordServices,
  source: string,
  signal: AbortSignal,
): Promise<readonly SpillwayError[]> {
  const problems: SpillwayError[] = []
  try {
    for (const archive of await toRecord(catalog, config.serverId)) {
      const isMeant = archive.host === config.serverId && archive.source === source
      if (!isMeant || archive.state !== 'ready') continue
      try {
        await recordFromFile(catalog, archive, signal)
      } catch (error) {
        // At its end the run asks for copies that are not damaged, and tells if there is none.
        if (isDamagedArchive(error)) continue
        if (isFailure(error, 'INTERRUPTED')) throw error
        problems.push(asProblem(archive.file, error))
      }
    }
  } catch (error) {
    if (!isFailure(error, 'INTERRUPTED')) problems.push(asProblem(source, error))
  }
  return problems
}

export type CatchUpServices = RecordServices & {
  readonly pool: {
    readonly ready: (server: Server, signal: AbortSignal) => Promise<Storage>
    readonly downBecause: (server: Server) => unknown
  }
  readonly emit: (event: RunEvent) => void
}

// A catalog that was made anew knows none of a thousand archives; the job of the night must not wait
// for all of them. Some hundred indexes are read in this time, the others in the nights that follow.
const CATCH_UP_MS = 120_000

/**
 * Records what is left, from the spool or from servers; after everything else in a run. Resolves as
 * `recordSpooled` does.
 */
export async function catchUpHistory(
  services: CatchUpServices,
  signal: AbortSignal,
  limitMs = CATCH_UP_MS,
): Promise<readonly SpillwayError[]> {
  const problems: SpillwayError[] = []
  try {
    await catchUp(services, problems, signal, performance.now() + limitMs)
  } catch (error) {
    if (!isFailure(error, 'INTERRUPTED')) problems.push(asProblem('earlier archives', error))
  }
  return problems
}

async function catchUp(
  services: CatchUpServices,
  problems: SpillwayError[],
  signal: AbortSignal,
  deadline: number,
): Promise<void> {
  const { catalog, config, emit } = services
  await dropEmpty(catalog)
  const silent = new Set<ServerIdentity>()
  let left = 0
  for (const archive of await toRecord(catalog, config.serverId)) {
    if (performance.now() > deadline) {
      left += 1
      continue
    }
    try {
      const problem = await recordFromAnywhere(services, archive, silent, signal)
      if (problem === 'out of reach') left += 1
      else if (problem !== undefined) problems.push(problem)
    } catch (error) {
      if (isFailure(error, 'INTERRUPTED')) throw error
      problems.push(asProblem(archive.file, error))
    }
  }
  if (left > 0) {
    const what = left === 1 ? 'one archive are' : `${left} archives are`
    const message = `the files of ${what} not known to find and history yet; a later run reads them`
    emit({ kind: 'note', about: undefined, message })
  }
}

/** Of a source whose archives are all deleted nothing can be found any more. */
async function dropEmpty(catalog: Catalog): Promise<void> {
  for (const id of await catalog.emptyHistories()) await catalog.dropHistory(id)
}

/** Oldest first, and ours before those of other hosts, which a rebuild may have brought. */
async function toRecord(catalog: Catalog, host: string): Promise<readonly ArchiveWithCopies[]> {
  const unknown = await catalog.archivesWithoutHistory()
  const readable = unknown.filter(({ unreadableBecause }) => unreadableBecause === undefined)
  const isOurs = (archive: ArchiveRow): boolean => archive.host === host
  return [...readable.filter(isOurs), ...readable.filter((archive) => !isOurs(archive))]
}

/** From the first place that has its index whole; where none has, that is told, and not tried again. */
async function recordFromAnywhere(
  services: CatchUpServices,
  archive: ArchiveWithCopies,
  silent: Set<ServerIdentity>,
  signal: AbortSignal,
): Promise<SpillwayError | 'out of reach' | undefined> {
  const { catalog, config } = services
  const isHere = archive.host === config.serverId && archive.state === 'ready'
  const stored = archive.copies.filter(({ state }) => state === 'stored')
  const places = isHere ? [() => recordFromFile(catalog, archive, signal)] : []
  for (const server of config.servers) {
    const key = stored.find(({ identity }) => identity === server.identity)?.key
    if (key === undefined) continue
    places.push(() => recordFromServer(services, { archive, server, key, silent }, signal))
  }
  const damages: unknown[] = []
  for (const recordFromPlace of places) {
    try {
      if (await recordFromPlace()) return undefined
    } catch (error) {
      if (!isDamagedArchive(error)) throw error
      damages.push(error)
    }
  }
  // Also copies on servers that are not configured now may be asked one day.
  if (damages.length === 0 || damages.length < stored.length + (isHere ? 1 : 0))
    return 'out of reach'
  await catalog.setHistoryUnreadable(archive, messageOf(damages[0]))
  return asProblem(archive.file, damages[0])
}

/** False: the file is not there. */
async function recordFromFile(
  catalog: Catalog,
  archive: ArchiveRow,
  signal: AbortSignal,
): Promise<boolean> {
  const path = archive.localPath ?? archive.file
  let file: FileHandle
  try {
    file = await open(path)
  } catch (cause) {
    // Sent and gone from the spool in the meantime, or lost, which `recover` tells.
    if (isErrno(cause, 'ENOENT')) return false
    throw new SpillwayError('SPOOL_FAILED', `cannot open ${path}: ${messageOf(cause)}`, { cause })
  }
  try {
    await record(catalog, archive, fileReader(file, path), signal)
    return true
  } finally {
    await file.close()
  }
}

type FileHandle = Awaited<ReturnType<typeof open>>

function fileReader(file: FileHandle, path: string): ReadRange {
  return async (offsetBytes, sizeBytes) => {
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    let filled = 0
    try {
      while (filled < sizeBytes) {
        const at = offsetBytes + filled
        const { bytesRead } = await file.read(bytes, filled, sizeBytes - filled, at)
        if (bytesRead === 0) break
        filled += bytesRead
      }
    } catch (cause) {
      throw new SpillwayError('SPOOL_FAILED', `cannot read ${path}: ${messageOf(cause)}`, { cause })
    }
    return bytes.subarray(0, filled)
  }
}

/** False: the server cannot be asked now, or has nothing there. */
async function recordFromServer(
  { catalog, pool }: CatchUpServices,
  from: {
    readonly archive: ArchiveRow
    readonly server: Server
    readonly key: string
    readonly silent: Set<ServerIdentity>
  },
  signal: AbortSignal,
): Promise<boolean> {
  const { archive, server, key, silent } = from
  if (silent.has(server.identity) || pool.downBecause(server) !== undefined) return false
  try {
    const storage = await pool.ready(server, signal)
    await record(catalog, archive, objectReader(storage, key, signal), signal)
    return true
  } catch (error) {
    if (isFailure(error, 'ARCHIVE_MISSING')) return false
    if (!(error instanceof SpillwayError) || error.failure.server === undefined) throw error
    // One that fails is not asked for every other archive, too.
    silent.add(server.identity)
    return false
  }
}

function objectReader(storage: Storage, key: string, signal: AbortSignal): ReadRange {
  return async (offsetBytes, sizeBytes) => {
    const pieces: Uint8Array[] = []
    for await (const piece of storage.read(key, { offsetBytes, sizeBytes }, signal))
      pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces)
  }
}

/** A damaged history is dropped on the way, so that it can be filled again. */
async function record(
  catalog: Catalog,
  archive: ArchiveRow,
  readRange: ReadRange,
  signal: AbortSignal,
): Promise<void> {
  const sizeBytes = archive.sizeBytes ?? 0
  const tail = await openArchiveTail(readRange, sizeBytes)
  try {
    await recordMembers(catalog, archive, memberBlocks(tail, sizeBytes), signal)
  } catch (error) {
    if (isDamagedHistory(error)) {
      const damaged = await catalog.histories({ host: archive.host, source: archive.source })
      for (const { id } of damaged) await catalog.dropHistory(id)
    }
    throw error
  }
}

function isDamagedArchive(error: unknown): boolean {
  return isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED')
}

/** For the report: a warning, whatever it was, since the archive itself is as it was. */
function asProblem(about: string, cause: unknown): SpillwayError {
  const what = `the files of ${about} are not known to find and history: ${messageOf(cause)}`
  const hint = cause instanceof SpillwayError ? cause.hint : undefined
  return new SpillwayError('HISTORY_MISSING', what, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
