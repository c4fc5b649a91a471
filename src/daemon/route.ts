// A route is a value: what it takes, who may ask, what it answers. The server checks requests against it,
// and the OpenAPI document is made of it, so neither can know of anything else.

import type { z } from 'zod'
import type { Scope, Token } from '../domain/token.ts'
import type { AuditLog } from './audit-log.ts'
import type { Downloads } from './downloads.ts'
import type { JobQueue } from './job-queue.ts'
import type { Jobs } from '../state/jobs.ts'
import type { Runs } from '../state/runs.ts'
import type { SettingsDesk } from './settings-desk.ts'
import type { Services } from '../operations/services.ts'
import type { StatusCache } from './status-cache.ts'
import type { Tokens } from '../state/tokens.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What handlers work with. */
export type Daemon = {
  /** As the settings are now: they are read again when their file changed. */
  readonly services: () => Promise<DaemonServices>
  readonly jobs: Jobs
  readonly tokens: Tokens
  readonly runs: Runs
  readonly audit: AuditLog
  readonly downloads: Downloads
  readonly status: StatusCache
  /** When the schedule starts one; undefined while there is nothing to archive. */
  readonly nextRun: () => Promise<Date | undefined>
  readonly queue: JobQueue
  readonly settings: SettingsDesk
  readonly version: string
  readonly now: () => Date
}

export type DaemonServices = Pick<
  Services,
  | ('config' | 'catalogIfPresent' | 'currentRun' | 'archiveUses' | 'openStorage')
  | ('notifier' | 'packer')
  | ('changedKeep' | 'questions')
> & {
  /** Why the file as it is now is not what is shown; runs read it themselves, and fail. */
  readonly configProblem: string | undefined
}

export type Asked<Path, Query, Body> = {
  readonly path: Path
  readonly query: Query
  readonly body: Body
  /** undefined on a public route, and on one with a ticket. */
  readonly token: Token | undefined
  /** Ends with the connection. */
  readonly signal: AbortSignal
}

/** Bytes or events instead of a document. */
export type Stream = {
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string | number>>
  /** What goes wrong before its first piece is answered as a problem; until then no header is sent. */
  readonly mayFailFirst?: true
  /** Asked while it is sent, where the request itself has no token; may throw. */
  readonly isStillAllowed?: () => boolean
  readonly write: (send: (piece: string | Uint8Array) => Promise<void>) => Promise<void>
}

/** A constant of the program, public: a file of the page. */
export type PageFile = {
  readonly contentType: string
  readonly bytes: Buffer
  /** Of the bytes, in quotes. */
  readonly etag: string
}

export type Reply = {
  readonly status: 200 | 201 | 202 | 204
  readonly description: string
  /** undefined: no content. */
  readonly document?: z.ZodType
  /** Instead of a document. */
  readonly contentType?: string
}

export type RouteSpec<Path extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> = {
  readonly method: Method
  /** `/api/archives/{id}` */
  readonly at: string
  /** `ticket`: its path holds what gives the right, and `handle` looks at it. */
  readonly scope: Scope | 'public' | 'ticket'
  readonly summary: string
  readonly tag: string
  readonly path?: Path
  readonly query?: Query
  readonly body?: Body
  readonly reply: Reply
  readonly handle: (
    asked: Asked<z.output<Path>, z.output<Query>, z.output<Body>>,
    daemon: Daemon,
  ) => Promise<unknown>
}

/** With the types of what it takes sealed inside. */
export type Route = RouteSpec<z.ZodType, z.ZodType, z.ZodType>

export function defineRoute<
  Path extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
>(spec: RouteSpec<Path, Query, Body>): Route {
  return spec as unknown as Route
}

export function isPageFile(value: unknown): value is PageFile {
  return typeof value === 'object' && value !== null && 'bytes' in value && 'etag' in value
}

export function isStream(value: unknown): value is Stream {
  return typeof value === 'object' && value !== null && 'write' in value && 'contentType' in value
}
