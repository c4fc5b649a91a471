// Which archives lack sound copies, and where those would go: from the catalog alone, no server is asked.

import { damagedAmong, damagedCopyIds, withoutDamaged } from './damaged-copies.ts'
import { formatBytes } from '../domain/sizes.ts'
import { isByRetention } from '../domain/archive.ts'
import { placeArchive } from '../domain/placement.ts'
import { planPrune } from './plan-prune.ts'
import { SpillwayError } from '../domain/errors.ts'
import { unusableCopies } from './unusable-copies.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveWithCopies, Catalog, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { DoubtInput } from '../catalog/standing-calls.ts'
import type { Server, ServerIdentity } from '../domain/server.ts'
import type { ServerUsage } from '../domain/placement.ts'

export type ArchiveToCopy = {
  readonly archive: ArchiveWithCopies
  /** Known to be damaged, on configured servers: they go once enough sound ones are proven. */
  readonly damaged: readonly CopyRow[]
  /** Sound ones that are stored on configured servers. */
  readonly sound: number
  /** Sound ones that it lacks. */
  readonly missing: number
  /** Those that count as none, and why. */
  readonly unusable: readonly string[]
}

export type CopiesToMake = {
  /** Those with the fewest sound copies first, then the newest. */
  readonly toCopy: readonly ArchiveToCopy[]
  /** No copy counts, and the spool does not have it: nothing can be done here. */
  readonly hopeless: readonly ArchiveToCopy[]
}

/** How many configured servers hold a copy of which nothing bad is known, of each archive that may lack one. */
export type SoundOf = ReadonlyMap<ArchiveId, number>

/** Servers with a stored copy. One that left the configuration holds copies that nobody can read. */
export function storedOn(
  { copies }: Pick<ArchiveWithCopies, 'copies'>,
  servers: readonly Pick<Server, 'identity'>[],
): number {
  return servers.filter(({ identity }) =>
    copies.some((copy) => copy.identity === identity && copy.state === 'stored'),
  ).length
}

// Looked at one by one within some milliseconds.
const LISTED_MAX = 200

type PlanServices = { readonly config: Config; readonly catalog: Catalog }

/** Archives of this host with fewer than COPIES sound copies on configured servers, or with damaged ones. */
export async function copiesToMake(services: PlanServices): Promise<CopiesToMake> {
  return (await wantingCopies(services, 'given')).plan
}

/** `lacking`: left the spool, lie on fewer servers than COPIES, and no run mends that. */
export async function countWanting(
  services: PlanServices,
): Promise<CopiesToMake & { readonly lacking: number; readonly soundOf: SoundOf }> {
  const { servers, copies } = services.config
  const counted = await wantingCopies(services, 'counted')
  // Of few, those are left out that retention wants to go.
  const isFew = counted.lacking > 0 && counted.lacking <= LISTED_MAX
  const { plan, lacking, soundOf } = isFew ? await wantingCopies(services, 'given') : counted
  const few = [...plan.toCopy, ...plan.hopeless].filter(
    ({ archive }) => archive.state === 'gone' && storedOn(archive, servers) < copies,
  )
  return { ...plan, lacking: lacking + few.length, soundOf }
}

async function wantingCopies(
  { config, catalog }: PlanServices,
  lackingOnes: DoubtInput['lacking'],
): Promise<{
  readonly plan: CopiesToMake
  readonly lacking: number
  readonly soundOf: SoundOf
}> {
  const { copies, servers } = config
  const damagedIds = await damagedCopyIds(catalog)
  // One that was written again may be sound: enough to copy from, not to rely on.
  const doubtedIds = new Set((await catalog.problems()).map(({ copyId }) => copyId))
  const rows = await catalog.servers()
  const identities = servers.map(({ identity }) => identity)
  const asked = { copies, servers: identities, lacking: lackingOnes }
  const { archives, lacking } = await catalog.archivesInDoubt(asked)
  const due = await dueOf({ config, catalog }, archives.filter(isPruned))
  const soundOf: SoundOf = new Map(
    archives.map((archive) => [archive.id, storedOn(withoutDamaged(archive, doubtedIds), servers)]),
  )
  const wanting = archives
    .filter(({ id }) => !due.has(id))
    .map((archive): ArchiveToCopy => {
      const sound = storedOn(withoutDamaged(archive, damagedIds), servers)
      const damaged = damagedAmong(archive, damagedIds).filter(({ identity }) =>
        servers.some((server) => server.identity === identity),
      )
      const unusable = unusableCopies(archive, { servers, rows, damagedIds })
      return { archive, damaged, sound, missing: Math.max(0, copies - sound), unusable }
    })
    .filter(({ damaged, missing }) => missing > 0 || damaged.length > 0)
    .toSorted((a, b) => a.sound - b.sound)
  const canBeRead = ({ archive, sound }: ArchiveToCopy) => sound > 0 || archive.state === 'ready'
  const plan = {
    toCopy: wanting.filter(canBeRead),
    hopeless: wanting.filter((each) => !canBeRead(each) && each.unusable.length > 0),
  }
  return { plan, lacking, soundOf }
}

