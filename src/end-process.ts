// Ends the process although a thread of it hangs in a call of the system (a dead network mount).
//
// Node ends only after it has joined all of its threads: measured on Node 20, each of its ways to exit
// waits for a thread of the pool or a worker that hangs, as the end of the event loop does. Only a signal
// ends such a process, and no signal can carry an exit code of ours, but one: a shell sees an interrupted
// program as 130. All else is SIGKILL (137), which every supervisor takes for a failure; SIGTERM would be
// taken for success by systemd. The code that was meant is told.

import { closeSync, openSync } from 'node:fs'
import { isAnyHeld } from './lib/left-behind.ts'
import { FAILURES } from './domain/errors.ts'

// Slow is not hung: a call that was given up by an interrupt comes back when its disk does.
const GRACE_MS = 1_000

export type EndableProcess = Pick<NodeJS.Process, 'pid' | 'kill'>

/** Does nothing when all threads are free: then Node ends by itself, with its exit code. */
export async function endHungProcess(
  exit: number,
  input: {
    readonly process: EndableProcess
    readonly printError: (line: string) => void
    readonly graceMs?: number
  },
): Promise<void> {
  if (!(await isAnyHeld(input.graceMs ?? GRACE_MS))) return
  if (exit === FAILURES.INTERRUPTED.exit) return endAtOnce(input.process)
  input.printError(
    `spillway: a disk still does not answer, so this ends with SIGKILL (137) instead of exit code ${exit}`,
  )
  input.process.kill(input.process.pid, 'SIGKILL')
}

/**
 * The last thing of all, when everything is written: koffi syncs both outputs as it is unloaded, and waits for itself for
 * ever where that fails (`keepNativeLibraries`, which leaves that to the end). Here it finds what needs no sync. Not for
 * our own bugs, of which Node tells after this.
 */
export function letGoOfOutputs(exit: number): void {
  if (exit === 1) return
  for (const output of [1, 2]) {
    try {
      closeSync(output)
    } catch {
      // Closing tells what could not be written to it; nobody is left to hear of it.
    }
    // Takes the lowest number that is free, which is the one just closed.
    openSync('/dev/null', 'w')
  }
}

/** As a program ends that never heard of signals: 130 for the shell. Nobody may listen to SIGINT. */
export function endAtOnce({ pid, kill }: EndableProcess): void {
  kill(pid, 'SIGINT')
}
