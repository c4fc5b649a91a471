// When the servers will be full, if things go on as they went: the coming nights are played through, one
// after the other, with what placement and retention would do.
//
// - How sources go on: forecast-trend.ts. What waits in the spool is sent first. Archives go to the first
//   servers with room; a server is full on the first night on which one does not fit.
// - Retention deletes what its rules would; the cap per run, holds after failed nights and minimum storage
//   days are left out. What other hosts put there is taken to stay as it is.

import { HISTORY_DAYS_MIN, HISTORY_NIGHTS_MIN, trendOf } from './forecast-trend.ts'
import type { ComingArchive } from './forecast-retention.ts'
import type { PastDay, SourceForecast, Trend } from './forecast-trend.ts'
import { RetentionPlay } from './forecast-retention.ts'
import { keepsEverything } from './keep-policy.ts'
import type { KeepPolicy } from './keep-policy.ts'
import type { ServerIdentity } from './server.ts'
import { formatBytes } from './sizes.ts'

export type ForecastArchive = {
  readonly id: string
  readonly source: string
  readonly startedMs: number
  readonly sizeBytes: number
  /** With a stored copy. */
  readonly servers: readonly ServerIdentity[]
  /** It waits in the spool for so many servers more. */
  readonly waitsFor: number
  readonly isPinned: boolean
}

export type ForecastServer = {
  readonly identity: ServerIdentity
  readonly number: number
  readonly isEnabled: boolean
  readonly spareBytes: number
}

export type ForecastInput = {
  readonly now: Date
  readonly sources: readonly {
    readonly name: string
    readonly keep: KeepPolicy
    /** With all its archives until now, deleted ones too, oldest first: the newest 90 are enough. */
    readonly past: readonly PastDay[]
  }[]
  /** Those that wait, and those that retention may delete: of sources that keep everything none are needed. */
  readonly archives: readonly ForecastArchive[]
  readonly servers: readonly ForecastServer[]
  /** How many servers each archive must reach. */
  readonly copies: number
}

export type FullForecast = {
  /** 1: the coming night. null: not within `nights`, or no forecast. */
  readonly fullInNights: number | null
  /** The UTC day of that night, `2026-03-01`. */
  readonly fullOn: string | null
}

export type Forecast = FullForecast & {
  /** How far it looks. */
  readonly nights: number
  /** Why there is none; null: there is one. */
  readonly reason: string | null
  /** On how many servers each archive needs room. */
  readonly needs: number
  readonly sources: readonly SourceForecast[]
  readonly servers: ReadonlyMap<ServerIdentity, FullForecast>
}

const DAY_MS = 86_400_000

/** A year: what is further away, nobody does anything about. */
export const FORECAST_NIGHTS = 365

/** Time to order a disk, or to talk to whoever pays. */
export const WARNING_NIGHTS = 14

/** How its sources go on. */
export function trendsOf({ sources, now }: Pick<ForecastInput, 'sources' | 'now'>): Trend[] {
  return sources.map((source) => trendOf(source, source.past, now))
}

export function forecast(
  input: ForecastInput,
  trends: readonly Trend[] = trendsOf(input),
): Forecast {
  const sources = trends.map(({ name, growthBytesPerNight, nextBytes }) => ({
    name,
    growthBytesPerNight,
    nextBytes,
  }))
  const none = { fullInNights: null, fullOn: null }
  if (trends.every(({ growthBytesPerNight }) => growthBytesPerNight === null)) {
    const reason = `it takes ${HISTORY_NIGHTS_MIN} nights, with archives on ${HISTORY_DAYS_MIN} of them`
    const { copies: needs } = input
    return { ...none, nights: FORECAST_NIGHTS, reason, needs, sources, servers: new Map() }
  }
  const played = play(input, trends)
  const named = (night: number | undefined): FullForecast =>
    night === undefined ? none : { fullInNights: night, fullOn: dayOf(input.now, night) }
  return {
    ...named(played.all),
    nights: FORECAST_NIGHTS,
    reason: null,
    needs: input.copies,
    sources,
    servers: new Map(
      input.servers.map(({ identity }) => [identity, named(played.servers.get(identity))]),
    ),
  }
}

/**
 * Whether a server would be full within the nights to come if nothing was ever deleted. If none is, it does not
 * matter what retention deletes, and `archives` need not hold more than what waits.
 */
export function dependsOnRetention(input: ForecastInput, trends: readonly Trend[]): boolean {
  const isKept = trends.every(({ keep }) => keepsEverything(keep))
  return !isKept && play(input, trends, 'until a server is full').servers.size > 0
}

export type ForecastNews = {
  /** Somebody must do something within 14 nights. */
  readonly warnings: readonly string[]
  /** Worth knowing: a server fills up, and there are others. */
  readonly notices: readonly string[]
}

