// Whose archives lie on the servers besides this host's: a machine that takes the place of another one, and is not
// called like it, finds nothing that is its own.

import { SpillwayError } from '../domain/errors.ts'
import type { archiveNameIn } from '../domain/archive.ts'

// What a person reads, and what a server with many folders need not exceed.
const NAMED_MAX = 10
const KEPT_MAX = 1_000

export class OtherHosts {
  readonly #archives = new Map<string, number>()
  readonly #host: string

  constructor(host: string) {
    this.#host = host
  }

  see(name: ReturnType<typeof archiveNameIn>): void {
    if (name === undefined || name.host === this.#host) return
    const before = this.#archives.get(name.host)
    if (before === undefined && this.#archives.size >= KEPT_MAX) return
    this.#archives.set(name.host, (before ?? 0) + 1)
  }

  add(others: OtherHosts): void {
    for (const [host, count] of others.#archives)
      this.#archives.set(host, (this.#archives.get(host) ?? 0) + count)
  }

  /** For who found nothing of its own; undefined: nobody else's is there either. */
  nothingOurs(): SpillwayError | undefined {
    if (this.#archives.size === 0) return undefined
    const hosts = [...this.#archives].toSorted((a, b) => b[1] - a[1])
    const named = hosts.slice(0, NAMED_MAX).map(([host, count]) => `${host} (${count})`)
    const more = hosts.length > NAMED_MAX ? ` and ${hosts.length - NAMED_MAX} more` : ''
    return new SpillwayError(
      'ARCHIVE_MISSING',
      `no archive of ${this.#host} was found; there are archives of ${named.join(', ')}${more}: if this machine ` +
        'takes the place of one of these, set SERVER_ID to that name and run it again; --all-hosts takes in all of them',
    )
  }
}
