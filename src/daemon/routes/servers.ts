// The servers as they are configured, without their secrets, and whether they would work.

import { z } from 'zod'
import { bucketOf } from '../../domain/server.ts'
import { defineRoute } from '../route.ts'
import type { Route } from '../route.ts'
import { problem } from '../problem.ts'
import { selfTest } from '../../operations/self-test.ts'
import type { TestedServer } from '../../operations/self-test.ts'

const SERVER = z.object({
  number: z.int(),
  label: z.string(),
  endpoint: z.string(),
  bucket: z.string().nullable(),
  limitBytes: z.int(),
  enabled: z.boolean(),
})

const CHECK = z.object({
  name: z.string(),
  needed: z.string(),
  outcome: z.enum(['ok', 'failed', 'skipped']),
  message: z.string().nullable(),
  hint: z.string().nullable(),
  seconds: z.number(),
})

export const TESTED = z.object({
  number: z.int(),
  wouldTake: z.boolean().describe("tonight's archives"),
  remarks: z.array(z.string()),
  checks: z.array(CHECK),
})

export const serverRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'GET', at: '/api/servers', scope: 'read', tag: 'servers' },
    summary: 'the configured servers, in the order in which they are tried',
    reply: {
      status: 200,
      description: 'Servers; their keys are never told',
      document: z.object({ servers: z.array(SERVER) }),
    },
    handle: async (_asked, daemon) => {
      const { config } = await daemon.services()
      const servers = config.servers.map((server) => ({
        number: server.number,
        label: server.label,
        endpoint: server.endpoint,
        bucket: bucketOf(server),
        limitBytes: server.limitBytes,
        enabled: server.isEnabled,
      }))
      return { servers }
    },
  }),
  defineRoute({
    ...{ method: 'POST', at: '/api/servers/{number}/test', scope: 'run', tag: 'servers' },
    summary: 'try everything that the nightly job needs of this server',
    path: z.object({ number: z.coerce.number().int().min(1).max(999_999_999) }),
    reply: { status: 200, description: 'What was tried, and how it ended', document: TESTED },
    handle: async ({ path, signal }, daemon) => {
      const services = await daemon.services()
      const { config } = services
      if (!config.servers.some(({ number }) => number === path.number))
        return problem(404, 'there is no such server')
      const input = {
        config,
        catalog: await services.catalogIfPresent(),
        openStorage: await services.openStorage(),
        nodeVersion: process.version,
      }
      const asked = { numbers: [path.number], onTested: () => undefined }
      const { servers } = await selfTest(input, asked, signal)
      return testedDocument(servers[0]!)
    },
  }),
]

export function testedDocument({
  server,
  wouldTake,
  remarks,
  result,
}: TestedServer): z.output<typeof TESTED> {
  return {
    ...{ number: server.number, wouldTake, remarks: [...remarks] },
    checks: (result?.checks ?? []).map(({ name, needed, outcome, message, hint, seconds }) => ({
      ...{ name, needed, outcome, seconds },
      ...{ message: message ?? null, hint: hint ?? null },
    })),
  }
}
