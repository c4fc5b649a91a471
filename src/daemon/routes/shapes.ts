// What several routes take or answer.

import { z } from 'zod'
import type { Job } from '../../domain/job.ts'

// A name of a source is checked where it is looked up; here only what no name can be is refused.
export const NAME = z.string().min(1).max(200)

/** UUIDs only: neither a path nor a file name can be meant by it. */
export const ID = z.string().regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be an id')

export const TIME = z.iso.datetime()

export const LIMIT = z.coerce.number().int().min(1).max(1_000).default(100)

/** `true` or `false`, as a parameter. */
export const FLAG = z.enum(['true', 'false']).default('false')

/** The document that the command of the same name prints with --json. */
export const documentOf = (command: string): z.ZodType =>
  z.looseObject({}).describe(`as \`spillway ${command} --json\` prints it`)

export const JOB = z.object({
  id: ID,
  kind: z.enum(['run', 'restore', 'verify', 'prune', 'reconcile']),
  state: z.enum(['queued', 'running', 'done', 'failed', 'cancelled', 'lost']),
  origin: z.enum(['api', 'schedule']),
  requestedBy: z.string(),
  createdAt: TIME,
  startedAt: TIME.nullable(),
  endedAt: TIME.nullable(),
  exit: z.int().nullable().describe('the exit code that the command would have had'),
  reason: z.string().nullable().describe('why there is no result'),
})

export const JOB_WITH_RESULT = JOB.extend({
  result: z
    .unknown()
    .describe(
      'what the command prints with --json; null until it ended, and when there was no room to keep it',
    ),
})

export function jobDocument(job: Job): z.output<typeof JOB> {
  return {
    id: job.id,
    kind: job.kind,
    state: job.state,
    origin: job.origin,
    requestedBy: job.requestedBy,
    createdAt: job.createdAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    endedAt: job.endedAt?.toISOString() ?? null,
    exit: job.exit ?? null,
    reason: job.reason ?? null,
  }
}
