// What the settings routes take and answer. Settings have the names of the env file, without the prefix of
// their entry; one shape serves servers, sources and notifications.

import { z } from 'zod'

// As many digits as a number of an entry may have in the file.
const NUMBER_MAX = 999_999_999

export const NUMBER_PATH = z.object({ number: z.coerce.number().int().min(1).max(NUMBER_MAX) })

// Longer than any setting may be; the file itself ends at 1 MB.
const TEXT_CHARACTERS_MAX = 20_000

const REVISION = z
  .string()
  .max(64)
  .describe('of GET /api/settings: 409 if the file is another by now; left out: whatever it is')

export const REVISION_QUERY = z.strictObject({ revision: REVISION.optional() })

const NAME = z.string().regex(/^[A-Z][A-Z0-9_]{0,99}$/, 'must be the name of a setting')

export const CHANGES = z
  .record(NAME, z.string().max(TEXT_CHARACTERS_MAX).nullable())
  .describe('null or an empty text removes; what is not named stays; a masked value is no change')

export const CHANGE = z.strictObject({ revision: REVISION.optional(), settings: CHANGES })

export const ORDER = z.strictObject({
  revision: REVISION.optional(),
  order: z
    .array(z.int().min(1).max(NUMBER_MAX))
    .max(10_000)
    .describe('all numbers that there are, in the order in which the entries are to stand'),
})

export const UNSAVED = z.strictObject({
  number: z
    .int()
    .min(1)
    .max(NUMBER_MAX)
    .optional()
    .describe('a saved entry: what is not given comes from it'),
  settings: CHANGES,
})

export const SETTING_PROBLEM = z.object({
  variable: z.string(),
  name: z.string().describe('the variable without the prefix of its entry'),
  reason: z.string(),
  remedy: z.string().nullable(),
})

const GROUP = z.object({
  settings: z.record(z.string(), z.string()).describe('as in the file; secrets left out or masked'),
  secretsSet: z.array(z.string()).describe('secrets that the file has'),
  fromEnvironment: z.array(z.string()).describe('set outside of the file, which they win over'),
})

export const ENTRY = GROUP.extend({
  number: z.int(),
  label: z.string().nullable().describe('as reports call it; null while it has problems'),
  problems: z.array(SETTING_PROBLEM),
})

export const FIELD = z.object({
  name: z.string(),
  help: z.string(),
  fallback: z.string().nullable().describe('what is taken where nothing is set, as a value'),
  otherwise: z.string().nullable().describe('the same in words'),
  example: z.string().nullable(),
  isSecret: z.boolean(),
  isReadOnly: z.boolean().describe('changed on the host only'),
  readOnlyReason: z.string().nullable(),
  kind: z.enum(['text', 'number', 'boolean', 'boolean-or-auto', 'schedule']),
  sourceKinds: z.array(z.string()).nullable().describe('kinds of sources that have it; null: all'),
})

export const PROVIDER = z.object({
  id: z.string(),
  name: z.string(),
  endpoint: z.string(),
  endpointHint: z.string(),
  region: z.string().nullable(),
  regionHint: z.string(),
  note: z.string().nullable(),
})

export const SETTINGS = z.object({
  file: z.string(),
  revision: z.string(),
  isWritable: z.boolean(),
  problems: z.array(SETTING_PROBLEM),
  general: GROUP,
  servers: z.array(ENTRY),
  sources: z.array(ENTRY),
  notifications: z.array(ENTRY),
  fields: z.object({
    general: z.array(FIELD),
    server: z.array(FIELD),
    source: z.array(FIELD),
    notification: z.array(FIELD),
  }),
  providers: z.array(PROVIDER),
})

export const SAVED = z.object({
  revision: z.string(),
  note: z
    .string()
    .optional()
    .describe('what the change means for archives that are stored already'),
})

export const SAVED_ENTRY = SAVED.extend({ number: z.int() })

export const TESTED_SOURCE = z.object({ ok: z.boolean(), lines: z.array(z.string()) })

export const TESTED_NOTIFICATION = z.object({
  delivered: z.boolean(),
  reason: z.string().nullable(),
})
