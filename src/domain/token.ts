// Who may do what over HTTP.

import { SpillwayError } from './errors.ts'

/** Each holds what stands before it: whoever may restore may also run and read. */
export const SCOPES = ['read', 'run', 'restore', 'admin'] as const

export type Scope = (typeof SCOPES)[number]

export type Token = {
  /** What is shown of it, and how it is named for revoking. */
  readonly name: string
  /** The first characters of the secret, for logs: enough to tell two apart, too few to use. */
  readonly prefix: string
  readonly scope: Scope
  readonly createdAt: Date
  readonly lastUsedAt: Date | undefined
}

export function allows(has: Scope, needed: Scope): boolean {
  return SCOPES.indexOf(has) >= SCOPES.indexOf(needed)
}

export function noSuchToken(name: string): SpillwayError {
  return new SpillwayError('USAGE', `there is no token "${name}"`, {
    hint: 'see: spillway token list',
  })
}
