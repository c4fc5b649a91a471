// The API against its own description: the document is right as OpenAPI, and requests made from it alone,
// allowed ones and spoilt ones, get what it says and nothing else. A failure prints its seed; SPILLWAY_SEED
// takes it.

import fc from 'fast-check'
import { Agent, request as httpRequest } from 'node:http'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operationsOf, SPOILINGS, spoilt, valuesOf } from '../support/openapi-requests.ts'
import { TestDaemon } from '../support/test-daemon.ts'
import { World } from '../support/world.ts'
import type { Operation, Schema, Spoiling } from '../support/openapi-requests.ts'
import type { ValidateFunction } from 'ajv'

const SEED = Number(process.env['SPILLWAY_SEED'] ?? Date.now() % 2 ** 31)
// Of each operation, in each of two rounds: the second knows what the first was told.
const REQUESTS = 12

// Tests of servers and receivers may take as long as a server may be silent; nothing else does.
const HANG_MS = 30_000

type Told = {
  readonly status: number
  readonly type: string
  readonly text: string
}

type Request = {
  readonly path: string
  readonly body: string | undefined
}

/** Where nothing answers. */
const NOBODY = 'http://127.0.0.1:1'
const CANARY = 'canary-5Wq8Zt2Lk9'

let world: World
let daemon: TestDaemon
let document: object
let operations: readonly Operation[]
const agent = new Agent({ keepAlive: true })
const ajv = new Ajv2020({ strict: false, allErrors: false })
addFormats.default(ajv)
/** What the server has told, with the part of the API that did. */
const told = new Map<unknown, string>()

beforeAll(async () => {
  world = await World.make([{ model: { secretKey: CANARY } }, { model: { secretKey: CANARY } }])
  world.env['S3_SERVER_2_ENDPOINT'] = NOBODY
  world.env['NOTIFY_1_URL'] = `${NOBODY}/${CANARY}`
  world.env['NOTIFY_1_ON'] = 'recovery'
  await world.noise('one.bin', 5_000)
  await world.run()
  daemon = await TestDaemon.start(world)
  // The requests below may remove every server, and without one no job is taken.
  expect((await daemon.ask('POST', '/api/runs', { body: {} })).status).toBe(202)
  document = (await daemon.ask('GET', '/openapi.json')).json
  operations = operationsOf(document)
  ajv.addSchema(document, 'api')
}, 60_000)
afterAll(async () => {
  agent.destroy()
  await daemon.stop()
  await world.close()
}, 60_000)

const validators = new Map<string, ValidateFunction>()
function isValid(schema: Schema, value: unknown): boolean {
  const text = JSON.stringify(schema)
  let validate = validators.get(text)
  if (validate === undefined) validators.set(text, (validate = ajv.compile(schema)))
  return validate(value)
}

