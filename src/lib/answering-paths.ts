// Which of some paths answer at all. A path on a dead network mount holds whoever looks at it: it is looked
// at once, in a thread of the pool, and not again before that look has come back.

import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { leaveBehind } from './left-behind.ts'

const looking = new Set<string>()

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
  if (looking.has(path)) return false
  looking.add(path)
  const forget = (): true => {
    looking.delete(path)
    return true
  }
  const looked = look(path).then(forget, forget)
  const over = new AbortController()
  const late = sleep(timeoutMs, false, { signal: over.signal }).catch(() => false)
  const isAnswered = await Promise.race([looked, late])
  over.abort()
  if (!isAnswered) leaveBehind(looked)
  return isAnswered
}
