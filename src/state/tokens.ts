// Tokens for the HTTP API. Only their hashes are kept: whoever reads the file cannot use them.

import { createHash, randomBytes } from 'node:crypto'
import { SpillwayError } from '../domain/errors.ts'
import { noSuchToken } from '../domain/token.ts'
import type { Scope, Token } from '../domain/token.ts'
import { HASTY_MS, withPatience } from './state-file.ts'
import type { StateHandle } from './state-file.ts'

// 256 bits: nobody guesses it, so a plain hash is enough and no slow one is needed.
const SECRET_BYTES = 32
const SECRET_START = 'spw_'
const PREFIX_CHARACTERS = SECRET_START.length + 6

type TokenRow = {
  readonly name: string
  readonly prefix: string
  readonly scope: Scope
  readonly created_at: string
  readonly last_used_at: string | null
}

export class Tokens {
  readonly #handle: StateHandle
  // Asked at every request: to prepare it anew would cost more than to run it.
  readonly #find: ReturnType<StateHandle['prepare']>

  constructor(handle: StateHandle) {
    this.#handle = handle
    this.#find = handle.prepare(
      'select name, prefix, scope, created_at, last_used_at from tokens where hash = ?',
    )
  }

  /** The only time that the secret is seen. Throws USAGE when the name is taken. */
  create(name: string, scope: Scope, now: Date): string {
    const secret = SECRET_START + randomBytes(SECRET_BYTES).toString('base64url')
    const { changes } = this.#handle
      .prepare(
        `insert into tokens (name, prefix, hash, scope, created_at) values (?, ?, ?, ?, ?)
         on conflict (name) do nothing`,
      )
      .run(name, secret.slice(0, PREFIX_CHARACTERS), hashOf(secret), scope, now.toISOString())
    if (changes === 1) return secret
    throw new SpillwayError('USAGE', `there is a token "${name}" already`, {
      hint: `revoke it first: spillway token revoke ${name}`,
    })
  }

  /**
   * Looked up by hash: how long that takes tells nothing about the secret. It only reads, and so waits for
   * nobody who writes.
   */
  find(secret: string): Token | undefined {
    const row = this.#find.get(hashOf(secret)) as TokenRow | undefined
    return row === undefined ? undefined : tokenOf(row)
  }

  /** When each was last used, by name. Throws soon where another process holds the file. */
  noteUse(uses: ReadonlyMap<string, Date>): void {
    const note = this.#handle.prepare('update tokens set last_used_at = ? where name = ?')
    const noteAll = this.#handle.transaction(() => {
      for (const [name, at] of uses) note.run(at.toISOString(), name)
    })
    withPatience(this.#handle, HASTY_MS, () => noteAll.immediate())
  }

  all(): readonly Token[] {
    const rows = this.#handle
      .prepare('select name, prefix, scope, created_at, last_used_at from tokens order by name')
      .all() as TokenRow[]
    return rows.map(tokenOf)
  }

  /** Throws USAGE when there is none of that name. */
  revoke(name: string): void {
    const { changes } = this.#handle.prepare('delete from tokens where name = ?').run(name)
    if (changes === 1) return
    throw noSuchToken(name)
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function tokenOf(row: TokenRow): Token {
  return {
    name: row.name,
    prefix: row.prefix,
    scope: row.scope,
    createdAt: new Date(row.created_at),
    lastUsedAt: row.last_used_at === null ? undefined : new Date(row.last_used_at),
  }
}