/** What an operator should hear now; nothing of what is more than 14 nights away. */
export function forecastNews(
  found: Forecast,
  servers: readonly { readonly identity: ServerIdentity; readonly label: string }[],
): ForecastNews {
  const isNear = ({ fullInNights }: FullForecast) =>
    fullInNights !== null && fullInNights <= WARNING_NIGHTS
  if (isNear(found)) {
    const what = found.needs > 1 ? `fewer than ${found.needs} servers will have room` : ALL_FULL
    const warning = `${what} ${whenOf(found)}: add one, raise a limit, or keep less`
    return { warnings: [warning], notices: [] }
  }
  const notices = servers.flatMap(({ identity, label }) => {
    const server = found.servers.get(identity)
    // One that is passed by already was told of for two weeks, and is full for years.
    if (server === undefined || !isNear(server) || server.fullInNights === 1) return []
    return [`${label} will be full ${whenOf(server)}; archives will go to the servers behind it`]
  })
  return { warnings: [], notices }
}

const ALL_FULL = 'all servers together will be full'

/** `+1.2 MB a night`. */
export function formatGrowth(bytes: number | null): string {
  return bytes === null ? '-' : `${bytes > 0 ? '+' : ''}${formatBytes(Math.round(bytes))}`
}

function whenOf({ fullInNights, fullOn }: FullForecast): string {
  return fullInNights === 1 ? 'in the coming night' : `in ${fullInNights} nights (${fullOn})`
}

const NOWHERE: readonly ServerIdentity[] = []

type Played = { readonly all: number | undefined; readonly servers: Map<ServerIdentity, number> }

function play(
  input: ForecastInput,
  trends: readonly Trend[],
  how: 'with retention' | 'until a server is full' = 'with retention',
): Played {
  const isWhole = how === 'with retention'
  const stage = new Stage(input, isWhole ? trends : [])
  const next = new Map(trends.map(({ name, nextMs }) => [name, nextMs ?? Infinity]))
  for (const archive of input.archives)
    if (archive.waitsFor > 0) stage.send(archive, archive.servers, archive.waitsFor)
  for (let night = 1; night <= FORECAST_NIGHTS && stage.all === undefined; night += 1) {
    stage.begin(night)
    const untilMs = input.now.getTime() + night * DAY_MS
    for (const { name: source, gapMs, sizeAt } of trends) {
      const firstMs = next.get(source)!
      const count = Math.max(0, Math.floor((untilMs - firstMs) / gapMs) + 1)
      next.set(source, firstMs + count * gapMs)
      if (count > 0) stage.sendNew({ source, firstMs, gapMs, count, sizeAt }, input.copies)
      if (!isWhole && stage.full.size > 0) return { all: undefined, servers: stage.full }
    }
  }
  return { all: stage.all, servers: stage.full }
}

type NewArchive = Omit<ForecastArchive, 'servers' | 'waitsFor'>

/** What a source brings in a night; later ones are not smaller. */
type Coming = Pick<Trend, 'gapMs' | 'sizeAt'> & {
  readonly source: string
  readonly firstMs: number
  /** At least one. */
  readonly count: number
}

type HeldArchive = ComingArchive & Pick<ForecastArchive, 'sizeBytes' | 'servers'>

/** The servers as they fill up, night by night. */
class Stage {
  /** The first night on which an archive did not fit, by server. */
  readonly full = new Map<ServerIdentity, number>()
  /** The first night on which too few servers had room. */
  all: number | undefined
  readonly #spare: Map<ServerIdentity, number>
  readonly #enabled: readonly ServerIdentity[]
  /** Of sources that do not keep everything. */
  readonly #retention: ReadonlyMap<string, RetentionPlay<HeldArchive>>
  readonly #nowMs: number
  #night = 1
  #isPruned = false

