import { describe, expect, it } from 'vitest'
import {
  bar,
  formatAge,
  formatCount,
  formatUtc,
  painter,
  plural,
  printWrapped,
} from '../../src/cli/output.ts'
import { formatTable } from '../../src/cli/table.ts'
import type { Table } from '../../src/cli/table.ts'

const plain = (_style: string, text: string) => text

const TABLE: Table = {
  columns: [
    { title: 'NAME', widthMin: 6 },
    { title: 'SIZE', align: 'right' },
    { title: 'WHERE', widthMin: 4 },
  ],
  rows: [
    ['etc', '1.50 kB', 'local'],
    ['a-very-long-name', '12 B', ''],
    ['日本', '999 GB', 'server-with-a-name'],
  ],
}

describe('printWrapped', () => {
  const printed = (isTerminal: boolean): readonly string[] => {
    const lines: string[] = []
    const out = { isTerminal, hasColour: false, columns: () => 24 }
    printWrapped({ print: (line) => lines.push(line), out })('Note: update Node in time\nor else')
    return lines
  }

  it('breaks sentences between words on a terminal', () => {
    expect(printed(true)).toEqual(['Note: update Node in', 'time', 'or else'])
  })

  it('leaves them whole in a pipe: they are searched for', () => {
    expect(printed(false)).toEqual(['Note: update Node in time', 'or else'])
  })
})

describe('formatTable', () => {
  it('aligns columns, numbers to the right, with no blank at the end of a line', () => {
    expect(formatTable(TABLE, undefined, plain)).toEqual([
      'NAME                 SIZE  WHERE',
      'etc               1.50 kB  local',
      'a-very-long-name     12 B',
      '日本               999 GB  server-with-a-name',
    ])
  })

  it('gives way to the width of a terminal, widest column first, down to its least', () => {
    const lines = formatTable(TABLE, 32, plain)
    expect(lines).toEqual([
      'NAME           SIZE  WHERE',
      'etc         1.50 kB  local',
      'a-very-lo…     12 B',
      '日本         999 GB  server-wit…',
    ])
    const narrow = formatTable(TABLE, 5, plain)
    expect(narrow[2]).toBe('a-ver…     12 B')
  })

  it('leaves out what matters least before it cuts below the least, and nothing in a pipe', () => {
    const table: Table = {
      columns: [
        { title: 'NAME', widthMin: 8 },
        { title: 'SIZE', align: 'right', leavesAs: 1 },
        { title: 'MODE', leavesAs: 2 },
      ],
      rows: [['a-very-long-name', '1.50 kB', '0644']],
    }
    expect(formatTable(table, undefined, plain)[0]).toMatch(/^NAME +SIZE {2}MODE$/)
    expect(formatTable(table, 23, plain)[1]).toBe('a-very-…  1.50 kB  0644')
    expect(formatTable(table, 22, plain)[1]).toBe('a-very-long-…  1.50 kB')
    expect(formatTable(table, 16, plain)[1]).toBe('a-very-long-name')
    expect(formatTable(table, 5, plain)[1]).toBe('a-very-…')
  })

  it('is not wider than the terminal when its columns allow that', () => {
    for (let columns = 22; columns < 60; columns += 1)
      for (const line of formatTable(TABLE, columns, plain))
        expect(line.length, `${columns}: ${line}`).toBeLessThanOrEqual(columns)
  })

  it('keeps a row on one line whatever a name holds', () => {
    const lines = formatTable(
      { columns: [{ title: 'N' }, { title: 'S' }], rows: [['a\nb\x1b[2J', 'x']] },
      undefined,
      plain,
    )
    expect(lines).toEqual(['N            S', 'a\\nb\\x1b[2J  x'])
  })

  it('colours a cell without moving the next one', () => {
    const table: Table = {
      columns: [{ title: 'A' }, { title: 'B' }],
      rows: [[{ text: 'dead', style: 'bad' }, 'x']],
    }
    const paint = painter({ isTerminal: true, hasColour: true, columns: () => 80 })
    const [title, row] = formatTable(table, 80, paint)
    expect(row).toBe('\x1b[31mdead\x1b[0m  x')
    expect(title).toBe('\x1b[1mA   \x1b[0m  \x1b[1mB\x1b[0m')
  })
})

describe('painter', () => {
  it('writes no escape code where there are no colours', () => {
    const paint = painter({ isTerminal: true, hasColour: false, columns: () => 80 })
    expect(paint('bad', 'dead')).toBe('dead')
  })
})

describe('small words', () => {
  it.each([
    ['2026-03-02T11:58:00Z', '2 min'],
    ['2026-03-02T12:05:00Z', '0 min'],
    ['2026-03-02T10:01:00Z', '119 min'],
    ['2026-03-02T09:30:00Z', '3 h'],
    ['2026-02-28T12:30:00Z', '2 days'],
    ['2026-01-01T12:00:00Z', '60 days'],
  ])('%s was %s before noon of 2 March', (from, age) => {
    expect(formatAge(new Date(from), new Date('2026-03-02T12:00:00Z'))).toBe(age)
  })

  it('writes times in UTC, as the names of archives do', () => {
    expect(formatUtc(new Date('2026-03-02T01:02:03.900Z'))).toBe('2026-03-02 01:02:03')
  })

  it('groups digits in sentences', () => {
    expect([1, 999, 1_000, 1_234_567].map(formatCount)).toEqual(['1', '999', '1 000', '1 234 567'])
    expect([plural(1, 'copy', 'copies'), plural(2, 'copy', 'copies')]).toEqual([
      '1 copy',
      '2 copies',
    ])
  })

  it('draws no bar longer than its frame', () => {
    expect([-1, 0, 0.5, 1, 7].map((share) => bar(share, 4))).toEqual([
      '[----]',
      '[----]',
      '[##--]',
      '[####]',
      '[####]',
    ])
  })
})
