// Archives by the day, as the catalog gives them to the forecast.

import type { PastDay } from '../../src/domain/forecast-trend.ts'

const DAY_MS = 86_400_000

export function pastDays(
  archives: readonly { readonly startedMs: number; readonly sizeBytes: number }[],
): PastDay[] {
  const numbers = new Set(archives.map(({ startedMs }) => Math.floor(startedMs / DAY_MS)))
  return [...numbers]
    .toSorted((a, b) => a - b)
    .map((number) => {
      const found = archives.filter(({ startedMs }) => Math.floor(startedMs / DAY_MS) === number)
      const lastMs = Math.max(...found.map(({ startedMs }) => startedMs))
      return { number, lastMs, sizes: found.map(({ sizeBytes }) => sizeBytes) }
    })
}
