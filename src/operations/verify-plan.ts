// What is read back next: stretches of frames of all copies, those first that were never read back, then
// by the date of their last proof. So whatever a night has time for, everything has its turn.
//
// What is known to be damaged counts as looked at on that day: a copy that lost everything must not eat
// every night's share for ever.

import type { CopyProblem, CopyProof } from '../catalog/proof-calls.ts'
import { isFromTheFuture } from '../domain/recent.ts'
import { dueStretches } from '../domain/proof.ts'
import type { DueStretch, ProvenStretch } from '../domain/proof.ts'
import type { CopyTask } from './verify-report.ts'

/** `endFrame` is Infinity for a copy that was never opened. */
export type DueWork = { readonly task: CopyTask; readonly stretches: readonly DueStretch[] }

export type PlannedCopy = {
  readonly task: CopyTask
  readonly proof: CopyProof | undefined
  readonly stretches: readonly ProvenStretch[]
  readonly problems: readonly CopyProblem[]
}

// More frames than this are not told one by one in the catalog: the copy as a whole is damaged.
const DAMAGED_WHOLLY = 100

/** Neighbours of one copy are one piece of work, so that its end is read once for them. */
export function planDeep(
  copies: readonly PlannedCopy[],
  isOldestFirst: boolean,
  now = new Date(),
): DueWork[] {
  const all = copies.flatMap((copy) => dueOf(copy).map((stretch) => ({ task: copy.task, stretch })))
  const sorted = isOldestFirst ? all.toSorted(byDue(now)) : all.toSorted(byCopy)
  const work: { task: CopyTask; stretches: DueStretch[] }[] = []
  for (const { task, stretch } of sorted) {
    const last = work.at(-1)
    if (last?.task === task) last.stretches.push(stretch)
    else work.push({ task, stretches: [stretch] })
  }
  return work
}

type Due = { readonly task: CopyTask; readonly stretch: DueStretch }

/** What a wrong clock dated has no date, or it would have its turn in years. */
function byDue(now: Date): (a: Due, b: Due) => number {
  const timeOf = ({ stretch: { provenAt } }: Due): number =>
    provenAt === undefined || isFromTheFuture(provenAt, now.getTime()) ? 0 : provenAt.getTime()
  return (a, b) => timeOf(a) - timeOf(b) || byCopy(a, b)
}

/** Older archives first: their copies have been unproven for longest. */
function byCopy(a: Due, b: Due): number {
  return (
    a.task.archive.startedAt.getTime() - b.task.archive.startedAt.getTime() ||
    a.task.copy.id - b.task.copy.id ||
    a.stretch.firstFrame - b.stretch.firstFrame
  )
}

function dueOf({ proof, stretches, problems }: PlannedCopy): readonly DueStretch[] {
  const seen = problems.filter(({ place }) => place !== 'object')
  const isWhole = seen.some(({ place }) => place === 'tail') || seen.length >= DAMAGED_WHOLLY
  const lookedAt = isWhole ? newest(seen.map(({ seenAt }) => seenAt)) : undefined
  const due = dueStretches(stretches, proof?.frameCount ?? Infinity)
  const damaged = new Map(seen.map(({ frame, seenAt }) => [frame, seenAt]))
  return due.flatMap((stretch) =>
    stretch.provenAt === undefined ? splitAt(stretch, damaged, lookedAt) : [stretch],
  )
}

/** Damaged frames are pieces of their own, with the date on which they were met. */
function splitAt(
  { firstFrame, endFrame }: DueStretch,
  damaged: ReadonlyMap<number | null, Date>,
  otherwise: Date | undefined,
): DueStretch[] {
  const cuts = [...damaged.keys()]
    .filter((frame) => frame !== null && frame >= firstFrame && frame < endFrame)
    .map(Number)
    .toSorted((a, b) => a - b)
  const pieces: DueStretch[] = []
  let at = firstFrame
  for (const frame of cuts) {
    if (frame > at) pieces.push({ firstFrame: at, endFrame: frame, provenAt: otherwise })
    pieces.push({ firstFrame: frame, endFrame: frame + 1, provenAt: damaged.get(frame) })
    at = frame + 1
  }
  if (at < endFrame) pieces.push({ firstFrame: at, endFrame, provenAt: otherwise })
  return pieces
}

function newest(dates: readonly Date[]): Date | undefined {
  return dates.reduce<Date | undefined>(
    (last, date) => (last === undefined || date > last ? date : last),
    undefined,
  )
}
