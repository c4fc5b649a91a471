// Edits the text of an env file: comments, order, unknown lines, quoting and line ends stay.
//
// An edit is trusted only after dotenv has read the new text: every variable must have the value
// that was asked for, and every other one the value that it had. What cannot be proven is refused.

import { SpillwayError } from '../domain/errors.ts'
import { lineEndOf, scanEnvText } from './env-text.ts'
import type { Assignment } from './env-text.ts'
import { parseEnvText } from './load.ts'
import { entryName } from './names.ts'

/** Renames come first, all at once (so that two entries can change places), then the rest. */
export type EnvEdit = {
  readonly rename?: ReadonlyMap<string, string>
  readonly remove?: Iterable<string>
  readonly set?: Iterable<readonly [name: string, value: string]>
}

/** The new text. Throws CONFIG_INVALID if it cannot be written so that dotenv reads it back. */
export function editEnvText(text: string, edit: EnvEdit): string {
  const rename = edit.rename ?? new Map<string, string>()
  const remove = new Set(edit.remove)
  const set = [...(edit.set ?? [])]
  let edited = renameAll(text, rename)
  edited = removeAll(edited, remove)
  for (const [name, value] of set) edited = setOne(edited, name, value)

  const expected = new Map<string, string>()
  for (const [name, value] of Object.entries(parseEnvText(text)))
    expected.set(rename.get(name) ?? name, value)
  for (const name of remove) expected.delete(name)
  for (const [name, value] of set) expected.set(name, value)
  requireSame(expected, new Map(Object.entries(parseEnvText(edited))))
  return edited
}

function requireSame(
  expected: ReadonlyMap<string, string>,
  actual: ReadonlyMap<string, string>,
): void {
  for (const name of new Set([...expected.keys(), ...actual.keys()])) {
    if (expected.get(name) === actual.get(name)) continue
    throw new SpillwayError('CONFIG_INVALID', `the file cannot be changed safely around ${name}`, {
      hint: 'the quotes in its neighbourhood do not match: correct them in an editor',
    })
  }
}

function renameAll(text: string, rename: ReadonlyMap<string, string>): string {
  return replaceSpans(
    text,
    scanEnvText(text).assignments.flatMap(({ name, nameStart }) => {
      const by = rename.get(name)
      return by === undefined ? [] : [{ start: nameStart, end: nameStart + name.length, by }]
    }),
  )
}

function removeAll(text: string, names: ReadonlySet<string>): string {
  return replaceSpans(
    text,
    scanEnvText(text)
      .assignments.filter(({ name }) => names.has(name))
      .map(({ start, end }) => ({ start, end, by: '' })),
  )
}

type Span = { readonly start: number; readonly end: number; readonly by: string }

function replaceSpans(text: string, spans: readonly Span[]): string {
  let result = text
  for (const { start, end, by } of spans.toSorted((a, b) => b.start - a.start))
    result = result.slice(0, start) + by + result.slice(end)
  return result
}

function setOne(text: string, name: string, value: string): string {
  const { assignments } = scanEnvText(text)
  // Of several lines with one name dotenv takes the last.
  const old = assignments.findLast((assignment) => assignment.name === name)
  if (old === undefined) return insertLine(text, assignments, name, value)
  const by = quoteValue(value, old.quote)
  if (by === undefined) throw notWritable(name)
  const { valueStart: start, valueEnd: end } = old
  return replaceSpans(text, [{ start, end, by: text[end] === '#' ? `${by} ` : by }])
}

function insertLine(
  text: string,
  assignments: readonly Assignment[],
  name: string,
  value: string,
): string {
  const by = quoteValue(value)
  if (by === undefined) throw notWritable(name)
  const lineEnd = lineEndOf(text)
  const place = placeOf(text, assignments, name)
  const before = text.slice(0, place.at)
  const isOpen = before !== '' && !/[\r\n]$/.test(before)
  const isBlockStart = place.isNewBlock && before.trim() !== ''
  const hasBlank = /(?:\r\n|\n|\r)[^\S\r\n]*(?:\r\n|\n|\r)$/.test(before)
  const gap = (isOpen ? lineEnd : '') + (isBlockStart && !hasBlank ? lineEnd : '')
  return `${before}${gap}${name}=${by}${lineEnd}${text.slice(place.at)}`
}

/** After the last of its entry, of its kind, or the commented line that explains it. */
function placeOf(
  text: string,
  assignments: readonly Assignment[],
  name: string,
): { readonly at: number; readonly isNewBlock: boolean } {
  const entry = entryName(name)
  const kin = assignments.map((assignment) => ({
    end: assignment.end,
    entry: entryName(assignment.name),
  }))
  const sameEntry = kin.findLast(
    (other) =>
      entry !== undefined &&
      other.entry?.kind === entry.kind &&
      other.entry.number === entry.number,
  )
  if (sameEntry !== undefined) return { at: sameEntry.end, isNewBlock: false }
  if (entry === undefined) {
    const comments = [...text.matchAll(new RegExp(`^#[ \\t]*${name}=.*(?:\\r?\\n|$)`, 'gm'))]
    const last = comments.at(-1)
    if (last !== undefined) return { at: last.index + last[0].length, isNewBlock: false }
    const global = kin.findLast((other) => other.entry === undefined)
    return { at: global?.end ?? text.length, isNewBlock: false }
  }
  const sameKind = kin.findLast((other) => other.entry?.kind === entry.kind)
  return { at: sameKind?.end ?? text.length, isNewBlock: true }
}

function notWritable(name: string): SpillwayError {
  return new SpillwayError('CONFIG_INVALID', `${name} has a value that no env file can hold`, {
    hint: 'it mixes all kinds of quotes with "#" or line breaks: choose another value',
  })
}

/**
 * The value as it stands after "=", quoted where needed, so that dotenv reads exactly this value
 * back; undefined if there is no such text. `quote`: the kind of quotes to keep if possible.
 */
export function quoteValue(value: string, quote = ''): string | undefined {
  const escaped = `"${value.replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`
  const plain = /^[\w./:@%+=,-]*$/.test(value) ? [value] : []
  const broken = /[\r\n]/.test(value) ? [escaped] : []
  const quotes = [quote, "'", '"', '`'].filter((mark) => mark !== '')
  const clean = quotes.filter((mark) => !value.includes(mark)).map((mark) => mark + value + mark)
  // dotenv often understands quotes inside the same quotes; people do not, so these come last.
  const odd = [value, escaped, ...quotes.map((mark) => mark + value + mark)]
  const kept = quote === '' ? [] : clean.slice(0, 1)
  const candidates = [...kept, ...plain, ...broken, ...clean, ...odd]
  return (
    candidates.find((text) => readsBack(text, value, HOSTILE_NEIGHBOURS)) ??
    candidates.find((text) => readsBack(text, value, ['']))
  )
}

// A value that ends with a backslash takes its closing quote for one of its own if a later line
// offers another; so a form that stands such neighbours is preferred.
const HOSTILE_NEIGHBOURS = ['', "# it'\n", '# it"\n', '# it`\n']

function readsBack(text: string, value: string, neighbours: readonly string[]): boolean {
  return neighbours.every((after) => {
    const found = parseEnvText(`A=1\nVALUE=${text}\n${after}B=2\n`)
    return (
      Object.keys(found).length === 3 &&
      found['VALUE'] === value &&
      found['A'] === '1' &&
      found['B'] === '2'
    )
  })
}
