// How a source goes on, as far as its archives tell: how often, how large, and how it grows.
//
// What counts is the day (UTC): the median of its archives' sizes, and how many they were. A source goes on
// with the median of both and of the gaps between such days, and grows as it grew: Theil and Sen's slope,
// the median of the slopes between all pairs of the last 90 days. One night with a film in it, or an
// afternoon of trying things out, moves nothing. A source that shrinks is taken to stay as it is: nobody
// plans on that.

import type { KeepPolicy } from './keep-policy.ts'

/** A day (UTC) with archives of one source. */
export type PastDay = {
  /** Since 1970. */
  readonly number: number
  /** When the last of them was begun. */
  readonly lastMs: number
  /** Of each of them, in no order. */
  readonly sizes: readonly number[]
}

export type SourceForecast = {
  readonly name: string
  /** By which an archive is larger than that of the night before; null: too little history. */
  readonly growthBytesPerNight: number | null
  /** What the next archive is expected to take; null: there never was one. */
  readonly nextBytes: number | null
}

export type Trend = SourceForecast & {
  readonly keep: KeepPolicy
  readonly gapMs: number
  /** When the next archive comes; undefined: nothing is known of this source. */
  readonly nextMs: number | undefined
  readonly sizeAt: (ms: number) => number
}

const DAY_MS = 86_400_000

// A week has a rhythm of its own: within less, the difference between a Friday and a Sunday would pass
// for growth. And of a weekly source fewer than four archives are no trend but an accident.
export const HISTORY_NIGHTS_MIN = 7
export const HISTORY_DAYS_MIN = 4

// A season: what grew last year says little about next week. It also bounds the pairs, to some 4 000.
export const HISTORY_DAYS_MAX = 90

type Day = {
  /** Since 1970. */
  readonly number: number
  /** When the last of them was begun. */
  readonly ms: number
  /** The middle one of them. */
  readonly sizeBytes: number
  readonly archives: number
}

function dayOf({ number, lastMs: ms, sizes }: PastDay): Day {
  return { number, ms, sizeBytes: median(sizes) ?? 0, archives: sizes.length }
}

/** `past`: oldest first, and nothing later than now. */
export function trendOf(
  { name, keep }: { readonly name: string; readonly keep: KeepPolicy },
  past: readonly PastDay[],
  now: Date,
): Trend {
  const days = past.slice(-HISTORY_DAYS_MAX).map(dayOf)
  const [first, last] = [days[0], days.at(-1)]
  if (first === undefined || last === undefined) {
    const unknown = { growthBytesPerNight: null, nextBytes: null, nextMs: undefined }
    return { name, keep, ...unknown, gapMs: DAY_MS, sizeAt: () => 0 }
  }
  const isEnough =
    last.number - first.number >= HISTORY_NIGHTS_MIN - 1 && days.length >= HISTORY_DAYS_MIN
  const gapMs = isEnough ? rhythmOf(days) : DAY_MS
  const nextMs = last.ms + (Math.floor((now.getTime() - last.ms) / gapMs) + 1) * gapMs
  if (!isEnough) {
    const nextBytes = last.sizeBytes
    const sizeAt = () => nextBytes
    return { name, keep, growthBytesPerNight: null, nextBytes, gapMs, nextMs, sizeAt }
  }
  const perMs = slopeOf(days)
  const rising = Math.max(0, perMs)
  const level = median(days.map(({ ms, sizeBytes }) => sizeBytes - rising * (ms - last.ms))) ?? 0
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

/** From one archive to the next. */
function rhythmOf(days: readonly Day[]): number {
  const gaps = days.slice(1).map(({ number }, index) => number - days[index]!.number)
  const perDay = median(days.map(({ archives }) => archives)) ?? 1
  return Math.max(MINUTE_MS, ((median(gaps) ?? 1) * DAY_MS) / perDay)
}

// Archives of one minute would be a loop of a script, and hours of playing.
const MINUTE_MS = 60_000

function slopeOf(points: readonly { readonly ms: number; readonly sizeBytes: number }[]): number {
  // As plain numbers: sorting the 4 000 of each source is most of the work.
  const slopes = new Float64Array((points.length * (points.length - 1)) / 2)
  let count = 0
  for (const [index, a] of points.entries()) {
    for (let at = index + 1; at < points.length; at += 1) {
      const b = points[at]!
      if (b.ms > a.ms) slopes[count++] = (b.sizeBytes - a.sizeBytes) / (b.ms - a.ms)
    }
  }
  return medianOf(slopes.subarray(0, count)) ?? 0
}

function median(values: readonly number[]): number | undefined {
  return medianOf(Float64Array.from(values))
}

/** Sorts them. */
function medianOf(values: Float64Array): number | undefined {
  values.sort()
  const middle = values.length / 2
  if (values.length === 0) return undefined
  if (values.length % 2 === 1) return values[Math.floor(middle)]
  return (values[middle - 1]! + values[middle]!) / 2
}
