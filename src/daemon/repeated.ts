// Does something every so often, never twice at once, and what fails is told and tried again.

import { messageOf } from '../domain/errors.ts'

export type Repeated = { readonly stop: () => Promise<void> }

/** Begins at once. `stop` waits for what is under way. */
export function repeat(
  work: () => Promise<void>,
  { everyMs, what, log }: { everyMs: number; what: string; log: (line: string) => void },
): Repeated {
  let current: Promise<void> | undefined
  const begin = (): void => {
    current ??= work()
      .catch((error: unknown) => log(`${what}: ${messageOf(error)}`))
      .finally(() => (current = undefined))
  }
  begin()
  const timer = setInterval(begin, everyMs)
  return {
    stop: async () => {
      clearInterval(timer)
      await current
    },
  }
}
