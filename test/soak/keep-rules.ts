// Which archives the KEEP_* rules keep, written a second time and another way: by sets of days, weeks, months and
// years. What the product deletes is held against this, so it shares no line with src/domain/retention.ts.

export type KeepRules = {
  readonly last: number
  readonly daily: number
  readonly weekly: number
  readonly monthly: number
  readonly yearly: number
  readonly withinDays: number
}

export type Dated = { readonly id: string; readonly startedAt: Date }

const DAY_MS = 86_400_000

/** The ids that a rule keeps; `archives` in any order. All of them where no rule is set. */
export function keptIds(archives: readonly Dated[], rules: KeepRules): ReadonlySet<string> {
  if (Object.values(rules).every((count) => count === 0))
    return new Set(archives.map(({ id }) => id))
  const newestFirst = [...archives].sort(
    (a, b) => b.startedAt.getTime() - a.startedAt.getTime() || (a.id < b.id ? 1 : -1),
  )
  const kept = new Set(newestFirst.slice(0, rules.last).map(({ id }) => id))
  for (const [count, periodOf] of PERIODS) {
    const newestOf = new Map<number, string>()
    for (const { id, startedAt } of newestFirst) {
      const period = periodOf(startedAt)
      if (!newestOf.has(period)) newestOf.set(period, id)
    }
    const periods = [...newestOf.keys()].sort((a, b) => b - a).slice(0, rules[count])
    for (const period of periods) kept.add(newestOf.get(period)!)
  }
  const newestMs = newestFirst[0]?.startedAt.getTime() ?? 0
  for (const { id, startedAt } of newestFirst)
    if (rules.withinDays > 0 && newestMs - startedAt.getTime() <= rules.withinDays * DAY_MS)
      kept.add(id)
  return kept
}

const dayOf = (at: Date): number => Math.floor(at.getTime() / DAY_MS)

const PERIODS: readonly [
  rule: 'daily' | 'weekly' | 'monthly' | 'yearly',
  of: (at: Date) => number,
][] = [
  ['daily', dayOf],
  // 1 January 1970 was a Thursday: three days later a week begins.
  ['weekly', (at) => Math.floor((dayOf(at) + 3) / 7)],
  ['monthly', (at) => at.getUTCFullYear() * 12 + at.getUTCMonth()],
  ['yearly', (at) => at.getUTCFullYear()],
]
