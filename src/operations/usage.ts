// How much lay on each server at the end of each of the last days (UTC), from the catalog alone: from what lies
// there now, back over what came and went.

import type { Catalog, ServerRow } from '../catalog/catalog.ts'
import type { Config } from '../domain/config.ts'
import type { UsageChange } from '../catalog/usage-calls.ts'

export type UsageDay = {
  /** `2026-01-31`; of today: until now. */
  readonly date: string
  /** Configured ones in their order, then those that left the settings. */
  readonly servers: readonly {
    readonly number: number | null
    readonly label: string
    readonly usedBytes: number
  }[]
  readonly totalBytes: number
}

export type Usage = {
  /** Oldest first. */
  readonly days: readonly UsageDay[]
  /** Before this day more may have lain there: copies that were deleted before it are missing. null: none are. */
  readonly exactSince: string | null
}

const DAY_MS = 86_400_000

export async function usageOver(
  { config, catalog }: { readonly config: Config; readonly catalog: Catalog | undefined },
  dayCount: number,
  now: Date,
): Promise<Usage> {
  const days = Array.from({ length: dayCount }, (_, back) =>
    new Date(now.getTime() - (dayCount - 1 - back) * DAY_MS).toISOString().slice(0, 10),
  )
  const rows = (await catalog?.servers()) ?? []
  const changes = byDay((await catalog?.usageChanges(days[0]!)) ?? [])
  const servers = inOrder(config, rows)
  const used = new Map(rows.map(({ identity, usedBytes }) => [identity, usedBytes]))
  const told: UsageDay[] = []
  for (const date of days.toReversed()) {
    // At the end of that day nothing of what came later was there.
    const later = date === days.at(-1) ? [] : (changes.get(dayAfter(date)) ?? [])
    for (const { identity, bytes } of later) used.set(identity, (used.get(identity) ?? 0) - bytes)
    const shown = servers.map(({ identity, number, label }) => ({
      ...{ number, label },
      usedBytes: used.get(identity) ?? 0,
    }))
    const totalBytes = shown.reduce((sum, { usedBytes }) => sum + usedBytes, 0)
    told.push({ date, servers: shown, totalBytes })
  }
  const exactSince = (await catalog?.usageKnownSince()) ?? null
  return { days: told.reverse(), exactSince }
}

function byDay(changes: readonly UsageChange[]): ReadonlyMap<string, readonly UsageChange[]> {
  const found = new Map<string, UsageChange[]>()
  for (const change of changes) {
    const others = found.get(change.day)
    if (others === undefined) found.set(change.day, [change])
    else others.push(change)
  }
  return found
}

function dayAfter(date: string): string {
  return new Date(Date.parse(date) + DAY_MS).toISOString().slice(0, 10)
}

function inOrder({ servers }: Config, rows: readonly ServerRow[]) {
  const configured = servers.map(({ identity, number, label }) => ({ identity, number, label }))
  const known = new Set(servers.map(({ identity }) => identity))
  const left = rows
    .filter(({ identity }) => !known.has(identity))
    .map(({ identity, label }) => ({ identity, number: null, label }))
  return [...configured, ...left]
}
