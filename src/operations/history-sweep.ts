// Keeps the history small while nights go by: a few small segments become one, so that a search has
// few places to look into, and versions that no archive holds any more are left out.
//
// It is done with each recording, a little at a time: eight small segments at most are merged, or one
// other segment is looked through, in turn. So its cost follows what changes, not what there is.

import { merged, readBlock, SegmentCursor } from './history-cursor.ts'
import { SpillwayError } from '../domain/errors.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { FileHistory, HistoryBlock } from '../catalog/history-calls.ts'
import type { HistoryOutbox } from './history-outbox.ts'

/** Segments with fewer versions are merged once there are eight of them: some 2 blocks. */
const SMALL_VERSIONS = 4_096
const SMALL_SEGMENTS = 8
/** A segment is written anew when a quarter of it is of no use. */
const USELESS_SHARE = 0.25

export type SweepInput = {
  readonly catalog: Catalog
  readonly outbox: HistoryOutbox
  /** As it was before this recording; undefined: it is the first one. */
  readonly history: FileHistory | undefined
  /** Of versions that ended. */
  readonly segments: readonly (readonly HistoryBlock[])[]
  readonly newSegment: number
  readonly signal: AbortSignal
}

export type Swept = { readonly replaced: readonly number[]; readonly sweptSegment: number }

export async function sweep(input: SweepInput): Promise<Swept> {
  const { history, segments } = input
  if (history === undefined) return { replaced: [], sweptSegment: 0 }
  const { sweptSegment } = history
  const isHeld = holderOf(history)
  const small = segments.filter((segment) => versionCount(segment) < SMALL_VERSIONS)
  if (small.length >= SMALL_SEGMENTS) {
    await rewrite(input, small, isHeld)
    return { replaced: small.flat().map(({ id }) => id), sweptSegment }
  }
  // What was never deleted is all held.
  if (!history.hasLetGo && !history.archives.some(({ isGone }) => isGone))
    return { replaced: [], sweptSegment }
  const next = nextInTurn(segments, sweptSegment)
  if (next === undefined) return { replaced: [], sweptSegment }
  const swept = next[0]!.segment
  if ((await uselessCount(input, next, isHeld)) < versionCount(next) * USELESS_SHARE)
    return { replaced: [], sweptSegment: swept }
  await rewrite(input, [next], isHeld)
  return { replaced: next.map(({ id }) => id), sweptSegment: swept }
}

type Span = { readonly firstSerial: number; readonly lastSerial: number | undefined }

/** Whether any archive that may be restored, now or later, is among those serials. */
function holderOf({ archives }: FileHistory): (span: Span) => boolean {
  const serials = archives.filter(({ isGone }) => !isGone).map(({ serial }) => serial)
  return ({ firstSerial, lastSerial = Infinity }) => {
    let [low, high] = [0, serials.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (serials[middle]! < firstSerial) low = middle + 1
      else high = middle
    }
    return low < serials.length && serials[low]! <= lastSerial
  }
}

async function uselessCount(
  { catalog, signal }: SweepInput,
  blocks: readonly HistoryBlock[],
  isHeld: (span: Span) => boolean,
): Promise<number> {
  let count = 0
  for (const { id } of blocks) {
    requireGoingOn(signal)
    const reader = await readBlock(catalog, id)
    while (reader.next()) if (!isHeld(reader)) count += 1
  }
  return count
}

async function rewrite(
  { catalog, outbox, newSegment, signal }: SweepInput,
  segments: readonly (readonly HistoryBlock[])[],
  isHeld: (span: Span) => boolean,
): Promise<void> {
  const encoder = outbox.encoder(newSegment)
  const cursors = segments.map(
    (blocks) => new SegmentCursor(catalog, blocks, undefined, () => true),
  )
  let groups = 0
  for await (const { versions } of merged(cursors)) {
    for (const version of versions) if (isHeld(version)) encoder.add(version)
    groups += 1
    if (groups % GROUPS_PER_LOOK !== 0) continue
    requireGoingOn(signal)
    await outbox.room()
  }
  encoder.flush()
}

// Some 64 KiB of versions.
const GROUPS_PER_LOOK = 2_000

/** From young to old, and again: upwards, the one that each night adds would always be the next one. */
function nextInTurn(
  segments: readonly (readonly HistoryBlock[])[],
  sweptSegment: number,
): readonly HistoryBlock[] | undefined {
  const inTurn = segments.toSorted((a, b) => b[0]!.segment - a[0]!.segment)
  return inTurn.find(([block]) => block!.segment < sweptSegment) ?? inTurn[0]
}

function versionCount(blocks: readonly HistoryBlock[]): number {
  return blocks.reduce((sum, block) => sum + block.versionCount, 0)
}

function requireGoingOn(signal: AbortSignal): void {
  if (signal.aborted)
    throw new SpillwayError('INTERRUPTED', 'recording what the archive holds was interrupted')
}
