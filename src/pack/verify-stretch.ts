// A stretch of frames of one copy, read back and compared: the frames of the tar with the members in
// them, then those of the index. The manifest and the seek table were read with the layout.
//
// What is proven is told as far as it is certain: up to a frame's end where no member's headers lie on
// both sides. So a later reading may begin at any place that was told.

import type { Finding, FrameStretch } from '../domain/proof.ts'
import type { FramePlace } from './frame-table.ts'
import { giveBack } from './give-back.ts'
import { checkFrames } from './verify-frames.ts'
import type { CheckedFrame } from './verify-frames.ts'
import { checkIndexFrame } from './verify-index-frame.ts'
import { rangeOf } from './verify-layout.ts'
import type { ArchiveLayout } from './verify-layout.ts'
import { headerEndOf, MemberCheck } from './verify-members.ts'
import { MemberIndex } from './verify-member-index.ts'
import { BudgetSpent } from './verify-source.ts'
import type { VerifySource } from './verify-source.ts'

export type StretchSink = {
  /** Frames that are what was stored; each stretch once, in order. */
  readonly proven: (stretch: FrameStretch) => Promise<void>
  readonly found: (findings: readonly Finding[]) => Promise<void>
}

type Input = {
  readonly source: VerifySource
  readonly layout: ArchiveLayout
  readonly stretch: FrameStretch
  readonly sink: StretchSink
}

// 4 MiB of headers of 512 bytes, and what began before: all names of one frame.
const NAMES_MAX = 8_193
// Looking up names costs a read each. A copy with more damaged frames is replaced, not mended by name.
const FRAMES_NAMED_MAX = 100

/** Resolves with whether it came to the end of the stretch, or the budget ended before. */
export async function verifyStretch(input: Input): Promise<'done' | 'budget spent'> {
  const { layout, stretch } = input
  const tarEnd = Math.min(stretch.endFrame, layout.tarFrameCount)
  try {
    if (stretch.firstFrame < tarEnd) {
      const end = await verifyTar(input, stretch.firstFrame, tarEnd)
      if (end < tarEnd) return 'budget spent'
    }
    const first = Math.max(stretch.firstFrame, layout.tarFrameCount)
    for (let number = first; number < stretch.endFrame; number += 1) await verifyTail(input, number)
    return 'done'
  } catch (error) {
    if (error instanceof BudgetSpent) return 'budget spent'
    throw error
  }
}

/** Returns the first frame that was not read. */
async function verifyTar(input: Input, firstFrame: number, endFrame: number): Promise<number> {
  const { source, layout } = input
  const { tarBytes } = layout.tail.manifest
  const index = new MemberIndex(source, layout.directory.members, tarBytes)
  const check = new MemberCheck(index, tarBytes)
  const tar = new TarStretch(input, index, check, firstFrame)
  const first = await frameOfHeaderAt(layout, index, firstFrame)
  await check.startAt(layout.frames.frame(first).tarOffsetBytes)
  let read = first
  const extraBytes = ({ tarOffsetBytes, rawBytes }: FramePlace) =>
    index.loadBytes(tarOffsetBytes, tarOffsetBytes + rawBytes)
  for await (const checked of checkFrames({
    source,
    layout,
    firstFrame: first,
    endFrame,
    extraBytes,
  })) {
    await tar.take(checked)
    if (checked.bytes !== undefined) giveBack(checked.bytes)
    read = checked.place.number + 1
  }
  return read
}

/** A member whose headers began in the frame before is compared as a whole, so from there on. */
async function frameOfHeaderAt(
  layout: ArchiveLayout,
  index: MemberIndex,
  firstFrame: number,
): Promise<number> {
  const { tarOffsetBytes } = layout.frames.frame(firstFrame)
  const member = await index.headerAt(tarOffsetBytes, headerEndOf)
  return member === undefined ? firstFrame : layout.frames.frameAt(member.offsetBytes).number
}

class TarStretch {
  readonly #input: Input
  readonly #index: MemberIndex
  readonly #check: MemberCheck
  /** Proven, or told as damaged, up to here. */
  #toldTo: number
  #named = 0

  constructor(input: Input, index: MemberIndex, check: MemberCheck, firstFrame: number) {
    this.#input = input
    this.#index = index
    this.#check = check
    this.#toldTo = firstFrame
  }

  async take({ place, bytes, what, isEntryAtFault }: CheckedFrame): Promise<void> {
    const tarEnd = place.tarOffsetBytes + place.rawBytes
    if (bytes === undefined) {
      await this.#damaged(place, what ?? 'it cannot be read')
      return
    }
    const compared = await this.#check.check(place, bytes)
    if (compared.what !== undefined) await this.#damaged(place, compared.what)
    else if (isEntryAtFault) await this.#entryDamaged(place, what ?? '')
    else if (!compared.isKnown) await this.#provenTo(place.number, place.number + 1)
    else if (this.#check.isBetweenHeaders(tarEnd)) await this.#provenTo(place.number + 1)
  }

  /** `next`: the first frame of which something is still to be told. */
  async #provenTo(endFrame: number, next = endFrame): Promise<void> {
    const firstFrame = this.#toldTo
    if (endFrame > firstFrame) await this.#input.sink.proven({ firstFrame, endFrame })
    this.#toldTo = Math.max(this.#toldTo, next)
  }

  /** The frames in front of it are whole; a member cut by it is among those that are named. */
  async #damaged(place: FramePlace, what: string): Promise<void> {
    const { number, tarOffsetBytes, rawBytes } = place
    const tarEnd = tarOffsetBytes + rawBytes
    await this.#provenTo(number, number + 1)
    this.#named += 1
    const affected =
      this.#named > FRAMES_NAMED_MAX
        ? { memberCount: null, members: [] }
        : await this.#index.affectedBy(tarOffsetBytes, tarEnd, NAMES_MAX)
    const range = rangeOf(this.#input.layout.frames, number)
    const finding: Finding = { place: 'frame', frame: number, ...range, what, ...affected }
    await this.#input.sink.found([finding])
    await this.#check.startAt(tarEnd)
  }

  async #entryDamaged({ number }: FramePlace, what: string): Promise<void> {
    await this.#provenTo(number, number + 1)
    const range = this.#input.layout.entryRange(number)
    await this.#input.sink.found([
      { place: 'frame', frame: number, ...range, what, memberCount: 0, members: [] },
    ])
  }
}

async function verifyTail({ source, layout, sink }: Input, number: number): Promise<void> {
  if (number === layout.frameCount - 1) {
    // The manifest was read with the layout, and stands for all that was found there.
    if (layout.findings.length === 0)
      await sink.proven({ firstFrame: number, endFrame: number + 1 })
    return
  }
  const findings = await checkIndexFrame(source, layout, number)
  if (findings.length > 0) await sink.found(findings)
  else await sink.proven({ firstFrame: number, endFrame: number + 1 })
}
