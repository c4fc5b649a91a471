// The first step of a rebuild: the newest copy of the catalog that can be read from any server takes the
// place of the one that was lost. A copy from last night knows what no archive tells (pins, attempts,
// proofs, the history of files), and leaves only tonight's archives to be read.
//
// It runs before the catalog is opened, since it puts a file in its place, and under the run lock.

import { createWriteStream } from 'node:fs'
import { mkdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { asServerFailure } from './reconcile-failure.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { formatBytes } from '../domain/sizes.ts'
import { requireServers } from '../config/parse.ts'
import { latestSnapshotTime, snapshotFolder, snapshotTime } from './catalog-snapshot-key.ts'
import { unpackSnapshot } from './catalog-snapshot-file.ts'
import type { Config } from '../domain/config.ts'
import type { OpenStorage } from './server-pool.ts'
import { howToMoveAway } from '../catalog/move-away.ts'
import type { RebuildState } from '../catalog/rebuild-calls.ts'
import type { Server } from '../domain/server.ts'
import type { Storage, StoredObject } from '../storage/storage.ts'

export type StartServices = {
  readonly config: Config
  readonly openStorage: () => Promise<OpenStorage>
}

export type RebuildStart = {
  /** `resumed`: an earlier rebuild was begun and goes on; nothing was replaced. */
  readonly from: 'nothing' | 'snapshot' | 'resumed'
  /** Of the snapshot: server and key. */
  readonly name: string | undefined
  readonly archives: number
  /** Copies of the catalog that could not be used, and why; servers that could not be asked. */
  readonly warnings: readonly string[]
}

type Candidate = StoredObject & {
  readonly server: Server
  readonly storage: Storage
  readonly madeAt: Date
}

/** Rejects with CATALOG_NOT_EMPTY where there are archives in the catalog; nothing is changed then. */
export async function startRebuild(
  { config, openStorage }: StartServices,
  { isDryRun }: { readonly isDryRun: boolean },
  signal: AbortSignal,
): Promise<RebuildStart> {
  requireServers(config)
  const { acquireRunLock } = await import('../catalog/run-lock.ts')
  const { dataDir, catalogPath, serverId } = config
  const lock = await acquireRunLock(dataDir, { path: catalogPath, host: serverId })
  const folder = join(config.dataDir, '.catalog-rebuild')
  const storages: Storage[] = []
  try {
    const { stateOfCatalogFile } = await import('../catalog/snapshot-file.ts')
    const state = await stateOfCatalogFile(config.catalogPath, config.serverId)
    if (state?.isRebuilding === true)
      return { from: 'resumed', name: undefined, archives: state.archives, warnings: [] }
    if (state !== undefined && state.archives > 0) throw notEmpty(config.catalogPath, state)
    const open = await openStorage()
    const warnings: string[] = []
    const candidates = await findSnapshots(config, track(open, storages), warnings, signal)
    let trouble: Error | undefined
    for (const candidate of candidates) {
      const name = `${candidate.server.label}: ${candidate.key}`
      if (isDryRun) return { from: 'snapshot', name, archives: 0, warnings }
      try {
        const archives = await install(config, candidate, { folder, name }, signal)
        return { from: 'snapshot', name, archives, warnings }
      } catch (error) {
        if (failureOf(error).exit === 130) throw error
        warnings.push(`the copy of the catalog ${name} cannot be used: ${messageOf(error)}`)
        trouble ??= troubleHere(error, folder)
      }
    }
    // None could be used, and one of them not for what it is: it is not passed over for nothing at all.
    if (trouble !== undefined) throw trouble
    return { from: 'nothing', name: undefined, archives: 0, warnings }
  } finally {
    for (const storage of storages) storage.close()
    await rm(folder, { recursive: true, force: true })
    await lock.release()
  }
}

function track(open: OpenStorage, storages: Storage[]): OpenStorage {
  return (server, isKnown) => {
    const storage = open(server, isKnown)
    storages.push(storage)
    return storage
  }
}

/** Newest first, of all servers; which server a copy lies on does not matter. */
async function findSnapshots(
  config: Config,
  open: OpenStorage,
  warnings: string[],
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const found: Candidate[] = []
  await Promise.all(
    config.servers.map(async (server) => {
      try {
        // As a known one: a disk that is not mounted must not be given a new marker.
        const storage = open(server, true)
        await storage.prepare(signal)
        found.push(...(await listSnapshots(config, { server, storage, warnings }, signal)))
      } catch (error) {
        const { message } = asServerFailure(error)
        warnings.push(`no copy of the catalog is taken from ${server.label}: ${message}`)
      }
    }),
  )
  return found.toSorted(
    (a, b) => b.madeAt.getTime() - a.madeAt.getTime() || a.server.number - b.server.number,
  )
}

/** What is named after a time to come would be tried first, and be the newest for years. */
async function listSnapshots(
  { serverId }: Config,
  from: { readonly server: Server; readonly storage: Storage; readonly warnings: string[] },
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const { server, storage, warnings } = from
  const folder = snapshotFolder(server, serverId)
  const latest = latestSnapshotTime(new Date())
  const found: Candidate[] = []
  for await (const object of storage.list(folder, signal)) {
    const madeAt = snapshotTime(object.key.slice(folder.length))
    if (madeAt === undefined) continue
    if (madeAt <= latest) found.push({ ...object, server, storage, madeAt })
    else {
      const why = 'it is named after a time to come'
      warnings.push(`the copy of the catalog ${server.label}: ${object.key} is passed by: ${why}`)
    }
  }
  return found
}

/** Rejects with what is wrong with this copy, its server or the disk; nothing of it is left then. */
async function install(
  config: Config,
  { storage, key, sizeBytes }: Candidate,
  to: { readonly folder: string; readonly name: string },
  signal: AbortSignal,
): Promise<number> {
  const packedPath = join(to.folder, 'catalog.db.zst')
  const snapshotPath = join(to.folder, 'catalog.db')
  try {
    await rm(to.folder, { recursive: true, force: true })
    await mkdir(to.folder, { mode: 0o700 })
    const roomBytes = await roomIn(to.folder)
    if (sizeBytes > roomBytes) {
      const what = `it has ${formatBytes(sizeBytes)}, and there is room for ${formatBytes(roomBytes)}`
      throw new SpillwayError('ARCHIVE_REFUSED', `${what} in ${to.folder}`)
    }
    await download(storage, { key, sizeBytes }, packedPath, signal)
    await unpackSnapshot(packedPath, snapshotPath, await roomIn(to.folder))
    const { installSnapshot } = await import('../catalog/snapshot-file.ts')
    const { catalogPath, serverId: host } = config
    const at = new Date()
    const latest = latestSnapshotTime(at)
    const installed = await installSnapshot({
      ...{ snapshotPath, catalogPath, host, name: to.name, at, latest },
    })
    return installed.archives
  } finally {
    await rm(to.folder, { recursive: true, force: true })
  }
}

// What is left belongs to whoever else writes there, and to the catalog while it is checked and filled.
const ROOM_SHARE = 0.9

async function roomIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return Math.floor(bavail * bsize * ROOM_SHARE)
}

