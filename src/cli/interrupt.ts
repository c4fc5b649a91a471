// The first SIGINT or SIGTERM asks the work to stop in order; the second ends the process at once.

import { setMaxListeners } from 'node:events'
import { SpillwayError } from '../domain/errors.ts'

/** What we use of `process`. */
type SignalSource = {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
}

// SIGHUP as well: a run that was begun in a terminal stops in order when the terminal is closed.
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** `endNow` ends the process, which only main.ts may do. */
export function watchSignals(
  source: SignalSource,
  input: {
    readonly printError: (line: string) => void
    readonly endNow: (exit: number) => void
  },
): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController()
  // Every request under way listens, eight on each server and more: no leak, as Node would warn from 11 on.
  setMaxListeners(1_000, controller.signal)
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      input.endNow(130)
      return
    }
    input.printError(`spillway: ${name}: stopping in order (once more ends at once)`)
    controller.abort(new SpillwayError('INTERRUPTED', `interrupted by ${name}`))
  }
  for (const name of SIGNALS) source.on(name, onSignal)
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of SIGNALS) source.off(name, onSignal)
    },
  }
}
