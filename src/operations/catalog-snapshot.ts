// After each run the catalog itself is copied to the servers: a consistent snapshot, compressed, the
// newest seven on each, counted within the limit like everything else that is ours.
//
// Every enabled server that is up gets it, not only as many as COPIES says: it is small, whoever is left
// after a fire must be enough to begin anew, and a server that no archive needed tonight is looked at.
// A run is warned when fewer servers than COPIES took it; what else goes wrong here is a note.

import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eachAtOnce } from './reconcile-at-once.ts'
import { failureOf, isFailure, messageOf, SpillwayError } from '../domain/errors.ts'
import { latestSnapshotTime } from './catalog-snapshot-key.ts'
import { packSnapshot } from './catalog-snapshot-file.ts'
import { putSnapshot, trimSnapshots } from './catalog-snapshot-server.ts'
import type { SnapshotFile } from './catalog-snapshot-server.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { RunEvent } from '../domain/run-events.ts'
import type { Server } from '../domain/server.ts'
import type { ServerPool } from './server-pool.ts'

export type SnapshotServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly pool: ServerPool
  readonly emit: (event: RunEvent) => void
}

// Each takes some 20 MiB of memory while it is sent. With a catalog of 280 MB a run peaked at 219 MiB with
// two, at 249 MiB with three; one after the other was no slower, but for a server that is silent.
const SERVERS_AT_ONCE = 2

// Fixed names: under the run lock there is one, and what a killed run left is overwritten.
const COPY = '.catalog-snapshot.db'

export type CatalogCopied = {
  /** What the run must be warned of. */
  readonly problems: readonly SpillwayError[]
  /** Who has no copy while enough others have one; told as notes already. */
  readonly notices: readonly string[]
}

/**
 * Rejects with INTERRUPTED, or when the catalog itself fails; nothing that happens here is a failure of
 * an archive.
 */
export async function copyCatalog(
  services: SnapshotServices,
  signal: AbortSignal,
): Promise<CatalogCopied> {
  const { config, pool } = services
  const targets = pool.servers.filter((server) => pool.downBecause(server) === undefined)
  if (await mayBeNew(services, targets, signal)) {
    return noted(services, [
      'the catalog is not copied to servers that hold archives unknown to it',
    ])
  }
  const reasons = pool.servers
    .filter((server) => !targets.includes(server))
    .map((server) => reasonOf(server, pool.downBecause(server)))
  let stored = 0
  if (targets.length > 0) {
    const copyPath = join(config.spoolDir, COPY)
    const packedPath = `${copyPath}.zst`
    try {
      const file = await makeSnapshot(services, copyPath, packedPath)
      await eachAtOnce(targets, SERVERS_AT_ONCE, async (server) => {
        const reason = await putOn(services, server, file, signal)
        if (reason === undefined) stored += 1
        else reasons.push(reason)
      })
    } catch (error) {
      if (!(error instanceof SpillwayError) || !isFailure(error, 'CATALOG_NOT_COPIED')) throw error
      reasons.push(error.message)
    } finally {
      for (const path of [copyPath, packedPath]) await rm(path, { force: true })
    }
  }
  // Where none is up, the run has said so already, and more than once.
  const wanted = targets.length === 0 ? 0 : Math.min(config.copies, pool.servers.length)
  if (stored < wanted) {
    const problem = notCopied({ stored, wanted, of: pool.servers.length }, reasons)
    return { problems: [problem], notices: [] }
  }
  return noted(
    services,
    reasons.map((reason) => `the catalog was not copied to ${reason}`),
  )
}

function noted({ emit }: SnapshotServices, notices: readonly string[]): CatalogCopied {
  for (const message of notices) emit({ kind: 'note', about: undefined, message })
  return { problems: [], notices }
}

/**
 * Whether another catalog was lost, and this one is new. What lies there may be copies of the lost one, and
 * a rebuild begins with the newest: a nearly empty one must not take their place.
 */
