// Finds tokens, and notes when each was last used: beside the answer, since a disk that is full, or a file that
// another process holds, must not keep anybody with a right one waiting, or out.

import { messageOf } from '../domain/errors.ts'
import type { Token } from '../domain/token.ts'
import type { Tokens } from '../state/tokens.ts'

// To write it at each request would cost an fsync each.
const NOTED_EVERY_MS = 60_000
const WRITE_AFTER_MS = 250

export class TokenUse {
  readonly #tokens: Tokens
  readonly #now: () => Date
  readonly #log: (line: string) => void
  /** By name; what cannot be written is tried again with the next one, a minute later at the earliest. */
  readonly #waiting = new Map<string, Date>()
  #timer: NodeJS.Timeout | undefined

  constructor(tokens: Tokens, now: () => Date, log: (line: string) => void) {
    this.#tokens = tokens
    this.#now = now
    this.#log = log
  }

  readonly find = (secret: string): Token | undefined => {
    const token = this.#tokens.find(secret)
    if (token !== undefined) this.#note(token)
    return token
  }

  write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.size === 0) return
    try {
      this.#tokens.noteUse(this.#waiting)
      this.#waiting.clear()
    } catch (error) {
      const why = messageOf(error)
      this.#log(`when tokens were last used cannot be kept: ${why}; they work all the same`)
    }
  }

  #note({ name, lastUsedAt }: Token): void {
    const now = this.#now()
    const lastMs = (this.#waiting.get(name) ?? lastUsedAt)?.getTime() ?? 0
    if (now.getTime() - lastMs <= NOTED_EVERY_MS) return
    this.#waiting.set(name, now)
    this.#timer ??= setTimeout(() => this.write(), WRITE_AFTER_MS)
  }
}
