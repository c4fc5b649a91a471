// What retention will have deleted of one source by some night to come, as archives come one after the other.
//
// The same rules as in retention.ts, the other way round: there a plan looks at all archives there are, which is what
// may be deleted by; here each rule holds what it keeps, and an archive that no rule holds any more goes. A year of
// nights then costs as much as the archives that come in it. forecast-retention.test.ts holds both against each other.

import type { KeepPolicy } from './keep-policy.ts'

export type ComingArchive = {
  readonly id: string
  readonly startedMs: number
  readonly isPinned: boolean
  /** How many rules hold it, or GONE: kept here by RetentionPlay, since a year has some hundred thousand of them. */
  rules: number
}

const DAY_MS = 86_400_000
const GONE = -1
// Below that, looking for those that are gone costs more than they take.
const TAKEN_MIN = 1_000

export class RetentionPlay<A extends ComingArchive> {
  readonly #policy: KeepPolicy
  #rules: readonly Rule<A>[]
  /** All that were looked at, in the order in which they were begun; some are gone. */
  #taken: A[] = []
  #takenMax = TAKEN_MIN
  #newest: A | undefined
  #coming: A[] = []
  #due: A[] = []

  constructor(policy: KeepPolicy) {
    this.#policy = policy
    this.#rules = this.#begin()
  }

  add(archive: A): void {
    // A pinned one is kept, and takes no place of another one.
    if (!archive.isPinned) this.#coming.push(archive)
  }

  /** What goes when retention looks at all that was begun until then. */
  dueAt(untilMs: number): readonly A[] {
    const isThere = ({ startedMs }: A): boolean => startedMs <= untilMs
    const come = this.#coming.every(isThere) ? this.#coming : this.#coming.filter(isThere)
    this.#coming = come === this.#coming ? [] : this.#coming.filter((each) => !isThere(each))
    const [first] = come.sort(oldestFirst)
    const newest = this.#newest
    const isLate = first !== undefined && newest !== undefined && oldestFirst(first, newest) < 0
    if (isLate) this.#beginAgain(come)
    else for (const archive of come) this.#take(archive)
    this.#forget()
    const due = this.#due
    this.#due = []
    return due
  }

  #forget(): void {
    if (this.#taken.length <= this.#takenMax) return
    this.#taken = this.#taken.filter(isHeld)
    this.#takenMax = Math.max(TAKEN_MIN, 2 * this.#taken.length)
  }

  /** What waited for a server may be older than what lies on one. */
  #beginAgain(come: readonly A[]): void {
    const all = [...this.#taken.filter(isHeld), ...come].sort(oldestFirst)
    this.#rules = this.#begin()
    this.#taken = []
    this.#newest = undefined
    for (const archive of all) this.#take(archive)
  }

  #begin(): readonly Rule<A>[] {
    return rulesOf<A>(this.#policy, (archive) => {
      archive.rules -= 1
      this.#judge(archive)
    })
  }

  #take(archive: A): void {
    const before = this.#newest
    archive.rules = this.#rules.length
    this.#taken.push(archive)
    this.#newest = archive
    for (const rule of this.#rules) rule(archive)
    // The last good archive stays, whatever the rules say; it is judged once it is no more the last.
    if (before !== undefined) this.#judge(before)
  }

  #judge(archive: A): void {
    if (archive.rules !== 0 || archive === this.#newest) return
    archive.rules = GONE
    this.#due.push(archive)
  }
}

function isHeld({ rules }: ComingArchive): boolean {
  return rules !== GONE
}

/** Holds what it is given, and lets go of others. */
type Rule<A> = (archive: A) => void
type LetGo<A> = (archive: A) => void

function rulesOf<A extends ComingArchive>(policy: KeepPolicy, letGo: LetGo<A>): readonly Rule<A>[] {
  const { last, daily, weekly, monthly, yearly, withinDays = 0 } = policy
  let number = 0
  const monthOf = monthsByDay()
  const byBucket: readonly (readonly [number | undefined, (ms: number) => number])[] = [
    [last, () => (number += 1)],
    [daily, dayOf],
    // Weeks begin on Monday; the first of January 1970 was a Thursday.
    [weekly, (ms) => Math.floor((dayOf(ms) + 3) / 7)],
    [monthly, monthOf],
    [yearly, (ms) => Math.floor(monthOf(ms) / 12)],
  ]
  const rules = byBucket.flatMap(([wanted = 0, bucketOf]) =>
    wanted > 0 ? [newestOfBuckets<A>(wanted, bucketOf, letGo)] : [],
  )
  return withinDays > 0 ? [...rules, within<A>(withinDays * DAY_MS, letGo)] : rules
}

/** The newest of each of the last buckets. */
function newestOfBuckets<A extends ComingArchive>(
  wanted: number,
  bucketOf: (ms: number) => number,
  letGo: LetGo<A>,
): Rule<A> {
  const kept: A[] = []
  let bucket: number | undefined
  return (archive) => {
    const found = bucketOf(archive.startedMs)
    const superseded = found === bucket ? kept.pop() : undefined
    bucket = found
    kept.push(archive)
    if (superseded !== undefined) letGo(superseded)
    if (kept.length > wanted) letGo(kept.shift()!)
  }
}

/** Counted from the newest archive, as retention.ts does. */
function within<A extends ComingArchive>(spanMs: number, letGo: LetGo<A>): Rule<A> {
  const kept: A[] = []
  return (archive) => {
    kept.push(archive)
    while (kept[0]!.startedMs < archive.startedMs - spanMs) letGo(kept.shift()!)
  }
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS)
}

/** Remembers the last day: a busy source has a hundred archives of one, and a Date for each takes its time. */
function monthsByDay(): (ms: number) => number {
  let [day, month] = [NaN, NaN]
  return (ms) => {
    if (dayOf(ms) === day) return month
    const at = new Date(ms)
    day = dayOf(ms)
    month = at.getUTCFullYear() * 12 + at.getUTCMonth()
    return month
  }
}

function oldestFirst(a: ComingArchive, b: ComingArchive): number {
  return a.startedMs - b.startedMs || (a.id < b.id ? -1 : 1)
}
