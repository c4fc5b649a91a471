// What was proven of a copy, in stretches of frames: from one frame to another, read back at a time.
//
// Stretches do not touch or overlap where their dates are near, so a copy has few of them however many
// frames it has. A date is never later than the truth: where stretches are joined, the older one stays.

export type FrameStretch = {
  readonly firstFrame: number
  /** The first frame that is not part of it. */
  readonly endFrame: number
}

export type ProvenStretch = FrameStretch & { readonly provenAt: Date }

/** `provenAt` undefined: never read back. */
export type DueStretch = FrameStretch & { readonly provenAt: Date | undefined }

// What one night proves is one stretch, though it is noted many times while the night goes on.
const JOINED_WITHIN_MS = 12 * 60 * 60 * 1_000

// A terabyte has 250 000 frames, and 5 GB a night go through it in 200 nights: one stretch for each.
const STRETCHES_MAX = 256

/** Where something can be wrong with a copy: the object as a whole, its end, or one frame. */
export type ProblemPlace = 'object' | 'tail' | 'frame'

/** Something that verifying found. */
export type Finding = {
  readonly place: ProblemPlace
  /** Of the seek table's order; null where it concerns no single frame. */
  readonly frame: number | null
  /** In the object. */
  readonly fromByte: number
  /** The first byte behind it. */
  readonly toByte: number
  readonly what: string
  /**
   * Members with bytes there; null: it cannot be told. Of an object as a whole, null says that nothing is
   * known to be wrong with its bytes.
   */
  readonly memberCount: number | null
  /** Their paths, one character per byte; fewer than `memberCount` where there are many. */
  readonly members: readonly string[]
}

/** Bytes are known to be wrong; not of an object that was only written again. */
export function isDamage({ place, memberCount }: Pick<Finding, 'place' | 'memberCount'>): boolean {
  return place !== 'object' || memberCount !== null
}

/** The stretches with `proven` among them: in order, joined, at most STRETCHES_MAX. */
export function withProven(
  stretches: readonly ProvenStretch[],
  proven: ProvenStretch,
): readonly ProvenStretch[] {
  const rest = stretches.flatMap((stretch) => cutOut(stretch, proven))
  const sorted = [...rest, proven].toSorted((a, b) => a.firstFrame - b.firstFrame)
  const joined: ProvenStretch[] = []
  for (const stretch of sorted) {
    const before = joined.at(-1)
    const isOne =
      before?.endFrame === stretch.firstFrame && gapMs(before, stretch) < JOINED_WITHIN_MS
    if (isOne) joined[joined.length - 1] = join(before, stretch)
    else joined.push(stretch)
  }
  while (joined.length > STRETCHES_MAX) joinNearest(joined)
  return joined
}

/** Everything of a copy, in order; frames that were never proven without a date. */
export function dueStretches(
  stretches: readonly ProvenStretch[],
  frameCount: number,
): readonly DueStretch[] {
  const due: DueStretch[] = []
  let at = 0
  for (const stretch of stretches) {
    if (stretch.firstFrame > at)
      due.push({ firstFrame: at, endFrame: stretch.firstFrame, provenAt: undefined })
    due.push(stretch)
    at = stretch.endFrame
  }
  if (at < frameCount) due.push({ firstFrame: at, endFrame: frameCount, provenAt: undefined })
  return due
}

export function framesIn(stretches: readonly FrameStretch[]): number {
  return stretches.reduce((sum, { firstFrame, endFrame }) => sum + endFrame - firstFrame, 0)
}

/** The oldest date among them; undefined: there are none. */
export function oldestOf(stretches: readonly ProvenStretch[]): Date | undefined {
  return stretches.reduce<Date | undefined>(
    (oldest, { provenAt }) => (oldest === undefined || provenAt < oldest ? provenAt : oldest),
    undefined,
  )
}

/** What is left of a stretch when another one is proven anew. */
function cutOut(stretch: ProvenStretch, by: FrameStretch): ProvenStretch[] {
  const parts = [
    { ...stretch, endFrame: Math.min(stretch.endFrame, by.firstFrame) },
    { ...stretch, firstFrame: Math.max(stretch.firstFrame, by.endFrame) },
  ]
  return parts.filter(({ firstFrame, endFrame }) => firstFrame < endFrame)
}

function join(a: ProvenStretch, b: ProvenStretch): ProvenStretch {
  const provenAt = a.provenAt < b.provenAt ? a.provenAt : b.provenAt
  return { firstFrame: a.firstFrame, endFrame: b.endFrame, provenAt }
}

/** The two neighbours whose dates are nearest become one: the least is lost of what is known. */
function joinNearest(stretches: ProvenStretch[]): void {
  let [nearest, nearestMs] = [-1, Infinity]
  for (let at = 0; at + 1 < stretches.length; at += 1) {
    const [a, b] = [stretches[at]!, stretches[at + 1]!]
    const ms = a.endFrame === b.firstFrame ? gapMs(a, b) : Infinity
    if (ms < nearestMs) [nearest, nearestMs] = [at, ms]
  }
  // None touches another: the oldest is forgotten, and its frames count as never proven.
  if (nearest < 0) {
    const oldest = oldestOf(stretches)
    nearest = stretches.findIndex(({ provenAt }) => provenAt === oldest)
    stretches.splice(nearest, 1)
    return
  }
  stretches.splice(nearest, 2, join(stretches[nearest]!, stretches[nearest + 1]!))
}

function gapMs(a: ProvenStretch, b: ProvenStretch): number {
  return Math.abs(a.provenAt.getTime() - b.provenAt.getTime())
}
