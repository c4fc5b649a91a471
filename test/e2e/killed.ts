// What a run that is killed at any moment leaves behind, and what the next run makes of it. Used with
// few rounds by `npm test` and with a hundred by `npm run test:servers`.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { World } from '../support/world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/src/main.js')

/** Kills runs at random moments, lets one run finish after each, and audits what is there. */
export async function killAndRecover(world: World, rounds: number, seed: number): Promise<void> {
  const random = randomFrom(seed)
  const envFile = await world.writeEnv()
  const whole = await runFor(envFile, undefined)
  expect(whole.exit).toBe(0)
  let killed = 0
  for (let round = 0; round < rounds; round += 1) {
    const context = `seed ${seed}, round ${round}`
    const { exit } = await runFor(envFile, random() * whole.seconds * 1.05)
    if (exit === null) killed += 1
    const after = await runFor(envFile, undefined)
    expect(after.exit, `${context}: ${after.output}`).toBe(0)
    expect(await world.audit(), context).toEqual([])
    const waiting = await world.waiting()
    expect(waiting, context).toEqual([])
  }
  // A test that kills nothing proves nothing.
  expect(killed).toBeGreaterThan(rounds / 3)
}

type Ended = { readonly exit: number | null; readonly seconds: number; readonly output: string }

async function runFor(envFile: string, killAfterSeconds: number | undefined): Promise<Ended> {
  const begun = performance.now()
  const child = spawn(process.execPath, [PROGRAM, 'run', '--config', envFile])
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const timer =
    killAfterSeconds === undefined
      ? undefined
      : setTimeout(() => child.kill('SIGKILL'), killAfterSeconds * 1_000)
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  clearTimeout(timer)
  return { exit, seconds: (performance.now() - begun) / 1_000, output }
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
