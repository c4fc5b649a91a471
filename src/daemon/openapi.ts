// /openapi.json, made of the routes: there is nothing in it that the server does not check.

import { z } from 'zod'
import type { Route } from './route.ts'
import { SCOPES } from '../domain/token.ts'

const PROBLEM = z
  .object({
    type: z.string(),
    status: z.int(),
    title: z.string(),
    detail: z.string(),
    code: z.string().nullable().describe("of Spillway's own errors"),
    hint: z.string().optional().describe('what to do about it'),
    errors: z
      .array(
        z.object({
          variable: z.string(),
          name: z.string(),
          reason: z.string(),
          remedy: z.string().nullable(),
        }),
      )
      .optional()
      .describe('of a change of the settings, each with what is wrong about it'),
    id: z.string().optional().describe('finds the line in the log'),
  })
  .describe('RFC 9457 problem details')

const REFUSALS: Readonly<Record<string, string>> = {
  400: 'The request cannot be understood',
  401: 'No token, or a wrong one',
  403: 'The token may not do this, or nobody may over HTTP, or another web site asked',
  404: 'There is no such thing',
  405: 'Not by this method',
  408: 'The request took too long to come',
  409: 'Not now: the problem says why',
  413: 'The body is too large',
  415: 'The body is not JSON',
  421: 'This is not a name of this server',
  422: 'It is understood, and cannot be done so: the problem says why; nothing was written',
  429: 'Too many wrong tokens, or too many jobs wait',
  431: 'Too many headers, or too large ones',
  500: 'An error of Spillway itself, or of a server that it asked',
  503: 'The catalog cannot be read now',
}

export function openApiOf(routes: readonly Route[], version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes)
    (paths[route.at] ??= {})[route.method.toLowerCase()] = operationOf(route)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Spillway',
      version,
      description: `Archives that spill over to the next server. Scopes, each with what stands before it: ${SCOPES.join(', ')}.`,
    },
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: schemaOf(PROBLEM) },
    },
  }
}

function operationOf(route: Route): unknown {
  const { status, description, document, contentType } = route.reply
  const content =
    document === undefined
      ? contentType === undefined
        ? undefined
        : { [contentType]: { schema: { type: 'string' } } }
      : { 'application/json': { schema: schemaOf(document) } }
  return {
    summary: route.summary,
    tags: [route.tag],
    ...(route.scope === 'public' || route.scope === 'ticket'
      ? { security: [] }
      : { security: [{ token: [] }], 'x-scope': route.scope }),
    parameters: [...parametersOf('path', route.path), ...parametersOf('query', route.query)],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(route.body) } },
          },
        }),
    responses: {
      [status]: { description, ...(content === undefined ? {} : { content }) },
      ...Object.fromEntries(Object.entries(REFUSALS).map(([code, text]) => [code, refusal(text)])),
    },
  }
}

function refusal(description: string): unknown {
  const schema = { $ref: '#/components/schemas/Problem' }
  return { description, content: { 'application/problem+json': { schema } } }
}

type ObjectSchema = {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
}

function parametersOf(place: 'path' | 'query', schema: Route['path']): readonly unknown[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = schemaOf(schema) as ObjectSchema
  return Object.entries(properties).map(([name, each]) => ({
    ...{ name, in: place, required: place === 'path' || required.includes(name) },
    schema: each,
  }))
}

/** What comes in is described as it is written, not as it is read. */
function schemaOf(schema: z.ZodType): unknown {
  const made: Record<string, unknown> = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
  })
  // The document says it once, for all.
  delete made['$schema']
  return made
}
