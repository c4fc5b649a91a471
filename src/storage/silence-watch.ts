// Ends an exchange in which nothing moves any more. It counts bytes per window, not events: a peer that
// drips a byte now and then would keep every idle timer alive for ever.

export type SilenceRule = {
  readonly silenceMs: number
  /** Fewer bytes than this within `silenceMs`, in both directions together, are silence. */
  readonly bytesMin: number
}

// Four looks per window: silence is noticed at most a quarter of a window late.
const LOOKS_PER_WINDOW = 4

export class SilenceWatch {
  readonly #rule: SilenceRule
  readonly #countBytes: () => number
  readonly #onSilent: () => void
  #timer: NodeJS.Timeout
  /** Byte counts at the last looks, oldest first. */
  #looks: number[]
  #pauses = 0
  #isStopped = false

  constructor(rule: SilenceRule, countBytes: () => number, onSilent: () => void) {
    this.#rule = rule
    this.#countBytes = countBytes
    this.#onSilent = onSilent
    this.#looks = [countBytes()]
    this.#timer = this.#begin()
  }

  #begin(): NodeJS.Timeout {
    return setInterval(() => this.#look(), this.#rule.silenceMs / LOOKS_PER_WINDOW).unref()
  }

  /** A new window begins now: silence in all of it is then noticed exactly at its end. */
  restart(): void {
    if (this.#isStopped) return
    clearInterval(this.#timer)
    this.#looks = [this.#countBytes()]
    this.#timer = this.#begin()
  }

  /** While we ourselves are the reason that nothing moves: a rate limit, a consumer that is busy. */
  pause(): void {
    this.#pauses += 1
  }

  resume(): void {
    this.#pauses -= 1
    this.#looks = [this.#countBytes()]
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
  }

  #look(): void {
    if (this.#pauses > 0) return
    const bytes = this.#countBytes()
    this.#looks.push(bytes)
    if (this.#looks.length <= LOOKS_PER_WINDOW) return
    const oldest = this.#looks.shift()!
    if (bytes - oldest >= this.#rule.bytesMin) return
    this.stop()
    this.#onSilent()
  }
}
