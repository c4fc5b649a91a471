// Sentences of README.md that a change of the code makes untrue.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { COMMAND_TITLES } from '../src/cli/command-titles.ts'

const ROOT = join(import.meta.dirname, '..')
const PROGRAM = join(ROOT, 'dist/src/main.js')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

it('names the commands that take --dry-run, and no others', () => {
  const [, sentence = ''] = /^(.*) take `--dry-run`, and then change nothing;/m.exec(README) ?? []
  const named = [...sentence.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name)
  const taking = Object.keys(COMMAND_TITLES).filter((name) =>
    execFileSync(process.execPath, [PROGRAM, name, '--help'], { encoding: 'utf8' }).includes(
      '  --dry-run',
    ),
  )
  expect(named.toSorted()).toEqual(taking.toSorted())
}, 60_000)

it('gives the reason of every dependency', () => {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Record<'dependencies' | 'devDependencies', Record<string, string>>
  const all = Object.keys({ ...dependencies, ...devDependencies })
  const [, table = ''] = README.split('| dependency | its reason |')
  const lacking = all.filter(
    (name) => !name.startsWith('@types/') && !table.includes(`\`${name}\``),
  )
  expect(lacking).toEqual([])
})
