// Changes of the env file, one after the other: each starts from the text that the one before it wrote, and the next
// request sees what was written, whatever the clock of the file system says of it.

import type { ConfigPlace } from '../config/load.ts'

export class SettingsDesk {
  /** Where the env file is, or will be. */
  readonly place: ConfigPlace
  readonly #reload: () => Promise<void>
  #last: Promise<unknown> = Promise.resolve()

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
}
