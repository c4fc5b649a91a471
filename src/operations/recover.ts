// Settles what an interrupted run left behind: copies of which nobody knows whether the server has
// them, archives that were being packed, files in the spool. Running it twice is running it once.
//
// It never deletes a finished object or a finished spool file. It finishes rows: a copy is adopted
// as stored when the server proves it, or given up when the server confirms that nothing is left.

import { DELIVERY_LIMITS } from './upload-copy.ts'
import { finishDeletes } from './finish-deletes.ts'
import { settleCopy } from './settle-copy.ts'
import {
  dropFile,
  fileSize,
  finishedPath,
  isSpooled,
  PARTIAL_SUFFIX,
  strangersIn,
  trimSpool,
} from './spool.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { copiesOn } from '../domain/copies.ts'
import { LOST } from '../domain/archive.ts'
import type { CopiesWanted } from '../domain/copies.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { removeLeftSecrets } from '../sources/secret-folder.ts'
import type { ArchiveWithCopies, Catalog, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Deletions } from './deletions.ts'
import type { Storage } from '../storage/storage.ts'
import type { ServerPool } from './server-pool.ts'
import type { RunEvent } from '../domain/run-events.ts'

export type RecoverServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: ServerPool
  readonly archiveUses: ArchiveUses
  readonly emit: (event: RunEvent) => void
}

/**
 * Resolves with what is wrong and stays wrong: for the report, and for exit code 3. Deletes that are
 * refused are told by `deletions`, once per server.
 */
export async function recover(
  services: RecoverServices,
  deletions: Deletions,
  signal: AbortSignal,
): Promise<readonly SpillwayError[]> {
  const { catalog, emit } = services
  const interrupted = await catalog.interruptedArchives()
  const unsettled = await catalog.unsettledCopies()
  if (interrupted.length + unsettled.length > 0) {
    emit({ kind: 'recovering', archives: interrupted.length, copies: unsettled.length })
  }
  const problems: SpillwayError[] = []
  await finishDeletes(services, deletions, unsettled, signal)
  for (const copy of unsettled.filter(({ state }) => state !== 'deleting')) {
    const problem = await settle(services, copy, signal)
    if (problem) problems.push(problem)
  }
  for (const { id, localPath } of interrupted) {
    for (const path of localPath === undefined ? [] : [localPath, finishedPath(localPath)])
      await dropFile(path)
    await catalog.markArchiveFailed(id, 'its run was interrupted while it was packed', new Date())
  }
  // The run's lock says that nobody else works there.
  removeLeftSecrets(services.config.spoolDir, true)
  // Where a restore into a database keeps its own, and a dry run.
  for (const folder of [services.config.dataDir, tmpdir()]) removeLeftSecrets(folder, false)
  problems.push(...(await checkSpool(services)))
  return problems
}

