import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cut, linesOf, oneLine, padEnd, padStart, widthOf, wrap } from '../../src/cli/text.ts'

describe('oneLine', () => {
  it.each([
    ['plain and größe and 日本 and 🙂', 'plain and größe and 日本 and 🙂'],
    ['two\nlines\r\n', 'two\\nlines\\r\\n'],
    ['\x1b[31mred\x07', '\\x1b[31mred\\x07'],
    ['\x9b2J', '\\x9b2J'],
    // Right-to-left override: "exe.gpj" would be read as "jpg.exe".
    ['a\u202egpj.exe', 'a\\u{202e}gpj.exe'],
    ['zero\u200bwidth', 'zero\\u{200b}width'],
    ['half \ud83d of a pair', 'half \\u{d83d} of a pair'],
    ['para\u2029graph', 'para\\u{2029}graph'],
  ])('writes %j as %s', (text, shown) => {
    expect(oneLine(text)).toBe(shown)
  })

  it('leaves nothing that could move a cursor, whatever it is given [F102]', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(oneLine(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})

describe('linesOf', () => {
  it('keeps line breaks and nothing else', () => {
    expect(linesOf('a\r\n\tb\n')).toEqual(['a', '\\tb', ''])
  })
})

describe('widths', () => {
  it.each([
    ['abc', 3],
    ['', 0],
    ['日本', 4],
    ['e\u0301', 1],
    ['🙂', 2],
  ])('%j takes %d columns', (text, columns) => {
    expect(widthOf(text)).toBe(columns)
  })

  it('pads by columns, not by characters', () => {
    expect(padEnd('日', 4)).toBe('日  ')
    expect(padStart('日', 4)).toBe('  日')
    expect(padEnd('long', 2)).toBe('long')
  })

  it('cuts by columns, and says that it did', () => {
    expect(cut('abcdef', 6)).toBe('abcdef')
    expect(cut('abcdef', 4)).toBe('abc…')
    expect(cut('日本語', 4)).toBe('日…')
    expect(cut('abc', 0)).toBe('')
  })

  it('never cuts to more than was asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, columns) => {
        expect(widthOf(cut(text, columns))).toBeLessThanOrEqual(columns)
      }),
    )
  })
})

describe('wrap', () => {
  it.each([
    ['as long as that', 15, ['as long as that']],
    ['a line of some words', 12, ['a line of', 'some words']],
    ['  failed   reach the server', 20, ['  failed   reach the', '           server']],
    ['    -> mend it, then', 14, ['    -> mend', '    it, then']],
    ['see https://example.org/backups now', 10, ['see', 'https://example.org/backups', 'now']],
    ['日本 日本 日本', 9, ['日本 日本', '日本']],
  ])('%j in %d columns', (line, columns, lines) => {
    expect(wrap(line, columns)).toEqual(lines)
  })

  it('loses nothing but the blanks at which it broke', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', ' ') }),
        fc.nat(20),
        (line, columns) => {
          const words = (text: string): readonly string[] => text.split(' ').filter(Boolean)
          expect(words(wrap(line, columns).join(' '))).toEqual(words(line))
        },
      ),
    )
  })
})
