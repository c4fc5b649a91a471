// Where copies of the catalog lie on a server: `[PREFIX/]spillway-catalog/HOST/catalog-YYYYMMDD-HHMMSS.db.zst`.
//
// The folder holds nothing else, so that all of them are found again by listing it.

import { keyOnServer } from '../domain/archive.ts'

export const SNAPSHOTS_FOLDER = 'spillway-catalog'

/** How many stay on each server: a week of nights. */
export const SNAPSHOTS_KEPT = 7

/** The folder of one host on one server, with its slash. */
export function snapshotFolder(server: { readonly prefix: string }, host: string): string {
  return keyOnServer(server.prefix, `${SNAPSHOTS_FOLDER}/${host}/`)
}

/** Named by its second, in UTC. */
export function snapshotName(madeAt: Date): string {
  const iso = madeAt.toISOString()
  const stamp = `${iso.slice(0, 10).replaceAll('-', '')}-${iso.slice(11, 19).replaceAll(':', '')}`
  return `catalog-${stamp}.db.zst`
}

/** undefined: not the name of a copy of the catalog. */
export function snapshotTime(name: string): Date | undefined {
  const [, day, time] = /^catalog-(\d{8})-(\d{6})\.db\.zst$/.exec(name) ?? []
  if (day === undefined || time === undefined) return undefined
  const date = day.replace(/^(....)(..)/, '$1-$2-')
  const madeAt = new Date(`${date}T${time.replace(/^(..)(..)/, '$1:$2:')}Z`)
  // The 31st of February is the 3rd of March to some parsers, and a date of nothing to others.
  return Number.isNaN(madeAt.getTime()) || snapshotName(madeAt) !== name ? undefined : madeAt
}

// Clocks of machines differ by minutes, time zones that were set wrong by hours.
const AHEAD_MAX_MS = 24 * 60 * 60 * 1_000

/**
 * No copy of the catalog is from after it. One whose name says so was put there by somebody else, or by a
 * machine with a wrong clock, and would count as the newest for years.
 */
export function latestSnapshotTime(now: Date): Date {
  return new Date(now.getTime() + AHEAD_MAX_MS)
}
