// What somebody who signs in on the page is told first: what the token may do, what host this is, and
// whether anybody must look.

import { z } from 'zod'
import { check } from '../../operations/check.ts'
import { defineRoute } from '../route.ts'
import type { Route } from '../route.ts'
import { SCOPES } from '../../domain/token.ts'
import { TIME } from './shapes.ts'

const SESSION = z.object({
  token: z.string().describe('its name'),
  scope: z.enum(SCOPES),
  version: z.string(),
  serverId: z.string().describe('the name of this host'),
  restoreRoots: z.array(z.string()).describe('folders below which the API may restore'),
  schedule: z.string(),
  nextRunAt: TIME.nullable().describe(
    'of any source, with the delay of this host; null while there are no sources',
  ),
})

const CHECK = z.object({
  level: z.enum(['ok', 'warning', 'critical']),
  findings: z.array(
    z.object({
      level: z.enum(['critical', 'warning']),
      message: z.string(),
      source: z.string().nullable().describe('where one is meant'),
    }),
  ),
  summary: z.string(),
})

export const sessionRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'GET', at: '/api/session', scope: 'read', tag: 'status' },
    summary: 'what this token may do, and what host this is',
    reply: { status: 200, description: 'The token and the host', document: SESSION },
    handle: async ({ token }, daemon) => {
      const { config } = await daemon.services()
      return {
        token: token?.name ?? '',
        scope: token?.scope ?? 'read',
        version: daemon.version,
        serverId: config.serverId,
        restoreRoots: config.daemon.restoreRoots,
        schedule: config.schedule,
        nextRunAt: (await daemon.nextRun())?.toISOString() ?? null,
      }
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/check', scope: 'read', tag: 'status' },
    summary: 'whether anybody must look, as `spillway check` says it',
    reply: { status: 200, description: 'What was found', document: CHECK },
    handle: async (_asked, daemon) => {
      const services = await daemon.services()
      const { config, catalogIfPresent, currentRun } = services
      const found = await check({
        ...{ config, catalog: await catalogIfPresent(), run: await currentRun() },
        // Computed once for many who ask.
        status: await daemon.status.get(services),
        ...{ now: daemon.now(), maxAgeMs: undefined, maxUsedPercent: undefined },
      })
      const { level, findings, summary } = found
      const told = findings.map(({ level, message, source = null }) => ({ level, message, source }))
      return { level, findings: told, summary }
    },
  }),
]
