// Requests made from an OpenAPI document alone: such as its schemas allow, and such as they do not. It knows
// no route: what is in the document is what is asked for.

import fc from 'fast-check'

export type Schema = {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly items?: Schema
  readonly prefixItems?: readonly Schema[]
  readonly minItems?: number
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly propertyNames?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
}

export type Parameter = {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: Schema
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>

export type Operation = {
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: Schema | undefined
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}

type Document = {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly parameters?: readonly Parameter[]
            readonly requestBody?: { readonly content: Content }
            readonly responses: Operation['responses']
          }
        >
      >
    >
  >
}

export function operationsOf(document: unknown): readonly Operation[] {
  return Object.entries((document as Document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => ({
      ...{ method: method.toUpperCase(), path, parameters, responses },
      body: requestBody?.content['application/json']?.schema,
    })),
  )
}

/** Values that programs have stumbled over. Addresses are on loopback only, where nothing answers. */
export const ODD_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e308, -1e308, 2 ** 53, -(2 ** 53), 2 ** 31, 2 ** 64],
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1e3',
    '0x10',
    'true',
    'null',
    'NaN',
    '[object Object]',
    '-',
    '--',
    '--help',
  ],
  ...[
    '\u0000',
    'a\u0000b',
    '\n',
    '\r\nX: y',
    '\u001b[31m',
    '\u202e',
    '\ud800',
    '\ufeff',
    '😀',
    'é',
    'e\u0301',
  ],
  ...['__proto__', 'constructor', 'toString', '%', '%00', '%2e%2e%2f', '%s%n', '${7*7}', '{{7*7}}'],
  ...['..', '/', '../../etc/passwd', '/etc/passwd', '/dev/zero', 'C:\\', 'file:///etc/passwd', '~'],
  ...[
    "' or 1=1 --",
    '"; drop table jobs; --',
    '*',
    '(',
    '[',
    '(?:a+)+$',
    '<script>alert(1)</script>',
  ],
  ...[
    'http://127.0.0.1:1',
    'https://localhost:1/x',
    'http://[::1]:1',
    'gopher://127.0.0.1:1',
    'a'.repeat(300),
  ],
  ...[
    'x'.repeat(5_000),
    '9'.repeat(400),
    '2026-13-45',
    '1970-01-01T00:00:00Z',
    '00000000-0000-0000-0000-000000000000',
  ],
  ...[[], {}, [[]], [null], { a: 1 }, { length: -1 }, { toString: 1 }, Array(2_000).fill('a')],
]

const TEXT = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(...ODD_VALUES.filter((value) => typeof value === 'string')),
)

/**
 * What the schema allows. `known`: what the server has told so far; where the schema allows some of it (an id,
 * a name, a number) it is taken often, so that requests get further than "there is no such thing".
 */
export function valuesOf(
  schema: Schema,
  known: (schema: Schema) => readonly unknown[],
): fc.Arbitrary<unknown> {
  const inner = (each: Schema): fc.Arbitrary<unknown> => valuesOf(each, known)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return fc.oneof(...choices.map(inner))
  if (schema.allOf !== undefined)
    return fc.tuple(...schema.allOf.map(inner)).map((all) => Object.assign({}, ...all) as unknown)
  if (Array.isArray(schema.type))
    return fc.oneof(...(schema.type as string[]).map((type) => inner({ ...schema, type })))
  const made = ofType(schema, inner)
  if (schema.type !== 'string' && schema.type !== 'integer') return made
  // Asked when it is needed: more is known by then.
  const told = fc.nat().map((at) => {
    const all = known(schema)
    return all.length === 0 ? undefined : all[at % all.length]
  })
  return fc
    .tuple(made, told, fc.boolean())
    .map(([own, other, isOwn]) => (isOwn ? own : (other ?? own)))
}

function ofType(
  schema: Schema,
  inner: (each: Schema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  switch (schema.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return numbers(schema)
    case 'string':
      return strings(schema)
    case 'array':
      return fc.array(schema.items === undefined ? fc.jsonValue() : inner(schema.items), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 5, (schema.minItems ?? 0) + 5),
      })
    case 'object':
      return objects(schema, inner)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function numbers({ type, ...schema }: Schema): fc.Arbitrary<unknown> {
  const min =
    schema.minimum ?? (schema.exclusiveMinimum === undefined ? -1_000 : schema.exclusiveMinimum + 1)
  const max =
    schema.maximum ??
    (schema.exclusiveMaximum === undefined ? 2 ** 40 : schema.exclusiveMaximum - 1)
  if (type === 'number') return fc.double({ min, max, noNaN: true, noDefaultInfinity: true })
  return fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max: Math.min(max, min + 20) }))
}

function strings({
  pattern,
  format,
  minLength = 0,
  maxLength = 1_000,
}: Schema): fc.Arbitrary<unknown> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  if (format === 'date-time')
    return fc.date({ noInvalidDate: true, min: new Date(0) }).map((date) => date.toISOString())
  return fc
    .oneof(TEXT, fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 60)) }))
    .map((text) => text.padEnd(minLength, 'x').slice(0, maxLength))
}

function objects(
  schema: Schema,
  inner: (each: Schema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema
  const own = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, inner(each)])),
    { requiredKeys: [...required], noNullPrototype: true },
  )
  if (typeof additionalProperties !== 'object') return own
  const names = propertyNames === undefined ? TEXT : inner({ type: 'string', ...propertyNames })
  const more = fc.dictionary(names.map(String), inner(additionalProperties), {
    maxKeys: 4,
    noNullPrototype: true,
  })
  return fc.tuple(own, more).map(([mine, others]) => ({ ...others, ...mine }))
}

/** How one value of a document is spoilt: `place` and `odd` are taken modulo what there is. */
export type Spoiling = {
  readonly how: 'replace' | 'remove' | 'add' | 'nest' | 'huge'
  readonly place: number
  readonly odd: number
}

export const SPOILINGS: fc.Arbitrary<Spoiling> = fc.record({
  how: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add', 'nest', 'huge'),
  place: fc.nat(1_000),
  odd: fc.nat(1_000),
})

export function spoilt(value: unknown, { how, place, odd }: Spoiling): unknown {
  const copy = { root: structuredClone(value) }
  const places = placesOf(copy)
  const [holder, key] = places[place % places.length]!
  const current = holder[key]
  const other = ODD_VALUES[odd % ODD_VALUES.length]
  if (how === 'remove' && holder !== copy) {
    if (Array.isArray(holder)) holder.splice(Number(key), 1)
    else delete holder[key]
  } else if (how === 'add' && typeof current === 'object' && current !== null) {
    const name = typeof other === 'string' && other !== '__proto__' ? other : 'surplus'
    ;(current as Record<string, unknown>)[Array.isArray(current) ? current.length : name] = other
  } else if (how === 'nest') holder[key] = nested(odd % 300)
  else if (how === 'huge') holder[key] = 'x'.repeat(50_000 + odd * 30)
  else holder[key] = other
  return copy.root
}

type Holder = Record<string, unknown>

function placesOf(holder: object): [Holder, string][] {
  return Object.entries(holder).flatMap(([key, each]: [string, unknown]) => [
    [holder as Holder, key] as [Holder, string],
    ...(typeof each === 'object' && each !== null ? placesOf(each) : []),
  ])
}

function nested(depth: number): unknown {
  let value: unknown = 'x'
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}
