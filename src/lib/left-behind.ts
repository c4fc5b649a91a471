// Calls of the system that nobody waits for any more: a disk or a network mount does not answer, and no
// call of the system can be taken back. While one hangs, its thread hangs with it, and Node ends only
// when all of its threads have: end-process.ts asks here.

const left = new Set<Promise<unknown>>()

/** From here on nobody waits for `step`; what comes of it is of no interest. */
export function leaveBehind(step: Promise<unknown>): void {
  left.add(step)
  const forget = (): void => void left.delete(step)
  step.then(forget, forget)
}

export function heldSteps(): number {
  return left.size
}

/** Resolves to whether any of them has still not come back after `graceMs`. */
export async function isAnyHeld(graceMs: number): Promise<boolean> {
  if (left.size === 0) return false
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs)
  })
  // Those that were left before this: nothing is begun any more when a process ends.
  await Promise.race([Promise.allSettled([...left]), over])
  clearTimeout(timer)
  return left.size > 0
}
