// How things stand: room and health of the servers, the last good archive of each source, what waits.
// In the shape of `status --json` (DESIGN.md section 10: fields may be added, none changed).
//
// No server is asked: this is what the last run found out, and it says when.

import type { Catalog, Health, ServerRow } from '../catalog/catalog.ts'
import type { KeptRun, RunOrigin, RunState } from '../domain/kept-run.ts'
import type { RunHolder } from '../catalog/run-lock.ts'
import { FORECAST_NIGHTS, forecastNews } from '../domain/forecast.ts'
import type { Forecast } from '../domain/forecast.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { Config } from '../domain/config.ts'
import { spareBytesOf } from '../domain/placement.ts'
import { bucketOf } from '../domain/server.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import { describeSource } from '../domain/source.ts'
import type { Source } from '../domain/source.ts'
import { countWanting } from './copies-plan.ts'
import type { ArchiveToCopy } from './copies-plan.ts'
import { forecastOf } from './forecast.ts'
import { NO_TRUST, problemsOf, trustOf } from './trust.ts'
import type { ServerTrust, StatusProblem } from './trust.ts'

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
  readonly trust: ServerTrust
  /** As the forecast has it; null: not within its nights, or there is none. */
  readonly fullInNights: number | null
  readonly fullOn: string | null
}

export type SourceStatus = {
  readonly name: string
  readonly path: string
  /** By which it is archived: its own, or that of the host. */
  readonly schedule: string
  /** When the newest archive was begun that has a sound copy on a server; null: there is none. */
  readonly lastGoodAt: string | null
  readonly lastSizeBytes: number | null
  readonly lastFile: string | null
  /** Of the last good archive: files that changed, or could not be read. */
  readonly lastWarnings: number
  /** Set when the newest try of this source failed: when, and why. */
  readonly failedAt: string | null
  readonly failedReason: string | null
  /** By which an archive is larger than that of the night before; null: too little history. */
  readonly growthBytesPerNight: number | null
  /** What the next archive will take, about; null: there never was one. */
  readonly nextBytes: number | null
}

export type WaitingArchive = {
  readonly id: ArchiveId
  readonly source: string
  readonly file: string
  readonly sizeBytes: number | null
  readonly createdAt: string
}

/** The catalog says that it is stored, and it could not be restored whole. */
export type UnusableArchive = {
  readonly archive: ArchiveId
  readonly source: string
  readonly file: string
  readonly sizeBytes: number | null
  /** Its copies, each with why it counts as none. */
  readonly copies: readonly string[]
}

export type Status = {
  readonly serverId: string
  /** The run that is going on: what follows is on its way to be news. */
  readonly run: RunHolder | null
  /** The newest run that was kept, also one that is going on; null: none. */
  readonly lastRun: StatusRun | null
  /** How many servers each archive must reach. */
  readonly copies: number
  readonly servers: readonly ServerStatus[]
  readonly sources: readonly SourceStatus[]
  /** Oldest first, as the next run will send them. */
  readonly waiting: readonly WaitingArchive[]
  /** Archives that left the spool and lie on fewer servers than COPIES: no run mends that. */
  readonly lackingCopies: number
  /** Without a sound copy on a configured server, and not in the spool. */
  readonly unusable: readonly UnusableArchive[]
  /** Archives with a damaged copy, and with a sound one or a file in the spool: `copies` replaces it. */
  readonly mendableArchives: number
  /** What verifying found and nobody has settled yet. */
  readonly problems: readonly StatusProblem[]
  readonly forecast: StatusForecast
}

export type StatusRun = {
  readonly id: string
  readonly origin: RunOrigin
  readonly state: RunState
  readonly startedAt: string
  /** Of a lost run: when it was last heard of. */
  readonly endedAt: string | null
  readonly exit: number | null
}

export type StatusForecast = {
  /** How far it looks. */
  readonly nights: number
  /** When no archive finds room any more, on all servers together; null: not within these nights. */
  readonly fullInNights: number | null
  /** The UTC day of that night. */
  readonly fullOn: string | null
  /** Why there is no forecast; null: there is one. */
  readonly reason: string | null
  /** What somebody must see to within fourteen nights. */
  readonly warnings: readonly string[]
  /** Servers that will be full by then, while others have room. */
  readonly notices: readonly string[]
}

