// What retention would delete now, and why it keeps the rest: one decision per archive. No server is asked.

import { archiveFromTheFuture, deletesMax, hasShrunk, planRetention } from '../domain/retention.ts'
import { copiesOn } from '../domain/copies.ts'
import { formatBytes } from '../domain/sizes.ts'
import { keepsEverything } from '../domain/keep-policy.ts'
import { storageTermsOf } from '../domain/providers.ts'
import type { ArchiveId } from '../domain/archive.ts'
import type { ArchiveUses } from '../catalog/archive-use.ts'
import type { ArchiveWithCopies, Catalog, CopyId, CopyRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { Server } from '../domain/server.ts'
import type { Source } from '../domain/source.ts'

export type PlanPruneServices = {
  readonly catalog: Catalog
  readonly config: Config
  readonly archiveUses: Pick<ArchiveUses, 'isInUse'>
}

export type PrunedArchive = {
  readonly archive: ArchiveWithCopies
  readonly action: 'keep' | 'delete'
  /** Of its stored and missing copies on all servers. */
  readonly bytes: number
  readonly reasons: readonly string[]
  /** No rule keeps it, whatever else does. */
  readonly isDue: boolean
  /** Its bytes prove something: a copy without known damage is stored on a configured server. */
  readonly isProven: boolean
}

/** A copy that is due, and its server cannot be asked to delete it now. */
export type LeftOut = { readonly copy: CopyRow; readonly server: Server | undefined }

export type PrunePlan = {
  /** Source by source in the order of the configuration, newest first. */
  readonly archives: readonly PrunedArchive[]
  /** Of each source with archives: the newest one that a server proved to hold, with its sound copies. */
  readonly lastGood: ReadonlyMap<string, ArchiveWithCopies>
  /** Sources of which nothing may be deleted now. `isWarning`: somebody should look into it. */
  readonly held: readonly {
    readonly source: string
    readonly reason: string
    readonly isWarning: boolean
  }[]
  /** Of archives of which no copy can be deleted now: they take no place of others. */
  readonly leftOut: readonly LeftOut[]
  /** Due, and left to the next run: one deletes `deletesMax` at most. */
  readonly remaining: number
  /** What deleting costs besides: said before. */
  readonly notes: readonly string[]
}

export type PlanPruneInput = {
  readonly sources: readonly Source[]
  /** Archives that this run may still delete; undefined: no cap, for who picks some of them. */
  readonly deletesMax: number | undefined
  /** Archives under way, one of which wants room: they are no reason to hold a source back, and are not judged. */
  readonly except?: ReadonlySet<ArchiveId>
  readonly now: Date
  /** Why nothing may be deleted, where the caller knows of a reason. */
  readonly doubt?: string | undefined
  /** Archives that no server has shown today when it was asked: they count for no rule. */
  readonly unshown?: ReadonlySet<ArchiveId> | undefined
  /** What no rule will ever delete is left out of the plan: of a source that keeps ten years it is much. */
  readonly isForDeletes?: boolean
  /** The server did not answer in this run. */
  readonly isDown?: ((server: Server) => boolean) | undefined
}

export async function planPrune(
  services: PlanPruneServices,
  { sources, except, now, doubt, ...input }: PlanPruneInput,
): Promise<PrunePlan> {
  const fault = (await clockFault(services, now)) ?? (await pinsFault(services))
  const holdsAll = fault ?? (doubt === undefined ? undefined : { reason: doubt, isWarning: true })
  const problems = await services.catalog.problems()
  const trust = new Trust(
    services.config,
    new Set(problems.map(({ copyId }) => copyId)),
    input.unshown,
  )
  const archives: PrunedArchive[] = []
  const lastGood = new Map<string, ArchiveWithCopies>()
  const held: PrunePlan['held'][number][] = []
  for (const source of sources) {
    if (input.isForDeletes === true && keepsEverything(source.keep)) continue
    const found = await services.catalog.restorableArchives(source.name)
    const rows = found.filter(({ id }) => except?.has(id) !== true)
    const good = rows.filter((row) => trust.isProven(row))
    const hold = holdsAll ?? (await holdOf(services, source, good, except))
    const decided = decide(services, { source, rows, trust, heldBecause: hold?.reason })
    if (good[0] !== undefined)
      lastGood.set(source.name, { ...good[0], copies: trust.soundCopies(good[0]) })
    if (hold !== undefined && decided.some(({ isDue }) => isDue))
      held.push({ source: source.name, ...hold })
    archives.push(...decided)
  }
  const { possible, leftOut } = leaveOut(archives, services.config, input.isDown)
  const capped = cap(possible, input.deletesMax)
  const notes = billingNotes(capped.archives, services.config, now)
  return { ...capped, lastGood, held, leftOut, notes }
}

/** How many archives one run may delete. */
export async function runDeletesMax({
  catalog,
  config,
}: Pick<PlanPruneServices, 'catalog' | 'config'>): Promise<number> {
  const archives = await catalog.countRestorable()
  return deletesMax({
    configured: config.pruneMaxPerRun,
    sources: config.sources.length,
    archives,
  })
}

type Hold = { readonly reason: string; readonly isWarning: boolean }

/** A clock that jumped would make every rule about time a rule about nothing: no source is touched. */
async function clockFault(
  { catalog, config }: PlanPruneServices,
  now: Date,
): Promise<Hold | undefined> {
  // More than these cannot have been pinned for a wrong date by hand.
  const newest = await catalog.archives({ host: config.serverId, limit: 50 })
  const found = archiveFromTheFuture(newest, now)
  if (found === undefined) return undefined
  const reason =
    `the clock is wrong, or was: ${found.file} was begun after now ` +
    `(if now is right, pin that archive: it then stays, and holds nothing up)`
  return { reason, isWarning: true }
}

async function pinsFault({ catalog }: PlanPruneServices): Promise<Hold | undefined> {
  if (!(await catalog.arePinsUnknown())) return undefined
  const reason =
    'the catalog was rebuilt from archives that no copy of it knew, and they do not tell what was pinned: ' +
    'pin what must stay, then run "spillway prune" once by hand'
  return { reason, isWarning: true }
}

async function holdOf(
  { catalog, config }: PlanPruneServices,
  { name }: Source,
  good: readonly ArchiveWithCopies[],
  except: ReadonlySet<ArchiveId> = new Set(),
): Promise<Hold | undefined> {
  // One more than could be left out.
  const limit = except.size + 1
  const rows = await catalog.archives({ host: config.serverId, source: name, limit })
  const newest = rows.find(({ id }) => !except.has(id))
  // One that is whole, and waits for this very room, has not failed, whatever was before it.
  const isWhole = rows[0] !== undefined && rows[0] !== newest && rows[0].state === 'ready'
  // The run tells these by itself, with an exit code of their own.
  if (!isWhole && (newest?.state === 'failed' || newest?.state === 'packing'))
    return { reason: 'its newest run failed', isWarning: false }
  if (newest !== undefined && except.size === 0 && isWaiting(newest, config))
    return { reason: 'its newest archive still waits for a server', isWarning: false }
  const shrunk = hasShrunk(good.map(({ sourceBytes }) => sourceBytes ?? 0))
  if (shrunk === undefined) return undefined
  const { nowBytes, usualBytes } = shrunk
  const reason =
    `its newest archive holds ${formatBytes(nowBytes)} where ${formatBytes(usualBytes)} were usual: ` +
    `the older ones stay until that is usual`
  return { reason, isWarning: true }
}

function decide(
  { archiveUses, config }: PlanPruneServices,
  input: {
    readonly source: Source
    readonly rows: readonly ArchiveWithCopies[]
    readonly trust: Trust
    readonly heldBecause: string | undefined
  },
): PrunedArchive[] {
  const { source, rows, trust, heldBecause } = input
  const byId = new Map(rows.map((row) => [row.id, row]))
  const plan = (isUsed: (id: ArchiveId) => boolean) =>
    planRetention({
      archives: rows.map((row) => ({
        ...row,
        isProven: trust.isProven(row),
        isDamaged: trust.isDamaged(row),
        protectedBecause: isWaiting(row, config)
          ? 'it waits for a server'
          : isUsed(row.id)
            ? 'it is being restored'
            : undefined,
      })),
      policy: source.keep,
      heldBecause,
    })
  // Locks are looked at for what would go, not for each of ten thousand archives.
  const used = new Set(
    plan(() => false)
      .filter(({ id, action }) => action === 'delete' && archiveUses.isInUse(id))
      .map(({ id }) => id),
  )
  return plan((id) => used.has(id)).map(({ id, ...decision }) => {
    const archive = byId.get(id)!
    return {
      archive,
      bytes: removable(archive).reduce((sum, copy) => sum + copy.sizeBytes, 0),
      isProven: trust.isProven(archive),
      ...decision,
    }
  })
}

/** Copies that deleting an archive deletes. */
export function removable({ copies }: ArchiveWithCopies): ArchiveWithCopies['copies'] {
  return copies.filter(({ state }) => state === 'stored' || state === 'missing')
}

/** Which copies prove anything. One is stored only after HEAD has shown its token and size. */
class Trust {
  readonly #config: Config
  /** With something wrong that verifying found and nobody has settled. */
  readonly #damaged: ReadonlySet<CopyId>
  readonly #unshown: ReadonlySet<ArchiveId>

  constructor(
    config: Config,
    damaged: ReadonlySet<CopyId>,
    unshown: ReadonlySet<ArchiveId> = new Set(),
  ) {
    this.#config = config
    this.#damaged = damaged
    this.#unshown = unshown
  }

  soundCopies(archive: ArchiveWithCopies): ArchiveWithCopies['copies'] {
    return this.#stored(archive).filter(({ id }) => !this.#damaged.has(id))
  }

  isProven(archive: ArchiveWithCopies): boolean {
    return this.soundCopies(archive).length > 0
  }

  /** All copies that are there. */
  isDamaged(archive: ArchiveWithCopies): boolean {
    return !this.isProven(archive) && this.#stored(archive).length > 0
  }

  #stored({ id, copies }: ArchiveWithCopies): ArchiveWithCopies['copies'] {
    if (this.#unshown.has(id)) return []
    return copies.filter(
      ({ state, identity }) =>
        state === 'stored' && this.#config.servers.some((server) => server.identity === identity),
    )
  }
}

function isWaiting(archive: ArchiveWithCopies, { copies, servers }: Config): boolean {
  return archive.state === 'ready' && copiesOn(archive, servers) < copies
}

/** An archive goes if a copy of it can: the others are told as refused when it is its turn. */
function leaveOut(
  archives: readonly PrunedArchive[],
  { servers }: Config,
  isDown: PlanPruneInput['isDown'] = () => false,
): { readonly possible: readonly PrunedArchive[]; readonly leftOut: readonly LeftOut[] } {
  const leftOut: LeftOut[] = []
  const possible = archives.map((each): PrunedArchive => {
    if (each.action === 'keep') return each
    const copies = removable(each.archive).map((copy) => {
      const server = servers.find(({ identity }) => identity === copy.identity)
      return { copy, server }
    })
    const canGo = copies.some(({ server }) => server?.isEnabled === true && !isDown(server))
    if (copies.length === 0 || canGo) return each
    leftOut.push(...copies)
    const reason = 'it lies on servers that are disabled, not configured, or do not answer'
    return { ...each, action: 'keep', reasons: [...each.reasons, reason] }
  })
  return { possible, leftOut }
}

/** The oldest first: what is due for longest is missed least. */
function cap(
  archives: readonly PrunedArchive[],
  deletesMax: number | undefined,
): Pick<PrunePlan, 'archives' | 'remaining'> {
  const due = archives.filter(({ action }) => action === 'delete').toSorted(oldestFirst)
  const late = new Set(due.slice(deletesMax))
  if (deletesMax === undefined || late.size === 0) return { archives, remaining: 0 }
  const reason = `left to the next run: one deletes ${deletesMax} at most (PRUNE_MAX_PER_RUN)`
  return {
    archives: archives.map((each) =>
      late.has(each) ? { ...each, action: 'keep', reasons: [...each.reasons, reason] } : each,
    ),
    remaining: late.size,
  }
}

export function oldestFirst(a: PrunedArchive, b: PrunedArchive): number {
  return a.archive.startedAt.getTime() - b.archive.startedAt.getTime()
}

const DAY_MS = 86_400_000

function billingNotes(
  archives: readonly PrunedArchive[],
  { servers }: Config,
  now: Date,
): readonly string[] {
  const going = archives.filter(({ action }) => action === 'delete')
  const copies = going.flatMap(({ archive }) => removable(archive))
  return servers.flatMap((server) => {
    const { billedDaysMin } = storageTermsOf(server)
    const since = now.getTime() - billedDaysMin * DAY_MS
    const early = copies.filter(
      ({ identity, storedAt }) =>
        identity === server.identity && (storedAt?.getTime() ?? 0) > since,
    )
    if (billedDaysMin === 0 || early.length === 0) return []
    const bytes = early.reduce((sum, copy) => sum + copy.sizeBytes, 0)
    return [
      `${server.label} bills what is stored for ${billedDaysMin} days: deleting ${early.length} younger ` +
        `${early.length === 1 ? 'copy' : 'copies'} (${formatBytes(bytes)}) makes room, and saves nothing yet`,
    ]
  })
}
