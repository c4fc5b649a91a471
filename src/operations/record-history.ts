// What an archive holds is read from its own index and recorded in the history of its source, so that
// `find`, `history` and `diff` are answered from the catalog alone.
//
// A finished archive is recorded from the spool while it is still being sent. What was missed then (a
// crash, a catalog made anew from the servers) is recorded by a later run: from the spool, or with a few
// ranged reads from a server. Not being able to is worth a warning, and never fails an archive.

import { open } from 'node:fs/promises'
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
      if (archive.source !== source || archive.state !== 'ready') continue
      const problem = await recordFromFile(catalog, archive, signal)
      if (problem !== undefined) problems.push(problem)
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
  await dropEmpty(catalog, config.serverId)
  const silent = new Set<ServerIdentity>()
  let left = 0
  for (const archive of await toRecord(catalog, config.serverId)) {
    if (performance.now() > deadline) {
      left += 1
      continue
    }
    const problem =
      archive.state === 'ready'
        ? await recordFromFile(catalog, archive, signal)
        : await recordFromServers(services, archive, silent, signal)
    if (problem === 'out of reach') left += 1
    else if (problem !== undefined) problems.push(problem)
  }
  if (left > 0) {
    const what = left === 1 ? 'one archive are' : `${left} archives are`
    const message = `the files of ${what} not known to find and history yet; a later run reads them`
    emit({ kind: 'note', about: undefined, message })
  }
}

/** Of a source whose archives are all deleted nothing can be found any more. */
async function dropEmpty(catalog: Catalog, host: string): Promise<void> {
  for (const { id, archives } of await catalog.histories({ host }))
    if (archives.length > 0 && archives.every(({ isGone }) => isGone)) await catalog.dropHistory(id)
}

/** Oldest first. */
async function toRecord(catalog: Catalog, host: string): Promise<readonly ArchiveWithCopies[]> {
  const unknown = await catalog.archivesWithoutHistory()
  return unknown.filter(
    (archive) => archive.host === host && archive.unreadableBecause === undefined,
  )
}

async function recordFromFile(
  catalog: Catalog,
  archive: ArchiveRow,
  signal: AbortSignal,
): Promise<SpillwayError | undefined> {
  const path = archive.localPath ?? archive.file
  try {
    const file = await open(path)
    try {
      return await record(catalog, archive, fileReader(file, path), signal)
    } finally {
      await file.close()
    }
  } catch (error) {
    // Sent and gone from the spool in the meantime, or lost, which `recover` tells.
    if (isErrno(error, 'ENOENT')) return undefined
    if (isFailure(error, 'INTERRUPTED')) throw error
    return asProblem(archive.file, error)
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

async function recordFromServers(
  { catalog, config, pool }: CatchUpServices,
  archive: ArchiveWithCopies,
  silent: Set<ServerIdentity>,
  signal: AbortSignal,
): Promise<SpillwayError | 'out of reach' | undefined> {
  for (const server of config.servers) {
    const copy = archive.copies.find(
      ({ identity, state }) => identity === server.identity && state === 'stored',
    )
    const isAsked = !silent.has(server.identity) && pool.downBecause(server) === undefined
    if (copy === undefined || !isAsked) continue
    try {
      const storage = await pool.ready(server, signal)
      return await record(catalog, archive, objectReader(storage, copy.key, signal), signal)
    } catch (error) {
      if (isFailure(error, 'INTERRUPTED')) throw error
      const isServers = error instanceof SpillwayError && error.failure.server !== undefined
      // One that fails is not asked for every other archive, too.
      if (isServers) silent.add(server.identity)
      else if (!isFailure(error, 'ARCHIVE_MISSING')) return asProblem(archive.file, error)
    }
  }
  return 'out of reach'
}

function objectReader(storage: Storage, key: string, signal: AbortSignal): ReadRange {
  return async (offsetBytes, sizeBytes) => {
    const pieces: Uint8Array[] = []
    for await (const piece of storage.read(key, { offsetBytes, sizeBytes }, signal))
      pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces)
  }
}

/** Resolves with a problem that is not worth a second try, or that was mended; rejects with others. */
async function record(
  catalog: Catalog,
  archive: ArchiveRow,
  readRange: ReadRange,
  signal: AbortSignal,
): Promise<SpillwayError | undefined> {
  try {
    const tail = await openArchiveTail(readRange, archive.sizeBytes ?? 0)
    await recordMembers(catalog, archive, memberBlocks(tail), signal)
    return undefined
  } catch (error) {
    if (isFailure(error, 'ARCHIVE_CORRUPT', 'ARCHIVE_REFUSED')) {
      await catalog.setHistoryUnreadable(archive, messageOf(error))
      return asProblem(archive.file, error)
    }
    if (isDamagedHistory(error)) {
      const damaged = await catalog.histories({ host: archive.host, source: archive.source })
      for (const { id } of damaged) await catalog.dropHistory(id)
    }
    throw error
  }
}

/** Of what we keep in a healthy database: it can be made again from the archives. */
function isDamagedHistory(error: unknown): boolean {
  return error instanceof SpillwayError && error.facts['isHistory'] === true
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
