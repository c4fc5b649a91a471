// Every step of a run, each as the last thing that its process did: by SIGKILL, by SIGTERM, by an error of ours. And
// the same of the run that comes after, which is where recovering happens.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { dieAndRecover, dyingRun, momentsOf } from '../support/crash-points.ts'
import { violations } from '../support/oracle.ts'
import { nameOf, withSteps } from '../support/run-steps.ts'
import { QUICK, World } from '../support/world.ts'

// All steps of all four tests take a quarter of an hour: SIGKILL comes at each, the others at every third, from
// another one each time. STEPS=all takes all of them.
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const STRIDE = process.env['STEPS'] === 'all' ? 1 : 3

let world: World
let moments: readonly string[]
beforeEach(async () => {
  // Room for some hundred archives.
  world = await World.make([{ limitGb: 100 }, {}])
  // Two parts, the first of them sent while the second is packed.
  await world.noise('file', 20_000_000)
  moments = await momentsOf(world)
})
afterEach(() => world.close())

const eachMoment = () => moments.map((name, index) => ({ number: index + 1, name }))
const isTaken = (number: number): boolean => number % STRIDE === SEED % STRIDE
const someMoments = () => eachMoment().filter(({ number }) => isTaken(number))

it('a run that is killed before or after any step is settled by the next one [F01a F06b]', async () => {
  for (const moment of eachMoment()) await dieAndRecover(world, 'SIGKILL', moment)
}, 900_000)

it(`a run that is asked to stop at any step ends in time, and leaves nothing on a server (seed ${SEED}) [F03a]`, async () => {
  for (const moment of someMoments()) {
    const { exit, signal, seconds, err } = await dieAndRecover(world, 'SIGTERM', moment)
    // Who is asked to stop when all is done may say so.
    expect([moment.name, signal, [0, 130].includes(exit ?? -1)], err).toEqual([
      moment.name,
      null,
      true,
    ])
    expect(seconds, moment.name).toBeLessThan(20)
  }
}, 900_000)

it(`an error of ours at any step is told by that run and settled by the next (seed ${SEED}) [F01b]`, async () => {
  for (const { number, name } of someMoments()) {
    let count = 0
    const failed = await world.run({
      change: (running) =>
        withSteps(running, (moment) => {
          count += 1
          if (count === number) throw new Error(`made for this test, ${nameOf(moment)}`)
        }),
    })
    expect(count, name).toBeGreaterThanOrEqual(number)
    // What only helps (history, copies of the catalog) costs a warning; after Complete only HEAD has a say.
    expect([0, 1, 3], name).toContain(failed.exit)
    if (failed.exit === 0) expect(failed.archives, name).toMatchObject([{ state: 'stored' }])
    // A commit that was done and then said to have failed is found out when the copy is settled, and told as that.
    else expect(JSON.stringify(failed), name).toMatch(/made for this test|is stored, not uploading/)
    expect((await world.run({ limits: QUICK })).exit, name).toBe(0)
    expect(await violations(world), name).toEqual([])
  }
}, 900_000)

it(`a recovery that is killed at any step is finished by the next (seed ${SEED}) [F01c]`, async () => {
  for (const name of [
    'after storage.begin',
    'after storage.complete',
    'before catalog.markReady',
  ]) {
    const number = moments.indexOf(name) + 1
    expect(number, name).toBeGreaterThan(0)
    // Until the recovering run is through with what the first one left, and as far with its own archive.
    for (let step = 1; step <= 24; step += 1) {
      if (!isTaken(step)) continue
      expect((await dyingRun(world, 'SIGKILL', number)).signal).toBe('SIGKILL')
      await dieAndRecover(world, 'SIGKILL', { number: step, name: `of the run after ${name}` })
    }
  }
}, 900_000)