async function mayBeNew(
  { catalog, pool }: SnapshotServices,
  targets: readonly Server[],
  signal: AbortSignal,
): Promise<boolean> {
  if ((await catalog.snapshots()).length > 0) return false
  // Each is listed before its first use in a run, as long as there are no copies.
  await eachAtOnce(targets, SERVERS_AT_ONCE, async (server) => {
    try {
      await pool.ready(server, signal)
    } catch (error) {
      // Told when it is to get its copy.
      if (failureOf(error).server === undefined) throw error
    }
  })
  return pool.hasStrangers
}

async function makeSnapshot(
  { catalog }: SnapshotServices,
  copyPath: string,
  packedPath: string,
): Promise<SnapshotFile> {
  try {
    await catalog.copyTo(copyPath)
    const sizeBytes = await packSnapshot(copyPath, packedPath)
    return {
      sizeBytes,
      madeAt: await nextTime(catalog),
      open: () => createReadStream(packedPath) as AsyncIterable<Buffer>,
    }
  } catch (cause) {
    throw new SpillwayError('CATALOG_NOT_COPIED', messageOf(cause), { cause })
  }
}

/**
 * A second later than the newest, also where the clock was set back by some hours: names sort as they were
 * made. One from years ahead is not followed there; its second is taken all the same.
 */
async function nextTime(catalog: Catalog): Promise<Date> {
  const latest = latestSnapshotTime(new Date())
  const all = await catalog.snapshots()
  const taken = new Set(all.map(({ madeAt }) => madeAt.getTime()))
  const newestMs = all.findLast(({ madeAt }) => madeAt <= latest)?.madeAt.getTime() ?? 0
  let timeMs = Math.max(Math.floor(Date.now() / 1_000) * 1_000, newestMs + 1_000)
  while (taken.has(timeMs)) timeMs += 1_000
  return new Date(timeMs)
}

/** undefined: it is there. Else why it is not. */
async function putOn(
  services: SnapshotServices,
  server: Server,
  file: SnapshotFile,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { catalog, config, pool } = services
  try {
    const storage = await pool.ready(server, signal)
    const place = { catalog, server, storage, host: config.serverId }
    const outcome = await putSnapshot(place, file, signal)
    if (outcome === 'full') return `${server.label}: Not enough space within its limit`
    const kept = 'older copies of the catalog stay there: the server does not let them be deleted'
    if (outcome === 'blocked') return `${server.label}: ${kept}`
    if (await trimSnapshots(place, signal))
      services.emit({ kind: 'note', about: server.label, message: kept })
    await noteHealth(services, server)
    return undefined
  } catch (error) {
    const { server: says } = failureOf(error)
    if (says === undefined) throw error
    // A key may be allowed to write archives and nothing else: that makes the server no worse.
    if (says === 'dead') await pool.settle(server, error)
    return reasonOf(server, error)
  }
}

/** It answered and took the bytes. Only `full` may stay true: an archive is larger than this. */
async function noteHealth({ catalog, pool }: SnapshotServices, server: Server): Promise<void> {
  const rows = await catalog.servers()
  const health = rows.find(({ identity }) => identity === server.identity)?.health
  if (health !== 'full') await pool.settle(server, undefined)
}

/** Many failures name their server themselves. */
function reasonOf({ label }: Server, error: unknown): string {
  const message = messageOf(error)
  const [, name = label] = /^\d+: (.*)$/.exec(label) ?? []
  if (message.startsWith(`${label}: `)) return message
  if (message.startsWith(`${name}: `)) return `${label}${message.slice(name.length)}`
  return `${label}: ${message}`
}

type Count = { readonly stored: number; readonly wanted: number; readonly of: number }

function notCopied({ stored, wanted, of }: Count, reasons: readonly string[]): SpillwayError {
  const servers = of === 1 ? '1 server' : `${of} servers`
  const enough = wanted < of ? `, and ${wanted === 1 ? '1 is' : `${wanted} are`} wanted` : ''
  const few = `the catalog was copied to ${stored} of ${servers}${enough}`
  const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`
  return new SpillwayError('CATALOG_NOT_COPIED', few + why)
}
