// When the servers will be full, if things go on as they went: the coming nights are played through, one
// after the other, with what placement and retention would do.
//
// - A source goes on in the rhythm of its archives (the median of the gaps between them), and they grow as
//   they grew: Theil and Sen's slope, the median of the slopes between all pairs of the last 90. One night
//   with a film in it moves neither. A source that shrinks is taken to stay as it is: nobody plans on that.
// - Archives go to the first servers with room; a server is full on the first night on which one does not
//   fit. After each night retention deletes what its rules would; the cap per run, holds after failed
//   nights and minimum storage days are left out. What other hosts put there is taken to stay as it is.

import { keepsEverything } from './keep-policy.ts'
import type { KeepPolicy } from './keep-policy.ts'
import { planRetention } from './retention.ts'
import type { ServerIdentity } from './server.ts'
import { formatBytes } from './sizes.ts'

export type ForecastArchive = {
  readonly id: string
  readonly source: string
  readonly startedAt: Date
  readonly sizeBytes: number
  /** With a stored copy; none: deleted, and still part of the history. */
  readonly servers: readonly ServerIdentity[]
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

export type SourceForecast = {
  readonly name: string
  /** By which an archive is larger than that of the night before; null: too little history. */
  readonly growthBytesPerNight: number | null
  /** What the next archive is expected to take; null: there never was one. */
  readonly nextBytes: number | null
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
  readonly sources: readonly SourceForecast[]
  readonly servers: ReadonlyMap<ServerIdentity, FullForecast>
}

const DAY_MS = 86_400_000

/** A year: what is further away, nobody does anything about. */
export const FORECAST_NIGHTS = 365

/** Time to order a disk, or to talk to whoever pays. */
export const WARNING_NIGHTS = 14

// A week has a rhythm of its own: within less, the difference between a Friday and a Sunday would pass
// for growth. And of a weekly source fewer than four archives are no trend but an accident.
const HISTORY_NIGHTS_MIN = 7
const HISTORY_ARCHIVES_MIN = 4

// A season: what grew last year says little about next week. It also bounds the pairs, to some 4 000.
const HISTORY_ARCHIVES_MAX = 90

export function forecast(input: ForecastInput): Forecast {
  const trends = input.sources.map(({ name, keep }) => trendOf(name, keep, input))
  const sources = trends.map(({ name, growthBytesPerNight, nextBytes }) => ({
    name,
    growthBytesPerNight,
    nextBytes,
  }))
  const none = { fullInNights: null, fullOn: null }
  if (trends.every(({ growthBytesPerNight }) => growthBytesPerNight === null)) {
    const reason = `it takes ${HISTORY_NIGHTS_MIN} nights and ${HISTORY_ARCHIVES_MIN} archives of a source`
    return { ...none, nights: FORECAST_NIGHTS, reason, sources, servers: new Map() }
  }
  const played = play(input, trends)
  const named = (night: number | undefined): FullForecast =>
    night === undefined ? none : { fullInNights: night, fullOn: dayOf(input.now, night) }
  return {
    ...named(played.all),
    nights: FORECAST_NIGHTS,
    reason: null,
    sources,
    servers: new Map(
      input.servers.map(({ identity }) => [identity, named(played.servers.get(identity))]),
    ),
  }
}

/** What an operator should hear now: []: nothing within the next 14 nights. */
export function forecastWarnings(
  found: Forecast,
  servers: readonly { readonly identity: ServerIdentity; readonly label: string }[],
): readonly string[] {
  const isNear = ({ fullInNights }: FullForecast) =>
    fullInNights !== null && fullInNights <= WARNING_NIGHTS
  if (isNear(found))
    return [
      `all servers together will be full ${whenOf(found)}: add one, raise a limit, or keep less`,
    ]
  return servers.flatMap(({ identity, label }) => {
    const server = found.servers.get(identity)
    if (server === undefined || !isNear(server)) return []
    return [`${label} will be full ${whenOf(server)}; archives will go to the servers behind it`]
  })
}

/** `+1.2 MB a night`. */
export function formatGrowth(bytes: number | null): string {
  return bytes === null ? '-' : `${bytes > 0 ? '+' : ''}${formatBytes(Math.round(bytes))}`
}

function whenOf({ fullInNights, fullOn }: FullForecast): string {
  return fullInNights === 1 ? 'in the coming night' : `in ${fullInNights} nights (${fullOn})`
}

type Trend = SourceForecast & {
  readonly keep: KeepPolicy
  readonly gapMs: number
  /** When the next archive comes; undefined: nothing is known of this source. */
  readonly nextMs: number | undefined
  readonly sizeAt: (ms: number) => number
}

function trendOf(name: string, keep: KeepPolicy, { archives, now }: ForecastInput): Trend {
  const history = archives
    .filter((archive) => archive.source === name && archive.startedAt <= now)
    .toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
    .slice(-HISTORY_ARCHIVES_MAX)
    .map(({ startedAt, sizeBytes }) => ({ ms: startedAt.getTime(), sizeBytes }))
  const [first, last] = [history[0], history.at(-1)]
  if (first === undefined || last === undefined) {
    const unknown = { growthBytesPerNight: null, nextBytes: null, nextMs: undefined }
    return { name, keep, ...unknown, gapMs: DAY_MS, sizeAt: () => 0 }
  }
  const gaps = history.slice(1).map(({ ms }, index) => ms - history[index]!.ms)
  const gapMs = Math.max(MINUTE_MS, median(gaps) ?? DAY_MS)
  const turns = Math.floor((now.getTime() - last.ms) / gapMs) + 1
  const nextMs = last.ms + turns * gapMs
  // The first of seven nights was six days before the last; clocks and long runs take some hours.
  const isEnough =
    last.ms - first.ms >= (HISTORY_NIGHTS_MIN - 1.5) * DAY_MS &&
    history.length >= HISTORY_ARCHIVES_MIN
  if (!isEnough) {
    const nextBytes = last.sizeBytes
    const sizeAt = () => nextBytes
    return { name, keep, growthBytesPerNight: null, nextBytes, gapMs, nextMs, sizeAt }
  }
  const perMs = slopeOf(history)
  const rising = Math.max(0, perMs)
  const level = median(history.map(({ ms, sizeBytes }) => sizeBytes - rising * (ms - last.ms))) ?? 0
  const sizeAt = (ms: number) => Math.max(0, level + rising * (ms - last.ms))
  return {
    name,
    keep,
    growthBytesPerNight: perMs * DAY_MS,
    nextBytes: sizeAt(nextMs),
    gapMs,
    nextMs,
    sizeAt,
  }
}

// Archives of one minute would be a loop of a script, and hours of playing.
const MINUTE_MS = 60_000

function slopeOf(points: readonly { readonly ms: number; readonly sizeBytes: number }[]): number {
  const slopes: number[] = []
  for (const [index, a] of points.entries()) {
    for (const b of points.slice(index + 1))
      if (b.ms > a.ms) slopes.push((b.sizeBytes - a.sizeBytes) / (b.ms - a.ms))
  }
  return median(slopes) ?? 0
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return undefined
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)]
  return (sorted[middle - 1]! + sorted[middle]!) / 2
}

