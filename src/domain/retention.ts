// Retention decides which archives of one source may go: archives and a policy in, a decision with its
// reasons for every archive out. Pure; nothing is deleted here.
//
// Rules are united: an archive that one of them keeps is kept. Each rule walks from the newest archive
// back and keeps the newest of each day, ISO week, month or year (UTC) until it has N. So whether an
// archive is kept depends on newer archives only, and applying a plan twice is applying it once.
// Only archives that a server proved to hold count: a failed night pushes nothing out. What is known to be
// damaged pushes nothing out either, and goes when its turn comes as if it were whole: most of it may be.

import { keepsEverything } from './keep-policy.ts'
import type { ArchiveId } from './archive.ts'
import type { KeepPolicy } from './keep-policy.ts'

export type RetentionArchive = {
  readonly id: ArchiveId
  readonly startedAt: Date
  /** A configured server has shown token and size of a copy, and nothing has said otherwise since. */
  readonly isProven: boolean
  /** Proven so far, and since then every copy was found to be damaged. */
  readonly isDamaged?: boolean | undefined
  readonly warningCount: number
  readonly isPinned: boolean
  /** Why it may not go, whatever the rules say: it is being restored, it waits for a server. */
  readonly protectedBecause?: string | undefined
}

export type RetentionDecision = {
  readonly id: ArchiveId
  readonly action: 'keep' | 'delete'
  /** Every rule that keeps it, and whatever else does; or why it goes. Never empty. */
  readonly reasons: readonly string[]
  /** No rule keeps it. A due archive may be kept all the same: `reasons` says why. */
  readonly isDue: boolean
}

export type RetentionInput = {
  /** In any order. */
  readonly archives: readonly RetentionArchive[]
  readonly policy: KeepPolicy
  /** Set: nothing of this source may be deleted now, and why. */
  readonly heldBecause?: string | undefined
}

const NO_RULE = 'no rule keeps it'

/** Newest first. */
export function planRetention({
  archives,
  policy,
  heldBecause,
}: RetentionInput): RetentionDecision[] {
  const sorted = archives.toSorted(newestFirst)
  const reasonsOf = new Map<ArchiveId, string[]>(sorted.map(({ id }) => [id, []]))
  const keep = (archive: RetentionArchive | undefined, reason: string): void => {
    if (archive !== undefined) reasonsOf.get(archive.id)?.push(reason)
  }
  // A pinned archive is kept for a reason of its own, and takes no place of another one.
  const inTurn = sorted.filter(
    ({ isProven, isDamaged, isPinned }) => (isProven || isDamaged === true) && !isPinned,
  )
  const counted = inTurn.filter(({ isDamaged }) => isDamaged !== true)
  for (const { archive, reason } of keptByRules(counted, policy)) keep(archive, reason)
  const hasDamaged = counted.length < inTurn.length
  for (const { archive, reason } of hasDamaged ? keptByRules(inTurn, policy) : [])
    if (archive.isDamaged === true) keep(archive, `${reason}, though damaged`)
  const isDue = new Set(inTurn.map(({ id }) => id))
  for (const [id, reasons] of reasonsOf) if (reasons.length > 0) isDue.delete(id)
  if (keepsEverything(policy)) isDue.clear()

  keep(counted[0], 'the last good archive')
  // With a warning something may be missing in each of the newer ones.
  const clean = counted.find(({ warningCount }) => warningCount === 0)
  if (clean !== counted[0]) keep(clean, 'the last one without warnings')
  for (const archive of sorted) {
    if (archive.isPinned) keep(archive, 'pinned')
    if (!archive.isProven && archive.isDamaged !== true)
      keep(archive, 'no server has proved yet to hold it')
    if (archive.protectedBecause !== undefined) keep(archive, archive.protectedBecause)
  }
  return sorted.map(({ id }) => {
    const reasons = reasonsOf.get(id) ?? []
    if (!isDue.has(id) && reasons.length === 0) reasons.push('no KEEP_* rule is set')
    if (isDue.has(id) && heldBecause !== undefined) reasons.push(heldBecause)
    if (reasons.length > 0) return { id, action: 'keep', reasons, isDue: isDue.has(id) }
    return { id, action: 'delete', reasons: [NO_RULE], isDue: true }
  })
}

type Kept = { readonly archive: RetentionArchive; readonly reason: string }

const DAY_MS = 86_400_000

type Calendar = {
  readonly rule: 'daily' | 'weekly' | 'monthly' | 'yearly'
  readonly bucketOf: (at: Date) => string
}

const CALENDARS: readonly Calendar[] = [
  { rule: 'daily', bucketOf: (at) => at.toISOString().slice(0, 10) },
  { rule: 'weekly', bucketOf: isoWeek },
  { rule: 'monthly', bucketOf: (at) => at.toISOString().slice(0, 7) },
  { rule: 'yearly', bucketOf: (at) => at.toISOString().slice(0, 4) },
]