/** Of archives of which retention has deleted copies: those that it wants to delete altogether. */
async function dueOf(
  { config, catalog }: PlanServices,
  archives: readonly ArchiveWithCopies[],
): Promise<ReadonlySet<ArchiveId>> {
  const names = new Set(archives.map(({ source }) => source))
  const sources = config.sources.filter(({ name }) => names.has(name))
  if (sources.length === 0) return new Set()
  const services = { config, catalog, archiveUses: { isInUse: () => false } }
  const plan = await planPrune(services, { sources, deletesMax: undefined, now: new Date() })
  const due = plan.archives.filter(({ archive, isDue }) => isDue && !archive.isPinned)
  const ids = new Set(due.map(({ archive }) => archive.id))
  // With no copy that is stored nothing of it is planned.
  const isLeft = ({ id, copies }: ArchiveWithCopies): boolean =>
    ids.has(id) || copies.every(({ state }) => state !== 'stored')
  return new Set(archives.filter(isLeft).map(({ id }) => id))
}

/** Retention deleted what it could reach: what is left elsewhere is to go as well, unless the rules need it since. */
function isPruned({ copies }: ArchiveWithCopies): boolean {
  return copies.some((copy) => copy.state === 'deleted' && isByRetention(copy))
}

/** Takes what it plans out of `usage`: what is meant for one archive is not there for the next one. */
export function planCopies(
  servers: readonly Server[],
  usage: Map<ServerIdentity, ServerUsage>,
  archive: ArchiveWithCopies,
  { missing, damaged = [] }: { readonly missing: number; readonly damaged?: readonly CopyRow[] },
): { readonly to: readonly number[]; readonly error: SpillwayError | undefined } {
  const neededBytes = archive.sizeBytes ?? 0
  const held = holdersOf(archive)
  const own = mendableOn(archive, damaged)
  const place = (open: readonly Server[]) =>
    placeArchive({ servers: open, usageByIdentity: usage, neededBytes })
  const others = place(servers.filter(({ identity }) => !held.has(identity)))
  const same = place(servers.filter(({ identity }) => own.has(identity)))
  const chosen = [...others.candidates, ...same.candidates].slice(0, missing)
  for (const { identity } of chosen) usage.set(identity, plus(usage.get(identity), neededBytes))
  const to = chosen.map(({ number }) => number)
  if (chosen.length === missing) return { to, error: undefined }
  const full = [...others.withoutRoom, ...same.withoutRoom].map(
    ({ server, spareBytes }) => `${server.label}: ${formatBytes(spareBytes)} spare`,
  )
  const why = [...full, ...awaited(archive, servers)].join('; ') || NO_OTHER
  const what = `no server has room for a copy of ${archive.file} (${formatBytes(neededBytes)}): ${why}`
  return { to, error: new SpillwayError('NO_SERVER_FOR_COPY', what) }
}

export const NO_OTHER = 'there is no other server that may take it'

/** Servers that take no other copy while theirs may come back. */
export function awaited(
  { copies }: Pick<ArchiveWithCopies, 'copies'>,
  servers: readonly Pick<Server, 'identity' | 'label'>[],
): readonly string[] {
  const missing = new Set(
    copies.filter(({ state }) => state === 'missing').map(({ identity }) => identity),
  )
  return servers
    .filter(({ identity }) => missing.has(identity))
    .map(
      ({ label }) =>
        `${label}: its own is gone; a day after that was seen a run or "spillway reconcile" gives it up`,
    )
}

/** Servers that hold a copy, or may hold one. */
export function holdersOf({
  copies,
}: Pick<ArchiveWithCopies, 'copies'>): ReadonlySet<ServerIdentity> {
  const held = copies.filter(({ state }) => state !== 'failed' && state !== 'deleted')
  return new Set(held.map(({ identity }) => identity))
}

/** Servers that hold a damaged copy and no other: they may take a sound one, under another key. */
export function mendableOn(
  { copies }: ArchiveWithCopies,
  damaged: readonly CopyRow[],
): ReadonlySet<ServerIdentity> {
  const ids = new Set(damaged.map(({ id }) => id))
  const others = holdersOf({ copies: copies.filter(({ id }) => !ids.has(id)) })
  const own = damaged.map(({ identity }) => identity)
  return new Set(own.filter((identity) => !others.has(identity)))
}

function plus(usage: ServerUsage | undefined, bytes: number): ServerUsage {
  const { usedBytes = 0, reservedBytes = 0, catalogBytes = 0, otherBytes = 0 } = usage ?? {}
  return { usedBytes, reservedBytes: reservedBytes + bytes, catalogBytes, otherBytes }
}
