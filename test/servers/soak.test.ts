// A simulated quarter of eight hosts that share four servers: always the same one, so that what lands does not hang on a
// draw. `npm run soak` draws years of fifty hosts.

import { expect, it } from 'vitest'
import { simulateYear } from '../soak/year.ts'

const MINUTES_20_MS = 1_200_000

it('a quarter of eight hosts breaks no promise', { timeout: MINUTES_20_MS }, async () => {
  const seed = Number(process.env['SEED'] ?? 202)
  console.log(`SEED=${seed}`)
  const onProgress = (text: string): void => console.log(text)

  const { counts, violation } = await simulateYear({
    ...{ seed, hosts: 8, servers: 4, days: 90, onProgress },
  })

  console.log(counts.toString())
  const where = `${violation?.host}, day ${violation?.day}, SEED=${seed}`
  expect(violation?.story.join('\n'), where).toBeUndefined()
  // What did not happen was not tried.
  for (const what of ['crashes', 'failovers', 'waited', 'deletes', 'harms', 'restores'] as const)
    expect(counts[what], `${what}, SEED=${seed}`).toBeGreaterThan(0)
})
