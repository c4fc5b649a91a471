// The first step of a rebuild: the newest copy of the catalog that can be read from any server takes the
// place of the one that was lost. A copy from last night knows what no archive tells (pins, attempts,
// proofs, the history of files), and leaves only tonight's archives to be read.
//
// It runs before the catalog is opened, since it puts a file in its place, and under the run lock.

import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { asServerFailure } from './reconcile-failure.ts'
import { isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { requireServers } from '../config/parse.ts'
import { snapshotFolder, snapshotTime } from './catalog-snapshot-key.ts'
import { unpackSnapshot } from './catalog-snapshot-file.ts'
import type { Config } from '../domain/config.ts'
import type { OpenStorage } from './server-pool.ts'
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
  const lock = await acquireRunLock(config.dataDir)
  const folder = join(config.dataDir, '.catalog-rebuild')
  const storages: Storage[] = []
  try {
    const { stateOfCatalogFile } = await import('../catalog/snapshot-file.ts')
    const state = await stateOfCatalogFile(config.catalogPath, config.serverId)
    if (state?.isRebuilding === true)
      return { from: 'resumed', name: undefined, archives: state.archives, warnings: [] }
    if (state !== undefined && state.archives > 0) throw notEmpty(config.catalogPath, state)
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { mode: 0o700 })
    const open = await openStorage()
    const warnings: string[] = []
    const candidates = await findSnapshots(config, track(open, storages), warnings, signal)
    for (const candidate of candidates) {
      const name = `${candidate.server.label}: ${candidate.key}`
      if (isDryRun) return { from: 'snapshot', name, archives: 0, warnings }
      const archives = await tryToInstall(config, candidate, { folder, name, warnings }, signal)
      if (archives !== undefined) return { from: 'snapshot', name, archives, warnings }
    }
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
      if (!server.isEnabled) return
      try {
        // As a known one: a disk that is not mounted must not be given a new marker.
        const storage = open(server, true)
        await storage.prepare(signal)
        const folder = snapshotFolder(server, config.serverId)
        for await (const object of storage.list(folder, signal)) {
          const madeAt = snapshotTime(object.key.slice(folder.length))
          if (madeAt !== undefined) found.push({ ...object, server, storage, madeAt })
        }
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

/** undefined: it cannot be used, and the next one is tried. */
async function tryToInstall(
  config: Config,
  { storage, key, sizeBytes }: Candidate,
  to: { readonly folder: string; readonly name: string; readonly warnings: string[] },
  signal: AbortSignal,
): Promise<number | undefined> {
  const packedPath = join(to.folder, 'catalog.db.zst')
  const snapshotPath = join(to.folder, 'catalog.db')
  try {
    for (const path of [packedPath, snapshotPath]) await rm(path, { force: true })
    await download(storage, { key, sizeBytes }, packedPath, signal)
    await unpackSnapshot(packedPath, snapshotPath)
    const { installSnapshot } = await import('../catalog/snapshot-file.ts')
    const { catalogPath, serverId: host } = config
    const at = new Date()
    const installed = await installSnapshot({
      ...{ snapshotPath, catalogPath, host, name: to.name, at },
    })
    return installed.archives
  } catch (error) {
    // A full disk is no fault of this copy: the next one would meet it, too.
    if (error instanceof Error && 'syscall' in error) {
      const what = `cannot write a copy of the catalog to ${to.folder}: ${error.message}`
      throw new SpillwayError('CATALOG_UNAVAILABLE', what, { cause: error })
    }
    if (!isFailure(error, 'CATALOG_CORRUPT', 'CATALOG_NEWER')) asServerFailure(error)
    to.warnings.push(`the copy of the catalog ${to.name} cannot be used: ${messageOf(error)}`)
    return undefined
  }
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
        'spillway reconcile adds what the servers hold and it does not know; to begin anew, ' +
        `move it away first: mv ${catalogPath} ${catalogPath}.old`,
    },
  )
}
