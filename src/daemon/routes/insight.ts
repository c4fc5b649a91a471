// Questions about yesterday and tomorrow: what retention would do with other rules, how much lay on the servers,
// who asked this daemon for what.

import { z } from 'zod'
import { defineRoute } from '../route.ts'
import type { Route } from '../route.ts'
import { problem } from '../problem.ts'
import { usageOver } from '../../operations/usage.ts'
import type { Problem } from '../problem.ts'
import type { SettingProblem } from '../../operations/settings-refusal.ts'
import { documentOf, LIMIT, NAME, TIME } from './shapes.ts'

// Ten years.
const DAYS_MAX = 3_660

const DATE = z.string().regex(/^\d{4}-\d{2}-\d{2}$/)

const USAGE = z.object({
  days: z
    .array(
      z.object({
        date: DATE.describe('of UTC; at its end'),
        servers: z.array(
          z.object({ number: z.int().nullable(), label: z.string(), usedBytes: z.int() }),
        ),
        totalBytes: z.int(),
      }),
    )
    .describe('oldest first; the last one is today'),
  exactSince: DATE.nullable().describe('before it, copies are missing that were deleted meanwhile'),
})

const AUDIT = z.object({
  id: z.int(),
  at: TIME,
  token: z.string().nullable().describe('its name; null: none, or a wrong one'),
  method: z.string(),
  path: z.string(),
  status: z.int(),
  remoteAddress: z.string(),
})

export const insightRoutes: readonly Route[] = [
  defineRoute({
    ...{ method: 'POST', at: '/api/retention/preview', scope: 'read', tag: 'retention' },
    summary: 'what would be kept and deleted if these rules were set; nothing is changed',
    body: z.strictObject({
      source: NAME.optional().describe('its own rules are meant, and only it is shown'),
      settings: z
        .record(z.string().max(100), z.string().max(200).nullable())
        .describe('KEEP_*; null: not set. What is left out stays as it is'),
    }),
    reply: {
      status: 200,
      description: 'The plan',
      document: documentOf('prune --dry-run'),
    },
    handle: async ({ body }, daemon) => {
      const services = await daemon.services()
      const { sources } = services.config
      const changed = sources.find(({ name }) => name === body.source)
      if (body.source !== undefined && changed === undefined)
        return problem(422, `there is no source "${body.source}"`, 'USAGE')
      const { policies, problems } = services.changedKeep(sources, changed, body.settings)
      if (problems.length > 0) return wrongSettings(problems)
      const meant = changed === undefined ? sources : [changed]
      const asIf = meant.map((source) => ({ ...source, keep: policies.get(source.name)! }))
      return services.questions.prunePlan(services.config, asIf, daemon.now())
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/usage', scope: 'read', tag: 'status' },
    summary: 'how much lay on each server, day by day',
    query: z.strictObject({ days: z.coerce.number().int().min(1).max(DAYS_MAX).default(30) }),
    reply: { status: 200, description: 'Days', document: USAGE },
    handle: async ({ query }, daemon) => {
      const { config, catalogIfPresent } = await daemon.services()
      return usageOver({ config, catalog: await catalogIfPresent() }, query.days, daemon.now())
    },
  }),
  defineRoute({
    ...{ method: 'GET', at: '/api/audit', scope: 'admin', tag: 'status' },
    summary: 'who asked for what that is no GET, and who was refused, newest first',
    query: z.strictObject({
      limit: LIMIT,
      before: z.coerce.number().int().min(1).optional().describe('an id'),
    }),
    reply: {
      status: 200,
      description: 'Entries',
      document: z.object({ entries: z.array(AUDIT), next: z.int().nullable() }),
    },
    handle: async ({ query }, { audit }) => {
      const found = audit.list({ before: query.before, limit: query.limit + 1 })
      const shown = found.slice(0, query.limit)
      const next = found.length > query.limit ? (shown.at(-1)?.id ?? null) : null
      const entries = shown.map(({ at, token, ...entry }) => ({
        ...{ ...entry, at: at.toISOString(), token: token ?? null },
      }))
      return { entries, next }
    },
  }),
]

type WrongSetting = {
  readonly variable: string
  readonly reason: string
  readonly remedy: string | undefined
}

function wrongSettings(problems: readonly WrongSetting[]): Problem {
  const errors = problems.map(({ variable, reason, remedy }): SettingProblem => ({
    ...{ variable, name: variable.replace(/^SOURCE_\d+_/, ''), reason, remedy: remedy ?? null },
  }))
  const [first] = errors
  const detail = `${first!.variable} ${first!.reason}`
  return { ...problem(422, detail, 'SETTINGS_WRONG'), errors }
}
