// Where things stand in the text of an env file: each assignment with the places of its name and
// its value, so that an edit touches nothing else.
//
// The grammar is dotenv's. Two of its habits matter: a quoted value may go on over several lines,
// and there is no escape for a quote: inside quotes a backslash before one is kept as it is.

import { entryName, settingOf } from './names.ts'
import type { Problem } from './problem.ts'

export type Assignment = {
  readonly name: string
  /** Counted from 1. */
  readonly lineNumber: number
  /** The whole line or lines, line end included. */
  readonly start: number
  readonly end: number
  readonly nameStart: number
  readonly valueStart: number
  /** After the value and its closing quote, before spaces and a comment. */
  readonly valueEnd: number
  /** '' for an unquoted value. */
  readonly quote: string
}

export type StrayLine = { readonly lineNumber: number; readonly text: string }

export type ScannedText = {
  readonly assignments: readonly Assignment[]
  /** Lines that are neither empty, nor a comment, nor an assignment: dotenv passes them by. */
  readonly strays: readonly StrayLine[]
}

const BEGINNING = /[^\S\r\n]*(?:export[^\S\r\n]+)?([\w.-]+)(?:[^\S\r\n]*=|:(?=[^\S\r\n]))/dy
const REST_OF_LINE = /[^\r\n]*/y
const QUOTED: Readonly<Record<string, RegExp>> = {
  "'": /'(?:\\'|[^'])*'(?=[^\S\r\n]*(?:#[^\r\n]*)?(?:\r|\n|$))/y,
  '"': /"(?:\\"|[^"])*"(?=[^\S\r\n]*(?:#[^\r\n]*)?(?:\r|\n|$))/y,
  '`': /`(?:\\`|[^`])*`(?=[^\S\r\n]*(?:#[^\r\n]*)?(?:\r|\n|$))/y,
}

export function scanEnvText(text: string): ScannedText {
  const assignments: Assignment[] = []
  const strays: StrayLine[] = []
  let at = 0
  let lineNumber = 1
  while (at < text.length) {
    const found = readAssignment(text, at, lineNumber)
    const lineText = matchAt(REST_OF_LINE, text, at)?.[0] ?? ''
    const end = found?.end ?? afterLineEnd(text, at + lineText.length)
    if (found !== undefined) assignments.push(found)
    else if (!/^\s*(?:#|$)/.test(lineText)) strays.push({ lineNumber, text: lineText })
    lineNumber += countLines(text.slice(at, end))
    at = end
  }
  return { assignments, strays }
}

function readAssignment(text: string, start: number, lineNumber: number): Assignment | undefined {
  const beginning = matchAt(BEGINNING, text, start)
  const name = beginning?.[1]
  if (beginning === undefined || name === undefined) return undefined
  const afterSign = start + beginning[0].length
  const rest = matchAt(REST_OF_LINE, text, afterSign)?.[0] ?? ''
  const valueStart = afterSign + (rest.length - rest.trimStart().length)
  const quote = text[valueStart] ?? ''
  const pattern = QUOTED[quote]
  const quoted = pattern === undefined ? undefined : matchAt(pattern, text, valueStart)?.[0]
  const unquoted = /^[^#]*/.exec(rest.trimStart())?.[0] ?? ''
  const valueEnd = valueStart + (quoted ?? unquoted.trimEnd()).length
  const lineEnd = valueEnd + (matchAt(REST_OF_LINE, text, valueEnd)?.[0] ?? '').length
  return {
    name,
    lineNumber,
    start,
    end: afterLineEnd(text, lineEnd),
    nameStart: beginning.indices?.[1]?.[0] ?? start,
    // An empty value must not swallow the spaces before a comment.
    valueStart: valueEnd > valueStart ? valueStart : afterSign,
    valueEnd: valueEnd > valueStart ? valueEnd : afterSign,
    quote: quoted === undefined ? '' : quote,
  }
}

/** CRLF if most lines end so. */
export function lineEndOf(text: string): '\r\n' | '\n' {
  const all = text.split('\n').length - 1
  return text.split('\r\n').length - 1 > all / 2 ? '\r\n' : '\n'
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}

function afterLineEnd(text: string, at: number): number {
  if (text.startsWith('\r\n', at)) return at + 2
  return Math.min(at + 1, text.length)
}

function countLines(text: string): number {
  return text.split(/\r\n|\r|\n/).length - 1
}

/**
 * What dotenv would not tell: a variable that is set twice (often a copied block whose number was
 * left as it was: one server with the keys of another), and a line of ours that is no assignment.
 */
export function textProblems(text: string): Problem[] {
  const { assignments, strays } = scanEnvText(text)
  const linesByName = new Map<string, number[]>()
  for (const { name, lineNumber } of assignments) {
    if (isOurs(name)) linesByName.set(name, [...(linesByName.get(name) ?? []), lineNumber])
  }
  const problems: Problem[] = []
  for (const [variable, lines] of linesByName) {
    if (lines.length < 2) continue
    const remedy = /_\d+_/.test(variable)
      ? 'give the copied entry another number, or remove one line'
      : 'remove all but one'
    const reason = `is set on more than one line (${lines.join(', ')})`
    problems.push({ variable, value: undefined, reason, remedy })
  }
  for (const { lineNumber, text: line } of strays) {
    const variable = /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)/.exec(line)?.[1]
    if (variable === undefined || !isOurs(variable)) continue
    const reason = `on line ${lineNumber} is not followed by "="`
    problems.push({ variable, value: undefined, reason, remedy: `write ${variable}=...` })
  }
  return problems
}

function isOurs(variable: string): boolean {
  return settingOf(variable) !== undefined || entryName(variable) !== undefined
}
