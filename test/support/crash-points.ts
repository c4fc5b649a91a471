// Runs that die at a chosen step, and what the next run makes of it. The quick tier takes the steps around the proof
// of a copy; test/servers takes every one.

import { expect } from 'vitest'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { violations } from './oracle.ts'
import type { World } from './world.ts'

const PROGRAM = join(import.meta.dirname, '../../dist/modules/test/support/dying-run-main.js')

export type How = 'SIGKILL' | 'SIGTERM'

export type EndedRun = {
  readonly exit: number | null
  readonly signal: NodeJS.Signals | null
  readonly seconds: number
  readonly out: string
  readonly err: string
}

/** Runs the program; it sends itself this signal at its `number`th moment, from 1. */
export async function dyingRun(world: World, how: How | 'trace', number = 0): Promise<EndedRun> {
  const begun = performance.now()
  const child = spawn(process.execPath, [PROGRAM, await world.writeEnv(), how, String(number)])
  const texts = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (texts.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (texts.err += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exit, signal) => {
      resolve({ exit, signal, seconds: (performance.now() - begun) / 1_000, ...texts })
    })
  })
}

/** The moments of a whole run, in order; each kind of step as often as it comes. */
export async function momentsOf(world: World): Promise<readonly string[]> {
  const { exit, err, out } = await dyingRun(world, 'trace')
  expect(exit, err + out).toBe(0)
  return [...err.matchAll(/^(?:<\d>)?step (.*)$/gm)].map(([, name = '']) => name)
}

/**
 * A run ends at this moment; then the world is as it must be after one more run, and after another: recovering
 * twice is recovering once. Resolves with the run that ended.
 */
export async function dieAndRecover(
  world: World,
  how: How,
  moment: { readonly number: number; readonly name: string },
  runsAfter = 2,
): Promise<EndedRun> {
  const context = `${how} at moment ${moment.number}, ${moment.name}`
  const died = await dyingRun(world, how, moment.number)
  if (how === 'SIGKILL') expect(died.signal, `${context}: ${died.err}`).toBe('SIGKILL')
  for (let time = 1; time <= runsAfter; time += 1) {
    const next = await world.run()
    const said = JSON.stringify([next.sources, next.warnings])
    expect(next.exit, `${context}, run ${time} after: ${said}`).toBe(0)
    expect(await violations(world), `${context}, run ${time} after`).toEqual([])
  }
  const waiting = await world.waiting()
  expect(waiting, context).toEqual([])
  return died
}
