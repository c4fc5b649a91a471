// `npm run soak -- --seed 7 --hosts 50 --days 365`: a simulated year on the real code (test/soak), without vitest. Ends
// with 1 and the story of the host at the first thing that is not as it must be. `--seeds 1,2,3`: one year each.

import { parseArgs } from 'node:util'
import { randomInt } from 'node:crypto'
import { simulateYear } from '../test/soak/year.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    hosts: { type: 'string', default: '50' },
    servers: { type: 'string', default: '8' },
    days: { type: 'string', default: '365' },
  },
})
const given = values.seeds ?? values.seed ?? process.env['SEED'] ?? String(randomInt(1, 1e9))
const [hosts, servers, days] = [values.hosts, values.servers, values.days].map(Number)

for (const seed of given.split(',').map(Number)) {
  console.log(`SEED=${seed}: ${hosts} hosts, ${servers} servers, ${days} days`)
  const onProgress = (text: string): void => console.log(text)
  const input = { seed, hosts: hosts!, servers: servers!, days: days!, onProgress }
  const { counts, seconds, violation } = await simulateYear(input)
  console.log(`${Math.round(seconds)} s: ${counts.toString()}`)
  if (violation === undefined) continue
  console.error(
    `${violation.story.join('\n')}\n${violation.host}, day ${violation.day}, SEED=${seed}`,
  )
  process.exitCode = 1
  break
}
