// Patterns, paths as a report shows them, and names of owners.

import { describe, expect, it } from 'vitest'
import { createExclude } from '../../src/sources/exclude.ts'
import { parseOwnerNames } from '../../src/sources/owner-names.ts'
import { printablePath } from '../../src/sources/printable-path.ts'

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

describe('a path in a report', () => {
  it.each([
    ['', '.'],
    ['a/b c', 'a/b c'],
    [bytes('größe/\u{1f409}'), 'größe/\u{1f409}'],
    ['a\nb\tc', 'a\\nb\\tc'],
    ['\x1b[31m', '\\x1b[31m'],
    ['\x7f', '\\x7f'],
    ['back\\slash', 'back\\\\slash'],
    ['\xff', '\\xff'],
    [`a\xff${bytes('ü')}\xc3`, 'a\\xffü\\xc3'],
    // What would turn the line around, hide in it, or end it.
    [bytes('a\u202eb'), 'a\\u{202e}b'],
    [bytes('a\u2028b'), 'a\\u{2028}b'],
    [bytes('a\u200bb'), 'a\\u{200b}b'],
    [bytes('a\u0085b'), 'a\\u{85}b'],
    // Surrogates and overlong forms are no UTF-8.
    ['\xed\xa0\x80', '\\xed\\xa0\\x80'],
    ['\xc0\xaf', '\\xc0\\xaf'],
  ])('%j is shown as %s', (path, shown) => {
    expect(printablePath(path)).toBe(shown)
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
