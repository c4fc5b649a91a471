// What test/README.md says of the mutants, and what is wrong with their lists: quickly, without trying any.

import { cell } from '../support/fault-table.ts'
import { titlesIn } from '../support/test-titles.ts'
import { mutate } from './mutant.ts'
import { patternOf } from './killer.ts'
import type { Mutant } from './mutant.ts'

/** Text of a file of src/ or of test/; undefined: there is none. */
export type ReadText = (folder: 'src' | 'test', file: string) => string | undefined

/** Everything by which a list has fallen behind the code or the tests. */
export function findProblems(mutants: readonly Mutant[], read: ReadText): readonly string[] {
  const names = mutants.map(({ name }) => name)
  return [
    ...names
      .filter((name, at) => names.indexOf(name) !== at)
      .map((name) => `${name} is there twice`),
    ...mutants.flatMap((mutant) => [
      ...problemsOfEdits(mutant, read),
      ...problemsOfKillers(mutant, read),
    ]),
  ]
}

function problemsOfEdits({ name, edits }: Mutant, read: ReadText): readonly string[] {
  if (edits.length === 0) return [`${name} changes nothing`]
  const texts = new Map<string, string>()
  return edits.flatMap((edit) => {
    const text = texts.get(edit.file) ?? read('src', edit.file)
    if (text === undefined) return [`${name}: there is no src/${edit.file}`]
    const changed = mutate(text, edit)
    if (changed === undefined) return [`${name}: not once in src/${edit.file}: ${edit.find}`]
    texts.set(edit.file, changed)
    return changed === text ? [`${name} changes nothing in src/${edit.file}`] : []
  })
}

function problemsOfKillers({ name, killedBy }: Mutant, read: ReadText): readonly string[] {
  if (killedBy.length === 0) return [`${name} is looked for by no test`]
  return killedBy.flatMap(({ file, title }) => {
    if (file.startsWith('servers/')) return [`${name}: ${file} is not of npm test`]
    const text = read('test', file)
    if (text === undefined) return [`${name}: there is no test/${file}`]
    return isTitleIn(text, title) ? [] : [`${name}: no test in ${file}: ${title}`]
  })
}

/** As it is written there, or with what is filled in: that one case of a long table. */
function isTitleIn(text: string, title: string): boolean {
  return titlesIn(text).some(
    (written) =>
      written === title || new RegExp(patternOf({ title: written }, ' > '), 's').test(title),
  )
}

const BEGIN = '<!-- mutants: written by `npm run mutant-table` -->'
const END = '<!-- end of mutants -->'

export function renderMutants(mutants: readonly Mutant[]): string {
  return [
    BEGIN,
    `${mutants.length} mutants.`,
    '',
    '| mutant | of | would lose | found by |',
    '|---|---|---|---|',
    ...mutants.map(({ name, edits, loses, killedBy }) => {
      const files = [...new Set(edits.map(({ file }) => `\`${file}\``))].join('<br>')
      const tests = killedBy.map(({ file, title }) => `\`${file}\` ${cell(title)}`).join('<br>')
      return `| ${name} | ${files} | ${cell(loses)} | ${tests} |`
    }),
    END,
  ].join('\n')
}
