// Several sources at a time: each lane takes the next one when it is through with its last.

/** What becomes of one. `again`: what is left of it can only be done with nothing else at work. */
export type LaneOutcome = 'done' | { readonly again: () => Promise<void> }

/**
 * Calls `work` for every item, `lanes` of them at a time, begun in their order; then, one after another, what
 * was left. `isAlone`: nothing else is at work while it is.
 *
 * Rejects with the first rejection, once all that was begun has ended; after one, nothing more is begun.
 */
export async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item, isAlone: boolean) => Promise<LaneOutcome>,
): Promise<void> {
  const count = Math.min(lanes, items.length)
  const left = [...items]
  const rest: (() => Promise<void>)[] = []
  let failure: { readonly error: unknown } | undefined
  const lane = async (): Promise<void> => {
    while (left.length > 0 && failure === undefined) {
      try {
        const outcome = await work(left.shift()!, count === 1)
        if (outcome !== 'done') rest.push(outcome.again)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  if (failure !== undefined) throw failure.error
  for (const again of rest) await again()
}
