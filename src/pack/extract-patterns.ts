// Which members a user means: PATHs, exact or with wildcards, relative to the archived folder. A PATH
// that names a folder means everything below it, too.
//
// `*` and `?` stop at a slash, `**` as a whole part of a path is any number of folders, `[a-z]` and `[!a-z]`
// are one character, `\` takes the next character as it is, and `\xNN` is one byte, as our listings show
// bytes that are no text. Paths come from archives, so matching takes no more steps than the product of
// both lengths: a regular expression could be made to take for ever.

import { depthOf } from './extract-paths.ts'
import { FOLDERS_DEEP_MAX } from '../domain/file-attributes.ts'
import { SpillwayError } from '../domain/errors.ts'
import { pathOfPrinted } from '../lib/printable-path.ts'
import type { ByteString } from './tar-header.ts'

/** What crosses to the thread that writes. */
export type PathSpec =
  | { readonly kind: 'exact'; readonly path: ByteString }
  | { readonly kind: 'glob'; readonly text: string }

type CharacterClass = {
  readonly kind: 'class'
  readonly isNegated: boolean
  readonly ranges: readonly (readonly [from: number, to: number])[]
}
type Token =
  | { readonly kind: 'byte'; readonly code: number }
  | { readonly kind: 'one' }
  | { readonly kind: 'run' }
  | CharacterClass

/** One part of a path between slashes. */
type Segment = 'any-folders' | readonly Token[]

const ANY_FOLDERS = 'any-folders'

export type PathPattern = {
  /** As it was given. */
  readonly text: string
  readonly isGlob: boolean
  /** The folder that all matches lie in; of an exact path: it. */
  readonly base: ByteString
  readonly segments: readonly Segment[]
}

/** Throws USAGE for what cannot be a path of an archive. '' and '.' are the archived folder. */
export function parsePathPattern(text: string): PathPattern {
  if (text.startsWith('/'))
    throw usage(`"${text}" is absolute`, 'write it relative to the archived folder')
  const parts = splitParts(text).filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw usage(`"${text}" has ".." in it`, 'write it without')
  const segments = parts.map((part): Segment => (part === '**' ? ANY_FOLDERS : tokensOf(part)))
  const literal = segments.map(literalOf)
  const firstGlob = literal.indexOf(undefined)
  const isGlob = firstGlob !== -1
  return {
    text,
    isGlob,
    base: (isGlob ? literal.slice(0, firstGlob) : literal).join('/'),
    segments,
  }
}

/** The path that a text is when nothing in it is taken for a wildcard. */
export function plainPath(text: string): ByteString {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  return bytesOf(parts.join('/'))
}

/** The same, first as our listings print it: `\\xe9` is a byte there, and a backslash is doubled. */
export function plainPaths(text: string): readonly ByteString[] {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  return [...new Set([pathOfPrinted(parts.join('/')), plainPath(text)])]
}

export class Selection {
  readonly #patterns: readonly PathPattern[]

