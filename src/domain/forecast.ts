// When the servers will be full, if things go on as they went: the coming nights are played through, one
// after the other, with what placement and retention would do.
//
// - How sources go on: forecast-trend.ts. What waits in the spool is sent first. Archives go to the first
//   servers with room; a server is full on the first night on which one does not fit.
// - Retention deletes what its rules would; the cap per run, holds after failed nights and minimum storage
//   days are left out. What other hosts put there is taken to stay as it is.

import { HISTORY_DAYS_MIN, HISTORY_NIGHTS_MIN, trendOf } from './forecast-trend.ts'
import type { PastArchive, SourceForecast, Trend } from './forecast-trend.ts'
import { keepsEverything } from './keep-policy.ts'
import type { KeepPolicy } from './keep-policy.ts'
import { planRetention } from './retention.ts'
import type { ServerIdentity } from './server.ts'
import { formatBytes } from './sizes.ts'

export type ForecastArchive = PastArchive & {
  readonly id: string
  /** With a stored copy; none: deleted, and still part of the history. */
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
  readonly sources: readonly { readonly name: string; readonly keep: KeepPolicy }[]
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

export function forecast(input: ForecastInput): Forecast {
  const trends = input.sources.map((source) => trendOf(source, input.archives, input.now))
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

type Played = { readonly all: number | undefined; readonly servers: Map<ServerIdentity, number> }

function play(input: ForecastInput, trends: readonly Trend[]): Played {
  const stage = new Stage(input, trends)
  const next = new Map(trends.map(({ name, nextMs }) => [name, nextMs ?? Infinity]))
  for (const archive of input.archives) if (archive.waitsFor > 0) stage.send(archive)
  for (let night = 1; night <= FORECAST_NIGHTS && stage.all === undefined; night += 1) {
    stage.begin(night)
    const untilMs = input.now.getTime() + night * DAY_MS
    for (const { name: source, gapMs, sizeAt } of trends) {
      let ms = next.get(source)!
      for (; ms <= untilMs; ms += gapMs) {
        const archive = { id: `${source} ${ms}`, source, startedAt: new Date(ms), isPinned: false }
        stage.send({ ...archive, sizeBytes: sizeAt(ms), servers: [], waitsFor: input.copies })
      }
      next.set(source, ms)
    }
  }
  return { all: stage.all, servers: stage.full }
}

/** The servers as they fill up, night by night. */
class Stage {
  /** The first night on which an archive did not fit, by server. */
  readonly full = new Map<ServerIdentity, number>()
  /** The first night on which too few servers had room. */
  all: number | undefined
  readonly #spare: Map<ServerIdentity, number>
  readonly #enabled: readonly ServerIdentity[]
  readonly #trends: readonly Trend[]
  readonly #held: Map<string, ForecastArchive[]>
  readonly #nowMs: number
  #night = 1
  #isPruned = false

  constructor({ servers, archives, now }: ForecastInput, trends: readonly Trend[]) {
    this.#spare = new Map(servers.map(({ identity, spareBytes }) => [identity, spareBytes]))
    this.#enabled = servers
      .filter(({ isEnabled }) => isEnabled)
      .toSorted((a, b) => a.number - b.number)
      .map(({ identity }) => identity)
    this.#trends = trends
    this.#held = new Map(trends.map(({ name }) => [name, heldOf(archives, name)]))
    this.#nowMs = now.getTime()
  }

  begin(night: number): void {
    this.#night = night
    this.#isPruned = false
  }

  send(archive: ForecastArchive): void {
    const { sizeBytes, servers, waitsFor } = archive
    const open = this.#enabled.filter((identity) => !servers.includes(identity))
    const fits = (identity: ServerIdentity) => this.#spare.get(identity)! >= sizeBytes
    const isNews = (identity: ServerIdentity) => !fits(identity) && !this.full.has(identity)
    // What retention would have deleted until then is deleted when that matters: playing it every
    // night would take seconds, and come to the same.
    if (open.some(isNews) || open.filter(fits).length < waitsFor) this.#prune()
    for (const identity of open) if (isNews(identity)) this.full.set(identity, this.#night)
    const fitting = open.filter(fits)
    if (fitting.length < waitsFor) this.all ??= this.#night
    const chosen = fitting.slice(0, waitsFor)
    this.#move(chosen, -sizeBytes)
    this.#held.get(archive.source)?.push({ ...archive, servers: [...servers, ...chosen] })
  }

  /** As the last night left it: what this one brings pushes nothing out yet. */
  #prune(): void {
    if (this.#isPruned) return
    this.#isPruned = true
    const tonightMs = this.#nowMs + (this.#night - 1) * DAY_MS
    for (const { name, keep } of this.#trends) {
      if (keepsEverything(keep)) continue
      const held = this.#held.get(name)!
      const archives = held
        .filter(({ startedAt }) => startedAt.getTime() <= tonightMs)
        .map((archive) => ({ ...archive, isProven: true, warningCount: 0 }))
      const plan = planRetention({ archives, policy: keep })
      const going = new Set(plan.filter(({ action }) => action === 'delete').map(({ id }) => id))
      for (const { id, servers, sizeBytes } of held)
        if (going.has(id)) this.#move(servers, sizeBytes)
      this.#held.set(
        name,
        held.filter(({ id }) => !going.has(id)),
      )
    }
  }

  #move(servers: readonly ServerIdentity[], bytes: number): void {
    for (const identity of servers) {
      const before = this.#spare.get(identity)
      if (before !== undefined) this.#spare.set(identity, before + bytes)
    }
  }
}

/** Those that lie on servers; what waits is sent first, and is held then. */
function heldOf(archives: readonly ForecastArchive[], source: string): ForecastArchive[] {
  return archives.filter(
    (archive) => archive.source === source && archive.servers.length > 0 && archive.waitsFor === 0,
  )
}

function dayOf(now: Date, nights: number): string {
  return new Date(now.getTime() + nights * DAY_MS).toISOString().slice(0, 10)
}
