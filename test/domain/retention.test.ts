// The planner of retention: a calendar that can be checked by eye, and what must hold for every calendar.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  archiveFromTheFuture,
  deletesMax,
  hasShrunk,
  isoWeek,
  planRetention,
} from '../../src/domain/retention.ts'
import type { KeepPolicy } from '../../src/domain/keep-policy.ts'
import type { RetentionArchive, RetentionDecision } from '../../src/domain/retention.ts'

const NOTHING: KeepPolicy = {
  last: undefined,
  daily: undefined,
  weekly: undefined,
  monthly: undefined,
  yearly: undefined,
  withinDays: undefined,
}

function archive(at: string, more: Partial<RetentionArchive> = {}): RetentionArchive {
  const startedAt = new Date(at)
  return { id: at, startedAt, isProven: true, warningCount: 0, isPinned: false, ...more }
}

/** `2026-03-01` and so on, at half past two. */
function nights(from: string, count: number): RetentionArchive[] {
  const begin = Date.parse(`${from}T02:30:00Z`)
  return Array.from({ length: count }, (_, night) =>
    archive(new Date(begin + night * 86_400_000).toISOString()),
  )
}

function kept(plan: readonly RetentionDecision[]): Record<string, string> {
  const keeps = plan.filter(({ action }) => action === 'keep')
  return Object.fromEntries(keeps.map(({ id, reasons }) => [id.slice(0, 10), reasons.join(', ')]))
}

describe('a calendar to check by eye', () => {
  it('keeps 3 days, 3 weeks and 3 months of 70 nights, and says by which rule', () => {
    // 2026-03-11 is a Wednesday; its week began on Monday the 9th.
    const plan = planRetention({
      archives: nights('2026-01-01', 70),
      policy: { ...NOTHING, daily: 3, weekly: 3, monthly: 3 },
    })

    expect(kept(plan)).toEqual({
      '2026-03-11':
        'daily 1 of 3 (2026-03-11), weekly 1 of 3 (2026-W11), monthly 1 of 3 (2026-03), the last good archive',
      '2026-03-10': 'daily 2 of 3 (2026-03-10)',
      '2026-03-09': 'daily 3 of 3 (2026-03-09)',
      // The Sundays that end the weeks before.
      '2026-03-08': 'weekly 2 of 3 (2026-W10)',
      '2026-03-01': 'weekly 3 of 3 (2026-W09)',
      // The last nights of the months before.
      '2026-02-28': 'monthly 2 of 3 (2026-02)',
      '2026-01-31': 'monthly 3 of 3 (2026-01)',
    })
    expect(plan.filter(({ action }) => action === 'delete')).toHaveLength(63)
    expect(plan.find(({ id }) => id.startsWith('2026-03-07'))).toMatchObject({
      reasons: ['no rule keeps it'],
    })
  })

  it('begins weeks on Monday, and gives those between the years to the year of their Thursday', () => {
    const weeks = ['2024-12-29', '2024-12-30', '2026-12-31', '2027-01-03', '2027-01-04']
    expect(weeks.map((day) => isoWeek(new Date(`${day}T23:59:59Z`)))).toEqual([
      '2024-W52',
      '2025-W01',
      '2026-W53',
      '2026-W53',
      '2027-W01',
    ])
  })

  it('keeps the newest of each year, and the last few whatever their day', () => {
    const archives = [
      archive('2023-06-01T00:00:00Z'),
      archive('2023-12-31T23:59:59Z'),
      archive('2024-01-01T00:00:00Z'),
      archive('2025-05-05T01:00:00Z'),
      archive('2025-05-05T02:00:00Z'),
      archive('2025-05-05T03:00:00Z'),
    ]
    const policy = { ...NOTHING, last: 2, yearly: 3 }
    expect(planRetention({ archives, policy }).map(({ action }) => action)).toEqual([
      ...['keep', 'keep', 'delete', 'keep', 'keep', 'delete'],
    ])
  })

  it('counts days back from the newest archive: where nothing new comes, nothing runs out', () => {
    const archives = nights('2020-01-01', 10)
    const plan = planRetention({ archives, policy: { ...NOTHING, withinDays: 2 } })
    expect(Object.keys(kept(plan))).toEqual(['2020-01-10', '2020-01-09', '2020-01-08'])
  })

  it('keeps everything where no rule is set', () => {
    const plan = planRetention({ archives: nights('2026-01-01', 5), policy: NOTHING })
    expect(plan.every(({ action }) => action === 'keep')).toBe(true)
    expect(plan[4]!.reasons).toEqual(['no KEEP_* rule is set'])
  })
})

