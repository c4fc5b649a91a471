// The last runs of this host, whoever began them: the daemon, a timer, somebody at a terminal.

import { z } from 'zod'
import { defineRoute } from '../route.ts'
import type { Route } from '../route.ts'
import type { KeptRun } from '../../domain/kept-run.ts'
import { problem } from '../problem.ts'
import { documentOf, ID, LIMIT, TIME } from './shapes.ts'

const RUN = z.object({
  id: ID,
  origin: z.enum(['schedule', 'api', 'command']),
  jobId: ID.nullable().describe('of the job that it was, where the daemon began it'),
  state: z.enum(['running', 'done', 'failed', 'lost']),
  startedAt: TIME,
  endedAt: TIME.nullable().describe(
    'null while it is going on; of a lost one, when it was last heard of',
  ),
  exit: z.int().nullable(),
  sources: z.array(z.string()).describe('the names of those that it was to archive'),
  stored: z.int().describe('archives'),
  waiting: z.int().describe('archives that no server took'),
  failed: z.int().describe('sources'),
  storedBytes: z.int(),
  reason: z.string().nullable().describe('why there is no report'),
})

export const runRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'GET', at: '/api/runs', scope: 'read', tag: 'runs' },
    summary:
      'the last runs of this host, newest first: also those of a timer and of the command line',
    query: z.strictObject({ limit: LIMIT, before: ID.optional() }),
    reply: {
      status: 200,
      description: 'Runs',
      document: z.object({ runs: z.array(RUN), next: ID.nullable() }),
    },
    handle: async ({ query }, { runs }) => {
      // One more than asked for says whether there is more.
      const found = runs.list({ before: query.before, limit: query.limit + 1 })
      const shown = found.slice(0, query.limit)
      const next = found.length > query.limit ? (shown.at(-1)?.id ?? null) : null
      return { runs: shown.map(runDocument), next }
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/runs/{id}', scope: 'read', tag: 'runs' },
    summary: 'one run with its journal and its report',
    path: z.object({ id: ID }),
    reply: {
      status: 200,
      description: 'The run',
      document: RUN.extend({
        events: z
          .array(z.looseObject({ at: TIME, kind: z.string() }))
          .describe(
            'as `spillway run --events` prints them; those of transfers under way are not kept',
          ),
        report: documentOf('run')
          .nullable()
          .describe('as `spillway run --json` prints it, shortened (isCut) where it is very long'),
      }),
    },
    handle: async ({ path }, { runs }) => {
      const run = runs.find(path.id)
      if (run === undefined) return problem(404, 'there is no such run')
      const events = runs.events(run.id).map(({ event }) => event)
      return { ...runDocument(run), events, report: runs.report(run.id) ?? null }
    },
  }),
]

function runDocument(kept: KeptRun): z.output<typeof RUN> {
  const { jobId, exit, startedAt, endedAt, reason, sources, ...run } = kept
  return {
    ...run,
    sources: [...sources],
    jobId: jobId ?? null,
    exit: exit ?? null,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    reason: reason ?? null,
  }
}
