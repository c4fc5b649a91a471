// Reads from the tests which fault each of them covers, and writes the table of test/README.md.
//
// A test, or a describe block, names its faults at the end of its title: it('... [F37 F40]', ...). The files are read as
// text and not run: prettier, which the lint keeps, gives every block one shape, so that indentation is nesting.

import { FAULTS } from './faults.ts'
import { blocksAround, openerOf, titlesAround } from './test-titles.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Fault } from './faults.ts'

export type Coverage = {
  /** Below test/. */
  readonly file: string
  /** Of the describe blocks around it, and its own, without the tag. */
  readonly title: string
  readonly faults: readonly string[]
  readonly tier: Tier
  /** It is skipped where it cannot run: without root, or without a tool. */
  readonly isConditional: boolean
}

/** `npm test`, or `npm run test:servers`, which `.ci/run` runs as well. */
export type Tier = 'quick' | 'servers'

const TAG = /\[(F\d\d+[a-z]?(?: F\d\d+[a-z]?)*)\]/
const TAGGED_TITLE = /(['"`])((?:(?!\1).)*) \[(F\d\d+[a-z]?(?: F\d\d+[a-z]?)*)\]\1,/
const BEGIN = '<!-- faults: written by `npm run fault-table` -->'
const END = '<!-- end of faults -->'

export type TestFile = { readonly file: string; readonly text: string }

/** All TypeScript below `folder`, but for what only reads and lists tags. */
export function readTests(folder: string): readonly TestFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .filter((file) => !/^(?:support\/fault(?:s|-table)|(?:faults|mutants)\.test)\.ts$/.test(file))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }))
}

/** Another one each time, so it is not in the table. */
const SEED = / \(seed \$\{SEED\}\)/g

/** What the tests of one file cover, and tags that nobody would see: such as are in no title. */
export function readFile({ file, text }: TestFile): {
  readonly covered: readonly Coverage[]
  readonly problems: readonly string[]
} {
  const lines = text.split('\n')
  const covered: Coverage[] = []
  const problems: string[] = []
  for (const [at, line] of lines.entries()) {
    const say = (what: string) => problems.push(`${file}:${at + 1}: ${what}`)
    if (!TAG.test(line)) continue
    const [whole, , title = '', tag = ''] = TAGGED_TITLE.exec(line) ?? []
    const opener = whole === undefined ? undefined : openerOf(lines, at, line.indexOf(whole))
    if (opener === undefined) {
      say('a tag that does not end the title of a test')
      continue
    }
    const call = lines[opener]!
    if (/\.(?:skip|todo|fails|only)\b/.test(call)) say('a tagged test that does not count')
    covered.push({
      file,
      title: [...titlesAround(lines, opener), title].join(' > '),
      faults: tag.split(' '),
      tier: file.startsWith('servers/') ? 'servers' : 'quick',
      isConditional: [opener, ...blocksAround(lines, opener)].some((block) =>
        /\.(?:skipIf|runIf)\(/.test(lines[block]!),
      ),
    })
  }
  return { covered, problems }
}

/** Everything that is wrong between the list of faults and the tests. */
export function findProblems(tests: readonly TestFile[], faults = FAULTS): readonly string[] {
  const read = tests.map(readFile)
  const covered = read.flatMap((each) => each.covered)
  const known = new Map(faults.map((fault) => [fault.id, fault]))
  const problems = read.flatMap((each) => [...each.problems])
  for (const { file, title, faults: ids } of covered) {
    for (const id of ids) {
      const fault = known.get(id)
      if (fault === undefined) problems.push(`${file}: "${title}" names ${id}, which is no fault`)
      else if (fault.notHere !== undefined)
        problems.push(`${file}: "${title}" covers ${id}, which is said not to apply`)
    }
  }
  const tested = new Set(covered.flatMap(({ faults: ids }) => ids))
  for (const { id, notHere, gap } of faults) {
    if (tested.has(id) && gap !== undefined)
      problems.push(`${id} has a test: it is no gap any more`)
    if (!tested.has(id) && gap === undefined && notHere === undefined)
      problems.push(`${id} has no test`)
  }
  return problems
}

export function renderTable(tests: readonly TestFile[], faults = FAULTS): string {
  const covered = tests.flatMap((test) => readFile(test).covered)
  const applying = faults.filter(({ notHere }) => notHere === undefined)
  const elsewhere = faults.filter(({ notHere }) => notHere !== undefined)
  const gaps = applying.filter(({ gap }) => gap !== undefined).length
  return [
    BEGIN,
    `${applying.length - gaps} covered, ${gaps} gaps, ${elsewhere.length} that do not apply. ` +
      'Tests are of `npm test`, those in `servers/` of `npm run test:servers`; `*`: skipped where it cannot run (not root, no such tool).',
    '',
    '| fault | what happens, and what must | covered by |',
    '|---|---|---|',
    ...applying.map((fault) => rowOf(fault, covered)),
    '',
    '| does not apply | because |',
    '|---|---|',
    ...elsewhere.map(({ id, what, notHere = '' }) => `| ${id} ${cell(what)} | ${cell(notHere)} |`),
    END,
  ].join('\n')
}

function rowOf({ id, what, gap }: Fault, covered: readonly Coverage[]): string {
  const where = covered.filter(({ faults }) => faults.includes(id))
  const tests = where.map(
    ({ file, title, isConditional }) =>
      `\`${file}\`${isConditional ? '\\*' : ''} ${cell(title.replaceAll(SEED, ''))}`,
  )
  const found = gap === undefined ? tests.join('<br>') : `**GAP**: ${cell(gap)}`
  return `| ${id} | ${cell(what)} | ${found} |`
}

/** Of a table of Markdown. */
export function cell(text: string): string {
  return text.replaceAll(/[|<]/g, (mark) => `\\${mark}`)
}

/** The page with this table between its marks, which are its first line and its last one. */
export function withTable(readme: string, table: string): string {
  const lines = table.split('\n')
  const [begin = '', end = ''] = [lines[0], lines.at(-1)]
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`test/README.md has no ${begin} ... ${end}`)
  return readme.slice(0, from) + table + readme.slice(to + end.length)
}
