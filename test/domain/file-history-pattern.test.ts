import { describe, expect, it } from 'vitest'
import { parsePattern } from '../../src/domain/file-history-pattern.ts'

const TREE = [
  'etc',
  'etc/nginx',
  'etc/nginx/nginx.conf',
  'etc/nginx/sites/Default.CONF',
  'var/log/nginx/error.log',
  'var/etc/nginx/old',
  'notes 100% [draft].txt',
  'caf\u00e9/men\u00fc.txt',
  'a\nb',
  'x/*literal',
]

describe('a word', () => {
  it.each([
    ['nginx.conf', ['etc/nginx/nginx.conf']],
    ['nginx', ['etc/nginx', 'etc/nginx/nginx.conf', 'var/log/nginx', 'var/etc/nginx']],
    ['100% ', ['notes 100% [draft].txt']],
    ['(', []],
    ['menü', ['caf\u00e9/men\u00fc.txt']],
    // As a Mac writes it: u and two dots.
    ['menu\u0308', ['caf\u00e9/men\u00fc.txt']],
    ['a\nb', ['a\nb']],
  ])('%j may stand anywhere in the name', (pattern, expected) => {
    const tree = [...TREE, 'var/log/nginx', 'var/etc/nginx']
    expect(found(pattern, tree)).toEqual(expected)
  })

  it('with a slash may stand anywhere in the path', () => {
    expect(found('etc/nginx/')).toEqual([
      'etc/nginx',
      'etc/nginx/nginx.conf',
      'etc/nginx/sites/Default.CONF',
      'var/etc/nginx/old',
    ])
  })

  it('that begins with a slash is a place: that, and what is below it', () => {
    expect(found('/etc/nginx')).toEqual([
      'etc/nginx',
      'etc/nginx/nginx.conf',
      'etc/nginx/sites/Default.CONF',
    ])
    expect(found('/ngin')).toEqual([])
  })
})

describe('a name as it is printed', () => {
  it.each([
    ['notes 100% [draft].txt', 'notes 100% [draft].txt'],
    // One byte that is no UTF-8, as paths have it.
    ['caf\\xe9 [2010].mp3', 'caf\u00e9 [2010].mp3'],
  ])('is found, brackets and all: %s', (printed, path) => {
    expect(parsePattern(printed, false).matches(path)).toBe(true)
    expect(parsePattern(printed, false).matches('else.txt')).toBe(false)
  })
})

describe('a glob', () => {
  it.each([
    ['*.conf', ['etc/nginx/nginx.conf']],
    ['nginx*', ['etc/nginx', 'etc/nginx/nginx.conf']],
    ['etc/*', ['etc/nginx']],
    ['/etc/*', ['etc/nginx']],
    ['**', TREE],
    ['*', TREE],
    ['**/*.conf', ['etc/nginx/nginx.conf']],
    ['n*n*f', ['etc/nginx/nginx.conf']],
    ['**/s*/**', ['etc/nginx/sites/Default.CONF']],
    ['etc/**', ['etc/nginx', 'etc/nginx/nginx.conf', 'etc/nginx/sites/Default.CONF']],
    ['**/nginx/*.log', ['var/log/nginx/error.log']],
    ['etc/**/nginx.conf', ['etc/nginx/nginx.conf']],
    ['etc/**/nginx', ['etc/nginx']],
    ['caf?/*', ['caf\u00e9/men\u00fc.txt']],
    ['[!a-m]ginx', ['etc/nginx']],
    ['a?b', ['a\nb']],
    ['x/\\**', ['x/*literal']],
    ['*.[]tx]*', ['notes 100% [draft].txt', 'caf\u00e9/men\u00fc.txt']],
    ['etc?nginx/*', []],
    ['*[[]draft*', ['notes 100% [draft].txt']],
  ])('%j fits whole names, or whole paths when it has a slash', (pattern, expected) => {
    expect(found(pattern)).toEqual(expected)
  })

  it.each([
    ['*a*a*a*a*a*b', 'a'.repeat(255)],
    ['**/a/**/a/**/a/**/b', 'a/'.repeat(2_000)],
  ])('%j is quick on a path made to be slow', (pattern, path) => {
    const { matches } = parsePattern(pattern, false)
    const begun = performance.now()
    expect(matches(path)).toBe(false)
    // As one regular expression each takes minutes.
    expect(performance.now() - begun).toBeLessThan(500)
  })
})

it('takes capital and small letters for the same when asked, also beyond ASCII', () => {
  expect(found('*.conf', TREE, true)).toEqual([
    'etc/nginx/nginx.conf',
    'etc/nginx/sites/Default.CONF',
  ])
  expect(found('MENÜ', TREE, true)).toEqual(['caf\u00e9/men\u00fc.txt'])
})

it('does not trip over names that are no UTF-8', () => {
  const { matches } = parsePattern('b?d*', false)
  expect(matches('x/b\xffd.txt')).toBe(true)
})

it('means folders only with a slash at its end', () => {
  expect(parsePattern('nginx/', false).kinds).toEqual(['directory'])
  expect(parsePattern('nginx', false).kinds).toBeUndefined()
})

it.each(['', '/', './'])('refuses %j, which names nothing', (pattern) => {
  expect(() => parsePattern(pattern, false)).toThrow(
    expect.objectContaining({ code: 'USAGE' }) as Error,
  )
})

it('refuses a range that is none', () => {
  expect(() => parsePattern('[z-a]', false)).toThrow('has a range that is none')
})

function found(pattern: string, tree: readonly string[] = TREE, ignoresCase = false) {
  const { matches } = parsePattern(pattern, ignoresCase)
  return tree.filter((path) => matches(Buffer.from(path).toString('latin1')))
}