async function settle(
  { catalog, config, pool, emit }: RecoverServices,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<SpillwayError | undefined> {
  const server = config.servers.find(({ identity }) => identity === copy.identity)
  if (server === undefined || !server.isEnabled) {
    // The operator took it away on purpose: worth a line, and no reason to warn every night.
    const why = 'the server is not configured, or disabled'
    emit({ kind: 'note', about: undefined, message: stays(copy, copy.identity, why).message })
    return undefined
  }
  const down = pool.downBecause(server)
  if (down !== undefined) return stays(copy, server.label, messageOf(down))
  try {
    const storage = await pool.ready(server, signal)
    const settled = await settleWith(catalog, storage, copy, signal)
    if (settled === 'open')
      return stays(copy, server.label, 'the upload is gone, and nothing is there yet')
    return undefined
  } catch (error) {
    if (failureOf(error).server === undefined) throw error
    // What one restricted permission forbids here does not take the server out of the run.
    if (!isFailure(error, 'SERVER_DENIED', 'SERVER_REJECTED')) await pool.settle(server, error)
    // The row says why it is still open; the bytes stay promised until the server answers.
    if (copy.state === 'uploading') await catalog.markUncertain(copy.id, messageOf(error))
    return stays(copy, server.label, messageOf(error))
  }
}

// No server works for an hour on a Complete whose client is gone.
const COMPLETE_MS_MAX = 3_600_000

/** Later than now: the clock was wrong then, and nobody would ever be through with it. */
function isLongSince(sent: Date): boolean {
  return Math.abs(Date.now() - sent.getTime()) > COMPLETE_MS_MAX
}

async function settleWith(
  catalog: Catalog,
  storage: Storage,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<'stored' | 'failed' | 'deleted' | 'open'> {
  const { headDelaysMs } = DELIVERY_LIMITS
  const archive = await catalog.findArchive(copy.archiveId)
  const open = {
    id: copy.id,
    target: { key: copy.key, token: copy.token },
    uploadId: copy.uploadId,
    completeBytes: copy.isCompleting ? archive.sizeBytes : undefined,
    isOver: isLongSince(copy.completingAt ?? archive.endedAt ?? archive.startedAt),
    reason: 'its run was interrupted; the server confirmed that nothing is left',
  }
  return settleCopy({ catalog, storage, headDelaysMs }, open, signal)
}

function stays(copy: CopyRow, server: string, why: string): SpillwayError {
  const { reservedBytes } = copy
  const room = reservedBytes === 0 ? '' : ` (${formatBytes(reservedBytes)} stay reserved)`
  return new SpillwayError(
    'SERVER_UNPROVEN',
    `it is not known whether ${server} holds ${copy.key}${room}: ${why}`,
  )
}

/** The spool must hold what the catalog says it holds, and what is stored may leave it. */
async function checkSpool({ catalog, config }: RecoverServices): Promise<readonly SpillwayError[]> {
  const problems: SpillwayError[] = []
  const known = new Set<string>()
  for (const row of await catalog.archives({ states: ['ready', 'packing'] })) {
    const archive = await foundAgain(catalog, config, row)
    if (archive.localPath !== undefined) known.add(archive.localPath)
    if (archive.host !== config.serverId) {
      problems.push(ofAnotherHost(archive, config.serverId))
    } else if (archive.state === 'ready') {
      const problem = await checkFile(catalog, config, archive)
      if (problem !== undefined) problems.push(problem)
    }
  }
  await trimSpool({ catalog, config })
  for (const path of await strangersIn(config.spoolDir, known)) {
    const what = `${path} belongs to no archive of this catalog; it is left alone`
    const remedy =
      'if the catalog was lost: move the new one away first, then spillway reconcile --rebuild'
    problems.push(new SpillwayError('SPOOL_FAILED', `${what} (${remedy})`))
  }
  return problems
}

/** Its spool was moved, DATA_DIR perhaps: the row follows a file of that name and size. */
async function foundAgain(
  catalog: Catalog,
  { serverId, spoolDir }: Config,
  archive: ArchiveWithCopies,
): Promise<ArchiveWithCopies> {
  const { host, id, localPath, sizeBytes, state } = archive
  if (host !== serverId || state !== 'ready' || !isSpooled(localPath)) return archive
  const here = join(spoolDir, basename(localPath))
  if (here === localPath || (await fileSize(localPath)) !== undefined) return archive
  if ((await fileSize(here)) !== sizeBytes) return archive
  await catalog.markMoved(id, here)
  return { ...archive, localPath: here }
}

async function checkFile(
  catalog: Catalog,
  wanted: CopiesWanted,
  archive: ArchiveWithCopies,
): Promise<SpillwayError | undefined> {
  const path = archive.localPath ?? archive.file
  const size = await fileSize(path)
  if (size === archive.sizeBytes) {
    // The name under which it was written and uploaded; an interrupted run may have left it.
    await dropFile(path + PARTIAL_SUFFIX)
    return undefined
  }
  const what = size === undefined ? `${path} is gone` : `${path} is damaged (${size} bytes)`
  if (archive.copies.some(({ state }) => state === 'stored')) {
    if (size === undefined) await catalog.markLocalGone(archive.id)
    const stored = copiesOn(archive, wanted.servers)
    if (stored >= wanted.copies) return undefined
    const few =
      stored === 0
        ? 'the archive is on servers alone that are not configured any more'
        : `the archive stays on ${stored} of ${wanted.copies} servers`
    return new SpillwayError('ARCHIVE_LOST', `${what}: ${few}`)
  }
  if (!isSpooled(path)) {
    // Like one whose packing was interrupted: its bytes were nowhere else, and its source is read again.
    if (!archive.copies.some(({ state }) => state === 'uncertain' || state === 'uploading'))
      await catalog.markArchiveFailed(
        archive.id,
        'no server took it before its run ended',
        new Date(),
      )
    return undefined
  }
  // A server may still turn out to have it: then it is no loss.
  if (archive.copies.some(({ state }) => state === 'uncertain')) {
    return new SpillwayError('SPOOL_FAILED', `${what}, and it is not known whether a server has it`)
  }
  await catalog.markArchiveFailed(archive.id, what + LOST, new Date())
  return new SpillwayError('ARCHIVE_LOST', `archive lost: ${what}${LOST}`)
}

function ofAnotherHost({ file, host }: ArchiveWithCopies, serverId: string): SpillwayError {
  const what = `${file} waits under the name of host ${host}, and this host is called ${serverId} now`
  return new SpillwayError('SPOOL_FAILED', what, {
    hint: `set SERVER_ID=${host} for a run, so that it is sent`,
  })
}
