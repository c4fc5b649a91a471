// What the daemon is asked to do: each becomes a job, and the answer says where to look for it.

import { z } from 'zod'
import { defineRoute } from '../route.ts'
import type { Daemon, Route } from '../route.ts'
import { eventStream } from '../job-events.ts'
import type { JobKind } from '../../domain/job.ts'
import { problem } from '../problem.ts'
import type { Problem } from '../problem.ts'
import { intoArgs, restoreArgs } from '../restore-args.ts'
import { isProblem } from '../read-request.ts'
import type { IntoRequest } from '../restore-args.ts'
import { requireServers } from '../../config/parse.ts'
import { ID, JOB, JOB_WITH_RESULT, jobDocument, LIMIT, NAME } from './shapes.ts'
import type { Token } from '../../domain/token.ts'

const QUEUED = { status: 202, description: 'It is queued', document: JOB } as const

const SOURCES = z.array(NAME).max(1_000).optional().describe('by name; all when left out')

const INTO = z.strictObject({
  source: NAME.describe('a configured source: PostgreSQL or MySQL'),
  database: z
    .string()
    .min(1)
    .max(200)
    .refine((name) => !name.startsWith('-'), { message: 'must be a name' })
    .optional()
    .describe('one of those in the archive; all when left out'),
  replaceExisting: z.boolean().optional().describe('otherwise one that is not empty is refused'),
})

