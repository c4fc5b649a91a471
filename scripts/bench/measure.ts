// One command, measured by GNU time: wall seconds, CPU seconds of all its processes, and the peak of the largest one
// (the kernel tells no more of a pipeline than that).

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Run } from './results.ts'

export const GNU_TIME = '/usr/bin/time'
// Of what a failing command said: enough to see why, also behind a page of warnings.
const TOLD_BYTES = 4_000

export type Measured = Pick<Run, 'seconds' | 'cpuSeconds' | 'peakMiB'>

/** Any process of the pipeline that ends with anything but 0 is an error: a figure of half the work is none. */
export async function measure(input: {
  readonly command: string
  readonly env: NodeJS.ProcessEnv
  /** For what the command prints, and its figures. */
  readonly folder: string
  readonly signal: AbortSignal
}): Promise<Measured> {
  const { command, env, folder, signal } = input
  const [figures, printed] = [join(folder, 'time'), join(folder, 'printed')]
  const output = openSync(printed, 'w')
  const begun = performance.now()
  const child = spawn(
    GNU_TIME,
    ['-o', figures, '-f', '%U %S %M', 'bash', '-c', `set -eo pipefail; ${command}`],
    // A group of its own, so that an interruption ends all of a pipeline.
    { env, stdio: ['ignore', output, output], detached: true },
  )
  const interrupt = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
  }
  signal.addEventListener('abort', interrupt)
  try {
    const [code, killedBy] = (await once(child, 'close')) as [number | null, string | null]
    const seconds = (performance.now() - begun) / 1_000
    signal.throwIfAborted()
    if (code !== 0) throw new Error(`ended with ${code ?? killedBy}: ${command}\n${endOf(printed)}`)
    return { seconds, ...parseTime(readFileSync(figures, 'utf8')) }
  } finally {
    signal.removeEventListener('abort', interrupt)
    closeSync(output)
  }
}

/** `%U %S %M`; before it GNU time may have written a line of its own. */
export function parseTime(text: string): Omit<Measured, 'seconds'> {
  const [user, system, peakKiB] = (text.trimEnd().split('\n').at(-1) ?? '').split(' ').map(Number)
  if (user === undefined || system === undefined || peakKiB === undefined)
    throw new Error(`GNU time wrote "${text}"`)
  return { cpuSeconds: user + system, peakMiB: peakKiB / 1_024 }
}

function endOf(path: string): string {
  return readFileSync(path).subarray(-TOLD_BYTES).toString('utf8')
}
