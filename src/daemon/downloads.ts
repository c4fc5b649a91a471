// Tickets for downloads: a browser that follows a link can send no token. Each is good for one GET of one
// archive within a minute, and known to this process alone.

import { createHash, randomBytes } from 'node:crypto'

const TICKET_BYTES = 32
const GOOD_FOR_MS = 60_000
// Nobody clicks faster than that.
const TICKETS_MAX = 200
// Each holds a frame of 4 MiB, and keeps its archive from being deleted.
const AT_ONCE_MAX = 8

export type Download = {
  /** The id. */
  readonly archive: string
  /** One file of it; undefined: the archive itself. */
  readonly path: string | undefined
  /** Under which it is saved. */
  readonly name: string
  readonly sizeBytes: number | undefined
}

/** Whether the token for which the ticket was made is still there. */
export type IsStillAllowed = () => boolean

type Ticket = {
  readonly download: Download
  readonly isStillAllowed: IsStillAllowed
  readonly untilMs: number
}

export class Downloads {
  readonly #now: () => Date
  readonly #tickets = new Map<string, Ticket>()
  #underWay = 0

  constructor(now: () => Date) {
    this.#now = now
  }

  /** undefined: too many were asked for and not used. */
  ticketFor(download: Download, isStillAllowed: IsStillAllowed): string | undefined {
    const nowMs = this.#now().getTime()
    for (const [hash, { untilMs }] of this.#tickets) if (untilMs < nowMs) this.#tickets.delete(hash)
    if (this.#tickets.size >= TICKETS_MAX) return undefined
    const ticket = randomBytes(TICKET_BYTES).toString('base64url')
    this.#tickets.set(hashOf(ticket), { download, isStillAllowed, untilMs: nowMs + GOOD_FOR_MS })
    return ticket
  }

  /** Uses it up. Looked up by hash: how long that takes tells nothing about it. */
  take(ticket: string): Ticket | undefined {
    const hash = hashOf(ticket)
    const found = this.#tickets.get(hash)
    this.#tickets.delete(hash)
    if (found === undefined || found.untilMs < this.#now().getTime()) return undefined
    return found.isStillAllowed() ? found : undefined
  }

  get isBusy(): boolean {
    return this.#underWay >= AT_ONCE_MAX
  }

  async whileUnderWay<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#underWay += 1
    try {
      return await work()
    } finally {
      this.#underWay -= 1
    }
  }
}

function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}

/** As an attachment of that name: RFC 6266, with the name in ASCII for who knows no better (RFC 8187). */
export function dispositionOf(name: string): string {
  const plain = name.replaceAll(/[^ !#$&+\-.0-9=@A-Z[\]^_`a-z{}~()]/g, '_')
  // Half a character of two is no text.
  const text = Buffer.from(name).toString()
  const coded = encodeURIComponent(text).replaceAll(
    /['()*!]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  const quoted = `attachment; filename="${plain}"`
  return plain === name ? quoted : `${quoted}; filename*=UTF-8''${coded}`
}
