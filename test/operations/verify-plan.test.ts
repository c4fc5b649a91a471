// What a night reads back first.

import { expect, it } from 'vitest'
import { planDeep } from '../../src/operations/verify-plan.ts'
import type { PlannedCopy } from '../../src/operations/verify-plan.ts'

const DAY_MS = 86_400_000
const NOW = new Date('2026-11-22T02:30:00Z')

/** A copy of ten frames that were all read back so many days ago. */
function copyOf(id: number, daysAgo: number): PlannedCopy {
  const provenAt = new Date(NOW.getTime() - daysAgo * DAY_MS)
  const planned = {
    task: { archive: { startedAt: new Date(0) }, copy: { id } },
    proof: { frameCount: 10 },
    stretches: [{ firstFrame: 0, endFrame: 10, provenAt }],
    problems: [],
  }
  return planned as unknown as PlannedCopy
}

it('what was read back while the clock was years ahead is not left out for years', () => {
  const copies = [copyOf(1, 1), copyOf(2, -700), copyOf(3, 30)]

  const work = planDeep(copies, true, NOW)

  expect(work.map(({ task }) => Number(task.copy.id))).toEqual([2, 3, 1])
})
