// Notes who asked for what. Entries are written a few at a time, so that a flood of refused requests is not one
// of waits for the disk; and a disk that is full, or a file that another process holds, keeps nobody from an answer.

import { messageOf } from '../domain/errors.ts'
import type { Audit, AuditEntry, AuditRow } from '../state/audit.ts'

const WRITE_EVERY_MS = 250
// While the disk is full; the newest go then. Of those without a token no more than half of them wait, so that
// who only guesses takes no room from what was really done.
const WAITING_MAX = 1_000
const WAITING_OF_NOBODY_MAX = WAITING_MAX / 2
// Longer ones are no paths of ours.
const PATH_CHARACTERS_MAX = 300
// A disk that stays full is said once a minute.
const LOG_EVERY_MS = 60_000

export class AuditLog {
  readonly #audit: Audit
  readonly #log: (line: string) => void
  #waiting: AuditEntry[] = []
  #timer: NodeJS.Timeout | undefined
  #loggedAtMs = -Infinity

  constructor(audit: Audit, log: (line: string) => void) {
    this.#audit = audit
    this.#log = log
  }

  note(entry: AuditEntry): void {
    const roomFor = entry.token === undefined ? WAITING_OF_NOBODY_MAX : WAITING_MAX
    if (this.#waiting.length >= roomFor) return
    this.#waiting.push({ ...entry, path: pathOf(entry.path) })
    this.#timer ??= setTimeout(() => this.#write('soon'), WRITE_EVERY_MS)
  }

  /** Newest first, those included that were not written yet. */
  list(input: {
    readonly before: number | undefined
    readonly limit: number
  }): readonly AuditRow[] {
    this.write()
    return this.#audit.list(input)
  }

  write(): void {
    this.#write('now')
  }

  /** `soon`: not now, if that would have to wait for another process. */
  #write(when: 'now' | 'soon'): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    try {
      if (when === 'now') this.#audit.add(this.#waiting)
      else this.#audit.addHastily(this.#waiting)
      this.#waiting = []
    } catch (error) {
      const nowMs = performance.now()
      if (nowMs - this.#loggedAtMs < LOG_EVERY_MS) return
      this.#loggedAtMs = nowMs
      this.#log(`who asked for what cannot be kept: ${messageOf(error)}`)
    }
  }
}

/** Without what could be a ticket, and without what is no text. */
function pathOf(url: string): string {
  const path = url.replace(/^(\/api\/downloads\/).+/, '$1...')
  return path.replaceAll(/[^!-~]/g, '?').slice(0, PATH_CHARACTERS_MAX)
}
