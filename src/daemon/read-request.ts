// What a request says, or what is wrong with how it says it.

import type { IncomingMessage } from 'node:http'
import { problem } from './problem.ts'
import type { Problem } from './problem.ts'

const BODY_BYTES_MAX = 64 * 1024
const QUERY_ENTRIES_MAX = 50

// A byte order mark stays, and is no JSON.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

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
  if (/%(?:2f|5c|00|2e)|[\\;#]|\/\/|[^!-~]/i.test(path))
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
    if (hasNul(name) || hasNul(value)) return problem(400, 'NUL is taken nowhere')
    if (name in values) return problem(400, `the parameter "${printed(name)}" is given twice`)
    values[name] = value
  }
  return values
}

/** undefined: there is none. `askForIt` is called before it is read. */
export async function readBody(
  request: IncomingMessage,
  askForIt: () => void = () => undefined,
): Promise<unknown> {
  const declared = Number(request.headers['content-length'] ?? '0')
  const isThere = declared > 0 || request.headers['transfer-encoding'] !== undefined
  if (!isThere) return undefined
  if (!/^application\/json *(?:; *charset=utf-8 *)?$/i.test(request.headers['content-type'] ?? ''))
    return problem(415, 'the body must be application/json')
  if (!/^(?:identity)?$/i.test(request.headers['content-encoding'] ?? ''))
    return problem(415, 'the body must not be compressed')
  if (/gzip|deflate|compress/i.test(request.headers['transfer-encoding'] ?? ''))
    return problem(415, 'the body must not be compressed')
  if (declared > BODY_BYTES_MAX) return problem(413, 'the body is larger than 64 KiB')
  askForIt()
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > BODY_BYTES_MAX) return problem(413, 'the body is larger than 64 KiB')
    pieces.push(piece)
  }
  try {
    return parsedBody(UTF8.decode(Buffer.concat(pieces)))
  } catch {
    return problem(400, 'the body is no JSON, or none that can be read in one way only')
  }
}

/** Stricter than JSON.parse: without keys that are given twice, without `__proto__`, without NUL. */
function parsedBody(text: string): unknown {
  let keys = 0
  const value: unknown = JSON.parse(text, function (this: unknown, key: string, each: unknown) {
    if (!Array.isArray(this)) keys += 1
    if (key === '__proto__' || hasNul(key) || (typeof each === 'string' && hasNul(each)))
      throw new Error('refused')
    return each
  })
  // In what is JSON, a string before a colon is a key. One of the keys seen above is the whole.
  const written = text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)
  const count = [...written].filter(([, colon]) => colon !== undefined).length
  if (count !== keys - 1) throw new Error('a key is given twice')
  return value
}

// No name, no path and no argument of a program can have one.
function hasNul(text: string): boolean {
  return text.includes('\0')
}

function printed(text: string): string {
  return JSON.stringify(text.slice(0, 40)).slice(1, -1)
}
