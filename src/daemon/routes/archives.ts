// What there is: archives, files, servers, how things stand. All of it from the catalog, so also while
// every server is away.

import { z } from 'zod'
import { defineRoute } from '../route.ts'
import type { Daemon, DaemonServices, Route } from '../route.ts'
import { archiveFiles } from '../../operations/archive-files.ts'
import { findFiles } from '../../operations/find.ts'
import { listArchive, listPage } from '../../operations/list.ts'
import { pathHistory } from '../../operations/history.ts'
import { problem } from '../problem.ts'
import { setPinned } from '../../operations/pin.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { documentOf, FLAG, ID, LIMIT, NAME } from './shapes.ts'

const PATTERN = z.string().min(1).max(4_000)

const ARCHIVE = documentOf('list').describe('one of those that `spillway list --json` prints')

export const archiveRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'GET', at: '/healthz', scope: 'public', tag: 'status' },
    summary: 'the daemon is there',
    reply: {
      status: 200,
      description: 'It is',
      document: z.object({ status: z.literal('ok') }),
    },
    handle: async () => ({ status: 'ok' }),
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/status', scope: 'read', tag: 'status' },
    summary: 'servers with their room and health, last good archives, what waits',
    reply: { status: 200, description: 'How things stand', document: documentOf('status') },
    handle: async (_asked, daemon) => {
      const services = await daemon.services()
      const status = await daemon.status.get(services)
      return { ...status, configProblem: services.configProblem ?? null }
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/archives', scope: 'read', tag: 'archives' },
    summary: 'the archives of this host, newest first',
    query: z.strictObject({
      limit: LIMIT,
      source: NAME.optional(),
      server: z.coerce.number().int().min(1).optional().describe('N of S3_SERVER_N'),
      location: z.enum(['local', 's3', 'both']).optional(),
      text: z.string().min(1).max(200).optional().describe('in the name of the file or the source'),
      before: ID.optional().describe('only those that come after this one in the list'),
      all: FLAG.describe('failed and deleted archives as well'),
    }),
    reply: {
      status: 200,
      description:
        'Archives; few, or none, although there are more, where what is asked for is rare',
      document: z.object({
        archives: z.array(ARCHIVE),
        next: ID.nullable().describe('for `before`; null: this was the last page'),
      }),
    },
    handle: async ({ query }, daemon) => {
      const services = await daemon.services()
      const catalog = await services.catalogIfPresent()
      if (catalog === undefined) return { archives: [], next: null }
      const { limit, source, location, text, before } = query
      const asked = { limit, source, location, text, before, server: query.server }
      const page = await listPage(
        { config: services.config, catalog },
        { ...asked, includesLost: query.all === 'true' },
      )
      return page ?? noArchive()
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/archives/{id}', scope: 'read', tag: 'archives' },
    summary: 'one archive',
    path: z.object({ id: ID }),
    reply: { status: 200, description: 'The archive', document: ARCHIVE },
    handle: async ({ path }, daemon) => oneArchive(await daemon.services(), path.id),
  }),
  ...[true, false].map((isPinned) =>
    defineRoute({
      ...{ method: isPinned ? 'PUT' : 'DELETE', at: '/api/archives/{id}/pin', scope: 'admin' },
      tag: 'archives',
      summary: isPinned ? 'keep it, whatever the rules say' : 'leave it to the rules again',
      path: z.object({ id: ID }),
      reply: { status: 200, description: 'The archive', document: ARCHIVE },
      handle: async ({ path }, daemon) => {
        const services = await daemon.services()
        const catalog = await services.catalogIfPresent()
        if (catalog === undefined) return noArchive()
        await setPinned({ catalog, archiveUses: await services.archiveUses() }, path.id, isPinned)
        return oneArchive(services, path.id)
      },
    }),
  ),
  defineRoute({
    ...{ method: 'GET', at: '/api/archives/{id}/files', scope: 'read', tag: 'files' },
    summary: 'what is in an archive',
    path: z.object({ id: ID }),
    query: z.strictObject({
      pattern: PATTERN.optional().describe('as of find; everything when left out'),
      limit: LIMIT,
    }),
    reply: { status: 200, description: 'Files', document: documentOf('files') },
    handle: async ({ path, query }, daemon) =>
      withCatalog(daemon, (services) =>
        archiveFiles(services, {
          archive: path.id,
          pattern: query.pattern,
          limit: query.limit,
        }),
      ),
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/files', scope: 'read', tag: 'files' },
    summary: 'find files across all archives',
    query: z.strictObject({
      pattern: PATTERN,
      source: NAME.optional(),
      ignoreCase: FLAG,
      all: FLAG.describe('also what only deleted archives had'),
      limit: LIMIT,
    }),
    reply: { status: 200, description: 'Files', document: documentOf('find') },
    handle: async ({ query }, daemon) =>
      withCatalog(daemon, (services) =>
        findFiles(services, {
          pattern: query.pattern,
          ignoresCase: query.ignoreCase === 'true',
          source: query.source,
          includesDeleted: query.all === 'true',
          limit: query.limit,
        }),
      ),
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/files/history', scope: 'read', tag: 'files' },
    summary: 'when a file appeared, changed and went, and which archives have it',
    query: z.strictObject({
      path: z.string().min(1).max(4_000),
      source: NAME.optional(),
      all: FLAG,
    }),
    reply: { status: 200, description: 'Versions', document: documentOf('history') },
    handle: async ({ query }, daemon) =>
      withCatalog(daemon, (services) =>
        pathHistory(services, {
          path: query.path,
          source: query.source,
          includesDeleted: query.all === 'true',
        }),
      ),
  }),
]

function noArchive(): unknown {
  return problem(404, 'there is no such archive')
}

async function oneArchive(
  { config, catalogIfPresent }: DaemonServices,
  id: string,
): Promise<unknown> {
  const catalog = await catalogIfPresent()
  return catalog === undefined ? noArchive() : listArchive({ config, catalog }, id)
}

async function withCatalog<Result>(
  daemon: Daemon,
  work: (services: {
    readonly catalog: Catalog
    readonly config: DaemonServices['config']
  }) => Promise<Result>,
): Promise<unknown> {
  const { config, catalogIfPresent } = await daemon.services()
  const catalog = await catalogIfPresent()
  return catalog === undefined
    ? problem(404, 'nothing was archived on this host yet')
    : work({ config, catalog })
}