/** `archives` newest first. */
function keptByRules(archives: readonly RetentionArchive[], policy: KeepPolicy): Kept[] {
  const [newest] = archives
  if (newest === undefined) return []
  const kept: Kept[] = []
  const { last = 0, withinDays = 0 } = policy
  for (const [index, archive] of archives.slice(0, last).entries())
    kept.push({ archive, reason: `last ${index + 1} of ${last}` })
  for (const { rule, bucketOf } of CALENDARS) {
    const wanted = policy[rule] ?? 0
    let bucket: string | undefined
    let count = 0
    for (const archive of archives) {
      if (count >= wanted) break
      const found = bucketOf(archive.startedAt)
      if (found === bucket) continue
      bucket = found
      count += 1
      kept.push({ archive, reason: `${rule} ${count} of ${wanted} (${found})` })
    }
  }
  // Counted from the newest archive, not from now: where nothing new comes, nothing runs out.
  const since = newest.startedAt.getTime() - withinDays * DAY_MS
  if (withinDays > 0)
    for (const archive of archives)
      if (archive.startedAt.getTime() >= since)
        kept.push({ archive, reason: `within ${withinDays} days of the newest` })
  return kept
}

/** `2026-W01`: weeks begin on Monday, and belong to the year that has their Thursday (ISO 8601). */
export function isoWeek(at: Date): string {
  const weekday = (at.getUTCDay() + 6) % 7
  const thursday = new Date(at.getTime() + (3 - weekday) * DAY_MS)
  const year = thursday.getUTCFullYear()
  const dayOfYear = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / DAY_MS)
  return `${year}-W${String(Math.floor(dayOfYear / 7) + 1).padStart(2, '0')}`
}

function newestFirst(a: RetentionArchive, b: RetentionArchive): number {
  return b.startedAt.getTime() - a.startedAt.getTime() || (a.id < b.id ? 1 : -1)
}

// Clocks that are kept in step differ by less than a second; signatures are refused from 15 minutes on.
export const CLOCK_TOLERANCE_MS = 5 * 60_000

/**
 * The newest archive that was begun later than now: then the clock is wrong, or was. One that is pinned
 * is kept anyway, and by pinning it the operator has said that it is known.
 */
export function archiveFromTheFuture<A extends { startedAt: Date; isPinned: boolean }>(
  archives: readonly A[],
  now: Date,
): A | undefined {
  const latest = now.getTime() + CLOCK_TOLERANCE_MS
  return archives.find(({ startedAt, isPinned }) => !isPinned && startedAt.getTime() > latest)
}

// Nights that are left out are some; a clock that jumps does so by months and years (a dead battery, 2038).
const JUMP_FROM_MS = 30 * DAY_MS
const JUMP_FACTOR = 3

/**
 * Days between two of the newest archives, where that is more than a month and far more than what is usual
 * for the source: the clock may have jumped in between. It ends by itself, after some more archives.
 */
export function clockJump(startedAtNewestFirst: readonly Date[]): number | undefined {
  const gaps = startedAtNewestFirst
    .slice(1)
    .map((before, index) => startedAtNewestFirst[index]!.getTime() - before.getTime())
  const usualMs = gaps.toSorted((a, b) => a - b)[Math.floor((gaps.length - 1) / 2)] ?? 0
  // One gap alone is its own measure.
  const limitMs = Math.max(JUMP_FROM_MS, gaps.length === 1 ? 0 : usualMs * JUMP_FACTOR)
  const jumped = gaps.slice(0, COMPARED_ARCHIVES).find((gap) => gap > limitMs)
  return jumped === undefined ? undefined : Math.floor(jumped / DAY_MS)
}

// What a source has by accident is about as much as the day before; a folder whose disk is not mounted,
// or a half of it that was deleted by mistake, is less than half. Below 1 MB halves are everyday life.
const SHRINK_FACTOR = 0.5
const SHRINK_FROM_BYTES = 1_000_000
const COMPARED_ARCHIVES = 7

/**
 * The newest good archive has less than half of what the ones before it had (their median): they may be
 * the last ones with the other half. It ends by itself, once small archives are what is usual.
 */
export function hasShrunk(
  sourceBytesNewestFirst: readonly number[],
): { readonly nowBytes: number; readonly usualBytes: number } | undefined {
  const [nowBytes, ...before] = sourceBytesNewestFirst
  const compared = before.slice(0, COMPARED_ARCHIVES).sort((a, b) => a - b)
  const usualBytes = compared[Math.floor(compared.length / 2)]
  if (nowBytes === undefined || usualBytes === undefined) return undefined
  if (usualBytes < SHRINK_FROM_BYTES || nowBytes >= usualBytes * SHRINK_FACTOR) return undefined
  return { nowBytes, usualBytes }
}

/**
 * Most archives that one run may delete when nothing is set. Two per source, so that retention keeps up
 * however often it runs; a tenth of all, so that a new policy takes some nights and not one mistake.
 */
export function deletesMax(input: {
  readonly configured: number | undefined
  readonly sources: number
  readonly archives: number
}): number {
  return input.configured ?? Math.max(3, 2 * input.sources, Math.ceil(input.archives / 10))
}
