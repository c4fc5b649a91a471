// Stretches of proven frames: whatever order they come in, no frame gets a later date than its own.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dueStretches, framesIn, oldestOf, withProven } from '../../src/domain/proof.ts'
import type { ProvenStretch } from '../../src/domain/proof.ts'

const DAY_MS = 86_400_000
const FRAMES = 60

const stretch = fc
  .tuple(fc.nat(FRAMES - 1), fc.integer({ min: 1, max: 20 }), fc.nat(400))
  .map(([firstFrame, frames, day]) => ({
    firstFrame,
    endFrame: Math.min(FRAMES, firstFrame + frames),
    provenAt: new Date(day * DAY_MS),
  }))

describe('proven stretches', () => {
  it('cover exactly the frames that were proven, each with its last date or an older one', () => {
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 40 }), (added) => {
        const truth = new Map<number, number>()
        let stretches: readonly ProvenStretch[] = []
        for (const each of added) {
          stretches = withProven(stretches, each)
          for (let frame = each.firstFrame; frame < each.endFrame; frame += 1)
            truth.set(frame, each.provenAt.getTime())
        }
        expect(framesIn(stretches)).toBe(truth.size)
        for (const { firstFrame, endFrame, provenAt } of stretches)
          for (let frame = firstFrame; frame < endFrame; frame += 1)
            expect(provenAt.getTime()).toBeLessThanOrEqual(truth.get(frame) ?? -1)
        const oldest = Math.min(...truth.values())
        expect(oldestOf(stretches)?.getTime()).toBe(truth.size === 0 ? undefined : oldest)
        expect(framesIn(dueStretches(stretches, FRAMES))).toBe(FRAMES)
      }),
    )
  })

  it('of one night are one, however often it was noted', () => {
    let stretches: readonly ProvenStretch[] = []
    for (let frame = 0; frame < 1_000; frame += 1) {
      const provenAt = new Date(frame * 1_000)
      stretches = withProven(stretches, { firstFrame: frame, endFrame: frame + 1, provenAt })
    }
    expect(stretches).toEqual([{ firstFrame: 0, endFrame: 1_000, provenAt: new Date(0) }])
  })

  it('stay few over years of nights', () => {
    let stretches: readonly ProvenStretch[] = []
    for (let night = 0; night < 3_000; night += 1) {
      const firstFrame = (night * 100) % 250_000
      const provenAt = new Date(night * DAY_MS)
      stretches = withProven(stretches, { firstFrame, endFrame: firstFrame + 100, provenAt })
    }
    expect(stretches.length).toBeLessThanOrEqual(256)
    expect(framesIn(stretches)).toBe(250_000)
  })
})