/** The place of a schema in the document, where its references can be followed. */
function validatorAt(...place: readonly string[]): ValidateFunction {
  const pointer = place.map((each) => each.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')
  const $ref = `api#/${pointer.split('/').map(encodeURIComponent).join('/')}`
  let validate = validators.get($ref)
  if (validate === undefined) validators.set($ref, (validate = ajv.compile({ $ref })))
  return validate
}

function remember(value: unknown, part: string): void {
  if (typeof value === 'string' ? value.length <= 200 : Number.isInteger(value)) {
    if (told.size < 400 && !told.has(value)) told.set(value, part)
  } else if (typeof value === 'object' && value !== null)
    for (const each of Object.values(value)) remember(each, part)
}

const partOf = (path: string): string => path.split('/').slice(0, 3).join('/')

/** Ids of archives for archives, of jobs for jobs; if there are none, any. */
function known(path: string): (schema: Schema) => readonly unknown[] {
  return (schema) => {
    const fitting = [...told].filter(([value]) => isValid(schema, value))
    const near = fitting.filter(([, part]) => part === partOf(path))
    return (near.length > 0 ? near : fitting).map(([value]) => value)
  }
}

/** Not by fetch, which cleans up paths. */
function send(method: string, { path, body }: Request): Promise<Told> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${daemon.tokens.admin}`,
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    }
    const options = { port: daemon.port, host: '127.0.0.1', method, path, headers, agent }
    const asked = httpRequest({ ...options, signal: AbortSignal.timeout(HANG_MS) }, (response) => {
      const [type = ''] = (response.headers['content-type'] ?? '').split(/; *charset/)
      const { statusCode: status = 0 } = response
      let text = ''
      if (type === 'text/event-stream') {
        asked.destroy()
        resolve({ status, type, text })
      }
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      response.on('end', () => resolve({ status, type, text }))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

const encoded = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return encodeURIComponent(Buffer.from(text).toString())
}

function requestOf(
  operation: Operation,
  values: Readonly<Record<string, unknown>>,
  body: unknown,
): Request {
  const place = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    encoded(values[name]),
  )
  const query = Object.entries(values)
    .filter(([name]) => !operation.path.includes(`{${name}}`))
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
  const path = query.length === 0 ? place : `${place}?${query.join('&')}`
  return { path, body: body === undefined ? undefined : JSON.stringify(body) }
}

function valuesFor({ path, parameters, body }: Operation): fc.Arbitrary<{
  readonly values: Record<string, unknown>
  readonly body: unknown
}> {
  const required = parameters.filter((each) => each.required).map(({ name }) => name)
  const schemas = parameters.map(
    ({ name, schema }) => [name, valuesOf(schema, known(path))] as const,
  )
  return fc.record({
    values: fc.record(Object.fromEntries(schemas), {
      requiredKeys: required,
      noNullPrototype: true,
    }),
    body: body === undefined ? fc.constant(undefined) : valuesOf(body, known(path)),
  })
}

/** Throws with what was asked and answered. */
async function check(operation: Operation, request: Request): Promise<Told> {
  const { method, path, responses } = operation
  const answer = await send(method, request)
  const { status, type, text } = answer
  const what = `${method} ${request.path.slice(0, 300)} ${request.body?.slice(0, 500) ?? ''}: ${status} ${text.slice(0, 500)}`
  expect(status === 503 || status < 500, what).toBe(true)
  const response = responses[String(status)]
  expect(response, `not documented: ${what}`).toBeDefined()
  const types = Object.keys(response!.content ?? {}).map((each) => each.split(/; *charset/)[0])
  if (types.length === 0) expect(text, what).toBe('')
  else expect(types, `${type}: ${what}`).toContain(type)
  if (/json$/.test(type)) {
    const value: unknown = JSON.parse(text)
    const key = Object.keys(response!.content!).find((each) => each.startsWith(type))!
    const place = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', key]
    const validate = validatorAt(...place, 'schema')
    expect(validate(value), `${JSON.stringify(validate.errors)}: ${what}`).toBe(true)
    if (status < 300) remember(value, partOf(path))
  }
  for (const secret of [CANARY, ...Object.values(daemon.tokens)])
    expect(text.includes(secret), `a secret in ${what}`).toBe(false)
  return answer
}

it('is a right OpenAPI 3.1 document', async () => {
  const result = await new Validator().validate(
    structuredClone(document) as Record<string, unknown>,
  )
  expect(result.errors ?? []).toEqual([])
  expect((document as { openapi: string }).openapi).toBe('3.1.0')
  expect(operations.length).toBeGreaterThan(10)
  for (const { method, path, parameters, body } of operations) {
    const names = parameters.filter((each) => each.in === 'path').map(({ name }) => `{${name}}`)
    expect(path.match(/\{\w+\}/g) ?? [], path).toEqual(names)
    if (method === 'GET') expect(body, path).toBeUndefined()
  }
})

describe(`requests made from it (seed ${SEED})`, () => {
  const each = async (
    work: (
      operation: Operation,
      request: Request,
      spoiling: Spoiling,
      body: unknown,
    ) => Promise<void>,
    isSpoilt: boolean,
    round: number,
  ): Promise<void> => {
    for (const [at, operation] of operations.entries()) {
      const made = fc.tuple(valuesFor(operation), SPOILINGS, fc.boolean())
      await fc.assert(
        fc.asyncProperty(made, async ([{ values, body }, spoiling, isOfBody]) => {
          const changesBody = isSpoilt && body !== undefined && isOfBody
          const changed = changesBody ? spoilt(body, spoiling) : body
          const others = isSpoilt && !changesBody ? spoilt(values, spoiling) : values
          const parameters = (
            typeof others === 'object' && others !== null ? others : {}
          ) as typeof values
          await work(operation, requestOf(operation, parameters, changed), spoiling, changed)
        }),
        // What it finds depends on what came before, so there is nothing to make smaller.
        { seed: SEED + round * 1_000 + at, numRuns: REQUESTS, endOnFailure: true },
      )
    }
  }

  it('that it allows get an answer that it describes', async () => {
    const good = new Set<Operation>()
    // Whatever tells without being given anything, first: it tells ids.
    for (const operation of operations)
      if (operation.method === 'GET' && operation.parameters.every(({ required }) => !required))
        await check(operation, { path: operation.path, body: undefined })
    for (const round of [1, 2])
      await each(
        async (operation, request) => {
          const { status } = await check(operation, request)
          if (status < 300) good.add(operation)
        },
        false,
        round,
      )
    // Whatever takes no more than a known id, and tells only, must have told something.
    const never = operations.filter(
      (each) =>
        each.method === 'GET' &&
        each.parameters.every(({ name, required }) => !required || name === 'id') &&
        !good.has(each),
    )
    expect(never.map(({ method, path }) => `${method} ${path}`)).toEqual([])
  }, 300_000)

  it('and were spoilt get one as well, and are not taken for good ones', async () => {
    for (const round of [1, 2])
      await each(
        async (operation, request, _spoiling, body) => {
          const { status } = await check(operation, request)
          if (
            operation.body !== undefined &&
            !isValid(operation.body, JSON.parse(request.body ?? 'null'))
          )
            expect(
              status,
              `${operation.path} took ${JSON.stringify(body)?.slice(0, 300)}`,
            ).toBeGreaterThan(299)
        },
        true,
        round,
      )
  }, 300_000)

  it('with a parameter or a method that nobody described are refused', async () => {
    for (const operation of operations) {
      const { path, method } = operation
      const [{ values, body }] = fc.sample(valuesFor(operation), {
        seed: SEED,
        numRuns: 1,
      }) as never as [{ values: Record<string, unknown>; body: unknown }]
      const surplus = await check(
        operation,
        requestOf(operation, { ...values, surplus: '1' }, body),
      )
      expect(surplus.status, `${method} ${path}`).toBeGreaterThan(299)
      const own = operations.filter((other) => other.path === path).map((other) => other.method)
      for (const other of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(
        (name) => !own.includes(name),
      )) {
        const { status } = await send(other, requestOf(operation, values, undefined))
        // Where a path of another route has the same form.
        expect([400, 404, 405, 415], `${other} ${path}`).toContain(status)
      }
    }
  }, 60_000)

  it('leave nothing in the log that is a bug, a secret or a trick', () => {
    const log = daemon.log.join('\n')
    expect(daemon.log.filter((line) => /\bbug\b/.test(line))).toEqual([])
    for (const secret of [CANARY, ...Object.values(daemon.tokens)])
      expect(log).not.toContain(secret)
    // Control characters, and those that turn the direction of writing.
    const tricks = daemon.log.filter((line) => /[\p{Cc}\u202a-\u202e]/u.test(line))
    expect(tricks).toEqual([])
  })
})
