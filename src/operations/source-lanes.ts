// Several sources at a time: each lane takes the next one when it is through with its last.

/** What becomes of one: `again` where it could only be done with nothing else at work. */
export type LaneOutcome = 'done' | 'again'

/**
 * Calls `work` for every item, `lanes` of them at a time, begun in their order; then once more, one after
 * another, for those that resolved with `again`. `isAlone`: nothing else is at work, and `again` is no answer.
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
  const again: Item[] = []
  let failure: { readonly error: unknown } | undefined
  const lane = async (): Promise<void> => {
    while (left.length > 0 && failure === undefined) {
      const item = left.shift()!
      try {
        if ((await work(item, count === 1)) === 'again') again.push(item)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  if (failure !== undefined) throw failure.error
  for (const item of again) await work(item, true)
}
