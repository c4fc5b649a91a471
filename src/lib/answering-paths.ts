// Which of some paths answer at all. A path on a dead network mount holds whoever looks at it: it is looked
// at once, in a thread of the pool, and not again before that look has come back.

import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { leaveBehind } from './left-behind.ts'

type Look = {
  /** Resolves when it has come back. */
  readonly looked: Promise<true>
  /** Somebody has waited for it long enough. */
  isLate: boolean
}

const looks = new Map<string, Look>()

/** Those that were looked at within `timeoutMs`, also those that are not there. */
export async function answeringPaths(
  paths: readonly string[],
  timeoutMs: number,
  look: (path: string) => Promise<unknown> = stat,
): Promise<readonly string[]> {
  const answers = await Promise.all(paths.map((path) => isAnswering(path, timeoutMs, look)))
  return paths.filter((_path, index) => answers[index])
}

async function isAnswering(
  path: string,
  timeoutMs: number,
  look: (path: string) => Promise<unknown>,
): Promise<boolean> {
  // Who comes while another one looks waits for the same look.
  const begun = looks.get(path) ?? begin(path, look)
  if (begun.isLate) return false
  const over = new AbortController()
  const late = sleep(timeoutMs, false, { signal: over.signal }).catch(() => false)
  const isAnswered = await Promise.race([begun.looked, late])
  over.abort()
  if (!isAnswered) {
    begun.isLate = true
    leaveBehind(begun.looked)
  }
  return isAnswered
}

function begin(path: string, look: (path: string) => Promise<unknown>): Look {
  const forget = (): true => {
    looks.delete(path)
    return true
  }
  const begun: Look = { looked: look(path).then(forget, forget), isLate: false }
  looks.set(path, begun)
  return begun
}
