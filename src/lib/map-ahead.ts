// Works on several items at once and gives the results in order: what keeps a line or a thread pool busy
// without holding more than a known number of results.

/**
 * Up to `ahead` at once. Whatever ends it waits for those that were begun. Where the items fail, results of those that
 * came before are given first.
 */
export async function* mapAhead<In, Out>(
  items: AsyncIterable<In>,
  work: (item: In) => Promise<Out>,
  ahead: number,
): AsyncGenerator<Out> {
  const begun: Promise<Out>[] = []
  try {
    for await (const next of withFailure(items)) {
      if ('failure' in next) {
        while (begun.length > 0) yield await begun.shift()!
        throw next.failure
      }
      const result = work(next.item)
      // Its turn to be awaited comes later; until then a rejection is not unhandled.
      result.catch(() => undefined)
      begun.push(result)
      if (begun.length >= ahead) yield await begun.shift()!
    }
    while (begun.length > 0) yield await begun.shift()!
  } finally {
    await Promise.allSettled(begun)
  }
}

async function* withFailure<In>(
  items: AsyncIterable<In>,
): AsyncGenerator<{ readonly item: In } | { readonly failure: unknown }> {
  try {
    for await (const item of items) yield { item }
  } catch (failure) {
    yield { failure }
  }
}