export const jobRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'POST', at: '/api/runs', scope: 'run', tag: 'jobs' },
    summary: 'archive every source now, or those that are named',
    body: z.strictObject({ sources: SOURCES }),
    reply: QUEUED,
    handle: async ({ body, token }, daemon) =>
      queued(daemon, token, 'run', ['run', '--json', '--events', '--', ...(body.sources ?? [])]),
  }),
  defineRoute({
    ...{ method: 'POST', at: '/api/restores', scope: 'restore', tag: 'jobs' },
    summary:
      'restore an archive, or some paths of it, into a folder below RESTORE_ROOTS; or databases of it, into the server of a source',
    body: z
      .strictObject({
        archive: ID,
        to: z
          .string()
          .min(1)
          .max(4_000)
          .optional()
          .describe('an absolute path below one of RESTORE_ROOTS'),
        paths: z.array(z.string().min(1).max(4_000)).max(100).optional(),
        overwrite: z.enum(['never', 'older', 'always']).optional(),
        into: INTO.optional().describe('instead of to, paths and overwrite'),
      })
      .refine(({ to, into }) => (to === undefined) !== (into === undefined), {
        message: 'needs either `to` or `into`',
      })
      .refine(({ into, ...body }) => into === undefined || !(body.paths || body.overwrite), {
        message: 'paths and overwrite go with `to`',
      }),
    reply: QUEUED,
    handle: async ({ body, token }, daemon) => {
      const { into, to, ...rest } = body
      const args =
        into === undefined
          ? await restoreArgs((await daemon.services()).config.daemon, {
              ...{ ...rest, to: to! },
            })
          : await argsInto(daemon, { archive: body.archive, into })
      return isProblem(args) ? args : queued(daemon, token, 'restore', args)
    },
  }),
  defineRoute({
    ...{ method: 'POST', at: '/api/verifications', scope: 'run', tag: 'jobs' },
    summary: 'prove that copies are what was stored; deep: read them back',
    body: z.strictObject({
      archives: z.array(ID).max(1_000).optional(),
      source: NAME.optional(),
      deep: z.boolean().default(false),
    }),
    reply: QUEUED,
    handle: async ({ body, token }, daemon) =>
      queued(daemon, token, 'verify', [
        ...['verify', '--json', ...(body.deep ? ['--deep'] : [])],
        ...(body.source === undefined ? [] : [`--source=${body.source}`]),
        ...['--', ...(body.archives ?? [])],
      ]),
  }),
  defineRoute({
    ...{ method: 'POST', at: '/api/prunes', scope: 'admin', tag: 'jobs' },
    summary: 'delete the archives that no KEEP_* rule keeps; with dryRun: say which',
    body: z.strictObject({ sources: SOURCES, dryRun: z.boolean().default(false) }),
    reply: QUEUED,
    handle: async ({ body, token }, daemon) =>
      queued(daemon, token, 'prune', [
        ...['prune', '--json', body.dryRun ? '--dry-run' : '--events'],
        ...['--', ...(body.sources ?? [])],
      ]),
  }),
  defineRoute({
    ...{ method: 'POST', at: '/api/reconciliations', scope: 'admin', tag: 'jobs' },
    summary: 'compare the catalog with the servers; with dryRun: say what would be done',
    body: z.strictObject({ dryRun: z.boolean().default(true) }),
    reply: QUEUED,
    handle: async ({ body, token }, daemon) =>
      queued(daemon, token, 'reconcile', [
        ...['reconcile', '--json', '--events', ...(body.dryRun ? ['--dry-run'] : [])],
      ]),
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/jobs', scope: 'read', tag: 'jobs' },
    summary: 'what is queued, under way and done, newest first',
    query: z.strictObject({ limit: LIMIT, before: ID.optional() }),
    reply: {
      status: 200,
      description: 'Jobs',
      document: z.object({ jobs: z.array(JOB), next: ID.nullable() }),
    },
    handle: async ({ query }, { jobs }) => {
      const { items, next } = paged(
        jobs.list({ ...listInput(query), kind: undefined }),
        query.limit,
      )
      return { jobs: items.map(jobDocument), next }
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/jobs/{id}', scope: 'read', tag: 'jobs' },
    summary: 'one job, with what came of it',
    path: z.object({ id: ID }),
    reply: { status: 200, description: 'The job', document: JOB_WITH_RESULT },
    handle: async ({ path }, { jobs }) => {
      const job = jobs.find(path.id)
      if (job === undefined) return noJob()
      return { ...jobDocument(job), result: jobs.result(job.id) ?? null }
    },
  }),
  defineRoute({
    ...{ method: 'DELETE', at: '/api/jobs/{id}', scope: 'run', tag: 'jobs' },
    summary: 'take a job from the queue, or ask it to end as Ctrl-C does',
    path: z.object({ id: ID }),
    reply: { status: 202, description: 'It is asked to end', document: JOB },
    handle: async ({ path, token }, { jobs, queue }) => {
      const job = jobs.find(path.id)
      if (job === undefined) return noJob()
      if (!queue.cancel(job.id, token?.name ?? '')) return problem(409, 'this job is over')
      return jobDocument(jobs.find(path.id) ?? job)
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/jobs/{id}/events', scope: 'read', tag: 'jobs' },
    summary: 'the journal of a job, and how it goes on, as server-sent events',
    path: z.object({ id: ID }),
    query: z.strictObject({
      after: z.coerce.number().int().min(0).default(0).describe('events up to this one are known'),
    }),
    reply: {
      status: 200,
      description: 'Events until the job ends',
      contentType: 'text/event-stream',
    },
    handle: async ({ path, query, signal }, daemon) =>
      daemon.jobs.find(path.id) === undefined
        ? noJob()
        : eventStream(daemon, path.id, query.after, signal),
  }),
]

async function argsInto(daemon: Daemon, asked: IntoRequest): Promise<readonly string[] | Problem> {
  const { config, catalogIfPresent } = await daemon.services()
  const catalog = await catalogIfPresent()
  if (catalog === undefined) return problem(404, 'there is no such archive')
  return intoArgs(config.sources, await catalog.findArchive(asked.archive), asked.into)
}

async function queued(
  { queue, services }: Daemon,
  token: Token | undefined,
  kind: JobKind,
  args: readonly string[],
): Promise<unknown> {
  // Told to whoever asks, not to whoever looks at the job later. The spool may have what is to be restored.
  if (kind !== 'restore') requireServers((await services()).config)
  const job = queue.add({ kind, origin: 'api', requestedBy: token?.name ?? '', args })
  return job === undefined ? problem(429, 'too many jobs wait already') : jobDocument(job)
}

function noJob(): Problem {
  return problem(404, 'there is no such job')
}

type Paging = { readonly limit: number; readonly before?: string | undefined }

/** One more than asked for says whether there is more. */
function listInput({ limit, before }: Paging): { limit: number; before: string | undefined } {
  return { limit: limit + 1, before }
}

function paged<Item extends { readonly id: string }>(
  found: readonly Item[],
  limit: number,
): { readonly items: readonly Item[]; readonly next: string | null } {
  const items = found.slice(0, limit)
  return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null }
}
