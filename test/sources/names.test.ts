// Patterns, paths as a report shows them, and names of owners.

import { describe, expect, it } from 'vitest'
import { createExclude } from '../../src/sources/exclude.ts'
import { parseOwnerNames } from '../../src/sources/owner-names.ts'

const bytes = (text: string) => Buffer.from(text).toString('latin1')

describe('patterns', () => {
  // As gitignore(5) describes them.
  it.each([
    ['*.log', 'a.log', true],
    ['*.log', 'deep/a.log', true],
    ['/a.log', 'deep/a.log', false],
    ['/a.log', 'a.log', true],
    ['build/', 'build/', true],
    ['build/', 'build', false],
    ['a/b', 'a/b', true],
    ['a/b', 'x/a/b', false],
    ['**/b', 'x/a/b', true],
    ['a/**', 'a/b/c', true],
    ['a/**', 'a/', false],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[ab]c', 'bc', true],
    ['# comment', '# comment', false],
    ['\\#file', '#file', true],
    ['*.LOG', 'a.log', false],
    ['größe', bytes('größe'), true],
    ['*', '\xff\xfe', true],
    ['x*', 'x\xff', true],
    ['*', 'new\nline', true],
    ['..a', '..a', true],
    ['b', '.../b', true],
  ])('%s and %j: %s', (pattern, path, isExcluded) => {
    const isFolder = path.endsWith('/')
    const exclude = createExclude([pattern])

    expect(exclude?.(isFolder ? path.slice(0, -1) : path, isFolder)).toBe(isExcluded)
  })

  it('take back what a later one with "!" names', () => {
    const exclude = createExclude(['*.log', '!keep.log'])

    expect(exclude?.('a.log', false)).toBe(true)
    expect(exclude?.('keep.log', false)).toBe(false)
  })

  it('stay the same over more paths than are remembered', () => {
    const exclude = createExclude(['*.log'])

    for (let number = 0; number < 20_000; number += 1) {
      expect(exclude?.(`${number}.log`, false)).toBe(true)
      expect(exclude?.(`${number}.txt`, false)).toBe(false)
    }
  })

  it('are not asked where there are none', () => {
    expect(createExclude([])).toBeUndefined()
  })
})

it('knows the first name of each number in a password file', () => {
  const text =
    'root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\nbroken\nj\xfcr:x:12:12\n+::::::\n'

  expect(parseOwnerNames(text)).toEqual(
    new Map([
      [0, 'root'],
      [12, 'j\xfcr'],
    ]),
  )
})