  constructor({ servers, archives, now }: ForecastInput, trends: readonly Trend[]) {
    this.#spare = new Map(servers.map(({ identity, spareBytes }) => [identity, spareBytes]))
    this.#enabled = servers
      .filter(({ isEnabled }) => isEnabled)
      .toSorted((a, b) => a.number - b.number)
      .map(({ identity }) => identity)
    const pruned = trends.filter(({ keep }) => !keepsEverything(keep))
    this.#retention = new Map(
      pruned.map(({ name, keep }) => [name, new RetentionPlay<HeldArchive>(keep)]),
    )
    // Those that lie on servers; what waits is sent first, and is held then.
    for (const archive of archives)
      if (archive.servers.length > 0 && archive.waitsFor === 0) this.#hold(archive, archive.servers)
    this.#nowMs = now.getTime()
  }

  begin(night: number): void {
    this.#night = night
    this.#isPruned = false
  }

  /** Those of one night, in their order. Of an hourly source they nearly always go the same way: that is done at once. */
  sendNew(coming: Coming, waitsFor: number): void {
    const { source, firstMs, gapMs, count, sizeAt } = coming
    const chosen = this.#moveAll(coming, waitsFor)
    const retention = this.#retention.get(source)
    // Nobody asks for them one by one.
    if (chosen !== undefined && retention === undefined) return
    for (let at = 0; at < count; at += 1) {
      const startedMs = firstMs + at * gapMs
      const sizeBytes = sizeAt(startedMs)
      // Each property by its name: copying them with a spread took longer than all else that a night is.
      if (chosen === undefined)
        this.send({ id: '', source, startedMs, sizeBytes, isPinned: false }, NOWHERE, waitsFor)
      else
        retention!.add({ id: '', startedMs, sizeBytes, isPinned: false, servers: chosen, rules: 0 })
    }
  }

  /** Sends them if all of them fit on the same servers, and no server is full for the first time. */
  #moveAll(coming: Coming, waitsFor: number): readonly ServerIdentity[] | undefined {
    const { firstMs, gapMs, count, sizeAt } = coming
    let totalBytes = 0
    for (let at = 0; at < count; at += 1) totalBytes += sizeAt(firstMs + at * gapMs)
    const leastBytes = sizeAt(firstMs)
    const mostBytes = sizeAt(firstMs + (count - 1) * gapMs)
    const chosen: ServerIdentity[] = []
    for (const identity of this.#enabled) {
      const spareBytes = this.#spare.get(identity)!
      const isFull = this.full.has(identity)
      if (chosen.length === waitsFor) {
        if (spareBytes < mostBytes && !isFull) return undefined
      } else if (spareBytes >= totalBytes) chosen.push(identity)
      else if (spareBytes >= leastBytes || !isFull) return undefined
    }
    if (chosen.length < waitsFor) return undefined
    for (const identity of chosen) this.#move(identity, -totalBytes)
    return chosen
  }

  send(archive: NewArchive, servers: readonly ServerIdentity[], waitsFor: number): void {
    const { sizeBytes } = archive
    const open =
      servers.length === 0
        ? this.#enabled
        : this.#enabled.filter((identity) => !servers.includes(identity))
    // What retention would have deleted until then is deleted when that matters: what it deletes in a night
    // depends on nothing but what came before.
    if (!this.#isOrdinary(open, sizeBytes, waitsFor)) this.#lookClosely(open, sizeBytes, waitsFor)
    const holders: ServerIdentity[] = [...servers]
    for (const identity of open) {
      if (holders.length === servers.length + waitsFor) break
      if (this.#spare.get(identity)! < sizeBytes) continue
      this.#move(identity, -sizeBytes)
      holders.push(identity)
    }
    this.#hold(archive, holders)
  }

  #hold(archive: NewArchive, servers: readonly ServerIdentity[]): void {
    const { id, source, startedMs, sizeBytes, isPinned } = archive
    this.#retention.get(source)?.add({ id, startedMs, sizeBytes, isPinned, servers, rules: 0 })
  }

  /** It fits on as many servers as it must reach, and none of the others is full for the first time. */
  #isOrdinary(open: readonly ServerIdentity[], sizeBytes: number, waitsFor: number): boolean {
    let fitting = 0
    for (const identity of open) {
      if (this.#spare.get(identity)! >= sizeBytes) fitting += 1
      else if (!this.full.has(identity)) return false
    }
    return fitting >= waitsFor
  }

  #lookClosely(open: readonly ServerIdentity[], sizeBytes: number, waitsFor: number): void {
    this.#prune()
    const without = open.filter((identity) => this.#spare.get(identity)! < sizeBytes)
    for (const identity of without)
      if (!this.full.has(identity)) this.full.set(identity, this.#night)
    if (open.length - without.length < waitsFor) this.all ??= this.#night
  }

  /** As the last night left it: what this one brings pushes nothing out yet. */
  #prune(): void {
    if (this.#isPruned) return
    this.#isPruned = true
    const tonightMs = this.#nowMs + (this.#night - 1) * DAY_MS
    for (const retention of this.#retention.values())
      for (const { servers, sizeBytes } of retention.dueAt(tonightMs))
        for (const identity of servers) this.#move(identity, sizeBytes)
  }

  #move(identity: ServerIdentity, bytes: number): void {
    const before = this.#spare.get(identity)
    if (before !== undefined) this.#spare.set(identity, before + bytes)
  }
}

function dayOf(now: Date, nights: number): string {
  return new Date(now.getTime() + nights * DAY_MS).toISOString().slice(0, 10)
}
