// The spool: the local folder where an archive is written first and from which it is uploaded.
//
// A file there ends in `.partial` until it is whole and fsynced. Only files that a row of the catalog
// names are ever removed; anything else is somebody's, and is only pointed out.

import { link, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SpillwayError, messageOf } from '../domain/errors.ts'
import { damagedCopyIds, withoutDamaged } from './damaged-copies.ts'
import { formatBytes } from '../domain/sizes.ts'
import { copiesOn } from '../domain/copies.ts'
import type { CopiesWanted } from '../domain/copies.ts'
import type { ArchiveWithCopies, Catalog, CopyId } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Beside } from './spool-shares.ts'
import { makeFolderOnDisk, syncFolder } from '../lib/sync-folder.ts'

export const PARTIAL_SUFFIX = '.partial'
const STREAMED_SUFFIX = '.streamed'

// Lies in the spool from its first use on: a folder without it is the bare mount point of a disk that is
// not mounted, and what waits there is not lost but out of sight.
const MARKER = '.spillway-spool'

/** Before anything is looked for in it. */
export async function prepareSpool({
  catalog,
  config,
}: {
  readonly catalog: Pick<Catalog, 'archives'>
  readonly config: Pick<Config, 'serverId' | 'spoolDir'>
}): Promise<void> {
  const { spoolDir } = config
  const marker = join(spoolDir, MARKER)
  try {
    makeFolderOnDisk(spoolDir)
    // Whoever made it may have died before it was away again.
    await rm(probeOf(marker), { force: true })
    if ((await fileSize(marker)) !== undefined) return
    if (await holdsArchives(catalog, config)) throw notMounted(spoolDir, marker)
    await writeFile(marker, 'Spillway keeps archives here until a server has them.\n', {
      mode: 0o600,
    })
    await checkLinks(marker)
  } catch (cause) {
    if (cause instanceof SpillwayError) throw cause
    throw spoolFailed(`cannot use the spool folder ${spoolDir}`, cause)
  }
}

/** By the catalog; or it was moved here, and what it holds is not where it was. */
async function holdsArchives(
  catalog: Pick<Catalog, 'archives'>,
  { serverId, spoolDir }: Pick<Config, 'serverId' | 'spoolDir'>,
): Promise<boolean> {
  for (const { localPath } of await catalog.archives({ host: serverId, states: ['ready'] })) {
    if (!isSpooled(localPath)) continue
    if (dirname(localPath) === spoolDir || (await fileSize(localPath)) === undefined) return true
  }
  return false
}

function notMounted(spoolDir: string, marker: string): SpillwayError {
  const what = `archives wait in the spool ${spoolDir}, and its mark, ${MARKER}, is not there: is its disk mounted?`
  return new SpillwayError('SPOOL_FAILED', what, {
    hint: `mount its disk; if the archives are really gone: touch ${marker}`,
  })
}

/** Found out before hours of packing: a finished file gets its name by a hard link. */
async function checkLinks(marker: string): Promise<void> {
  await link(marker, probeOf(marker))
  await rm(probeOf(marker))
}

function probeOf(marker: string): string {
  return `${marker}.link`
}

/** The finished name of a file that is written as `.partial`. */
export function finishedPath(partialPath: string): string {
  return partialPath.endsWith(PARTIAL_SUFFIX)
    ? partialPath.slice(0, -PARTIAL_SUFFIX.length)
    : partialPath
}

/**
 * Gives a finished file its final name, on disk. The `.partial` name stays beside it, since an upload
 * may be reading through it; `dropPartial` takes it away.
 */
export async function publishPartial(partialPath: string): Promise<string> {
  const finalPath = finishedPath(partialPath)
  try {
    await link(partialPath, finalPath)
    await syncFolder(dirname(finalPath))
  } catch (cause) {
    throw spoolFailed(`cannot give ${partialPath} its final name`, cause)
  }
  return finalPath
}

/** In the row of an archive that was never in the spool: no file has that name. */
export function streamedPath(partialPath: string): string {
  return finishedPath(partialPath) + STREAMED_SUFFIX
}

/** Whether a row's path is that of a file. */
export function isSpooled(localPath: string | undefined): localPath is string {
  return localPath !== undefined && !localPath.endsWith(STREAMED_SUFFIX)
}

/** For good: a file that came back after a power cut would be nobody's, once its row says that it is gone. */
export async function dropFile(path: string): Promise<void> {
  try {
    await rm(path)
    await syncFolder(dirname(path))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
    throw spoolFailed(`cannot remove ${path} from the spool`, cause)
  }
}

/** undefined: not there. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw spoolFailed(`cannot look at ${path}`, cause)
  }
}

/**
 * Fails before packing where it can be foreseen that the archive will not fit.
 * Returns the most bytes that the new archive may take; undefined: no limit.
 */