/** undefined: the copy or its server is at fault, and not this machine. */
function troubleHere(error: unknown, folder: string): Error | undefined {
  if (error instanceof Error && 'syscall' in error) {
    const what = `cannot write a copy of the catalog to ${folder}: ${error.message}`
    return new SpillwayError('CATALOG_UNAVAILABLE', what, { cause: error })
  }
  const isItsOwn = isFailure(error, 'CATALOG_CORRUPT', 'CATALOG_NEWER')
  const { exit } = failureOf(error)
  return error instanceof Error && !isItsOwn && exit >= 40 && exit < 50 ? error : undefined
}

async function download(
  storage: Storage,
  { key, sizeBytes }: { readonly key: string; readonly sizeBytes: number },
  path: string,
  signal: AbortSignal,
): Promise<void> {
  async function* bounded(): AsyncGenerator<Uint8Array> {
    let bytes = 0
    for await (const chunk of storage.read(key, undefined, signal)) {
      bytes += chunk.length
      if (bytes > sizeBytes)
        throw new SpillwayError('ARCHIVE_CORRUPT', `${key} is larger than its server listed it`)
      // Copied: the memory of a chunk may be used again for the next one.
      yield Buffer.from(chunk)
    }
  }
  await pipeline(bounded, createWriteStream(path, { mode: 0o600 }))
}

export function notEmpty(catalogPath: string, { archives }: RebuildState): SpillwayError {
  const count = archives === 1 ? '1 archive' : `${archives} archives`
  return new SpillwayError(
    'CATALOG_NOT_EMPTY',
    `the catalog ${catalogPath} is not empty: it knows ${count}`,
    {
      facts: { path: catalogPath, archives },
      hint:
        'spillway reconcile --adopt adds what the servers hold and it does not know; if it is only what a run began ' +
        `after the loss of another, move it away, then rebuild: ${howToMoveAway(catalogPath)} && ` +
        'spillway reconcile --rebuild (its archives come back, too)',
    },
  )
}
