// A value that several parts of the page look at: who is signed in, whether the daemon answers.

import { useEffect, useState } from 'preact/hooks'

export class Store<Value> {
  #value: Value
  readonly #watchers = new Set<() => void>()

  constructor(value: Value) {
    this.#value = value
  }

  get value(): Value {
    return this.#value
  }

  set(value: Value): void {
    if (value === this.#value) return
    this.#value = value
    for (const watcher of this.#watchers) watcher()
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }
}

/** The value now; the part that asks is drawn again with each change. */
export function useStore<Value>(store: Store<Value>): Value {
  const [value, setValue] = useState(store.value)
  useEffect(() => {
    const look = (): void => setValue(() => store.value)
    look()
    return store.watch(look)
  }, [store])
  return value
}