export async function roomInSpool(input: {
  readonly spoolDir: string
  readonly limitBytes: number | undefined
  readonly waitingBytes: number
  readonly expectedBytes: number | undefined
  /** undefined: nothing else is written there. */
  readonly beside?: Beside
}): Promise<number | undefined> {
  const { beside, spoolDir, limitBytes, waitingBytes } = input
  const expected = input.expectedBytes ?? 0
  const disk = await statfs(spoolDir).catch((cause: unknown) => {
    throw spoolFailed(`cannot see how much room the spool ${spoolDir} has`, cause)
  })
  // How much of it the others have written already is not asked: then there is more.
  const freeBytes = Math.max(0, disk.bavail * disk.bsize - (beside?.expectedBytes ?? 0))
  if (expected > freeBytes) {
    throw new SpillwayError(
      'SPOOL_FULL',
      `Not enough space in the spool ${spoolDir}: about ${formatBytes(expected)} needed, ${formatBytes(freeBytes)} free on its disk${besideText(beside)}`,
      { facts: { expectedBytes: expected, freeBytes } },
    )
  }
  if (limitBytes === undefined) return undefined
  const leftBytes = Math.max(0, limitBytes - waitingBytes - (beside?.limitBytes ?? 0))
  const roomBytes = Math.floor(leftBytes / (beside?.lanes ?? 1))
  if (roomBytes === 0 || expected > roomBytes) {
    throw new SpillwayError(
      'SPOOL_FULL',
      `Not enough space in the spool ${spoolDir}: about ${formatBytes(expected)} needed, ` +
        `${formatBytes(waitingBytes)} of SPOOL_LIMIT_GB (${formatBytes(limitBytes)}) taken by archives that wait${besideText(beside)}`,
      {
        facts: { expectedBytes: expected, waitingBytes, limitBytes },
        hint: 'archives that wait are never dropped: mend or add a server so that they can leave, or raise SPOOL_LIMIT_GB',
      },
    )
  }
  return roomBytes
}

/** The room of archives under way, and of those to come, is not this one's. */
function besideText(beside: Beside | undefined): string {
  if (beside === undefined || (beside.archiveIds.size === 0 && beside.lanes === 1)) return ''
  return ', and the rest is shared with other sources'
}

/**
 * Removes the spool files of stored archives, but for the newest `localKeep` of their source, and what
 * a process that died had brought back from a server.
 */
export async function trimSpool(input: {
  readonly catalog: Catalog
  readonly config: Pick<Config, 'serverId' | 'copies' | 'localKeep' | 'servers'>
  /** Of which something may still be read there. */
  readonly underWay?: ReadonlySet<ArchiveId>
}): Promise<void> {
  const { catalog, config, underWay } = input
  for (const { id, localPath } of await catalog.openFetches()) {
    for (const path of localPath === undefined ? [] : [localPath, finishedPath(localPath)])
      await dropFile(path)
    await catalog.endFetch(id)
  }
  const ready = await catalog.archives({ host: config.serverId, states: ['ready'] })
  const damagedIds = await damagedCopyIds(catalog)
  const keptBySource = new Map<string, number>()
  for (const archive of ready) {
    if (!isSafe(archive, damagedIds, config) || underWay?.has(archive.id)) continue
    const kept = keptBySource.get(archive.source) ?? 0
    keptBySource.set(archive.source, kept + 1)
    if (kept < config.localKeep || archive.localPath === undefined) continue
    // A verify beside this run may have found since that the copies are gone or damaged: then this is the last one.
    const now = await catalog.findArchive(archive.id)
    if (!isSafe(now, await damagedCopyIds(catalog), config)) continue
    await dropFile(archive.localPath)
    await catalog.markLocalGone(archive.id)
  }
}

/**
 * Enough servers of ours hold it whole: one that was taken out of the settings may be gone for good, and what could
 * mend a damaged copy stays until that is done (`spillway copies`).
 */
function isSafe(
  archive: ArchiveWithCopies,
  damagedIds: ReadonlySet<CopyId>,
  wanted: CopiesWanted,
): boolean {
  return copiesOn(withoutDamaged(archive, damagedIds), wanted.servers) >= wanted.copies
}

/** Archives in the spool, finished or not, that belong to no row. */
export async function strangersIn(
  spoolDir: string,
  known: ReadonlySet<string>,
): Promise<readonly string[]> {
  try {
    const names = await readdir(spoolDir)
    const files = names.filter((name) => /\.tar\.zst(\.partial)?$/.test(name))
    return files.map((name) => join(spoolDir, name)).filter((path) => !known.has(path))
  } catch (cause) {
    throw spoolFailed(`cannot list the spool ${spoolDir}`, cause)
  }
}

function spoolFailed(what: string, cause: unknown): SpillwayError {
  const isFull = cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC'
  return new SpillwayError(isFull ? 'SPOOL_FULL' : 'SPOOL_FAILED', `${what}: ${messageOf(cause)}`, {
    cause,
  })
}
