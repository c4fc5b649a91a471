// What a PATH of restore, cat and find means.

import { describe, expect, it } from 'vitest'
import { parsePathPattern, plainPath, Selection } from '../../src/pack/extract-patterns.ts'
import type { PathSpec } from '../../src/pack/extract-patterns.ts'

describe('a PATH', () => {
  it.each([
    // exact
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', true],
    ['a/b/', 'a/b/c', true],
    ['./a/b', 'a/b', true],
    ['a//b', 'a/b', true],
    ['a/b', 'a/bc', false],
    ['a/b', 'a', false],
    ['', 'anything', true],
    ['.', 'anything', true],
    // a star and a question mark stop at slashes
    ['*.php', 'index.php', true],
    ['*.php', 'a/index.php', false],
    ['*', '.hidden', true],
    ['a/*/c', 'a/b/c', true],
    ['a/*/c', 'a/b/b/c', false],
    ['a/*', 'a/b/c/d', true],
    ['a*c*e', 'abcde', true],
    ['a*c*e', 'abcd', false],
    ['a*', 'a', true],
    ['?', 'ab', false],
    ['??', 'ab', true],
    ['?', 'ä', true],
    ['??', 'ä', false],
    ['*?', 'ä', true],
    // any number of folders
    ['**/c', 'c', true],
    ['**/c', 'a/b/c', true],
    ['**/c', 'a/b/cc', false],
    ['**/c', 'a/c/d', true],
    ['a/**/c', 'a/c', true],
    ['a/**/c', 'a/x/y/c', true],
    ['a/**/c', 'b/x/y/c', false],
    ['a/**', 'a/x/y', true],
    ['**', 'a', true],
    ['a**b', 'axxb', true],
    ['a**b', 'a/b', false],
    ['**/a/**/b', 'x/a/a/y/b', true],
    // classes
    ['[abc]', 'b', true],
    ['[a-c]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[!a-c]', 'd', true],
    ['[^a-c]', 'b', false],
    ['[]]', ']', true],
    ['[a-]', '-', true],
    ['[ä-ü]', 'ö', true],
    ['[\\]]', ']', true],
    ['[a', '[a', true],
    ['[]', '[]', true],
    // escapes
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
    ['caf\\xe9', 'caf\u00e9', false],
  ])('%j means %j: %s', (text, path, isMeant) => {
    expect(selectionOf(text).includes(plainPath(path))).toBe(isMeant)
  })

  it('reaches names that are no text by the bytes that listings show', () => {
    expect(selectionOf('caf\\xe9').includes('caf\xe9')).toBe(true)
    expect(selectionOf('caf\\xE9').includes('caf\xe9')).toBe(true)
    expect(selectionOf('caf?').includes('caf\xe9')).toBe(true)
    expect(selectionOf('caf[\u00e9]').includes('caf\xe9')).toBe(false)
    expect(parsePathPattern('a\\x5cb')).toMatchObject({ isGlob: false, base: 'a\\b' })
  })

  it.each(['/etc/passwd', '../x', 'a/../b', 'a/..'])('is refused: %s', (text) => {
    expect(() => parsePathPattern(text)).toThrow(/the path ".*" (is absolute|has "\.\." in it)/)
  })

  it('is looked for only where it can be', () => {
    expect(parsePathPattern('a/b/*.jpg').base).toBe('a/b')
    expect(parsePathPattern('a/\\*/c').base).toBe('a/*/c')
    expect(basesOf('a', 'a/b', 'ab', 'c/*')).toEqual(['a', 'ab', 'c'])
    expect(basesOf('a/b', '**/x')).toEqual([''])
    expect(basesOf()).toEqual([''])
  })

  it('takes no longer for a hostile name', () => {
    const selection = selectionOf('*a*a*a*a*a*a*a*a*b/**/c/**/d/**/e')
    const startedMs = performance.now()

    expect(selection.includes('a'.repeat(400_000))).toBe(false)
    expect(selection.includes(`${'aab/'.repeat(50_000)}c`)).toBe(false)

    // A regular expression of these would need longer than the sun has left.
    expect(performance.now() - startedMs).toBeLessThan(5_000)
  })

  it('counts for each of several', () => {
    const selection = new Selection(specs('a', '*.txt', 'nothing'))
    expect(selection.matchedBy('a/b')).toEqual([0])
    expect(selection.matchedBy('a.txt')).toEqual([1])
  })
})

function specs(...texts: readonly string[]): readonly PathSpec[] {
  return texts.map((text) => {
    const { isGlob, base } = parsePathPattern(text)
    return isGlob ? { kind: 'glob', text } : { kind: 'exact', path: base }
  })
}

function selectionOf(text: string): Selection {
  return new Selection(specs(text))
}

function basesOf(...texts: readonly string[]): readonly string[] {
  return new Selection(specs(...texts)).bases()
}
