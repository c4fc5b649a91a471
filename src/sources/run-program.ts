// Runs a program whose words nobody archives: what a source names to be run around its reading. Whatever is true
// of programs that write an archive (child.ts) is true of it, but that it has no output and a time limit.

import { closeSync } from 'node:fs'
import type { Program } from '../domain/source.ts'
import { failed, startChild } from './child.ts'
import type { Child } from './child.ts'
import { SpillwayError } from '../domain/errors.ts'
import { formatSeconds } from '../domain/sizes.ts'

export type ProgramLimits = {
  readonly timeoutMs: number
  /** So long it may go on when the run is interrupted; 0: it is ended at once. */
  readonly afterInterruptMs: number
}

/** Resolves when it ended well. Rejects with SOURCE_COMMAND_FAILED or INTERRUPTED. */
export type RunProgram = (
  program: Program,
  limits: ProgramLimits,
  signal: AbortSignal,
) => Promise<void>

/** `pipesFolder` has room for two names for a moment. */
export function createRunProgram(pipesFolder: string): RunProgram {
  return async (program, limits, signal) => {
    if (signal.aborted && limits.afterInterruptMs === 0) throw interrupted(program)
    const child = await startChild(program, pipesFolder, { hasNoOutput: true })
    closeSync(child.outputFd)
    let tooLongMs: number | undefined
    try {
      tooLongMs = await endOrLimit(child, limits, signal)
    } finally {
      await child.stop()
    }
    if (tooLongMs === undefined) return
    if (tooLongMs === 0) throw interrupted(program)
    const since = signal.aborted ? ' after the run was interrupted' : ''
    const what = `did not end within ${formatSeconds(tooLongMs / 1_000)}${since}${child.lastWords()}`
    throw failed(program, what)
  }
}

/** Resolves with the limit that it passed; undefined: it ended well. Rejects when it did not. */
async function endOrLimit(
  { ended }: Child,
  { timeoutMs, afterInterruptMs }: ProgramLimits,
  signal: AbortSignal,
): Promise<number | undefined> {
  const timers: NodeJS.Timeout[] = []
  let onAbort = (): void => undefined
  const limit = new Promise<number>((resolve) => {
    const endAfter = (ms: number): void => void timers.push(setTimeout(resolve, ms, ms))
    endAfter(timeoutMs)
    onAbort = () => endAfter(afterInterruptMs)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([ended.then(() => undefined), limit])
  } finally {
    for (const timer of timers) clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

function interrupted({ argv: [program] }: Program): SpillwayError {
  return new SpillwayError('INTERRUPTED', `${program} was ended: the run was interrupted`)
}
