// What a user writes to find a file: a word, a part of a path, or a glob.
//
//   invoice         the word anywhere in the name
//   2025/invoice    anywhere in the path
//   /etc/nginx      from the top of the source: this, and what is below it
//   *.conf          a glob on the name, in any folder
//   etc/**/*.conf   a glob on the whole path; "**" stands for any number of folders
//   logs/           folders only
//
// Paths are bytes; they are compared as the characters that they stand for, composed (as "é" is one
// character however a Mac has written it). In a glob "\" takes the meaning from the next character;
// in a word or a part of a path it may begin what our listings print for bytes that are no text.

import { pathOfPrinted } from '../lib/printable-path.ts'
import { SpillwayError } from './errors.ts'
import type { FileKind } from './file-history.ts'

export type PathPattern = {
  /** The path has one character per byte. */
  readonly matches: (path: string) => boolean
  readonly kinds: readonly FileKind[] | undefined
}

/** Throws USAGE for a pattern that no path can match. */
export function parsePattern(text: string, ignoresCase: boolean): PathPattern {
  const trimmed = text.normalize('NFC').replace(/^(\.\/+)+/, '')
  const isAnchored = trimmed.startsWith('/')
  const body = trimmed.replace(/^\/+|\/+$/g, '')
  if (body === '')
    throw new SpillwayError('USAGE', `the pattern "${text}" names no file`, {
      hint: 'a word, a part of a path, or a glob such as "*.conf"',
    })
  const isWhole = isAnchored || body.includes('/')
  const plain = plainTest(body, isAnchored, ignoresCase)
  const glob = /[*?[]/.test(body) ? globTest(text, body, ignoresCase) : undefined
  // A name with brackets or escapes in it, as it was printed, is itself meant as well.
  const isName = /[[\\]/.test(body)
  const fits: Test =
    glob === undefined ? plain : isName ? (place) => glob(place) || plain(place) : glob
  const test = (path: string): boolean => {
    if (path === '') return false
    const place = isWhole ? path : path.slice(path.lastIndexOf('/') + 1)
    return fits(isAscii(place) ? place : decoded(place))
  }
  return { matches: test, kinds: trimmed.endsWith('/') ? ['directory'] : undefined }
}

/** The bytes of a path as text; what is no UTF-8 becomes U+FFFD. */
function decoded(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8').normalize('NFC')
}

function isAscii(path: string): boolean {
  for (let at = 0; at < path.length; at += 1) if (path.charCodeAt(at) > 0x7f) return false
  return true
}

type Test = (text: string) => boolean

function plainTest(body: string, isAnchored: boolean, ignoresCase: boolean): Test {
  const either = [...new Set([body, decoded(pathOfPrinted(body))])]
  const literal = `(?:${either.map((one) => one.replace(SPECIAL, '\\$&')).join('|')})`
  const source = isAnchored ? `^${literal}(?:/|$)` : literal
  const expression = new RegExp(source, ignoresCase ? 'siu' : 'su')
  return (text) => expression.test(text)
}

const SPECIAL = /[\\^$.*+?()[\]{}|/]/g

// Not one expression for all of it: with several stars it would try every way to share a name among
// them, and 255 letters "a" would cost seconds. Here each star takes as little as it can, and is never
// tried again.
function globTest(text: string, body: string, ignoresCase: boolean): Test {
  const folders = body.split(/\/+/)
  // "a/**" is what is in the folder, and not the folder itself.
  if (folders.at(-1) === '**' && folders.length > 1) folders.push('*')
  const tests = folders.map((folder) =>
    folder === '**' && folders.length > 1 ? ANY_FOLDERS : nameTest(text, folder, ignoresCase),
  )
  const [only] = tests
  if (tests.length === 1 && body !== '**') return (path) => !path.includes('/') && only!(path)
  return (path) => body === '**' || fitsInOrder(tests, path.split('/'))
}

const ANY_FOLDERS: Test = () => true

/** Each name by its test, in order; ANY_FOLDERS takes any number of names, as few as will do. */
function fitsInOrder(tests: readonly Test[], names: readonly string[]): boolean {
  let [test, name] = [0, 0]
  let [resumeTest, resumeName] = [-1, 0]
  while (name < names.length) {
    const here = tests[test]
    if (here === ANY_FOLDERS) {
      test += 1
      ;[resumeTest, resumeName] = [test, name]
    } else if (here?.(names[name]!) === true) {
      test += 1
      name += 1
    } else if (resumeTest >= 0) {
      resumeName += 1
      ;[test, name] = [resumeTest, resumeName]
    } else return false
  }
  return test === tests.length
}

/** Of one name: what stands before, between and after the stars of the glob, each found in turn. */
function nameTest(text: string, glob: string, ignoresCase: boolean): Test {
  const pieces = ['']
  for (let at = 0; at < glob.length;) {
    const [source, length] = pieceAt(glob, at)
    if (source === '*') pieces.push('')
    else pieces[pieces.length - 1] += source
    at += length
  }
  const expressions = pieces.map((source, place) =>
    expressionOf(
      text,
      `${place === 0 ? '^' : ''}(?:${source})${place === pieces.length - 1 ? '$' : ''}`,
      ignoresCase,
    ),
  )
  return (name) => {
    let at = 0
    for (const expression of expressions) {
      expression.lastIndex = at
      if (!expression.test(name)) return false
      at = expression.lastIndex
    }
    return true
  }
}

function expressionOf(text: string, source: string, ignoresCase: boolean): RegExp {
  try {
    return new RegExp(source, ignoresCase ? 'giu' : 'gu')
  } catch (cause) {
    // All that is left to be wrong is a range such as [z-a].
    throw new SpillwayError('USAGE', `the pattern "${text}" has a range that is none`, { cause })
  }
}

/** One element of a glob as a regular expression, or "*" for stars; and how long it is. */
function pieceAt(glob: string, at: number): readonly [source: string, length: number] {
  const rest = glob.slice(at)
  const stars = /^\*+/.exec(rest)
  if (stars !== null) return ['*', stars[0].length]
  if (rest.startsWith('?')) return ['[^]', 1]
  const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(rest)
  if (set !== null) {
    const members = set[2]!.replace(/[\\\]^[]/g, '\\$&')
    return [`[${set[1] === '' ? '' : '^'}${members}]`, set[0].length]
  }
  const escaped = rest.startsWith('\\') && rest.length > 1 ? 1 : 0
  const character = String.fromCodePoint(rest.codePointAt(escaped)!)
  return [character.replace(SPECIAL, '\\$&'), escaped + character.length]
}
