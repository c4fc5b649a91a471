// Works on many things a few at a time: as fast as the network allows, with memory for a few.

/**
 * Takes the next item only when one of `count` has room for it. The first failure ends it, once those
 * under way have ended: nothing goes on behind the caller's back.
 */
export async function eachAtOnce<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  count: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  try {
    for await (const item of items) {
      const task = work(item)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => underWay.delete(task))
      underWay.add(task)
      if (underWay.size >= count) await Promise.race(underWay)
      if (failures.length > 0) break
    }
  } finally {
    await Promise.all(underWay)
  }
  if (failures.length > 0) throw failures[0]
}
