// How many parts of one upload may be under way: half as many after each refusal for want of room (SlowDown, 503, 429),
// one more after a row of parts that were taken.
//
// A server that is asked for too much at once refuses whoever comes next; repeats alone would come together again, and
// after five refusals of one part the archive would go elsewhere. Each refusal doubles the row, so that a server which
// bears two is not tried with three all night.

import { interrupted } from './retry.ts'

// Some seconds of parts: long enough that a server which was busy for a moment is not.
const TAKEN_PER_STEP = 8

export class PartRoom {
  readonly #max: number
  #limit: number
  #underWay = 0
  #taken = 0
  #perStep = TAKEN_PER_STEP
  readonly #waiting: (() => void)[] = []

  constructor(max: number) {
    this.#max = max
    this.#limit = max
  }

  /** Resolves when it is this part's turn, in the order of asking. Whoever entered must leave. */
  async enter(signal: AbortSignal): Promise<void> {
    if (this.#underWay < this.#limit && this.#waiting.length === 0) {
      this.#underWay += 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', stop)
        this.#underWay += 1
        resolve()
      }
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1)
        reject(interrupted())
      }
      if (signal.aborted) return void reject(interrupted())
      this.#waiting.push(go)
      signal.addEventListener('abort', stop, { once: true })
    })
  }

  leave(how: 'taken' | 'refused' | 'failed'): void {
    this.#underWay -= 1
    if (how === 'refused') {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2))
      this.#perStep *= 2
      this.#taken = 0
    } else if (how === 'taken' && this.#limit < this.#max) {
      this.#taken += 1
      if (this.#taken === this.#perStep) {
        this.#limit += 1
        this.#taken = 0
      }
    }
    while (this.#underWay < this.#limit && this.#waiting.length > 0) this.#waiting.shift()!()
  }
}
