// The table of faults in test/README.md is what the tests say, and says of every fault where it is covered.

import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FAULTS } from './support/faults.ts'
import { findProblems, readFile, readTests, renderTable, withTable } from './support/fault-table.ts'

const tests = readTests(import.meta.dirname)

it('every fault that applies has a test, or says what is missing; every tag names a fault', () => {
  expect(findProblems(tests)).toEqual([])
})

it('each fault is listed once, in order', () => {
  const ids = FAULTS.map(({ id }) => id)
  const order = new Intl.Collator('en', { numeric: true })
  expect(ids).toEqual([...new Set(ids)].toSorted(order.compare))
})

it('test/README.md is what the tests say (npm run fault-table writes it)', () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  expect(readme).toBe(withTable(readme, renderTable(tests)))
})

describe('a tag', () => {
  const of = (text: string) => readFile({ file: 'x.test.ts', text })
  const titles = (text: string) => of(text).covered.map(({ title, faults }) => [title, faults])

  it('is read from titles of every shape', () => {
    const text = [
      `describe('a disk', () => {`,
      `  it('fails [F01]', () => {`,
      `    expect(1).toBe(1)`,
      `  })`,
      ``,
      `  it.each([`,
      `    ['x', 1],`,
      `  ])('is %s [F02 F03a]', () => {})`,
      ``,
      `  it.each(['y'])(`,
      `    'is long, and %s [F04]',`,
      `    () => {},`,
      `  )`,
      `})`,
      ``,
      `describe.each(all.filter((name) => name !== 'x'))('a %s', (name) => {`,
      `  it.runIf(isRoot)(\`is \${name} [F05]\`, () => {})`,
      `})`,
      ``,
      `describe('all of it [F06]', () => {`,
      `  it('and this [F07]', () => {})`,
      `})`,
    ].join('\n')
    expect(titles(text)).toEqual([
      ['a disk > fails', ['F01']],
      ['a disk > is %s', ['F02', 'F03a']],
      ['a disk > is long, and %s', ['F04']],
      ['a %s > is ${name}', ['F05']],
      ['all of it', ['F06']],
      ['all of it > and this', ['F07']],
    ])
    expect(of(text).covered.map(({ isConditional }) => isConditional)).toEqual([
      false,
      false,
      false,
      true,
      false,
      false,
    ])
  })

  it.each([
    ['in a comment', `// see [F01]`],
    ['in a value', `const text = 'x [F01]',`],
    ['before the end of the title', `it('does [F01] well', () => {})`],
    ['of a call that is no test', `expect('x [F01]', y)`],
    ['of a test that is skipped', `it.skip('x [F01]', () => {})`],
  ])('%s is told, since nobody would see it', (_, text) => {
    expect(of(text).problems).toHaveLength(1)
  })

  const test = (title: string) => [{ file: 'x.test.ts', text: `it('x [${title}]', () => {})` }]
  it.each([
    ['of a fault that nobody knows', [], 'names F01, which is no fault'],
    ['of one that does not apply', [{ notHere: 'no' }], 'is said not to apply'],
    ['of one that is said to be a gap', [{ gap: 'all' }], 'it is no gap any more'],
  ])('%s is told', (_, more, says) => {
    const faults = more.map((one) => ({ id: 'F01', what: 'x', ...one }))
    expect(findProblems(test('F01'), faults)).toEqual([expect.stringContaining(says)])
  })

  it('is missed where there is none', () => {
    expect(findProblems([], [{ id: 'F01', what: 'x' }])).toEqual(['F01 has no test'])
  })
})