  /** No specs: everything. */
  constructor(specs: readonly PathSpec[]) {
    this.#patterns = specs.map((spec) =>
      spec.kind === 'glob'
        ? parsePathPattern(spec.text)
        : { text: spec.path, isGlob: false, base: spec.path, segments: [] },
    )
  }

  get isEverything(): boolean {
    return this.#patterns.length === 0 || this.#patterns.some(isAll)
  }

  includes(path: ByteString): boolean {
    return this.isEverything || this.#patterns.some((pattern) => matches(pattern, path))
  }

  /** Numbers of the specs that mean this member. */
  matchedBy(path: ByteString): number[] {
    return this.#patterns.flatMap((pattern, at) => (matches(pattern, path) ? [at] : []))
  }

  /** Folders, none inside another, below which (or at which) everything lies that is meant. */
  bases(): readonly ByteString[] {
    if (this.isEverything) return ['']
    const all = [...new Set(this.#patterns.map(({ base }) => base))]
    return all.filter((path) => !all.some((other) => other !== path && isBelow(path, other)))
  }
}

/** Whether `path` lies somewhere in the folder `folder`. */
export function isBelow(path: ByteString, folder: ByteString): boolean {
  return folder === '' ? path !== '' : path.startsWith(`${folder}/`)
}

function isAll({ isGlob, base }: PathPattern): boolean {
  return !isGlob && base === ''
}

function matches(pattern: PathPattern, path: ByteString): boolean {
  const { isGlob, base, segments } = pattern
  if (path !== base && !isBelow(path, base)) return false
  if (!isGlob) return true
  // Such a path cannot be restored, and only a hostile archive has it.
  const isShallow = depthOf(path, FOLDERS_DEEP_MAX + 1) <= FOLDERS_DEEP_MAX
  return isShallow && matchesSegments(segments, path.split('/'))
}

/** Whether the path or a folder above it matches: all places in the pattern at once, part by part. */
function matchesSegments(segments: readonly Segment[], names: readonly string[]): boolean {
  let places = closed(segments, new Set([0]))
  if (places.has(segments.length)) return true
  for (const name of names) {
    const next = new Set<number>()
    for (const place of places) {
      const segment = segments[place]!
      if (segment === ANY_FOLDERS) next.add(place)
      else if (matchesName(segment, name)) next.add(place + 1)
    }
    places = closed(segments, next)
    if (places.has(segments.length)) return true
    if (places.size === 0) return false
  }
  return false
}

/** `**` may stand for no folder at all. */
function closed(segments: readonly Segment[], places: Set<number>): Set<number> {
  // Grows while it is gone through, which a Set allows.
  for (const place of places) if (segments[place] === ANY_FOLDERS) places.add(place + 1)
  return places
}

function matchesName(tokens: readonly Token[], name: ByteString): boolean {
  let [token, at] = [0, 0]
  // Where to go on when the last `*` must take one byte more: earlier ones never need to.
  let [runToken, runAt] = [-1, 0]
  while (token < tokens.length || at < name.length) {
    const wanted = tokens[token]
    if (wanted?.kind === 'run') {
      token += 1
      ;[runToken, runAt] = [token, at]
      continue
    }
    const taken = wanted === undefined ? 0 : bytesTaken(wanted, name, at)
    if (taken > 0) {
      token += 1
      at += taken
    } else if (runToken !== -1 && runAt < name.length) {
      runAt += 1
      ;[token, at] = [runToken, runAt]
    } else return false
  }
  return true
}

/** How much of the name a token takes there; 0: it does not match. */
function bytesTaken(token: Exclude<Token, { kind: 'run' }>, name: ByteString, at: number): number {
  if (at >= name.length) return 0
  if (token.kind === 'byte') return name.charCodeAt(at) === token.code ? 1 : 0
  const [character, sizeBytes] = characterAt(name, at)
  if (token.kind === 'one') return sizeBytes
  const isIn = token.ranges.some(([from, to]) => character >= from && character <= to)
  return isIn === token.isNegated ? 0 : sizeBytes
}

/** A character of UTF-8 and how many bytes it has; a byte that is none stands for itself. */
function characterAt(name: ByteString, at: number): [character: number, sizeBytes: number] {
  const first = name.charCodeAt(at)
  const sizeBytes = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1
  if (sizeBytes === 1) return [first < 0x80 ? first : NO_CHARACTER + first, 1]
  let character = first & (0x7f >> sizeBytes)
  for (let next = at + 1; next < at + sizeBytes; next += 1) {
    // NaN behind the end of the name is no continuation either.
    const byte = name.charCodeAt(next)
    if (byte >> 6 !== 2) return [NO_CHARACTER + first, 1]
    character = (character << 6) | (byte & 0x3f)
  }
  return [character, sizeBytes]
}

// Above all characters of Unicode, so that no range of a class means it.
const NO_CHARACTER = 0x11_0000

/** At slashes that nothing escapes; inside brackets there are none in a path. */
function splitParts(text: string): string[] {
  return text.match(/(?:\\[\s\S]|[^/\\]|\\$)+/gu) ?? []
}

function tokensOf(part: string): readonly Token[] {
  const tokens: Token[] = []
  for (let rest = part; rest !== '';) {
    const [used, added] = nextTokens(rest)
    // Two stars in a row inside a part mean no more than one.
    if (added[0]?.kind !== 'run' || tokens.at(-1)?.kind !== 'run') tokens.push(...added)
    rest = rest.slice(used)
  }
  return tokens
}

function nextTokens(rest: string): [used: number, tokens: readonly Token[]] {
  if (rest.startsWith('*')) return [1, [{ kind: 'run' }]]
  if (rest.startsWith('?')) return [1, [{ kind: 'one' }]]
  if (rest.startsWith('[')) {
    const found = classOf(rest)
    if (found !== undefined) return found
  }
  const byte = /^\\x([0-9a-f]{2})/i.exec(rest)
  if (byte !== null) return [4, [{ kind: 'byte', code: parseInt(byte[1]!, 16) }]]
  const isEscape = rest.startsWith('\\') && rest.length > 1
  const character = String.fromCodePoint(rest.codePointAt(isEscape ? 1 : 0)!)
  const codes = [...Buffer.from(character)]
  return [
    character.length + (isEscape ? 1 : 0),
    codes.map((code): Token => ({ kind: 'byte', code })),
  ]
}

/** undefined: the bracket is never closed, and so is one like any other character. */
function classOf(rest: string): [used: number, tokens: readonly Token[]] | undefined {
  const whole = /^\[([!^]?)(\]?(?:\\[\s\S]|[^\]\\])*)\]/u.exec(rest)
  if (whole === null || whole[2] === '') return undefined
  const characters = [...whole[2]!.matchAll(/\\([\s\S])|([\s\S])/gu)].map(([, escaped, plain]) => ({
    text: escaped ?? plain!,
    isEscaped: escaped !== undefined,
  }))
  const ranges: [number, number][] = []
  for (let at = 0; at < characters.length; at += 1) {
    const from = characters[at]!.text.codePointAt(0)!
    const dash = characters[at + 1]
    const to = characters[at + 2]
    const isRange = dash?.text === '-' && !dash.isEscaped && to !== undefined
    ranges.push([from, isRange ? to.text.codePointAt(0)! : from])
    if (isRange) at += 2
  }
  return [whole[0].length, [{ kind: 'class', isNegated: whole[1] !== '', ranges }]]
}

/** The name that a part is when it has no wildcard. */
function literalOf(segment: Segment): ByteString | undefined {
  if (segment === ANY_FOLDERS) return undefined
  let name = ''
  for (const token of segment) {
    if (token.kind !== 'byte') return undefined
    name += String.fromCharCode(token.code)
  }
  return name
}

function bytesOf(text: string): ByteString {
  return Buffer.from(text).toString('latin1')
}

function usage(what: string, hint: string): SpillwayError {
  return new SpillwayError('USAGE', `the path ${what}`, { hint })
}
