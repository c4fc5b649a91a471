// Changes of the env file, one after the other: each starts from the text that the one before it wrote, and the next
// request sees what was written, whatever the clock of the file system says of it.

import type { ConfigPlace } from '../config/load.ts'
import { problem } from './problem.ts'
import type { Problem } from './problem.ts'

// A person tries one at a time. Each may walk a whole folder, or wait for a server that is silent.
const TESTS_MAX = 4

export class SettingsDesk {
  /** Where the env file is, or will be. */
  readonly place: ConfigPlace
  readonly #reload: () => Promise<void>
  #last: Promise<unknown> = Promise.resolve()
  #tests = 0

  constructor(place: ConfigPlace, reload: () => Promise<void>) {
    this.place = place
    this.#reload = reload
  }

  /** Resolves when the settings that were written are the ones in use. */
  change<Result>(work: (place: ConfigPlace) => Promise<Result>): Promise<Result> {
    const changed = this.#last.then(async () => {
      const result = await work(this.place)
      await this.#reload()
      return result
    })
    this.#last = changed.catch(() => undefined)
    return changed
  }

  /** Of what is not saved; some at once, but not any number. */
  async test<Result>(work: () => Promise<Result>): Promise<Result | Problem> {
    if (this.#tests >= TESTS_MAX) return problem(429, 'too many tests are under way')
    this.#tests += 1
    try {
      return await work()
    } finally {
      this.#tests -= 1
    }
  }
}
