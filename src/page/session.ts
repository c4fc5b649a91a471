// Who is signed in: a token, kept for this tab alone, and what it may do.

import type { Scope, Session } from './api-types.ts'
import { Store, useStore } from './store.ts'

const KEY = 'spillway-token'

export type SignedIn = { readonly token: string; readonly session: Session | undefined }

export const signedIn = new Store<SignedIn | undefined>(remembered())

/** Why nobody is signed in any more; undefined: nobody was. */
export const signedOutReason = new Store<string | undefined>(undefined)

export function signIn(token: string, session: Session): void {
  sessionStorage.setItem(KEY, token)
  signedOutReason.set(undefined)
  signedIn.set({ token, session })
}

export function signOut(reason: string | undefined): void {
  sessionStorage.removeItem(KEY)
  signedOutReason.set(reason)
  signedIn.set(undefined)
}

function remembered(): SignedIn | undefined {
  const token = sessionStorage.getItem(KEY)
  return token === null ? undefined : { token, session: undefined }
}

/** Each holds what stands before it. */
const SCOPES: readonly Scope[] = ['read', 'run', 'restore', 'admin']

export function useSession(): Session | undefined {
  return useStore(signedIn)?.session
}

/** undefined: it may. Otherwise a sentence that says why not. */
export function useRefusal(needed: Scope): string | undefined {
  const session = useSession()
  if (session === undefined) return 'not signed in'
  if (SCOPES.indexOf(session.scope) >= SCOPES.indexOf(needed)) return undefined
  return `your token may ${session.scope}; this needs one with the scope ${needed}`
}
