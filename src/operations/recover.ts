// Settles what an interrupted run left behind: copies of which nobody knows whether the server has
// them, archives that were being packed, files in the spool. Running it twice is running it once.
//
// It never deletes a finished object or a finished spool file. It finishes rows: a copy is adopted
// as stored when the server proves it, or given up when the server confirms that nothing is left.

import { abortByKey } from './upload-copy.ts'
import {
  dropFile,
  fileSize,
  finishedPath,
  isStored,
  PARTIAL_SUFFIX,
  strangersIn,
  trimSpool,
} from './spool.ts'
import { failureOf, messageOf, SpillwayError } from '../domain/errors.ts'
import { isProvenBy } from '../storage/storage.ts'
import type { Catalog, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Server } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'
import type { RunEvent } from '../domain/run-events.ts'

export type RecoverServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
}

/** Resolves with what is wrong and stays wrong: for the report, and for exit code 3. */
export async function recover(
  services: RecoverServices,
  signal: AbortSignal,
): Promise<readonly SpillwayError[]> {
  const { catalog, emit } = services
  const interrupted = await catalog.interruptedArchives()
  const unsettled = await catalog.unsettledCopies()
  if (interrupted.length + unsettled.length > 0) {
    emit({ kind: 'recovering', archives: interrupted.length, copies: unsettled.length })
  }
  const problems: SpillwayError[] = []
  for (const copy of unsettled) {
    const problem = await settleCopy(services, copy, signal)
    if (problem) problems.push(problem)
  }
  for (const { id, localPath } of interrupted) {
    for (const path of localPath === undefined ? [] : [localPath, finishedPath(localPath)])
      await dropFile(path)
    await catalog.markArchiveFailed(id, 'its run was interrupted while it was packed', new Date())
  }
  problems.push(...(await checkSpool(services)))
  return problems
}

async function settleCopy(
  { catalog, config, pool }: RecoverServices,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<SpillwayError | undefined> {
  const server = config.servers.find(({ identity }) => identity === copy.identity)
  if (server === undefined || !server.isEnabled) {
    return stays(copy, server?.label ?? copy.identity, 'the server is not configured, or disabled')
  }
  const down = pool.downBecause(server)
  if (down !== undefined) return stays(copy, server.label, messageOf(down))
  try {
    await settleWith(catalog, pool, server, copy, signal)
    await pool.settle(server, undefined)
    return undefined
  } catch (error) {
    if (failureOf(error).server === undefined) throw error
    await pool.settle(server, error)
    // The row says why it is still open; the bytes stay promised until the server answers.
    if (copy.state === 'uploading') await catalog.markUncertain(copy.id, messageOf(error))
    return stays(copy, server.label, messageOf(error))
  }
}

async function settleWith(
  catalog: Catalog,
  pool: ServerPool,
  server: Server,
  copy: CopyRow,
  signal: AbortSignal,
): Promise<void> {
  const storage = await pool.ready(server, signal)
  const archive = await catalog.findArchive(copy.archiveId)
  const adopt = async (): Promise<boolean> => {
    // Only a whole archive is ever completed: without a size there is nothing to adopt.
    if (archive.sizeBytes === undefined) return false
    const head = await storage.head(copy.key, signal)
    if (head === undefined) return false
    if (!isProvenBy(head, { token: copy.token, sizeBytes: archive.sizeBytes })) return false
    const { sizeBytes, etag, versionId } = head
    await catalog.markStored(copy.id, { sizeBytes, etag, versionId, at: new Date() })
    return true
  }
  if (await adopt()) return
  const { key, token, uploadId } = copy
  if (uploadId === undefined) await abortByKey(storage, { key, token }, signal)
  else await storage.abort({ key, token, uploadId }, signal)
  // A Complete that was under way when its process died may have won against the abort.
  if (await adopt()) return
  await catalog.markCopyFailed(
    copy.id,
    'its run was interrupted; the server confirmed that nothing is left',
  )
}

function stays(copy: CopyRow, server: string, why: string): SpillwayError {
  return new SpillwayError(
    'SERVER_UNPROVEN',
    `it is not known whether ${server} holds ${copy.key} (${copy.reservedBytes} bytes stay reserved): ${why}`,
  )
}

/** The spool must hold what the catalog says it holds, and what is stored may leave it. */
async function checkSpool({ catalog, config }: RecoverServices): Promise<readonly SpillwayError[]> {
  const problems: SpillwayError[] = []
  const ready = await catalog.archives({ host: config.serverId, states: ['ready'] })
  const known = new Set<string>()
  for (const archive of ready) {
    const path = archive.localPath
    const size = path === undefined ? undefined : await fileSize(path)
    if (path !== undefined && size === archive.sizeBytes) {
      known.add(path)
      // The name under which it was written and uploaded; an interrupted run may have left it.
      await dropFile(path + PARTIAL_SUFFIX)
      continue
    }
    if (isStored(archive, 1)) {
      await catalog.markLocalGone(archive.id)
      continue
    }
    const reason = `${path ?? archive.file} ${size === undefined ? 'is gone from' : 'is damaged in'} the spool, and no server has it`
    await catalog.markArchiveFailed(archive.id, reason, new Date())
    problems.push(new SpillwayError('ARCHIVE_LOST', `archive lost: ${reason}`))
  }
  await trimSpool({
    catalog,
    host: config.serverId,
    copies: config.copies,
    localKeep: config.localKeep,
  })
  for (const path of await strangersIn(config.spoolDir, known)) {
    if (!path.endsWith('.tar.zst') || (await fileSize(path)) === undefined) continue
    problems.push(
      new SpillwayError(
        'SPOOL_FAILED',
        `${path} belongs to no archive of this catalog; it is left alone`,
      ),
    )
  }
  return problems
}