describe('what no rule may take away', () => {
  const policy = { ...NOTHING, last: 1 }

  it('an archive that was not proved counts for no rule and is not deleted', () => {
    const [first, second, third] = nights('2026-01-01', 3) as [
      RetentionArchive,
      RetentionArchive,
      RetentionArchive,
    ]
    const archives = [first, second, { ...third, isProven: false }]
    expect(kept(planRetention({ archives, policy }))).toEqual({
      '2026-01-03': 'no server has proved yet to hold it',
      '2026-01-02': 'last 1 of 1, the last good archive',
    })
  })

  it('a damaged archive takes no place from a good one, and goes when its own turn comes', () => {
    const archives = nights('2026-03-01', 8).map((each) => ({
      ...each,
      isDamaged: ['2026-03-08', '2026-03-03'].includes(each.id.slice(0, 10)),
    }))
    const plan = planRetention({ archives, policy: { ...NOTHING, last: 3 } })

    expect(kept(plan)).toEqual({
      // Damaged, and one of the last three: most of it may come back.
      '2026-03-08': 'last 1 of 3, though damaged',
      '2026-03-07': 'last 1 of 3, the last good archive',
      '2026-03-06': 'last 2 of 3',
      '2026-03-05': 'last 3 of 3',
    })
  })

  it('where all are damaged they go in their turn, as if they were whole', () => {
    const archives = nights('2026-03-01', 4).map((each) => ({ ...each, isDamaged: true }))
    const plan = planRetention({ archives, policy: { ...NOTHING, last: 2 } })
    expect(Object.keys(kept(plan))).toEqual(['2026-03-04', '2026-03-03'])
  })

  it('a pinned archive stays, and takes no place from another one', () => {
    const archives = nights('2026-01-01', 3).map((each, at) => ({ ...each, isPinned: at === 2 }))
    expect(kept(planRetention({ archives, policy }))).toEqual({
      '2026-01-03': 'pinned',
      '2026-01-02': 'last 1 of 1, the last good archive',
    })
  })

  it('the last archive without warnings stays besides newer ones that have some', () => {
    const archives = nights('2026-01-01', 4).map((each, at) => ({
      ...each,
      warningCount: at > 1 ? 1 : 0,
    }))
    expect(kept(planRetention({ archives, policy }))).toEqual({
      '2026-01-04': 'last 1 of 1, the last good archive',
      '2026-01-02': 'the last one without warnings',
    })
  })

  it('a source that is held back loses nothing, and every due archive says why', () => {
    const archives = nights('2026-01-01', 3)
    const plan = planRetention({ archives, policy, heldBecause: 'its newest run failed' })
    expect(plan.map(({ action, isDue }) => [action, isDue])).toEqual([
      ['keep', false],
      ['keep', true],
      ['keep', true],
    ])
    expect(plan[2]!.reasons).toEqual(['its newest run failed'])
  })
})

const counts = fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined })
const policies: fc.Arbitrary<KeepPolicy> = fc.record({
  last: counts,
  daily: counts,
  weekly: counts,
  monthly: counts,
  yearly: counts,
  withinDays: counts,
})
// Hours of three years: several in a day, and gaps of months.
const archivesOf = (from = 0, to = 26_000) =>
  fc.uniqueArray(
    fc.record({
      hour: fc.integer({ min: from, max: to }),
      isProven: fc.boolean(),
      isPinned: fc.integer({ max: 9, min: 0 }).map((number) => number === 0),
      warningCount: fc.nat(1),
    }),
    { selector: ({ hour }) => hour, maxLength: 40 },
  )
type Made = { hour: number; isProven: boolean; isPinned: boolean; warningCount: number }
const made = (list: readonly Made[]): RetentionArchive[] =>
  list.map(({ hour, ...facts }) => ({
    ...archive(new Date(Date.UTC(2023, 0, 1, hour)).toISOString()),
    ...facts,
  }))
