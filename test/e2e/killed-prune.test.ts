// `spillway prune`, killed when a server has just done what it was asked, for every request in turn: rows
// and servers agree after the next one, and nothing is gone that was to stay.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { addNights, lastNights } from '../support/past-nights.ts'
import { World } from '../support/world.ts'
import type { S3ModelLogEntry } from '../support/s3-model.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

let world: World
beforeEach(async () => {
  world = await World.make([{ model: { isVersioned: true } }])
  world.env['KEEP_LAST'] = '2'
})
afterEach(() => world.close())

it('leaves nothing that the next one does not finish [F01e F42]', async () => {
  const nights = lastNights(18)
  await addNights(world, nights.slice(0, 2))
  // A look at the clock, at the last good archive, then three requests for each of the two that are due.
  for (let requests = 1; requests <= 8; requests += 1) {
    const kept = await addNights(world, nights.slice(2 * requests, 2 * requests + 2))
    const context = `killed at request ${requests}`

    expect(await prune({ killAtRequest: requests }), context).toBe(null)
    expect(await prune({}), context).toBe(0)

    expect(await world.audit(), context).toEqual([])
    const left = await world.withCatalog((catalog) => catalog.restorableArchives('docs'))
    expect(left.map(({ id }) => id).sort(), context).toEqual(kept.sort())
  }
}, 60_000)

/** Resolves with the exit code; null: killed. */
async function prune({ killAtRequest }: { killAtRequest?: number }): Promise<number | null> {
  const child = spawn(process.execPath, [PROGRAM, 'prune', '--config', await world.writeEnv()], {
    stdio: 'ignore',
  })
  const log = world.models[0]!.log as S3ModelLogEntry[]
  let seen = 0
  // The model notes a request when it is done and before it is answered: the cruellest moment.
  log.push = (...entries) => {
    seen += entries.length
    if (seen === killAtRequest) child.kill('SIGKILL')
    return Array.prototype.push.apply(log, entries)
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
}