type Held = {
  readonly id: string
  readonly startedAt: Date
  readonly sizeBytes: number
  readonly servers: readonly ServerIdentity[]
  readonly isPinned: boolean
}

type Played = { readonly all: number | undefined; readonly servers: Map<ServerIdentity, number> }

function play(input: ForecastInput, trends: readonly Trend[]): Played {
  const spare = new Map(input.servers.map(({ identity, spareBytes }) => [identity, spareBytes]))
  const enabled = input.servers
    .filter(({ isEnabled }) => isEnabled)
    .toSorted((a, b) => a.number - b.number)
    .map(({ identity }) => identity)
  const held = new Map(trends.map(({ name }) => [name, heldOf(input.archives, name)]))
  const next = new Map(trends.map(({ name, nextMs }) => [name, nextMs ?? Infinity]))
  const full = new Map<ServerIdentity, number>()
  let all: number | undefined
  for (let night = 1; night <= FORECAST_NIGHTS && all === undefined; night += 1) {
    const untilMs = input.now.getTime() + night * DAY_MS
    for (const { name, gapMs, sizeAt } of trends) {
      let ms = next.get(name)!
      for (; ms <= untilMs; ms += gapMs) {
        const sizeBytes = sizeAt(ms)
        const fitting = enabled.filter((identity) => spare.get(identity)! >= sizeBytes)
        for (const identity of enabled)
          if (!fitting.includes(identity) && !full.has(identity)) full.set(identity, night)
        if (fitting.length < input.copies) all ??= night
        const servers = fitting.slice(0, input.copies)
        move(spare, servers, -sizeBytes)
        const id = `${name} ${ms}`
        held.get(name)!.push({ id, startedAt: new Date(ms), sizeBytes, servers, isPinned: false })
      }
      next.set(name, ms)
    }
    for (const { name, keep } of trends) held.set(name, prune(held.get(name)!, keep, spare))
  }
  return { all, servers: full }
}

function heldOf(archives: readonly ForecastArchive[], source: string): Held[] {
  return archives.filter((archive) => archive.source === source && archive.servers.length > 0)
}

/** What the rules keep; the rest gives its room back. */
function prune(held: Held[], policy: KeepPolicy, spare: Map<ServerIdentity, number>): Held[] {
  if (keepsEverything(policy)) return held
  const archives = held.map((archive) => ({ ...archive, isProven: true, warningCount: 0 }))
  const decisions = planRetention({ archives, policy })
  const going = new Set(decisions.filter(({ action }) => action === 'delete').map(({ id }) => id))
  return held.filter(({ id, servers, sizeBytes }) => {
    if (going.has(id)) move(spare, servers, sizeBytes)
    return !going.has(id)
  })
}

function move(
  spare: Map<ServerIdentity, number>,
  servers: readonly ServerIdentity[],
  bytes: number,
): void {
  for (const identity of servers) {
    const before = spare.get(identity)
    if (before !== undefined) spare.set(identity, before + bytes)
  }
}

function dayOf(now: Date, nights: number): string {
  return new Date(now.getTime() + nights * DAY_MS).toISOString().slice(0, 10)
}
