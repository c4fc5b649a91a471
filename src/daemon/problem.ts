// How a failure is told over HTTP: RFC 9457 problem details. What only the operator may know (a stack, a
// path of ours) goes to the log.

import { randomUUID } from 'node:crypto'
import { messageOf, SpillwayError } from '../domain/errors.ts'
import type { FailureCode } from '../domain/errors.ts'
import { SettingsRefusal } from '../operations/settings-refusal.ts'
import { stateFailure } from '../state/state-file.ts'
import type { SettingProblem } from '../operations/settings-refusal.ts'

export type Problem = {
  readonly status: number
  readonly title: string
  readonly detail: string
  /** Of SpillwayError, or null: nothing went wrong but the request. */
  readonly code: string | null
  readonly hint?: string
  /** Of a change of the settings, each with what is wrong about it. */
  readonly errors?: readonly SettingProblem[]
  /** Finds the line in the log. */
  readonly id?: string
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** Failures that are the caller's, or pass. All others are 500 to whoever asked. */
const STATUSES: Partial<Record<FailureCode, number>> = {
  USAGE: 400,
  ARCHIVE_MISSING: 404,
  MEMBER_MISSING: 404,
  HISTORY_MISSING: 404,
  RUN_LOCKED: 409,
  CONFIG_INVALID: 409,
  NO_SERVERS: 409,
  CONFIG_UNSAFE: 409,
  SETTINGS_CHANGED: 409,
  SETTINGS_HOST_ONLY: 403,
  SETTINGS_MISSING: 404,
  SETTINGS_WRONG: 422,
  CATALOG_UNAVAILABLE: 503,
  STATE_UNAVAILABLE: 503,
}

export function problem(status: number, detail: string, code: string | null = null): Problem {
  return { status, title: TITLES[status] ?? 'Error', detail, code }
}

/** `log` hears of what is not told. */
export function problemOf(error: unknown, log: (line: string) => void): Problem {
  if (error instanceof SpillwayError) {
    const status = STATUSES[error.code] ?? 500
    const told = problem(status, error.message, error.code)
    return {
      ...told,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error instanceof SettingsRefusal ? { errors: error.problems } : {}),
    }
  }
  const outside = stateFailure(error)
  if (outside !== undefined) return problemOf(outside, log)
  const id = randomUUID()
  const stack = error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
  log(`bug ${id}: ${stack}`)
  return { ...problem(500, 'an error of Spillway itself; its log has more', 'BUG'), id }
}
