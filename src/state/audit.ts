// Who changed what over HTTP, and who was refused.

import { HASTY_MS, withPatience } from './state-file.ts'
import type { StateHandle } from './state-file.ts'

// Years of what people do, some megabytes.
const KEPT_MAX = 10_000
// Whoever has no token can ask as often as he likes, and must not push out what those with one did.
const KEPT_OF_NOBODY_MAX = 2_000

export type AuditEntry = {
  readonly at: Date
  /** Its name; undefined: none, or a wrong one. */
  readonly token: string | undefined
  readonly method: string
  readonly path: string
  readonly status: number
  readonly remoteAddress: string
}

export type AuditRow = AuditEntry & { readonly id: number }

type Row = {
  readonly id: number
  readonly at: string
  readonly token: string | null
  readonly method: string
  readonly path: string
  readonly status: number
  readonly remote_address: string
}

export class Audit {
  readonly #handle: StateHandle

  constructor(handle: StateHandle) {
    this.#handle = handle
  }

  /** In one transaction, and so one wait for the disk. */
  add(entries: readonly AuditEntry[]): void {
    const insert = this.#handle.prepare(
      `insert into audit (at, token, method, path, status, remote_address)
       values (?, ?, ?, ?, ?, ?)`,
    )
    this.#handle
      .transaction(() => {
        for (const { at, token, method, path, status, remoteAddress } of entries)
          insert.run(at.toISOString(), token ?? null, method, path, status, remoteAddress)
        this.#trim()
      })
      .immediate()
  }

  /** Throws soon where another process holds the file. */
  addHastily(entries: readonly AuditEntry[]): void {
    withPatience(this.#handle, HASTY_MS, () => this.add(entries))
  }

  /** Newest first; of those before `before`. */
  list(input: {
    readonly before: number | undefined
    readonly limit: number
  }): readonly AuditRow[] {
    const rows = this.#handle
      .prepare(
        'select * from audit where @before is null or id < @before order by id desc limit @limit',
      )
      .all({ before: input.before ?? null, limit: input.limit })
    return (rows as Row[]).map(({ at, token, remote_address, ...row }) => ({
      ...row,
      ...{ at: new Date(at), token: token ?? undefined, remoteAddress: remote_address },
    }))
  }

  #trim(): void {
    this.#handle
      .prepare(
        `delete from audit where token is null and id <=
         (select id from audit where token is null order by id desc limit 1 offset ?)`,
      )
      .run(KEPT_OF_NOBODY_MAX)
    this.#handle
      .prepare(
        'delete from audit where id <= (select id from audit order by id desc limit 1 offset ?)',
      )
      .run(KEPT_MAX)
  }
}
