// Who may pass: asked of every request before any route is looked at, and everything is refused that is
// not let through here (R-42 to R-47 of the project's reliability notes: DNS rebinding, forged forms, guessed
// tokens).

import type { IncomingMessage } from 'node:http'
import { problem } from './problem.ts'
import type { Problem } from './problem.ts'
import { allows } from '../domain/token.ts'
import type { Scope, Token } from '../domain/token.ts'

const FAILURES_PER_MINUTE_MAX = 10
const FAILURES_OF_ALL_MAX = 100
const MINUTE_MS = 60_000

// Node keeps the first of several, or joins them, and says nothing.
const ONCE = [
  'host',
  'authorization',
  'content-type',
  'content-encoding',
  'origin',
  'sec-fetch-site',
]

/** Undefined: it may go on. */
export function checkOrigin(
  request: IncomingMessage,
  hosts: ReadonlySet<string>,
): Problem | undefined {
  const names = request.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
  const twice = ONCE.find((name) => names.indexOf(name) !== names.lastIndexOf(name))
  if (twice !== undefined) return problem(400, `the header ${twice} is given twice`)
  if (!names.includes('host')) return problem(400, 'a Host header is needed')
  const host = request.headers.host?.toLowerCase() ?? ''
  if (!hosts.has(host))
    return problem(421, 'this is not a name of this server; LISTEN_NAMES sets more of them')
  const { origin } = request.headers
  const site = request.headers['sec-fetch-site']
  if (origin !== undefined && !isOwnOrigin(origin, hosts))
    return problem(403, 'requests of other web sites are refused')
  if ((site === 'cross-site' || site === 'same-site') && !opensPage(request))
    return problem(403, 'requests of other web sites are refused')
  return undefined
}

/** A link to the page in a mail or a wiki: a person follows it, and learns no more than where to sign in. */
function opensPage({ method, url, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    url === '/' &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document'
  )
}

function isOwnOrigin(origin: string, hosts: ReadonlySet<string>): boolean {
  const match = /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase())
  return match !== null && hosts.has(match[1]!)
}

export type Passed =
  | { readonly token: Token; readonly refused: undefined }
  | { readonly token: Token | undefined; readonly refused: Problem }

const NO_TOKEN = 'a token is needed: Authorization: Bearer TOKEN'
const WRONG_TOKEN = 'this token is not known here, or was revoked: spillway token list'

/** Looks tokens up, and counts those that were wrong: a right one always passes. */
export class TokenGate {
  readonly #find: (secret: string) => Token | undefined
  readonly #now: () => Date
  readonly #failures = new Map<string, { count: number; sinceMs: number }>()

  constructor(find: (secret: string) => Token | undefined, now: () => Date) {
    this.#find = find
    this.#now = now
  }

  /** `token` also of who has a right one that may not do this. */
  check(request: IncomingMessage, scope: Scope): Passed {
    const [, secret] = /^Bearer +([!-~]{1,256})$/i.exec(request.headers.authorization ?? '') ?? []
    const token = secret === undefined ? undefined : this.#find(secret)
    if (token !== undefined) {
      if (allows(token.scope, scope)) return { token, refused: undefined }
      const refused = problem(403, `this token may ${token.scope}; this needs the scope ${scope}`)
      return { token, refused }
    }
    const isTooOften = secret !== undefined && this.#isTooOften(request.socket.remoteAddress ?? '')
    const refused = isTooOften
      ? problem(429, 'too many wrong tokens; wait a minute')
      : problem(401, secret === undefined ? NO_TOKEN : WRONG_TOKEN)
    return { token: undefined, refused }
  }

  #isTooOften(address: string): boolean {
    // Beyond that no address is remembered any more: there may be very many.
    if (this.#count('') > FAILURES_OF_ALL_MAX) return true
    return this.#count(address) > FAILURES_PER_MINUTE_MAX
  }

  #count(key: string): number {
    const nowMs = this.#now().getTime()
    for (const [old, { sinceMs }] of this.#failures)
      if (nowMs - sinceMs > MINUTE_MS) this.#failures.delete(old)
    const entry = this.#failures.get(key) ?? { count: 0, sinceMs: nowMs }
    entry.count += 1
    this.#failures.set(key, entry)
    return entry.count
  }
}
