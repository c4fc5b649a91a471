// How things stand: room and health of the servers, the last good archive of each source, what waits.
// In the shape of `status --json` (DESIGN.md section 10: fields may be added, none changed).
//
// No server is asked: this is what the last run found out, and it says when.

import type { Catalog, Health, ServerRow } from '../catalog/catalog.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Config } from '../domain/config.ts'
import { spareBytesOf } from '../domain/placement.ts'
import { bucketOf } from '../domain/server.ts'
import type { Server } from '../domain/server.ts'
import type { Source } from '../domain/source.ts'

export type ServerStatus = {
  /** null: not configured any more; its archives are still counted. */
  readonly number: number | null
  readonly label: string
  readonly endpoint: string
  readonly bucket: string | null
  readonly enabled: boolean
  /** null: not configured any more, so nothing may be put there. */
  readonly limitBytes: number | null
  readonly usedBytes: number
  readonly reservedBytes: number
  readonly catalogBytes: number
  readonly otherBytes: number
  readonly spareBytes: number
  readonly archives: number
  readonly health: Health
  readonly healthReason: string | null
  readonly checkedAt: string | null
}

export type SourceStatus = {
  readonly name: string
  readonly path: string
  /** When the newest archive that reached a server was begun; null: never. */
  readonly lastGoodAt: string | null
  readonly lastSizeBytes: number | null
  readonly lastFile: string | null
  /** Of the last good archive: files that changed, or could not be read. */
  readonly lastWarnings: number
  /** Set when the newest try of this source failed: when, and why. */
  readonly failedAt: string | null
  readonly failedReason: string | null
}

export type WaitingArchive = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly sizeBytes: number | null
  readonly createdAt: string
}

export type Status = {
  readonly serverId: string
  readonly servers: readonly ServerStatus[]
  readonly sources: readonly SourceStatus[]
  /** Oldest first, as the next run will send them. */
  readonly waiting: readonly WaitingArchive[]
}

/** `catalog` undefined: nothing was ever archived here. */
export async function statusOf({
  config,
  catalog,
}: {
  readonly config: Config
  readonly catalog: Catalog | undefined
}): Promise<Status> {
  const rows = (await catalog?.servers()) ?? []
  const rowOf = new Map(rows.map((row) => [row.identity, row]))
  const configured = config.servers.map((server) =>
    configuredStatus(server, rowOf.get(server.identity)),
  )
  const identities = new Set(config.servers.map(({ identity }) => identity))
  const left = rows.filter(({ identity }) => !identities.has(identity)).map(leftStatus)
  const sources: SourceStatus[] = []
  for (const source of config.sources)
    sources.push(await sourceStatus(source, catalog, config.serverId))
  const waiting = (await catalog?.waitingArchives(config.copies)) ?? []
  return {
    serverId: config.serverId,
    // One that holds nothing and is not configured has no news for anybody.
    servers: [...configured, ...left.filter(({ archives, usedBytes }) => archives + usedBytes > 0)],
    sources,
    waiting: waiting.map(({ id, source, file, sizeBytes, startedAt }) => ({
      id,
      source,
      file,
      sizeBytes: sizeBytes ?? null,
      createdAt: startedAt.toISOString(),
    })),
  }
}

function configuredStatus(server: Server, row: ServerRow | undefined): ServerStatus {
  const { number, label, endpoint, limitBytes, isEnabled } = server
  return {
    number,
    label,
    endpoint,
    bucket: bucketOf(server),
    enabled: isEnabled,
    limitBytes,
    ...usageOf(row),
    spareBytes: spareBytesOf(limitBytes, row),
  }
}

function leftStatus(row: ServerRow): ServerStatus {
  const { label, endpoint, bucket } = row
  return {
    number: null,
    label,
    endpoint,
    bucket: bucket ?? null,
    enabled: false,
    limitBytes: null,
    ...usageOf(row),
    spareBytes: 0,
  }
}

function usageOf(row: ServerRow | undefined) {
  return {
    usedBytes: row?.usedBytes ?? 0,
    reservedBytes: row?.reservedBytes ?? 0,
    catalogBytes: row?.catalogBytes ?? 0,
    otherBytes: row?.otherBytes ?? 0,
    archives: row?.archives ?? 0,
    health: row?.health ?? 'unknown',
    healthReason: row?.healthReason ?? null,
    checkedAt: row?.checkedAt?.toISOString() ?? null,
  }
}

async function sourceStatus(
  { name, path }: Source,
  catalog: Catalog | undefined,
  host: string,
): Promise<SourceStatus> {
  const last = await catalog?.lastGood(name)
  const [newest] = (await catalog?.archives({ source: name, host, limit: 1 })) ?? []
  const failed = newest?.state === 'failed' ? newest : undefined
  return {
    name,
    path,
    lastGoodAt: last?.startedAt.toISOString() ?? null,
    lastSizeBytes: last?.sizeBytes ?? null,
    lastFile: last?.file ?? null,
    lastWarnings: last?.warningCount ?? 0,
    failedAt: failed?.startedAt.toISOString() ?? null,
    failedReason: failed?.reason ?? null,
  }
}
