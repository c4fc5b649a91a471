// The way to the daemon: JSON with a bearer token. Everything that can go wrong becomes an ApiProblem that
// says what to do; a connection that is lost is tried again, and everybody is told when it is back.

import { signedIn, signOut } from './session.ts'
import type { FieldError, ProblemDocument } from './api-types.ts'
import { Store } from './store.ts'

export class ApiProblem extends Error {
  readonly status: number
  /** What failed, as the daemon calls it; undefined: it said nothing. */
  readonly code: string | undefined
  readonly hint: string | undefined
  readonly errors: readonly FieldError[]

  constructor(status: number, detail: string, more: Partial<ProblemDocument> = {}) {
    super(detail)
    this.status = status
    this.code = more.code ?? undefined
    this.hint = more.hint
    this.errors = more.errors ?? []
  }
}

/** Whether the daemon answered last time. */
export const isConnected = new Store(true)

/** Counts up whenever what was loaded may be old: after a change, and when the connection is back. */
export const pulse = new Store(0)

export function refreshAll(): void {
  pulse.set(pulse.value + 1)
}

const PROBE_EVERY_MS = 2_000

export async function get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return ask<Answer>('GET', path, undefined, signal)
}

export async function send<Answer>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer> {
  return ask<Answer>(method, path, body, signal)
}

async function ask<Answer>(
  method: string,
  path: string,
  body: unknown,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const response = await request(path, { method, body, signal })
  return (await response.json()) as Answer
}

/** The answer, when it is a good one. */
export async function request(
  path: string,
  input: {
    readonly method?: string
    readonly body?: unknown
    readonly signal?: AbortSignal | undefined
    /** Of somebody who is not signed in yet. */
    readonly token?: string
  },
): Promise<Response> {
  const { method = 'GET', body, signal } = input
  const token = input.token ?? signedIn.value?.token ?? ''
  const response = await fetch(path, {
    ...{ method, cache: 'no-store', credentials: 'omit', redirect: 'error' },
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error
    lost()
    throw new ApiProblem(0, 'the daemon does not answer', {
      hint: 'is "spillway serve" running? The page goes on by itself as soon as it answers',
    })
  })
  isConnected.set(true)
  if (response.ok) return response
  const problem = await problemOf(response)
  if (response.status === 401 && input.token === undefined)
    signOut('The token is not valid any more: it was revoked, or the daemon has other data now.')
  throw problem
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const { status } = response
  try {
    const document = (await response.json()) as ProblemDocument
    return new ApiProblem(status, document.detail || document.title, document)
  } catch {
    return new ApiProblem(status, `the answer cannot be read (status ${status})`, {
      hint: 'is there something between this page and the daemon? Reload the page',
    })
  }
}

export function problemFrom(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  const text = error instanceof Error ? error.message : String(error)
  return new ApiProblem(0, `the page met an error of its own: ${text}`, { hint: 'reload the page' })
}

/** Asks until somebody answers: only then is anything loaded again. */
function lost(): void {
  if (!isConnected.value) return
  isConnected.set(false)
  const probe = setInterval(() => {
    fetch('/healthz', { cache: 'no-store' }).then(
      (response) => {
        if (!response.ok) return
        clearInterval(probe)
        isConnected.set(true)
        refreshAll()
      },
      () => undefined,
    )
  }, PROBE_EVERY_MS)
}

/** `path` with those parameters that have a value. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '' && value !== false) search.set(name, String(value))
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}
