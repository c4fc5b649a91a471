// What a request says, or what is wrong with how it says it.

import type { IncomingMessage } from 'node:http'
import { problem } from './problem.ts'
import type { Problem } from './problem.ts'

const BODY_BYTES_MAX = 64 * 1024
const QUERY_ENTRIES_MAX = 50

export type Target = {
  /** Decoded, without empty ones. */
  readonly segments: readonly string[]
  readonly query: Readonly<Record<string, string>>
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'title' in value && 'status' in value
}

/** The path as segments. A path that could be read in two ways is refused rather than cleaned. */
export function readTarget(url: string): Target | Problem {
  if (!url.startsWith('/')) return problem(421, 'a path is needed, not a whole URL')
  const [path = '', query = '', ...more] = url.split('?')
  if (more.length > 0) return problem(400, 'a second "?" in a query is written %3F')
  if (/%(?:2f|5c|00|2e)|[\\;]|\/\/|[^!-~]/i.test(path))
    return problem(400, 'the path has characters that do not belong there')
  const segments: string[] = []
  for (const part of path.split('/').slice(1)) {
    const segment = decoded(part)
    if (segment === undefined || segment === '.' || segment === '..')
      return problem(400, 'the path cannot be read')
    segments.push(segment)
  }
  const values = readQuery(query)
  return isProblem(values) ? values : { segments, query: values }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function readQuery(text: string): Readonly<Record<string, string>> | Problem {
  // Without a prototype: a parameter may be called __proto__.
  const values = Object.create(null) as Record<string, string>
  let entries = 0
  for (const [name, value] of new URLSearchParams(text)) {
    entries += 1
    if (entries > QUERY_ENTRIES_MAX) return problem(400, 'too many parameters')
    if (name in values) return problem(400, `the parameter "${printed(name)}" is given twice`)
    values[name] = value
  }
  return values
}

/** undefined: there is none. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const declared = Number(request.headers['content-length'] ?? '0')
  const isThere = declared > 0 || request.headers['transfer-encoding'] !== undefined
  if (!isThere) return undefined
  if (!/^application\/json *(?:; *charset=utf-8 *)?$/i.test(request.headers['content-type'] ?? ''))
    return problem(415, 'the body must be application/json')
  if (declared > BODY_BYTES_MAX) return problem(413, 'the body is larger than 64 KiB')
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > BODY_BYTES_MAX) return problem(413, 'the body is larger than 64 KiB')
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'), refusePrototype) as unknown
  } catch {
    return problem(400, 'the body is no JSON')
  }
}

function refusePrototype(this: unknown, key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Error('refused')
  return value
}

function printed(text: string): string {
  return JSON.stringify(text.slice(0, 40)).slice(1, -1)
}
