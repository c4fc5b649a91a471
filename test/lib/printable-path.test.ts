import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pathOfPrinted, printablePath } from '../../src/lib/printable-path.ts'

const bytes = (text: string): string => Buffer.from(text).toString('latin1')

describe('a path in a report', () => {
  it.each([
    ['', '.'],
    ['a/b c', 'a/b c'],
    [bytes('größe/\u{1f409}'), 'größe/\u{1f409}'],
    ['a\nb\tc', 'a\\x0ab\\x09c'],
    ['\x1b[31m', '\\x1b[31m'],
    ['\x7f', '\\x7f'],
    ['back\\slash', 'back\\\\slash'],
    ['\xff', '\\xff'],
    [`a\xff${bytes('ü')}\xc3`, 'a\\xffü\\xc3'],
    // A Latin-1 name, as old disks hold them.
    ['gr\xf6\xdfe', 'gr\\xf6\\xdfe'],
    // What would turn the line around, hide in it, or end it.
    [bytes('a\u202eb'), 'a\\xe2\\x80\\xaeb'],
    [bytes('a\u2028b'), 'a\\xe2\\x80\\xa8b'],
    [bytes('a\u0085b'), 'a\\xc2\\x85b'],
    // Surrogates and overlong forms are no UTF-8.
    ['\xed\xa0\x80', '\\xed\\xa0\\x80'],
    ['\xc0\xaf', '\\xc0\\xaf'],
  ])('%j is shown as %s', (path, shown) => {
    expect(printablePath(path)).toBe(shown)
  })

  it('can be given back, whatever bytes it has', () => {
    const anyByte = fc.uint8Array({ minLength: 1, maxLength: 40 })
    const tricky = fc.string({
      unit: fc.constantFrom('\\', 'x', '0', 'a', 'ü', '\n', '.', '\u202e'),
    })
    fc.assert(
      fc.property(fc.oneof(anyByte, tricky.filter(Boolean)), (name) => {
        const path = typeof name === 'string' ? bytes(name) : Buffer.from(name).toString('latin1')
        expect(pathOfPrinted(printablePath(path))).toBe(path)
      }),
    )
  })
})
