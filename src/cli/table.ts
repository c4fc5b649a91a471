// Tables for people: aligned, numbers to the right, no blanks at the end of a line.
//
// On a terminal the columns that may shrink give way until a row fits; in a pipe nothing is cut,
// because `grep` and `awk` want whole names.

import { cut, oneLine, padEnd, padStart, widthOf } from './text.ts'
import type { Style } from './output.ts'

export type Column = {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** May be cut to this many columns when the terminal is narrow. Others are never cut. */
  readonly widthMin?: number
}

export type Cell = string | { readonly text: string; readonly style: Style }

export type Table = {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
}

const GAP = '  '

/** Lines without line ends. `columnsMax` undefined: as wide as it gets. */
export function formatTable(
  { columns, rows }: Table,
  columnsMax: number | undefined,
  paint: (style: Style, text: string) => string,
): readonly string[] {
  const titles = columns.map(({ title }): Cell => ({ text: title, style: 'heading' }))
  const lines = [titles, ...rows.map((row) => row.map(harmless))]
  const widths = columns.map((_, at) =>
    lines.reduce((widest, row) => Math.max(widest, widthOf(textOf(row[at]))), 0),
  )
  if (columnsMax !== undefined) shrink(widths, columns, columnsMax)
  return lines.map((row) => formatRow(row, columns, widths, paint))
}

function formatRow(
  row: readonly Cell[],
  columns: readonly Column[],
  widths: readonly number[],
  paint: (style: Style, text: string) => string,
): string {
  // Blanks at the end are never written: they would wrap on a terminal and show up in a diff.
  const filled = row.findLastIndex((cell) => textOf(cell) !== '')
  return row
    .slice(0, filled + 1)
    .map((cell, at) => {
      const width = widths[at] ?? 0
      const text = cut(textOf(cell), width)
      const padded =
        columns[at]?.align === 'right'
          ? padStart(text, width)
          : at === filled
            ? text
            : padEnd(text, width)
      return typeof cell === 'string' ? padded : paint(cell.style, padded)
    })
    .join(GAP)
}

/** Takes from the widest column that may shrink, one by one, until the row fits or none is left. */
function shrink(widths: number[], columns: readonly Column[], columnsMax: number): void {
  const gaps = GAP.length * (columns.length - 1)
  const tooWide = () => widths.reduce((sum, width) => sum + width, gaps) - columnsMax
  while (tooWide() > 0) {
    let widest = -1
    for (const [at, { widthMin }] of columns.entries()) {
      const width = widths[at] ?? 0
      if (widthMin !== undefined && width > widthMin && width > (widths[widest] ?? 0)) widest = at
    }
    if (widest < 0) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}

function textOf(cell: Cell | undefined): string {
  return cell === undefined ? '' : typeof cell === 'string' ? cell : cell.text
}

function harmless(cell: Cell): Cell {
  return typeof cell === 'string' ? oneLine(cell) : { ...cell, text: oneLine(cell.text) }
}