const deleted = (archives: readonly RetentionArchive[], policy: KeepPolicy): Set<string> =>
  new Set(
    planRetention({ archives, policy })
      .filter(({ action }) => action === 'delete')
      .map(({ id }) => id),
  )

describe('for every calendar', () => {
  it('the newest proved archive stays, and so does everything pinned or not proved', () => {
    fc.assert(
      fc.property(archivesOf(), policies, (list, policy) => {
        const archives = made(list)
        const gone = deleted(archives, policy)
        const good = archives.filter(({ isProven }) => isProven)
        const newest = good.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0]
        if (newest !== undefined) expect(gone.has(newest.id)).toBe(false)
        for (const { id, isPinned, isProven } of archives)
          if (isPinned || !isProven) expect(gone.has(id)).toBe(false)
      }),
    )
  })

  it('every decision has a reason, and is made once', () => {
    fc.assert(
      fc.property(archivesOf(), policies, (list, policy) => {
        const plan = planRetention({ archives: made(list), policy })
        expect(plan.map(({ id }) => id)).toEqual(
          made(list)
            .map(({ id }) => id)
            .sort()
            .reverse(),
        )
        for (const { reasons } of plan) expect(reasons.length).toBeGreaterThan(0)
      }),
    )
  })

  it('planning again after applying deletes nothing, also after applying a part', () => {
    fc.assert(
      fc.property(archivesOf(), policies, fc.array(fc.boolean()), (list, policy, applied) => {
        const archives = made(list)
        const gone = [...deleted(archives, policy)]
        const left = archives.filter(({ id }) => !gone.includes(id))
        expect(deleted(left, policy).size).toBe(0)
        // A crash in the middle: the rest of the plan is still the plan.
        const done = new Set(gone.filter((_, at) => applied[at] === true))
        const half = archives.filter(({ id }) => !done.has(id))
        expect(deleted(half, policy)).toEqual(new Set(gone.filter((id) => !done.has(id))))
      }),
    )
  })

  it('the order of the archives does not matter', () => {
    fc.assert(
      fc.property(archivesOf(), policies, fc.nat(), (list, policy, seed) => {
        const archives = made(list)
        const mixed = archives.toSorted((a, b) => hash(a.id, seed) - hash(b.id, seed))
        expect(planRetention({ archives: mixed, policy })).toEqual(
          planRetention({ archives, policy }),
        )
      }),
    )
  })

  // What "more archives never remove protected ones" can mean. A newer good archive does take the place
  // of an older one in "last 3": that is what retention is for. Everything else never costs anything.
  it('archives that are older, not proved or pinned make no other archive go', () => {
    fc.assert(
      fc.property(
        archivesOf(5_000),
        archivesOf(0, 4_999),
        archivesOf(),
        policies,
        (now, older, others, policy) => {
          const archives = made(now)
          const taken = new Set(archives.map(({ id }) => id))
          const harmless = made(others)
            .filter(({ id, isPinned, isProven }) => !taken.has(id) && (isPinned || !isProven))
            .filter(({ startedAt }) => startedAt.getTime() >= Date.UTC(2023, 0, 1, 5_000))
          const before = deleted(archives, policy)
          const after = deleted([...archives, ...made(older), ...harmless], policy)
          for (const { id } of archives) expect(after.has(id)).toBe(before.has(id))
        },
      ),
    )
  })

  it('one newer good archive costs at most one older one per rule that counts, its oldest', () => {
    const counting = policies.map((policy) => ({ ...policy, withinDays: undefined }))
    fc.assert(
      fc.property(
        archivesOf(),
        counting,
        fc.integer({ min: 1, max: 5_000 }),
        (list, policy, later) => {
          const archives = made(list)
          const newest = { hour: 26_000 + later, isProven: true, isPinned: false, warningCount: 0 }
          const before = deleted(archives, policy)
          const after = deleted([...archives, ...made([newest])], policy)
          const lost = archives.filter(({ id }) => after.has(id) && !before.has(id))
          const rules = Object.values(policy).filter((rule) => (rule ?? 0) > 0).length
          // And the two that stay without any rule: the last good one, the last without warnings.
          expect(lost.length).toBeLessThanOrEqual(rules + 2)
          // Nothing that was to go comes back, either.
          for (const id of before) expect(after.has(id)).toBe(true)
        },
      ),
    )
  })

  it('each rule that counts keeps as many as it says, or all that there are', () => {
    fc.assert(
      fc.property(archivesOf(), fc.integer({ min: 0, max: 12 }), (list, wanted) => {
        const archives = made(list).map((each) => ({ ...each, isPinned: false }))
        const good = archives.filter(({ isProven }) => isProven)
        const days = new Set(good.map(({ id }) => id.slice(0, 10)))
        const plan = planRetention({ archives, policy: { ...NOTHING, daily: wanted } })
        const byRule = plan.filter(({ reasons }) =>
          reasons.some((text) => text.startsWith('daily')),
        )
        expect(byRule).toHaveLength(Math.min(wanted, days.size))
        const newest = planRetention({ archives, policy: { ...NOTHING, last: wanted } })
        const last = newest.filter(({ reasons }) =>
          reasons.some((text) => text.startsWith('last ')),
        )
        expect(last).toHaveLength(Math.min(wanted, good.length))
      }),
    )
  })
})

