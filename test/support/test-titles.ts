// Reads the titles of tests out of their text, without running them: prettier, which the lint keeps, gives every block
// one shape, so that indentation is nesting.

const BLOCK = /^\s*(?:it|describe)\b/
const TAG = /\s*\[F\d\d+[a-z]?(?: F\d\d+[a-z]?)*\]/

/** Without the faults that it names. */
export function withoutTag(title: string): string {
  return title.replace(TAG, '').trim()
}

/** Of all tests of a file: the titles of the describe blocks around each, and its own, without tags. */
export function titlesIn(text: string): readonly string[] {
  const lines = text.split('\n')
  const titles: string[] = []
  for (const [at, line] of lines.entries()) {
    const [whole, , title] = /(['"`])((?:(?!\1).)+)\1,/.exec(line) ?? []
    const opener = whole === undefined ? undefined : openerOf(lines, at, line.indexOf(whole))
    if (opener === undefined || !/^\s*it\b/.test(lines[opener]!)) continue
    titles.push([...titlesAround(lines, opener), withoutTag(title!)].join(' > '))
  }
  return titles
}

/** The line with `it` or `describe` whose title stands at this place; undefined: it is no title. */
export function openerOf(lines: readonly string[], at: number, column: number): number | undefined {
  const line = lines[at]!
  const before = line.slice(0, column)
  if (BLOCK.test(before) && before.endsWith('(')) return at
  // `])('title', ...`: the table of it.each stands above.
  const isEndOfTable = /^\s*[\])}].*\($/.test(before)
  const isAlone = before.trim() === '' && lines[at - 1]!.endsWith('(')
  if (!isEndOfTable && !isAlone) return undefined
  const indent = indentOf(line) - (isAlone ? 2 : 0)
  for (let above = at - 1; above >= 0; above -= 1)
    if (indentOf(lines[above]!) === indent && BLOCK.test(lines[above]!)) return above
  return undefined
}

/** The describe blocks around a line, the outermost first. */
export function blocksAround(lines: readonly string[], at: number): readonly number[] {
  const blocks: number[] = []
  let indent = indentOf(lines[at]!)
  for (let above = at - 1; above >= 0 && indent > 0; above -= 1) {
    const line = lines[above]!
    if (line.trim() === '' || indentOf(line) >= indent) continue
    indent = indentOf(line)
    if (/^\s*describe\b/.test(line)) blocks.unshift(above)
  }
  return blocks
}

export function titlesAround(lines: readonly string[], at: number): readonly string[] {
  return blocksAround(lines, at).map((block) => {
    const text = lines.slice(block, block + 20).join(' ')
    const [, , title = '?'] = /\(\s*(['"`])((?:(?!\1).)*)\1,\s*(?:async )?\(/.exec(text) ?? []
    return withoutTag(title)
  })
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}