/** `catalog` undefined: nothing was ever archived here. */
export async function statusOf({
  config,
  catalog,
  run,
  lastRun,
  now = new Date(),
}: {
  readonly config: Config
  readonly catalog: Catalog | undefined
  readonly run?: RunHolder | undefined
  readonly lastRun?: KeptRun | undefined
  readonly now?: Date
}): Promise<Status> {
  const found = catalog === undefined ? undefined : await forecastOf({ config, catalog }, now)
  const trust = await trustOf(catalog)
  const more = (identity: ServerIdentity) => ({
    trust: trust.get(identity) ?? NO_TRUST,
    fullInNights: found?.servers.get(identity)?.fullInNights ?? null,
    fullOn: found?.servers.get(identity)?.fullOn ?? null,
  })
  const rows = (await catalog?.servers()) ?? []
  const rowOf = new Map(rows.map((row) => [row.identity, row]))
  const configured = config.servers.map((server) => ({
    ...configuredStatus(server, rowOf.get(server.identity)),
    ...more(server.identity),
  }))
  const identities = new Set(config.servers.map(({ identity }) => identity))
  const left = rows.filter(({ identity }) => !identities.has(identity))
  const leftServers = left.map((row) => ({ ...leftStatus(row), ...more(row.identity) }))
  const sources: SourceStatus[] = []
  for (const source of config.sources) {
    const trend = found?.sources.find(({ name }) => name === source.name)
    const { growthBytesPerNight = null, nextBytes = null } = trend ?? {}
    const status = await sourceStatus(source, catalog, config)
    sources.push({ ...status, growthBytesPerNight, nextBytes })
  }
  const { toCopy, hopeless, lacking, soundOf } =
    catalog === undefined ? NO_COPIES_WANTED : await countWanting({ config, catalog })
  const waiting = (await catalog?.waitingArchives(config)) ?? []
  return {
    serverId: config.serverId,
    run: run ?? null,
    lastRun: lastRun === undefined ? null : statusRun(lastRun),
    copies: config.copies,
    // One that holds nothing and is not configured has no news for anybody.
    servers: [
      ...configured,
      ...leftServers.filter(({ archives, usedBytes }) => archives + usedBytes > 0),
    ],
    sources,
    waiting: waiting.map(({ id, source, file, sizeBytes, startedAt }) => ({
      id,
      source,
      file,
      sizeBytes: sizeBytes ?? null,
      createdAt: startedAt.toISOString(),
    })),
    lackingCopies: lacking,
    unusable: hopeless.map(unusableArchive),
    mendableArchives: toCopy.filter(({ damaged }) => damaged.length > 0).length,
    problems: await problemsOf(catalog, config, rows, soundOf),
    forecast: forecastStatus(found, config),
  }
}

export function statusRun({ id, origin, state, startedAt, endedAt, exit }: KeptRun): StatusRun {
  return {
    ...{ id, origin, state, startedAt: startedAt.toISOString() },
    ...{ endedAt: endedAt?.toISOString() ?? null, exit: exit ?? null },
  }
}

const NO_COPIES_WANTED = { toCopy: [], hopeless: [], lacking: 0, soundOf: new Map() }

function unusableArchive({ archive, unusable }: ArchiveToCopy): UnusableArchive {
  const { id, source, file, sizeBytes = null } = archive
  return { archive: id, source, file, sizeBytes, copies: unusable }
}

function forecastStatus(found: Forecast | undefined, { servers }: Config): StatusForecast {
  const unknown = { nights: FORECAST_NIGHTS, fullInNights: null, fullOn: null }
  if (found === undefined)
    return { ...unknown, reason: 'nothing was archived yet', warnings: [], notices: [] }
  const { nights, fullInNights, fullOn, reason } = found
  return { nights, fullInNights, fullOn, reason, ...forecastNews(found, servers) }
}

type Counted = Omit<ServerStatus, 'trust' | 'fullInNights' | 'fullOn'>

function configuredStatus(server: Server, row: ServerRow | undefined): Counted {
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

function leftStatus(row: ServerRow): Counted {
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
  source: Source,
  catalog: Catalog | undefined,
  { schedule }: Pick<Config, 'schedule'>,
): Promise<Omit<SourceStatus, 'growthBytesPerNight' | 'nextBytes'>> {
  const { name } = source
  const last = await catalog?.lastGood(name)
  const failed = await catalog?.newestFailure(name)
  return {
    name,
    path: describeSource(source),
    schedule: source.schedule ?? schedule,
    lastGoodAt: last?.startedAt.toISOString() ?? null,
    lastSizeBytes: last?.sizeBytes ?? null,
    lastFile: last?.file ?? null,
    lastWarnings: last?.warningCount ?? 0,
    failedAt: failed?.startedAt.toISOString() ?? null,
    failedReason: failed?.reason ?? null,
  }
}