function hash(text: string, seed: number): number {
  let value = seed
  for (const character of text) value = (value * 31 + character.charCodeAt(0)) % 1_000_003
  return value
}

describe('what holds a source back', () => {
  it('is an archive from the future, unless it is pinned', () => {
    const now = new Date('2026-01-02T03:00:00Z')
    const [past, soon, later] = [
      archive('2026-01-01T02:30:00Z'),
      archive('2026-01-02T03:05:00Z'),
      archive('2026-01-02T03:05:01Z'),
    ]
    expect(archiveFromTheFuture([past, soon], now)).toBeUndefined()
    expect(archiveFromTheFuture([past, later, soon], now)).toBe(later)
    expect(archiveFromTheFuture([{ ...later, isPinned: true }, past], now)).toBeUndefined()
  })

  it('is a newest archive with less than half of the usual content, until that is usual', () => {
    const usual = [9e6, 10e6, 11e6, 10e6]
    expect(hasShrunk([5e6, ...usual])).toBeUndefined()
    expect(hasShrunk([4.9e6, ...usual])).toEqual({ nowBytes: 4.9e6, usualBytes: 10e6 })
    // One large archive among them is no usual size; several small ones in a row are one.
    expect(hasShrunk([5e6, 6e6, 900e6, 6e6])).toBeUndefined()
    expect(hasShrunk([1e6, 1e6, 1e6, ...usual])).toBeDefined()
    expect(hasShrunk([1e6, 1e6, 1e6, 1e6, 1e6, ...usual])).toBeUndefined()
    // Small sources halve every day.
    expect(hasShrunk([100, 900_000, 900_000])).toBeUndefined()
    expect(hasShrunk([])).toBeUndefined()
    expect(hasShrunk([1])).toBeUndefined()
  })
})

it('deletes enough in one run to keep up, and not everything at once', () => {
  expect(deletesMax({ configured: undefined, sources: 1, archives: 12 })).toBe(3)
  expect(deletesMax({ configured: undefined, sources: 1, archives: 365 })).toBe(37)
  expect(deletesMax({ configured: undefined, sources: 20, archives: 140 })).toBe(40)
  expect(deletesMax({ configured: 5, sources: 20, archives: 140 })).toBe(5)
})

it('keeps of 10 000 hours what each rule names, and no more', () => {
  const hourly = Array.from({ length: 10_000 }, (_, hour) =>
    archive(new Date(Date.UTC(2025, 0, 1, hour)).toISOString()),
  )
  const policy = { last: 24, daily: 14, weekly: 8, monthly: 12, yearly: 5, withinDays: 3 }
  const plan = planRetention({ archives: hourly, policy })
  const kept = plan.filter(({ action }) => action === 'keep').length
  expect(kept).toBeGreaterThan(90)
  // Three days of hours, and one for each day, week, month and year besides.
  expect(kept).toBeLessThanOrEqual(73 + 24 + 14 + 8 + 12 + 5)
})
