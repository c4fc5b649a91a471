// The lists of mutants fit code and tests, and the table in test/README.md is theirs. That each is found is tried by
// `npm run mutants`, which takes minutes.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MUTANTS } from './mutants/all-mutants.ts'
import { findProblems, renderMutants } from './mutants/mutant-table.ts'
import { patternOf, whyNotKilled, whyNotSound } from './mutants/killer.ts'
import { withTable } from './support/fault-table.ts'
import type { TestResult } from './mutants/killer.ts'

const readText = (folder: string, file: string): string | undefined => {
  const path = join(import.meta.dirname, '..', folder, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

it('every mutant changes what stands once in the code, and names tests that there are', () => {
  expect(findProblems(MUTANTS, readText)).toEqual([])
})

it('test/README.md has the mutants that there are (npm run mutant-table writes it)', () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  expect(readme).toBe(withTable(readme, renderMutants(MUTANTS)))
})

describe('a list of mutants', () => {
  const killer = { file: 'x.test.ts', title: 'a disk > fails' }
  const mutant = {
    name: 'm',
    loses: 'x',
    edits: [{ file: 'x.ts', find: 'one', replace: 'two' }],
    killedBy: [killer],
  }
  const texts: Record<string, string> = {
    'src/x.ts': 'one and two',
    'test/x.test.ts': `describe('a disk', () => {\n  it('fails [F01]', () => {})\n})`,
  }
  const problems = (change: Partial<typeof mutant>) =>
    findProblems([{ ...mutant, ...change }], (folder, file) => texts[`${folder}/${file}`])

  it('is in order', () => {
    expect(problems({})).toEqual([])
  })

  it('may name one case of a table', () => {
    const text = `describe('a disk', () => {\n  it.each(all)('is %s [F01]', () => {})\n})`
    const found = findProblems(
      [{ ...mutant, killedBy: [{ ...killer, title: 'a disk > is full' }] }],
      (folder) => (folder === 'src' ? 'one' : text),
    )
    expect(found).toEqual([])
  })

  it.each([
    ['that is not there', { find: 'three' }, 'not once'],
    ['that is there twice', { find: 'o' }, 'not once'],
    ['in no file', { file: 'y.ts' }, 'there is no src/y.ts'],
    ['for itself', { replace: 'one' }, 'changes nothing'],
  ])('with a text %s is told', (_, change, says) => {
    const edits = [{ ...mutant.edits[0]!, ...change }]
    expect(problems({ edits })).toEqual([expect.stringContaining(says)])
  })

  it.each([
    ['another title', { title: 'a disk > falls' }, 'no test in'],
    ['no file', { file: 'y.test.ts' }, 'there is no test/y.test.ts'],
    ['a server', { file: 'servers/x.test.ts' }, 'is not of npm test'],
  ])('with a test of %s is told', (_, change, says) => {
    expect(problems({ killedBy: [{ ...killer, ...change }] })).toEqual([
      expect.stringContaining(says),
    ])
  })
})

describe('a mutant', () => {
  const killer = { file: 'x.test.ts', title: 'a disk > is %s' }
  const test = (status: string, failure?: string, titles = ['a disk', 'is full [F01]']) => [
    { file: 'x.test.ts', titles, status, failureMessages: failure === undefined ? [] : [failure] },
  ]

  it.each<[string, TestResult[], string | undefined]>([
    ['is found by an assertion', test('failed', 'AssertionError: expected 1 to be 2'), undefined],
    [
      'is found by an assertion with a word about it',
      test('failed', 'AssertionError: night 3: expected 1 to be 2'),
      undefined,
    ],
    [
      'is found by work that is done, and must fail',
      test('failed', 'Error: promise resolved "undefined" instead of rejecting'),
      undefined,
    ],
    [
      'is found by work that fails, and must be done',
      test('failed', 'SpillwayError: the server closed the connection'),
      undefined,
    ],
    ['survives a test that passes', test('passed'), 'survived'],
    ['survives where no test ran', [], 'no test ran'],
    ['survives where another test failed', test('failed', 'x', ['a disk', 'was']), 'no test ran'],
    ['survives where a test was skipped', test('skipped'), 'no test ran'],
    [
      'is not found by an assertion of the product',
      test('failed', 'AssertionError: copy 1 is stored, not uploading'),
      'not by an assertion',
    ],
    [
      'is not found by a test that takes too long',
      test('failed', 'Error: Test timed out in 30000ms.'),
      'not by an assertion',
    ],
    [
      'is not found by code that does not work at all',
      test('failed', 'TypeError: x is not a function'),
      'not by an assertion',
    ],
  ])('%s', (_, results, why) => {
    const said = whyNotKilled(killer, results)
    if (why === undefined) expect(said).toBe(undefined)
    else expect(said).toContain(why)
  })

  it('is not tried with tests that fail anyway, or never ran', () => {
    expect(whyNotSound(killer, test('passed'))).toBe(undefined)
    expect(whyNotSound(killer, test('failed', 'Error: x'))).toContain('fails without a mutant')
    expect(whyNotSound(killer, [])).toContain('no test ran')
  })

  it('is looked for by titles as vitest joins them', () => {
    const pattern = new RegExp(patternOf({ title: 'a (b) > is %s, $what and ${c}' }))
    expect(pattern.test('a (b) [F01] is x, y and z [F02 F03]')).toBe(true)
    expect(pattern.test('a (b) is x, y and z indeed')).toBe(true)
    expect(pattern.test('some a (b) is x, y and z')).toBe(false)
  })
})
