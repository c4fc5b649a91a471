// kill -9 in the middle of an evacuation, at random moments, and once more until it is done: every archive
// must be whole on the other server, and not a byte unaccounted for.

import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

// Enough to hit reading, sending and removing; the seed is printed so that a failure can be repeated.
const KILLS = 8

let world: World
afterEach(async () => {
  await world.close()
})

it('an evacuation killed at random moments is finished by the next one', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const random = randomFrom(seed)
  world = await World.make([{}, {}])
  await world.noise('big', 12_000_000)
  const envFile = await world.writeEnv()
  for (let night = 0; night < 4; night += 1) expect((await program('run', envFile)).exit).toBe(0)
  const before = contentOf(0)
  expect(before.size).toBe(4)
  world.env['S3_SERVER_1_ENABLED'] = 'false'
  await world.writeEnv()

  let killed = 0
  for (let round = 0; round < KILLS; round += 1) {
    // Opening takes half a second; an archive about as long.
    const { exit } = await program('evacuate 1', envFile, 0.3 + random() * 1.5)
    if (exit === null) killed += 1
    // At no moment is an archive on no server at all, or anything on one that is not the archive.
    for (const [key, bytes] of before)
      expect([contentOf(0).get(key), contentOf(1).get(key)], `seed ${seed}`).toContain(bytes)
  }
  const last = await program('evacuate 1 --json', envFile)

  expect(last.exit, `seed ${seed}: ${last.output}`).toBe(0)
  expect(contentOf(1)).toEqual(before)
  expect(contentOf(0).size).toBe(0)
  expect(await world.audit(), `seed ${seed}`).toEqual([])
  const spooled = await readdir(join(world.folder, 'data/spool'))
  expect(spooled.filter((name) => !name.startsWith('.'))).toEqual([])
  // A test that kills nothing proves nothing.
  expect(killed).toBeGreaterThan(KILLS / 3)
}, 120_000)

function contentOf(index: number): ReadonlyMap<string, string> {
  const model = world.models[index]!
  const keys = model.objects().map(({ key }) => key)
  const archives = keys.filter((key) => key.startsWith('host/'))
  return new Map(archives.map((key) => [key, model.bytesOf(key).toString('base64')]))
}

async function program(
  words: string,
  envFile: string,
  killAfterSeconds?: number,
): Promise<{ readonly exit: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [PROGRAM, ...words.split(' '), '--config', envFile])
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const timer =
    killAfterSeconds === undefined
      ? undefined
      : setTimeout(() => child.kill('SIGKILL'), killAfterSeconds * 1_000)
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  clearTimeout(timer)
  return { exit, output }
}

/** mulberry32: a seed gives the same numbers everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
