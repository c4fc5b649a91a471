// A few hosts for some weeks, always the same, so that what lands does not hang on a draw; test/servers/soak.test.ts takes a
// quarter of a year, and `npm run soak` draws years.

import { expect, it } from 'vitest'
import { simulateYear } from './year.ts'

it('some weeks of faults break no promise', { timeout: 180_000 }, async () => {
  const seed = Number(process.env['SEED'] ?? 7)
  console.log(`SEED=${seed}`)

  const { counts, violation } = await simulateYear({ seed, hosts: 3, servers: 4, days: 25 })

  const where = `${violation?.host}, day ${violation?.day}, SEED=${seed}`
  expect(violation?.story.join('\n'), where).toBeUndefined()
  // Every day has a run, but for those that were killed or that a change of settings forbade.
  expect(counts.nights).toBe(75)
  expect(counts.runs).toBeGreaterThan(45)
  expect(counts.copiesStored).toBeGreaterThan(45)
})
