// Text as a terminal shows it: how wide it is, how to cut it, and how to keep a line one line.
//
// File names, server answers and paths are bytes chosen by others. Printed raw they could move the
// cursor, hide lines or run right to left; so everything that is no plain character is escaped.

// Control characters (C0, DEL, C1), line and paragraph separators, invisible and bidirectional marks,
// and halves of surrogate pairs, which no encoding can hold.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\r': '\\r' }

/** The text on one line, harmless: `a\nb`, `\x1b[31m`, `\u{202e}`. */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0
    const hex = code.toString(16)
    return SHORT[character] ?? (code < 256 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`)
  })
}

/** Harmless too, but keeps line breaks, for messages that list several things. */
export function linesOf(text: string): readonly string[] {
  return text.split('\n').map((line) => oneLine(line.replace(/\r$/, '')))
}

// Characters that take two columns (Unicode's East Asian Width W and F, in coarse blocks). An error
// here shifts a column by one and harms nothing.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u
const WITHOUT_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u

/** Columns that a line takes on a terminal; escape sequences must not be in it. */
export function widthOf(text: string): number {
  // Nearly everything is ASCII, and a listing may have 100 000 rows.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const character of text) width += widthOfCharacter(character)
  return width
}

/** At most `columnsMax` columns, ending in `…` when something was cut off. */
export function cut(text: string, columnsMax: number): string {
  if (widthOf(text) <= columnsMax) return text
  if (columnsMax < 1) return ''
  let kept = ''
  let width = 0
  for (const character of text) {
    width += widthOfCharacter(character)
    if (width > columnsMax - 1) break
    kept += character
  }
  return `${kept}…`
}

/**
 * The line in pieces of at most `columnsMax` columns, broken between words; all but the first begin at column
 * `hang`. A word that is longer stays whole: addresses and names are copied from the screen.
 */
export function wrap(line: string, columnsMax: number, hang = hangOf(line)): readonly string[] {
  if (widthOf(line) <= columnsMax) return [line]
  const lines: string[] = []
  const [first = '', ...words] = line.slice(hang).split(' ')
  let current = line.slice(0, hang) + first
  for (const word of words) {
    if (widthOf(current) + 1 + widthOf(word) > columnsMax) {
      lines.push(current)
      current = ' '.repeat(hang) + word
    } else current += ` ${word}`
  }
  return [...lines, current]
}

/** Where the text begins: behind the line's indent, and behind a first word that stands in a column of its own. */
function hangOf(line: string): number {
  return /^ *(?:\S+ {2,})?/.exec(line)?.[0].length ?? 0
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)))
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text
}

function widthOfCharacter(character: string): number {
  return WITHOUT_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1
}
